"""What a result from Zendesk means for its batch.

`decide` is a pure function: it reads a result and returns the Transition of its batch.
transitions.py applies transitions to the database.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from jobsui.jobs.delivery.batch_request import BatchRequest, PostResult
from jobsui.jobs.delivery.finished_batches import BatchFinished
from jobsui.jobs.delivery.reconciliation import Finding, Rest, UnconfirmedBatch
from jobsui.jobs.enums import AttemptResult, BatchState, Outcome
from jobsui.jobs.ledger.settlement import uncertain
from jobsui.jobs.models import Batch, RowResult
from jobsui.text import counted
from jobsui.zendesk.errors import (
    Forbidden,
    NotFound,
    NotSent,
    RateLimited,
    Refused,
    Unauthorized,
    ZendeskError,
)
from jobsui.zendesk.payloads import Response

MAX_REFUSED_READS = 30
"""After this many reconciliations, a refusal makes the rows uncertain: at least a minute
after the first one."""
MAX_FAILED_READS = 120
"""The same for reads that fail in another way: about an hour."""
UNREADABLE = (
    "Zendesk gave no clear response to the request with this row, and its record cannot be "
    "read."
)
REFUSED_READ = "Zendesk refused to show the records of this job:"
INTERRUPTED = "The driver stopped while it was sending this request."
NOT_COMMITTED = "Not sent: the database did not confirm that this was saved."


@dataclass(frozen=True, slots=True)
class StatusLost:
    """Zendesk no longer shows the job status of a batch it had accepted."""

    request: BatchRequest


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """An unconfirmed batch was reconciled (`finding`), or Zendesk could not be read
    (`error`)."""

    unconfirmed: UnconfirmedBatch
    finding: Finding | None = None
    error: ZendeskError | None = None
    next_in: float = field(kw_only=True)
    """Seconds until it is reconciled again, if it has to be."""

    @property
    def request(self) -> BatchRequest:
        return self.unconfirmed.request


@dataclass(frozen=True, slots=True)
class AccessRefused:
    """Zendesk refused the credentials when it was asked about an accepted batch."""

    request: BatchRequest
    error: Refused


@dataclass(frozen=True, slots=True)
class ReadRefused:
    """Zendesk refused to show the records of a batch before it was sent."""

    request: BatchRequest
    error: Refused


DeliveryResult = (
    PostResult
    | BatchFinished
    | StatusLost
    | ReconcileResult
    | AccessRefused
    | ReadRefused
)


@dataclass(frozen=True, slots=True)
class Pause:
    """Jobs to pause: one, those of a connection, or those of one of its objects."""

    reason: str
    job_id: int | None = None
    connection_id: int | None = None
    object_key: str = ""
    """ "" for all objects."""


@dataclass(frozen=True, slots=True)
class Transition:
    """How one batch, its last attempt and its rows change. Fields with None change
    nothing."""

    batch_id: int
    job_id: int
    attempt_id: int
    expected: BatchState | None = None
    """Applied only while the batch is in this state; None: the batch does not change."""
    state: BatchState | None = None
    """The state of the batch while it has open items. Without open items it is
    settled."""
    results: Mapping[int, RowResult] = field(default_factory=dict)
    """By index in the batch."""
    status_id: str | None = None
    job_status_body: Mapping[str, Any] | None = None
    temporary_failures: int = 0
    """How many items failed for a temporary reason."""
    split_size: int | None = None
    """0 removes the limit."""
    reconcile_in: float | None = None
    """Seconds until an unconfirmed batch is reconciled; None: Timing.reconcile_interval."""
    reconcile_count: int | None = None
    attempt_result: AttemptResult | None = None
    attempt_note: str | None = None
    response: Response | None = None
    """The response to the POST, which the attempt keeps."""
    pause: Pause | None = None


def decide(result: DeliveryResult, known_status_ids: Collection[str]) -> Transition:
    """The transition that a result causes. `known_status_ids`: job statuses that belong
    to a batch already, so that no other batch takes them."""
    match result:
        case PostResult():
            return _posted(result, known_status_ids)
        case BatchFinished():
            return _finished(result)
        case StatusLost():
            note = "Zendesk no longer knows its job status."
            return unconfirmed(
                result.request, BatchState.ACCEPTED, AttemptResult.LOST, note
            )
        case ReconcileResult():
            return _reconciled(result, known_status_ids)
        case AccessRefused():
            reason = f"Zendesk refused: {result.error.message}"
            pause = Pause(reason, job_id=result.request.job_id)
            return _transition(result.request, pause=pause)
        case ReadRefused():
            return _read_refused(result.request, result.error)
        case _:
            assert_never(result)


def interrupted(batch: Batch, attempt_id: int) -> Transition:
    """An earlier driver stopped while it was sending the batch."""
    return Transition(
        batch.pk,
        batch.job_id,
        attempt_id,
        expected=BatchState.SENDING,
        state=BatchState.UNCONFIRMED,
        reconcile_count=0,
        attempt_result=AttemptResult.UNCONFIRMED,
        attempt_note=INTERRUPTED,
    )


def not_sent(batch: Batch, attempt_id: int) -> Transition:
    """The batch was claimed by a commit that the driver did not learn of, so it was not
    sent."""
    return Transition(
        batch.pk,
        batch.job_id,
        attempt_id,
        expected=BatchState.SENDING,
        state=BatchState.PLANNED,
        attempt_result=AttemptResult.NOT_SENT,
        attempt_note=NOT_COMMITTED,
    )


def blames_items(error: Refused) -> bool:
    """Whether Zendesk refused a request because of its content, not its sender or its
    time."""
    if isinstance(error, Unauthorized | Forbidden | NotFound):
        return False
    return not error.is_temporary


def unconfirmed(
    request: BatchRequest,
    expected: BatchState,
    attempt_result: AttemptResult,
    note: str,
    **changes: Any,
) -> Transition:
    """The batch may or may not have reached Zendesk: it is reconciled soon."""
    # While it is being sent, it has at most the job status of other items.
    status_id = "" if expected is BatchState.ACCEPTED else None
    return _transition(
        request,
        expected=expected,
        state=BatchState.UNCONFIRMED,
        status_id=status_id,
        reconcile_count=0,
        attempt_result=attempt_result,
        attempt_note=note,
        **changes,
    )


def pause_for(request: BatchRequest, error: Refused) -> Pause:
    """Zendesk refuses the account or the object, so the rows are not at fault."""
    object_key = request.object_key if isinstance(error, NotFound) else ""
    return Pause(
        f"Zendesk refused: {error.message}",
        connection_id=request.connection_id,
        object_key=object_key,
    )


def _transition(request: BatchRequest, **changes: Any) -> Transition:
    return Transition(request.batch_id, request.job_id, request.attempt_id, **changes)


def _posted(posted: PostResult, known_status_ids: Collection[str]) -> Transition:
    request = posted.request
    match posted.error:
        case None if posted.status and posted.status.id not in known_status_ids:
            return _transition(
                request,
                expected=BatchState.SENDING,
                state=BatchState.ACCEPTED,
                status_id=posted.status.id,
                attempt_result=AttemptResult.ACCEPTED,
                attempt_note="",
                response=posted.response,
            )
        case RateLimited():
            return _send_again(posted, AttemptResult.LIMITED)
        case NotSent():
            return _send_again(posted, AttemptResult.NOT_SENT)
        case Refused() as error:
            return _refused(posted, error)
        case _:
            return unconfirmed(
                request,
                BatchState.SENDING,
                AttemptResult.UNCONFIRMED,
                _note(posted),
                response=posted.response,
            )


def _send_again(
    posted: PostResult, attempt_result: AttemptResult, **changes: Any
) -> Transition:
    """Open items of the batch are sent by a later request."""
    return _transition(
        posted.request,
        expected=BatchState.SENDING,
        state=BatchState.PLANNED,
        attempt_result=attempt_result,
        attempt_note=_note(posted),
        response=posted.response,
        **changes,
    )


def _refused(posted: PostResult, error: Refused) -> Transition:
    items = posted.request.items
    if isinstance(error, Unauthorized | Forbidden | NotFound):
        pause = pause_for(posted.request, error)
        return _send_again(posted, AttemptResult.REFUSED, pause=pause)
    if not blames_items(error):
        return _send_again(posted, AttemptResult.REFUSED)
    if len(items) > 1:
        # One of the items causes the refusal. Send half of them next, until that item
        # is alone.
        half = (len(items) + 1) // 2
        return _send_again(posted, AttemptResult.REFUSED, split_size=half)
    index, _ = items[0]
    code = error.code or str(error.status)
    failed = RowResult(Outcome.FAILED, code=code, message=error.message)
    return _send_again(
        posted, AttemptResult.REFUSED, results={index: failed}, split_size=0
    )


def _read_refused(request: BatchRequest, error: Refused) -> Transition:
    """As of a refused request: the batch has not been sent and waits as before."""
    if not blames_items(error):
        reason = f"{REFUSED_READ} {error.message}"
        return _transition(request, pause=Pause(reason, job_id=request.job_id))
    changes: dict[str, Any] = {"split_size": (len(request.items) + 1) // 2}
    if len(request.items) == 1:
        [(index, _)] = request.items
        code = error.code or str(error.status)
        failed = RowResult(Outcome.FAILED, code=code, message=error.message)
        changes = {"results": {index: failed}, "split_size": 0}
    return _transition(
        request, expected=BatchState.PLANNED, state=BatchState.PLANNED, **changes
    )


def _note(posted: PostResult) -> str:
    return posted.error.message if posted.error else ""


def _finished(finished: BatchFinished) -> Transition:
    request = finished.request
    reported: dict[str, Any] = {
        "results": finished.results,
        "temporary_failures": finished.temporary_failures,
        "job_status_body": finished.status.raw,
    }
    if not finished.is_complete:
        return unconfirmed(
            request,
            BatchState.ACCEPTED,
            AttemptResult.UNCONFIRMED,
            f"Its job ended as {finished.status.status}, but some rows have no result.",
            **reported,
        )
    if finished.send_again:
        items = counted(len(finished.send_again), "row")
        reported["attempt_note"] = f"{items} failed for a temporary reason: sent again."
    # A batch that was split has more items to send.
    return _transition(
        request, expected=BatchState.ACCEPTED, state=BatchState.PLANNED, **reported
    )


def _reconciled(
    result: ReconcileResult, known_status_ids: Collection[str]
) -> Transition:
    finding = result.finding
    if finding is None:
        return _not_reconciled(result, result.error)
    if finding.status_id in known_status_ids:
        # Two batches have the same content, and the job belongs to the other one.
        return _reconcile_again(result, note=finding.note)
    found: dict[str, Any] = {
        "results": finding.results,
        "status_id": finding.status_id or None,
    }
    match finding.rest:
        case Rest.RECONCILE_AGAIN:
            return _reconcile_again(result, note=finding.note, **found)
        case Rest.UNCERTAIN:
            found["results"] = _all_uncertain(result, finding.note) | dict(
                finding.results
            )
        case Rest.SETTLED | Rest.RESEND:
            pass
        case _:
            assert_never(finding.rest)
    # Items without a result, also those of a split batch, are sent by a later request.
    return _transition(
        result.request,
        expected=BatchState.UNCONFIRMED,
        state=BatchState.PLANNED,
        attempt_note=finding.note,
        **found,
    )


def _not_reconciled(result: ReconcileResult, error: ZendeskError | None) -> Transition:
    """Zendesk could not be read. A refusal pauses the batch's own job only: another job
    may have nothing to read, or may be allowed to. Refusals and failures are counted,
    because a job must end even if Zendesk never answers."""
    pause = None
    reason = error.message if error else ""
    most = MAX_FAILED_READS
    if isinstance(error, Refused):
        pause = Pause(f"{REFUSED_READ} {reason}", job_id=result.request.job_id)
        # Without the object there is nothing to wait for.
        most = 0 if isinstance(error, NotFound) else MAX_REFUSED_READS
    if result.unconfirmed.reconcile_count < most:
        return _reconcile_again(result, pause=pause)
    return _transition(
        result.request,
        expected=BatchState.UNCONFIRMED,
        state=BatchState.PLANNED,
        results=_all_uncertain(result, f"{UNREADABLE} {reason}"),
        attempt_note=reason,
        pause=pause,
    )


def _reconcile_again(
    result: ReconcileResult, *, note: str | None = None, **changes: Any
) -> Transition:
    return _transition(
        result.request,
        expected=BatchState.UNCONFIRMED,
        state=BatchState.UNCONFIRMED,
        reconcile_in=result.next_in,
        reconcile_count=result.unconfirmed.reconcile_count + 1,
        attempt_note=note,
        **changes,
    )


def _all_uncertain(result: ReconcileResult, reason: str) -> dict[int, RowResult]:
    indexes = [index for index, _ in result.request.items]
    return dict.fromkeys(indexes, uncertain(reason))
