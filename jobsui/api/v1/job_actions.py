"""Actions on a job: launch, pause, resume, cancel, stop waiting, retry, continue,
resolve."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from ninja import Router

from jobsui.access import limits, lookup
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.api import idempotency
from jobsui.api.auth import RUN, ApiRequest
from jobsui.api.problems import named_in_body
from jobsui.api.v1 import job_out
from jobsui.api.v1.job_in import ContinueIn, LaunchIn, ResolveIn, RetryIn
from jobsui.api.v1.job_out import JobOut
from jobsui.api.v1.types import Code, responses
from jobsui.jobs.control import (
    actions,
    automation,
    comparisons,
    retries,
    uncertain_rows,
    undo,
)
from jobsui.jobs.enums import JobState, ParentRows
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import checker

router = Router(auth=RUN)


@router.post(
    "/{uuid:id}/launch",
    operation_id="launch_job",
    summary="Launch a job",
    response=responses(200, JobOut, 400, 404, 409, 413, 503),
)
def launch(request: ApiRequest, code: Code, body: LaunchIn | None = None) -> Any:
    """Launches a job that is ready. A job that is still being read, checked or compared is
    launched as soon as it is ready, and so is an undo whose records are being read. A job
    that was compared sends only what differs. If the job needs approval, this asks for it, and
    the job is launched once another person has approved it: see its `approval`."""
    limits.count(request.auth, Limited.LAUNCH)
    job = lookup.draft_or_job(request.auth, code, Act.RUN)
    chosen = body or LaunchIn()
    run_settings = chosen.run_settings.apply(job.run_settings)
    hold_after_first_batch = chosen.hold_after_first_batch
    if hold_after_first_batch is None:
        hold_after_first_batch = job.hold_after_first_batch
    is_undo = job.parent_rows == ParentRows.UNDONE
    read = undo.current(job) if is_undo else comparisons.current(job)
    is_read_now = read is not None and read.is_open
    if job.state == JobState.READY and not is_read_now:
        automation.launch_or_ask(
            job,
            by=request.auth.user,
            hold_after_first_batch=hold_after_first_batch,
            run_settings=run_settings,
        )
    else:
        automation.set_auto_target(
            job,
            JobState.QUEUED,
            hold_after_first_batch=hold_after_first_batch,
            run_settings=run_settings,
        )
    return job_out.current(request, code)


@router.post(
    "/{uuid:id}/pause",
    operation_id="pause_job",
    summary="Pause a job",
    response=responses(200, JobOut, 404, 409),
)
def pause(request: ApiRequest, code: Code) -> Any:
    """Sends no further batches. Batches in flight will finish."""
    return _act(request, code, actions.pause)


@router.post(
    "/{uuid:id}/resume",
    operation_id="resume_job",
    summary="Resume a job",
    response=responses(200, JobOut, 404, 409),
)
def resume(request: ApiRequest, code: Code) -> Any:
    """Also approves the first batch of a job with `hold_after_first_batch`."""
    return _act(request, code, actions.resume)


@router.post(
    "/{uuid:id}/cancel",
    operation_id="cancel_job",
    summary="Cancel a job",
    response=responses(200, JobOut, 404, 409),
)
def cancel(request: ApiRequest, code: Code) -> Any:
    """Sends no further batches. Records that were sent stay in Zendesk. Of a draft that is
    being checked, only the check is cancelled, and the draft stays."""
    return _act(request, code, _cancel)


@router.post(
    "/{uuid:id}/stop-waiting",
    operation_id="stop_waiting",
    summary="Stop waiting for batches in flight",
    response=responses(200, JobOut, 404, 409),
)
def stop_waiting(request: ApiRequest, code: Code) -> Any:
    """For a job that pauses or cancels while batches are in flight, or that runs with
    batches that cannot be confirmed. The rows of these batches become uncertain."""
    return _act(request, code, uncertain_rows.stop_waiting)


@router.post(
    "/{uuid:id}/retry",
    operation_id="retry_job",
    summary="Retry failed rows",
    response=responses(201, JobOut, 400, 404, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def retry(request: ApiRequest, code: Code, body: RetryIn | None = None) -> HttpResponse:
    """Creates a job with the failed rows, or with those of one cause, and checks them
    again. Until that job is launched, another call returns the same job."""
    limits.count(request.auth, Limited.LAUNCH)
    chosen = body or RetryIn()

    def create_retry() -> idempotency.Result:
        job = lookup.job(request.auth, code, Act.RUN)
        cause = None
        if chosen.cause:
            with named_in_body("cause"):
                cause = lookup.cause(request.auth, code, chosen.cause)
        child = retries.create_retry(job, by=request.auth.user, cause=cause)
        if chosen.launch:
            automation.set_auto_target(child, JobState.QUEUED)
        return 201, job_out.current(request, child.code)

    return idempotency.run_once(request, create_retry)


@router.post(
    "/{uuid:id}/continue",
    operation_id="continue_job",
    summary="Create a job from the rows not sent",
    response=responses(201, JobOut, 400, 404, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def continue_unsent(
    request: ApiRequest, code: Code, body: ContinueIn | None = None
) -> HttpResponse:
    """Creates a job with the rows that a cancelled or failed job did not send, and checks
    them again. Until that job is launched, another call returns the same job."""
    limits.count(request.auth, Limited.LAUNCH)
    chosen = body or ContinueIn()

    def create_continuation() -> idempotency.Result:
        job = lookup.job(request.auth, code, Act.RUN)
        child = retries.create_continuation(job, by=request.auth.user)
        if chosen.launch:
            automation.set_auto_target(child, JobState.QUEUED)
        return 201, job_out.current(request, child.code)

    return idempotency.run_once(request, create_continuation)


@router.post(
    "/{uuid:id}/resolve",
    operation_id="resolve_job",
    summary="Resolve uncertain rows",
    response=responses(200, JobOut, 400, 404, 409, 413),
)
def resolve(request: ApiRequest, code: Code, body: ResolveIn) -> Any:
    """For a job in the state `needs_decision`, or a cancelled or failed job with uncertain
    rows, which are not sent again."""
    job = lookup.job(request.auth, code, Act.RUN)
    uncertain_rows.resolve(job, body.uncertain, by=request.auth.user)
    return job_out.current(request, code)


def _cancel(job: Job, *, by: Actor) -> None:
    """Raises NotPossibleNow."""
    if job.state == JobState.CHECKING:
        checker.cancel(job, by=by)
    else:
        actions.cancel(job, by=by)


def _act(request: ApiRequest, code: UUID, act: Callable[..., None]) -> JobOut:
    job = lookup.draft_or_job(request.auth, code, Act.RUN)
    act(job, by=request.auth.user)
    return job_out.current(request, code)
