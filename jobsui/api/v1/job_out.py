"""The job in responses."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.urls import reverse
from pydantic import Field

from jobsui.access import lookup
from jobsui.api.auth import ApiRequest
from jobsui.api.schema import Schema
from jobsui.api.v1 import file_warnings
from jobsui.api.v1.file_warnings import JobWarningOut
from jobsui.jobs.control import approvals, comparisons, proofs
from jobsui.jobs.enums import Action, ApprovalState, JobState, LimitedBy, ParentRows
from jobsui.jobs.models import Approval, Job
from jobsui.jobs.reports import (
    api_warnings,
    check_warnings,
    job_progress,
    shared_records,
)
from jobsui.jobs.reports.api_warnings import JobWarnings
from jobsui.jobs.reports.check_warnings import CheckWarning
from jobsui.jobs.reports.shared_records import SharedRecords

LIMITS = [limit.value for limit in LimitedBy if limit.value]


class Counts(Schema):
    """Rows by outcome. Once the job is over, the outcomes add up to `rows`."""

    rows: int
    pending: int
    created: int
    updated: int
    created_or_updated: int
    deleted: int
    unchanged: int
    invalid: int
    failed: int
    uncertain: int
    cancelled: int


class BatchCounts(Schema):
    total: int
    waiting: int
    in_flight: int
    done: int


class JobPrunedOut(Schema):
    """When the retention settings deleted parts of the job; null: they are kept."""

    undo: datetime | None
    """Old values of records. Changes and deletions cannot be undone without them."""
    bodies: datetime | None
    """Requests and responses."""
    attempts: datetime | None
    results: datetime | None
    """Row results. `counts` stay."""
    file: datetime | None


class WaitsFor(Schema):
    job: UUID
    rows: int | None
    """How many rows change the same records. Null if unknown, because the two jobs
    identify their records by different keys."""


class ApiWarningOut(Schema):
    member: str | None
    """The member of the rows that Zendesk left out. Null for another warning."""
    message: str | None
    """The warning, if it is not about a member that was left out."""
    requests: int
    """How many requests had it."""


class ApprovalOut(Schema):
    """Of a job that another person has to approve before its launch."""

    state: ApprovalState
    reasons: list[str]
    """Why the job needs approval."""
    note: str
    """Of the person or program that asked."""
    requested_by: str | None
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    comment: str
    """Of the person who decided."""


class JobOut(Schema):
    id: UUID
    url: str
    """Address of the job's page."""
    state: JobState
    connection: UUID
    object: str
    action: Action
    file: UUID
    parent: UUID | None
    """The job whose failed or unsent rows this job sends, or which it undoes."""
    saved_mapping: int | None
    """ID of the saved mapping it was mapped with."""
    comparison: str | None
    """Address of its comparison with the records in Zendesk. Null if its rows were not
    compared."""
    undo_plan: str | None
    """Address of what this job puts back. Null if it undoes no other job."""
    proof: str | None
    """Address of the proof that it has landed. Null if it was not proved."""
    created_by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    """Why the job stopped or failed, and what to do. Null while it continues by
    itself."""
    approval: ApprovalOut | None
    """The last one that was asked for. Null if none was."""
    counts: Counts
    batches: BatchCounts
    warnings: list[JobWarningOut]
    """What Jobs UI found in the file, and what its check found out about the rows in
    Zendesk, that a person should know."""
    api_warnings: list[ApiWarningOut]
    """What Zendesk warned about in its responses, the most frequent first. At most 20 are
    kept."""
    temporary_failures: int
    """How often rows failed for a temporary reason, such as a deadlock. They are sent
    again, and `counts` has their final results."""
    records_per_second: float | None
    """Over the last minute. Null if the job is not running or the rate is unknown."""
    eta_seconds: int | None
    waits_for: list[WaitsFor]
    """Earlier jobs that are still open and change the same records. Rows with these
    records are sent after the rows of that job."""
    limited_by: Annotated[str, Field(json_schema_extra={"enum": LIMITS})] | None
    """What limits the speed of the job now; null if nothing does."""
    continues_at: datetime | None
    """When the job sends requests again, because Zendesk asked Jobs UI to wait. Null if
    it does not wait."""
    pruned: JobPrunedOut


def current(request: ApiRequest, code: UUID) -> JobOut:
    """The job as it is now. Raises Http404."""
    job = lookup.draft_or_job(request.auth, code)
    return serializer(request, [job])(job)


