"""What programs ask of a job."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from ninja import Router

from jobsui.access import lookup
from jobsui.api import idempotency
from jobsui.api.auth import RUN, ApiRequest
from jobsui.api.problems import named_in_body
from jobsui.api.v1 import job_out
from jobsui.api.v1.job_in import LaunchIn, ResolveIn, RetryIn
from jobsui.api.v1.job_out import JobOut
from jobsui.api.v1.types import Code, answers
from jobsui.jobs.control import actions, automation
from jobsui.jobs.enums import JobState

router = Router(auth=RUN)


@router.post(
    "/{uuid:id}/launch",
    operation_id="launch_job",
    summary="Launch a job",
    response=answers(200, JobOut, 400, 404, 409, 413, 503),
)
def launch(request: ApiRequest, code: Code, body: LaunchIn | None = None) -> Any:
    """A job that is ready goes at once; one that is still being read or checked goes as
    soon as it is ready."""
    job = lookup.draft_or_job(request.auth, code)
    wanted = body or LaunchIn()
    hold_after_first_batch = (
        job.hold_after_first_batch
        if wanted.hold_after_first_batch is None
        else wanted.hold_after_first_batch
    )
    rules = wanted.rules.on(job.run_settings)
    if job.state == JobState.READY:
        actions.launch(
            job,
            by=request.auth.user,
            hold_after_first_batch=hold_after_first_batch,
            run_settings=rules,
        )
    else:
        automation.aim(
            job,
            JobState.QUEUED,
            hold_after_first_batch=hold_after_first_batch,
            run_settings=rules,
        )
    return job_out.found(request, code)


@router.post(
    "/{uuid:id}/pause",
    operation_id="pause_job",
    summary="Pause a job",
    response=answers(200, JobOut, 404, 409),
)
def pause(request: ApiRequest, code: Code) -> Any:
    """Nothing more is sent; what is in flight is followed to its end."""
    return _asked(request, code, actions.pause)


@router.post(
    "/{uuid:id}/resume",
    operation_id="resume_job",
    summary="Resume a job",
    response=answers(200, JobOut, 404, 409),
)
def resume(request: ApiRequest, code: Code) -> Any:
    """Also approves of a first batch that was sent alone."""
    return _asked(request, code, actions.resume)


@router.post(
    "/{uuid:id}/cancel",
    operation_id="cancel_job",
    summary="Cancel a job",
    response=answers(200, JobOut, 404, 409),
)
def cancel(request: ApiRequest, code: Code) -> Any:
    """Nothing more is sent. Records already sent stay in Zendesk."""
    return _asked(request, code, actions.cancel)


@router.post(
    "/{uuid:id}/retry",
    operation_id="retry_job",
    summary="Retry the rows that failed",
    response=answers(201, JobOut, 400, 404, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def retry(request: ApiRequest, code: Code, body: RetryIn | None = None) -> HttpResponse:
    """A new job of just the rows that failed, all of them or those of one cause,
    checked again first. Asked again before it is launched, the same one."""
    wanted = body or RetryIn()

    def make() -> idempotency.Made:
        job = lookup.job(request.auth, code)
        with named_in_body("cause"):
            cause = (
                lookup.cause(request.auth, code, wanted.cause) if wanted.cause else None
            )
        child = actions.retry(job, by=request.auth.user, cause=cause)
        if wanted.launch:
            automation.aim(child, JobState.QUEUED)
        return 201, job_out.found(request, child.code)

    return idempotency.once(request, make)


@router.post(
    "/{uuid:id}/resolve",
    operation_id="resolve_job",
    summary="Decide about uncertain rows",
    response=answers(200, JobOut, 400, 404, 409, 413),
)
def resolve(request: ApiRequest, code: Code, body: ResolveIn) -> Any:
    """Of a job that needs a decision."""
    actions.resolve(
        lookup.job(request.auth, code), body.uncertain, by=request.auth.user
    )
    return job_out.found(request, code)


def _asked(request: ApiRequest, code: UUID, act: Callable[..., None]) -> JobOut:
    act(lookup.draft_or_job(request.auth, code), by=request.auth.user)
    return job_out.found(request, code)
