"""What a result from Zendesk means for its batch, decided without a database."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jobsui.jobs.delivery.batch_request import BatchRequest, PostResult
from jobsui.jobs.delivery.decision import (
    MAX_FAILED_READS,
    MAX_REFUSED_READS,
    UNREADABLE,
    AccessRefused,
    Pause,
    ReconcileResult,
    StatusLost,
    Transition,
    decide,
)
from jobsui.jobs.delivery.finished_batches import BatchFinished
from jobsui.jobs.delivery.reconciliation import Finding, Rest, UnconfirmedBatch
from jobsui.jobs.enums import Action, AttemptResult, BatchState, Outcome
from jobsui.jobs.models import RowResult
from jobsui.zendesk.client import Client
from jobsui.zendesk.custom_objects import read_job_status
from jobsui.zendesk.errors import (
    Forbidden,
    NotFound,
    NotSent,
    RateLimited,
    Refused,
    Unauthorized,
    Unconfirmed,
    ZendeskError,
)

SENDING = BatchState.SENDING
ACCEPTED = BatchState.ACCEPTED
PLANNED = BatchState.PLANNED
UNCONFIRMED = BatchState.UNCONFIRMED
CREATED = RowResult(Outcome.CREATED, "r0")


def request(size: int = 2) -> BatchRequest:
    items = [
        (index, json.dumps({"name": f"n{index}"}).encode()) for index in range(size)
    ]
    return BatchRequest(
        batch_id=7,
        job_id=3,
        attempt_id=11,
        action=Action.CREATE,
        object_key="asset",
        client=Client("http://127.0.0.1:9", None),
        connection_id=5,
        items=tuple(items),
        is_part=False,
        first_sent_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def transition(**changes: Any) -> Transition:
    """Of the batch of `request`."""
    return Transition(7, 3, 11, **changes)


def posted(error: ZendeskError | None = None, size: int = 2) -> PostResult:
    status = None if error else read_job_status({"id": "V3-1", "status": "queued"})
    return PostResult(request(size), status=status, error=error, at=1.0)


def reconciled(
    finding: Finding | None = None,
    error: ZendeskError | None = None,
    reconcile_count: int = 2,
) -> ReconcileResult:
    unconfirmed = UnconfirmedBatch(
        request(),
        reconcile_count=reconcile_count,
        unconfirmed_attempts=1,
        waited=0.0,
        quiet_time=10.0,
        known_status_ids=lambda _: set(),
    )
    return ReconcileResult(unconfirmed, finding, error, next_in=4.0)


def test_accepted_batch_gets_its_job_status() -> None:
    assert decide(posted(), set()) == transition(
        expected=SENDING,
        state=ACCEPTED,
        status_id="V3-1",
        attempt_result=AttemptResult.ACCEPTED,
        attempt_note="",
    )


def test_job_status_of_another_batch_confirms_nothing() -> None:
    assert decide(posted(), {"V3-1"}) == transition(
        expected=SENDING,
        state=UNCONFIRMED,
        reconcile_count=0,
        attempt_result=AttemptResult.UNCONFIRMED,
        attempt_note="",
    )


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (RateLimited("Slow down.", retry_after=3.0), AttemptResult.LIMITED),
        (NotSent("No connection."), AttemptResult.NOT_SENT),
        (Refused("Busy.", status=409), AttemptResult.REFUSED),
    ],
)
def test_request_that_changed_nothing_is_sent_again(
    error: ZendeskError, result: AttemptResult
) -> None:
    assert decide(posted(error), set()) == transition(
        expected=SENDING,
        state=PLANNED,
        attempt_result=result,
        attempt_note=error.message,
    )


def test_request_without_a_clear_answer_is_unconfirmed() -> None:
    assert decide(posted(Unconfirmed("Timed out.")), set()) == transition(
        expected=SENDING,
        state=UNCONFIRMED,
        reconcile_count=0,
        attempt_result=AttemptResult.UNCONFIRMED,
        attempt_note="Timed out.",
    )


@pytest.mark.parametrize(
    ("error", "object_key"),
    [
        (Unauthorized("Wrong secret.", status=401), ""),
        (Forbidden("No access.", status=403), ""),
        (NotFound("No such object.", status=404), "asset"),
    ],
)
def test_refused_access_pauses_the_jobs_concerned(
    error: Refused, object_key: str
) -> None:
    reason = f"Zendesk refused: {error.message}"
    pause = Pause(reason, connection_id=5, object_key=object_key)

    decided = decide(posted(error), set())

    assert (decided.state, decided.pause) == (PLANNED, pause)


@pytest.mark.parametrize(("size", "half"), [(2, 1), (3, 2), (100, 50)])
def test_refused_batch_is_split(size: int, half: int) -> None:
    decided = decide(posted(Refused("Bad item.", status=422), size), set())

    assert (decided.state, decided.split_size) == (PLANNED, half)
    assert decided.results == {}


def test_refused_single_item_fails() -> None:
    error = Refused("Bad item.", status=422, code="RecordInvalid")

    decided = decide(posted(error, size=1), set())

    failed = RowResult(Outcome.FAILED, code="RecordInvalid", message="Bad item.")
    assert decided.results == {0: failed}
    assert (decided.state, decided.split_size) == (PLANNED, 0)


def test_finished_batch_gets_the_results_of_its_rows() -> None:
    status = read_job_status({"id": "V3-1", "status": "completed"})
    results = {0: CREATED, 1: CREATED}

    assert decide(BatchFinished(request(), status, results), set()) == transition(
        expected=ACCEPTED,
        state=PLANNED,
        results=results,
        job_status_body=status.raw,
    )


def test_finished_batch_with_a_missing_result_is_unconfirmed() -> None:
    status = read_job_status({"id": "V3-1", "status": "failed"})

    assert decide(BatchFinished(request(), status, {0: CREATED}), set()) == transition(
        expected=ACCEPTED,
        state=UNCONFIRMED,
        results={0: CREATED},
        job_status_body=status.raw,
        status_id="",
        reconcile_count=0,
        attempt_result=AttemptResult.UNCONFIRMED,
        attempt_note="Its job ended as failed, but some rows have no result.",
    )


def test_lost_job_status_makes_the_batch_unconfirmed() -> None:
    assert decide(StatusLost(request()), set()) == transition(
        expected=ACCEPTED,
        state=UNCONFIRMED,
        status_id="",
        reconcile_count=0,
        attempt_result=AttemptResult.LOST,
        attempt_note="Zendesk no longer knows its job status.",
    )


@pytest.mark.parametrize("rest", [Rest.SETTLED, Rest.RESEND])
def test_reconciled_batch_sends_what_has_no_result(rest: Rest) -> None:
    finding = Finding({0: CREATED}, rest, "Found.", "V3-9")

    assert decide(reconciled(finding), set()) == transition(
        expected=UNCONFIRMED,
        state=PLANNED,
        results={0: CREATED},
        status_id="V3-9",
        attempt_note="Found.",
    )


def test_uncertain_finding_leaves_the_other_rows_to_a_person() -> None:
    decided = decide(reconciled(Finding({0: CREATED}, Rest.UNCERTAIN, "Why.")), set())

    uncertain = RowResult(Outcome.UNCERTAIN, code="Uncertain", message="Why.")
    assert decided.results == {0: CREATED, 1: uncertain}
    assert decided.state == PLANNED


@pytest.mark.parametrize(
    ("finding", "known"),
    [
        (Finding(rest=Rest.RECONCILE_AGAIN, note="Waiting."), set()),
        (Finding({0: CREATED}, note="Waiting.", status_id="V3-1"), {"V3-1"}),
    ],
)
def test_open_finding_is_reconciled_again(finding: Finding, known: set[str]) -> None:
    assert decide(reconciled(finding), known) == transition(
        expected=UNCONFIRMED,
        state=UNCONFIRMED,
        reconcile_in=4.0,
        reconcile_count=3,
        attempt_note="Waiting.",
    )


def test_unreadable_account_is_read_again_later() -> None:
    assert decide(reconciled(error=Unconfirmed("Timed out.")), set()) == transition(
        expected=UNCONFIRMED,
        state=UNCONFIRMED,
        reconcile_in=4.0,
        reconcile_count=3,
    )


def test_refused_read_pauses_its_own_job_only() -> None:
    decided = decide(reconciled(error=Forbidden("No access.", status=403)), set())

    reason = "Zendesk refused to show the records of this job: No access."
    assert decided.pause == Pause(reason, job_id=3)
    assert decided.state == UNCONFIRMED


@pytest.mark.parametrize(
    ("error", "most"),
    [
        (Forbidden("No access.", status=403), MAX_REFUSED_READS),
        (Unconfirmed("Timed out."), MAX_FAILED_READS),
        (NotFound("No such object.", status=404), 0),
    ],
)
def test_rows_that_cannot_be_read_become_uncertain(
    error: ZendeskError, most: int
) -> None:
    decided = decide(reconciled(error=error, reconcile_count=most), set())

    reason = f"{UNREADABLE} {error.message}"
    uncertain = RowResult(Outcome.UNCERTAIN, code="Uncertain", message=reason)
    assert decided.results == {0: uncertain, 1: uncertain}
    assert decided.state == PLANNED


def test_items_that_failed_for_a_temporary_reason_are_sent_again() -> None:
    status = read_job_status({"id": "V3-1", "status": "completed"})

    decided = decide(
        BatchFinished(request(), status, {0: CREATED}, frozenset({1}), 1), set()
    )

    assert decided.state == PLANNED
    assert decided.results == {0: CREATED}
    assert decided.attempt_note == "1 row failed for a temporary reason: sent again."
    assert decided.temporary_failures == 1


def test_refused_poll_pauses_its_own_job_only() -> None:
    error = Forbidden("No access.", status=403)

    decided = decide(AccessRefused(request(), error), set())

    assert decided.pause == Pause("Zendesk refused: No access.", job_id=3)
    assert decided.state is None
