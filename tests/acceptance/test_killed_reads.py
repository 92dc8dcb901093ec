"""Comparisons, undos, proofs and matches whose workers are killed again and again continue
where they were: each page is read, no row is sent twice, and the account is as it should
be."""

import sys
from collections import Counter
from typing import Any

import pytest

from jobsui.jobs.control import account_match, actions, comparisons, proofs, undo
from jobsui.jobs.enums import Action, JobState, ListingState, Outcome, ReadState
from jobsui.jobs.mapping.options import Match
from jobsui.jobs.models import AccountListing, Job, RecordRead
from jobsui.jobs.models.record_rows import FIRST_RECORD_ROW
from tests.acceptance.jobs import FINAL_STATES, attempts, state_of
from tests.acceptance.processes import Processes, wait_until
from tests.factories import make_user
from tests.harness import Harness, gadgets

ROWS = 2400
CHANGED = range(0, ROWS, 2)
LISTED = 1200
KEPT = 800
"""How many of the listed records are in the file of the match."""
LATENCY_MS = 500
"""With it, four threads read eight pages between two commits of a reader."""

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]


@pytest.fixture
def harness(harness: Harness) -> Harness:
    make_user()  # Without users each start prints a first-run token.
    harness.object()
    return harness


def test_killed_compare_undo_and_proof_continue(
    harness: Harness, processes: Processes
) -> None:
    processes.worker("work")
    finish(harness, processes, harness.checked(gadgets(ROWS), Action.CREATE))
    before = contents(harness)

    job = harness.checked(changed_rows(), Action.UPSERT_BY_EXTERNAL_ID)
    compared = comparisons.start(job, by=None)
    read(harness, processes, compared, kills=2)
    assert compared.counts == {"change": len(CHANGED), "same": ROWS - len(CHANGED)}
    finish(harness, processes, job)
    assert outcomes(job) == {
        "updated": len(CHANGED),
        "unchanged": ROWS - len(CHANGED),
    }

    proof = proofs.start(job, by=None)
    read(harness, processes, proof, kills=1)
    assert proof.counts == {"exact": ROWS}

    undone = undo.create(job, by=None)
    what_it_undoes = undo.current(undone)
    assert what_it_undoes
    read(harness, processes, what_it_undoes, kills=1)
    finish(harness, processes, undone, kills=1)
    assert outcomes(undone) == {"updated": len(CHANGED)}
    assert contents(harness) == before
    assert Counter(harness.sandbox.applied("gadget").values()) == {
        1: ROWS - len(CHANGED),
        3: len(CHANGED),
    }


def test_killed_match_continues(harness: Harness, processes: Processes) -> None:
    processes.worker("work")
    harness.sandbox.add_records("gadget", list(map(record, gadgets(LISTED))))
    job = harness.checked(gadgets(KEPT), Action.UPSERT_BY_EXTERNAL_ID)
    account_match.choose(
        job, Match(only_in_account="delete", max_percent=100.0), by=None
    )

    compared = comparisons.start(job, by=None)
    harness.sandbox.settings(latency_ms=LATENCY_MS)
    # All of them are in the export, too: two pages.
    harness.sandbox.edit_records("gadget", list(map(painted, gadgets(LISTED))), age=0)
    kill_in(processes, compared, ListingState.LISTING, "list_cursor")
    kill_in(processes, compared, ListingState.CATCHING_UP, "export_cursor")
    read(harness, processes, compared, kills=1)
    assert compared.counts == {"same": KEPT, "delete": LISTED - KEPT}
    assert rows_of_records(compared) == LISTED - KEPT

    edited = record(gadgets(1, LISTED)[0]) | {"name": "Edited"}
    harness.sandbox.edit_records("gadget", [edited], age=-60)
    finish(harness, processes, job, kills=1)
    assert outcomes(job) == {
        "deleted": LISTED - KEPT - 1,
        "unchanged": KEPT,
        "failed": 1,
    }
    assert set(harness.records()) == {row["external_id"] for row in gadgets(KEPT)} | {
        edited["external_id"]
    }


def record(row: dict[str, Any]) -> dict[str, Any]:
    """What the account holds of a row."""
    fields = {"serial": row["serial"], "price": float(row["price"])}
    return {
        "name": row["name"],
        "external_id": row["external_id"],
        "custom_object_fields": fields,
    }


def painted(row: dict[str, Any]) -> dict[str, Any]:
    """A change of a field that no file names."""
    return {
        "external_id": row["external_id"],
        "custom_object_fields": {"notes": "Painted"},
    }


def rows_of_records(found: RecordRead) -> int:
    """How many records only the account has, each of them once."""
    pages = found.pages.filter(first_row__gte=FIRST_RECORD_ROW).order_by("seq")
    rows = [row for page in pages for row in range(page.first_row, page.last_row + 1)]
    assert rows == list(range(FIRST_RECORD_ROW, FIRST_RECORD_ROW + len(rows)))
    return len(rows)


def kill_in(
    processes: Processes, found: RecordRead, state: ListingState, cursor: str
) -> None:
    """Kill a reader of a match in this part of its list, between two pages."""
    reader = processes.worker()
    part = AccountListing.objects.filter(read=found, state=state)
    wait_until(part.exclude(**{cursor: ""}).exists, f"a page while {state}")
    processes.kill(reader)
    assert pages_read(found) == 0


def changed_rows() -> list[dict[str, Any]]:
    rows = gadgets(ROWS)
    for number in CHANGED:
        rows[number]["price"] = "99999"
    return rows


def contents(harness: Harness) -> dict[str, Any]:
    return {
        key: (record["name"], record["custom_object_fields"])
        for key, record in harness.records().items()
    }


def outcomes(job: Job) -> dict[str, int]:
    return {
        outcome: count for outcome in Outcome if (count := job.count(Outcome(outcome)))
    }


def read(
    harness: Harness, processes: Processes, found: RecordRead, *, kills: int
) -> None:
    """Let workers do a read. Each but the last is killed after its first commit."""
    harness.sandbox.settings(latency_ms=LATENCY_MS)
    for _ in range(kills):
        done = pages_read(found)
        reader = processes.worker()
        wait_until(lambda: pages_read(found) > done, "a page that is read")  # noqa: B023
        processes.kill(reader)
        assert pages_read(found) < found.pages.count()
    reader = processes.worker()
    wait_until(lambda: state_of_read(found) == ReadState.DONE, "the end of the read")
    processes.kill(reader)
    found.refresh_from_db()


def finish(harness: Harness, processes: Processes, job: Job, *, kills: int = 0) -> None:
    """Launch a job, and kill drivers after their first requests. The last one completes
    it."""
    harness.sandbox.settings(latency_ms=0)
    actions.launch(job, by=None)
    for _ in range(kills):
        driver = processes.worker()
        wait_until(lambda: attempts(job), "a request")
        processes.kill(driver)
    driver = processes.worker()
    wait_until(lambda: state_of(job) in FINAL_STATES, f"the end of {job}")
    wait_until(lambda: is_indexed(job), f"the history of {job}")
    processes.kill(driver)
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED


def pages_read(found: RecordRead) -> int:
    return found.pages.exclude(read_at=None).count()


def state_of_read(found: RecordRead) -> str:
    return RecordRead.objects.values_list("state", flat=True).get(pk=found.pk)


def is_indexed(job: Job) -> bool:
    return Job.objects.filter(pk=job.pk).exclude(indexed_at=None).exists()