def serializer(request: ApiRequest, jobs: Sequence[Job]) -> Callable[[Job], JobOut]:
    """A function that serializes any of `jobs`. Batches in flight are counted for all
    of them by one query."""
    in_flight = job_progress.in_flight(jobs)
    waits_for = shared_records.waits_for(jobs)
    warnings = api_warnings.of_jobs(jobs)
    foreseen = check_warnings.of_jobs(jobs)
    paths = read_paths(jobs)
    asked = approvals.of_jobs(jobs)

    def serialize_one(job: Job) -> JobOut:
        url = request.build_absolute_uri(page_path(job))
        reads = {
            name: request.build_absolute_uri(path)
            for name, path in paths[job.pk].items()
        }
        return serialize(
            job,
            url,
            reads,
            in_flight.get(job.pk, 0),
            waits_for.get(job.pk, []),
            warnings.get(job.pk, JobWarnings()),
            foreseen.get(job.pk, []),
            asked.get(job.pk),
        )

    return serialize_one


def page_path(job: Job) -> str:
    return reverse("jobs:detail", args=[job.code])


def read_paths(jobs: Sequence[Job]) -> dict[int, dict[str, str]]:
    """{id of a job: {"comparison", "undo-plan" or "proof": its path}}."""
    compared = comparisons.compared(jobs)
    proved = proofs.proved(jobs)
    has_one = {
        "comparison": compared,
        "undo-plan": {job.pk for job in jobs if job.parent_rows == ParentRows.UNDONE},
        "proof": proved,
    }
    return {
        job.pk: {
            name: reverse(f"api-v1:{name}", args=[job.code])
            for name, those in has_one.items()
            if job.pk in those
        }
        for job in jobs
    }


def serialize(
    job: Job,
    url: str,
    reads: Mapping[str, str],
    in_flight: int,
    waits_for: Sequence[SharedRecords],
    warnings: JobWarnings,
    foreseen: Sequence[CheckWarning],
    approval: Approval | None,
) -> JobOut:
    """`reads`: {"comparison", "undo-plan" or "proof": its address}."""
    # A draft that waits for Zendesk has a reason, but continues by itself.
    error = None if job.is_in_progress else job.reason or None
    return JobOut(
        id=job.code,
        url=url,
        state=JobState(job.state),
        connection=job.connection.code,
        object=job.object_key,
        action=Action(job.action),
        file=job.file.code,
        parent=job.parent.code if job.parent else None,
        saved_mapping=job.saved_mapping_id,
        comparison=reads.get("comparison"),
        undo_plan=reads.get("undo-plan"),
        proof=reads.get("proof"),
        created_by=job.created_by.username if job.created_by else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        error=error,
        approval=_serialize_approval(approval) if approval else None,
        counts=Counts(**job.counts),
        batches=BatchCounts(
            total=job.batches_total,
            waiting=job_progress.waiting(job, in_flight),
            in_flight=in_flight,
            done=job.batches_done,
        ),
        warnings=file_warnings.serialize_for_job(job.file, foreseen),
        api_warnings=_serialize_warnings(warnings),
        temporary_failures=job.temporary_failures,
        records_per_second=job_progress.records_per_second(job),
        eta_seconds=job_progress.seconds_left(job),
        waits_for=[
            WaitsFor(job=earlier.job.code, rows=earlier.rows) for earlier in waits_for
        ],
        limited_by=job.current_limit.value or None,
        continues_at=job.continues_at,
        pruned=JobPrunedOut(
            undo=job.undo_pruned_at,
            bodies=job.bodies_pruned_at,
            attempts=job.attempts_pruned_at,
            results=job.results_pruned_at,
            file=job.file.content_pruned_at,
        ),
    )


def _serialize_approval(approval: Approval) -> ApprovalOut:
    return ApprovalOut(
        state=ApprovalState(approval.state),
        reasons=approval.reasons,
        note=approval.note,
        requested_by=approval.asked_by.username if approval.asked_by else None,
        requested_at=approval.asked_at,
        decided_by=approval.decided_by.username if approval.decided_by else None,
        decided_at=approval.decided_at,
        comment=approval.comment,
    )


def _serialize_warnings(warnings: JobWarnings) -> list[ApiWarningOut]:
    left_out = [
        ApiWarningOut(member=each.text, message=None, requests=each.requests)
        for each in warnings.left_out
    ]
    others = [
        ApiWarningOut(member=None, message=each.text, requests=each.requests)
        for each in warnings.others
    ]
    return left_out + others
