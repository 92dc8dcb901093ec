"""Jobs that change the same records: the job launched later wins."""

import threading

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from jobsui.jobs import sql
from jobsui.jobs.control import actions, pruning, uncertain_rows
from jobsui.jobs.delivery import reconciliation, restore_guard
from jobsui.jobs.enums import (
    Action,
    AttemptResult,
    BatchState,
    Decision,
    JobState,
    LimitedBy,
)
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.ledger import lifecycle, record_order, settlement
from jobsui.jobs.models import Attempt, Batch, Job, Overlap, RecordKeys
from jobsui.jobs.preparation import planner
from jobsui.jobs.reports import event_sentences, shared_records
from jobsui.jobs.reports.shared_records import SharedRecords
from tests.harness import Harness, gadgets
from tests.jobs.driving import drive, priced, running_driver, state_of, wait_until

UPSERT = Action.UPSERT_BY_EXTERNAL_ID
IDS = [{"id": f"{n:026}"} for n in range(3)]


def overlaps() -> list[tuple[int, int, int | None, int, int, int]]:
    return list(
        Overlap.objects.order_by("pk").values_list(
            "earlier", "later", "rows", "first_row", "last_row", "earlier_row"
        )
    )


def sendable(job: Job) -> list[int]:
    """The numbers of the batches that may be sent now."""
    blocked = sql.blocked_rows([job.pk]).get(job.pk, [])
    planned = sql.next_planned(job.pk, 100, blocked, first_only=False)
    return [batch.seq for batch in planned]


def prices(harness: Harness) -> dict[str, int]:
    return {
        key: record["custom_object_fields"]["price"]
        for key, record in harness.records().items()
    }


# What two jobs share


def test_launch_records_the_rows_that_two_jobs_share(harness: Harness) -> None:
    harness.object()
    earlier = harness.planned(gadgets(300), UPSERT)

    later = harness.planned(gadgets(300, first=251), UPSERT)

    # Row 1 is the header.
    assert overlaps() == [(earlier.pk, later.pk, 50, 2, 51, 301)]
    assert shared_records.waits_for([later]) == {later.pk: [SharedRecords(earlier, 50)]}
    latest = event_sentences.latest_events(later)[0]
    assert latest.sentence == (
        "Launched. Rows wait for 1 earlier job with the same records."
    )


def test_a_second_launch_of_a_job_that_waits_for_another_is_refused(
    harness: Harness,
) -> None:
    harness.object()
    harness.planned(gadgets(3), UPSERT)
    job = harness.checked(gadgets(3), UPSERT)
    twin = Job.objects.get(pk=job.pk)
    actions.launch(job, by=None)

    with pytest.raises(NotPossibleNow, match="Someone else has just launched"):
        actions.launch(twin, by=None)

    assert len(overlaps()) == 1


def test_jobs_without_common_records_do_not_overlap(harness: Harness) -> None:
    harness.object()
    harness.planned(gadgets(300), UPSERT)

    harness.planned(gadgets(300, first=301), UPSERT)

    assert overlaps() == []


def test_keys_are_compared_across_parts(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_order, "KEYS_PER_PART", 7)
    harness.object()
    earlier = harness.planned(gadgets(100), UPSERT)

    later = harness.planned(gadgets(100, first=41), UPSERT)

    assert RecordKeys.objects.filter(job=later).count() == 15
    assert overlaps() == [(earlier.pk, later.pk, 60, 2, 61, 101)]


def test_jobs_with_different_keys_may_share_records(harness: Harness) -> None:
    harness.object()
    earlier = harness.planned(gadgets(3), UPSERT)

    later = harness.planned(IDS, Action.DELETE)

    last = record_order.LAST_ROW
    assert overlaps() == [(earlier.pk, later.pk, None, 0, last, last)]


def test_records_that_are_created_have_no_ids_to_share(harness: Harness) -> None:
    harness.object()
    harness.planned(gadgets(3), Action.CREATE)

    harness.planned(IDS, Action.DELETE)

    assert overlaps() == []


def test_jobs_that_are_over_need_no_keys(harness: Harness) -> None:
    harness.object()
    earlier = harness.planned(gadgets(3), UPSERT)
    later = harness.planned(gadgets(3), UPSERT)
    drive(harness, later)

    deleted = dict(pruning.steps())
    newest = harness.planned(gadgets(3), UPSERT)

    assert state_of(earlier) == state_of(later) == JobState.COMPLETED
    assert deleted["overlap"] == 1
    assert deleted["key list"] == 2
    assert overlaps() == []
    assert set(RecordKeys.objects.values_list("job", flat=True)) == {newest.pk}


# Which batches wait


