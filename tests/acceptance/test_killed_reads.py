"""Comparisons, undos and proofs whose workers are killed again and again continue where they
were: each page is read, no row is sent twice, and the account is as it should be."""

import sys
from collections import Counter
from typing import Any

import pytest

from jobsui.jobs.control import actions, comparisons, proofs, undo
from jobsui.jobs.enums import Action, JobState, Outcome, ReadState
from jobsui.jobs.models import Job, RecordRead
from tests.acceptance.jobs import FINAL_STATES, attempts, state_of
from tests.acceptance.processes import Processes, wait_until
from tests.factories import make_user
from tests.harness import Harness, gadgets

ROWS = 2400
CHANGED = range(0, ROWS, 2)
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