def test_rows_wait_until_the_earlier_job_is_past_its_own(harness: Harness) -> None:
    harness.object()
    earlier = harness.planned(gadgets(400), UPSERT)
    # Its first two batches share rows, the third does not.
    later = harness.planned([*gadgets(200, first=101), *gadgets(100, 900)], UPSERT)
    batches = Batch.objects.filter(job=earlier)
    done = {"state": BatchState.DONE, "done_at": later.created_at}
    unconfirmed = {"state": BatchState.UNCONFIRMED, "done_at": None}

    before = sendable(later)
    batches.filter(seq__lte=2).update(**done)
    two_done = sendable(later)
    batches.filter(seq=3).update(**unconfirmed)
    one_unconfirmed = sendable(later)
    batches.filter(seq=3).update(**done)
    three_done = sendable(later)

    assert before == two_done == one_unconfirmed == [3]
    assert three_done == [1, 2, 3]
    assert state_of(earlier) == JobState.QUEUED


def test_rows_wait_for_rows_that_are_not_planned_yet(harness: Harness) -> None:
    harness.object()
    earlier = harness.checked(gadgets(10), UPSERT)
    actions.launch(earlier, by=None)
    harness.task_queue.clear()

    later = harness.planned(gadgets(10), UPSERT)
    unplanned = sendable(later)
    actions.cancel(earlier, by=None)
    planner.plan(earlier, stopping=threading.Event())

    assert unplanned == []
    assert state_of(earlier) == JobState.CANCELLED
    assert sendable(later) == [1]


def test_a_paused_job_keeps_its_turn(harness: Harness) -> None:
    harness.object()
    earlier = harness.planned(priced(range(50), 1), UPSERT)
    actions.pause(earlier, by=None)

    later = harness.planned(priced(range(40, 60), 2), UPSERT)
    apart = harness.planned(priced(range(90, 99), 3), UPSERT)

    with running_driver(harness):
        wait_until(lambda: state_of(apart) == JobState.COMPLETED)
        wait_until(
            lambda: Job.objects.get(pk=later.pk).limited_by == LimitedBy.KEY_CONFLICT
        )
        sent_before = Attempt.objects.filter(batch__job=later).count()
        earlier.refresh_from_db()
        actions.resume(earlier, by=None)
        wait_until(lambda: state_of(later) == JobState.COMPLETED)

    assert sent_before == 0
    assert state_of(earlier) == JobState.COMPLETED
    found = prices(harness)
    assert [found[f"g-{n}"] for n in (0, 39, 40, 49, 59)] == [1, 1, 2, 2, 2]


def test_rows_checked_again_do_not_overwrite_a_later_job(harness: Harness) -> None:
    harness.object()
    ids = [{"external_id": f"g-{n}"} for n in range(10)]
    earlier = harness.planned(ids, Action.DELETE_BY_EXTERNAL_ID)
    make_uncertain(earlier)
    later = harness.planned(priced(range(10), 2), UPSERT)
    drive(harness, later)

    uncertain_rows.resolve(earlier, Decision.CHECK_AGAIN, by=None)
    drive(harness, earlier)

    assert earlier.state == JobState.NEEDS_DECISION
    assert earlier.uncertain == 10
    assert set(prices(harness).values()) == {2}
    error = earlier.row_errors.first()
    assert error is not None
    assert error.message == reconciliation.OVERTAKEN


def test_resending_rows_names_the_jobs_launched_since(
    harness: Harness, admin_client: Client
) -> None:
    harness.object()
    earlier = harness.planned(priced(range(10), 1), UPSERT)
    make_uncertain(earlier)
    harness.planned(priced(range(5), 2), UPSERT)

    page = admin_client.get(
        reverse("jobs:resolve", args=[earlier.code]), {"decision": "resend"}
    )

    assert "Jobs launched since then change the same records: rows.csv (5 rows)." in (
        page.content.decode()
    )


def test_review_names_the_jobs_that_change_the_same_records(
    harness: Harness, admin_client: Client
) -> None:
    harness.object()
    earlier = harness.planned(priced(range(10), 1), UPSERT, name="fleet.csv")
    actions.pause(earlier, by=None)
    draft = harness.checked(priced(range(5, 20), 2), UPSERT)

    page = admin_client.get(reverse("jobs:review", args=[draft.code]))

    text = " ".join(strip_tags(page.content.decode()).split())
    assert (
        "5 rows of this job change records that fleet.csv (paused) changes too. "
        "They are sent after the rows of that job, once it is resumed or cancelled"
    ) in text


def make_uncertain(job: Job) -> None:
    """No clear response came to the job's only batch."""
    # An account is known to the restore guard before anything is sent to it.
    restore_guard.last_seen(f"account:{job.connection.host}")
    batch = job.batches.get()
    Attempt.objects.create(
        batch=batch,
        number=1,
        epoch=0,
        at=timezone.now(),
        items=batch.size,
        last_item=batch.size - 1,
        result=AttemptResult.UNCONFIRMED,
    )
    unknown = settlement.uncertain("No clear response.")
    counters = settlement.JobCounters()
    settlement.settle(batch, dict.fromkeys(range(batch.size), unknown), counters)
    counters.write()
    lifecycle.finish_if_over(job.pk)
    job.refresh_from_db()
