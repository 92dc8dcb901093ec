"""New jobs of rows of another job: retries of those that failed, continuations of those
that were not sent."""

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, Q, Sum

from jobsui.jobs import retention
from jobsui.jobs.control import corrections
from jobsui.jobs.enums import EventKind, JobState, Outcome, ParentRows
from jobsui.jobs.errors import MappingRefused, NotPossibleNow
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.models import Batch, Cause, File, Job
from jobsui.jobs.models.record_rows import FIRST_RECORD_ROW
from jobsui.jobs.preparation import checker

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CREATED_EVENTS = {
    ParentRows.FAILED: EventKind.RETRY_CREATED,
    ParentRows.UNSENT: EventKind.CONTINUATION_CREATED,
}


def create_retry(job: Job, *, by: "User | None", cause: Cause | None = None) -> Job:
    """A new job of the failed rows that no launched retry has, or of those of one
    cause. Its check is started. While it is a draft, the same one is returned again.
    Raises NotPossibleNow."""
    with transaction.atomic():
        _lock(job)
        _require_rows(job)
        rows = retriable_rows(job, cause)
        if not rows:
            raise NotPossibleNow(
                "There is nothing to retry: the job has not finished, has no failed rows, "
                "or other retries already contain them."
            )
        drafts = job.retries.drafts().with_failed_rows().filter(cause=cause)
        if existing := drafts.first():
            return existing
        retry = _create_child(job, ParentRows.FAILED, rows, by=by, cause=cause)
    _start_check(retry, by)
    return retry


def create_continuation(job: Job, *, by: "User | None") -> Job:
    """A new job of the rows that a cancelled or failed job did not send. Its check is
    started. While it is a draft, the same one is returned again. Raises
    NotPossibleNow."""
    with transaction.atomic():
        _lock(job)
        _require_rows(job)
        rows = unsent_rows(job)
        if not rows:
            raise NotPossibleNow(
                "This job has no unsent rows, or another job already contains them."
            )
        drafts = job.retries.drafts().filter(parent_rows=ParentRows.UNSENT)
        if existing := drafts.first():
            return existing
        continuation = _create_child(job, ParentRows.UNSENT, rows, by=by)
    _start_check(continuation, by)
    return continuation


def rows_left_for(child: Job) -> int:
    """How many of the parent's rows a draft of this kind could send."""
    if child.parent is None:
        return 0
    if child.parent_rows == ParentRows.UNSENT:
        return unsent_rows(child.parent)
    return retriable_rows(child.parent, child.cause)


def unsent_rows(job: Job) -> int:
    """How many rows the job did not send because it was cancelled or failed; 0 when a
    launched continuation has them, or when the rows were deleted."""
    if not _may_send_again(job) or not job.cancelled:
        return 0
    if job.state == JobState.COMPLETED:
        # A comparison or a person has left them out.
        return 0
    launched = job.retries.launched().filter(parent_rows=ParentRows.UNSENT)
    return 0 if launched.exists() else job.cancelled - _records_not_deleted(job)


def _records_not_deleted(job: Job) -> int:
    """Of the records that only the account has. They are no rows that could be sent again:
    another comparison finds them."""
    if not job.records_to_delete:
        return 0
    batches = Batch.objects.filter(job=job, first_row__gte=FIRST_RECORD_ROW)
    counts = Sum("succeeded") + Sum("failed") + Sum("uncertain")
    return job.records_to_delete - (batches.aggregate(rows=counts)["rows"] or 0)


def retriable_rows(job: Job, cause: Cause | None = None) -> int:
    """How many failed rows, of this cause or in total, no launched retry has. What a
    retry has sent is retried from there. 0 before the job has finished, and when the
    rows were deleted."""
    if cause is not None:
        return retriable_causes(job).get(cause.pk, 0)
    if not _may_send_again(job) or not job.failed:
        return 0
    launched = job.retries.launched().with_failed_rows()
    retried = launched.aggregate(
        rows=Sum("rows"), of_all=Count("pk", filter=Q(cause=None))
    )
    if retried["of_all"]:
        # Rows that failed since, when uncertain ones were checked again, cannot be told
        # from those that it has.
        return 0
    return job.failed - (retried["rows"] or 0) - sum(_failed_records(job).values())


def retriable_causes(job: Job) -> dict[int, int]:
    """{id of a cause that no launched retry has: its failed rows}."""
    if not _may_send_again(job) or not job.failed:
        return {}
    launched = job.retries.launched().with_failed_rows()
    if launched.filter(cause=None).exists():
        return {}
    failed = Cause.objects.filter(job=job, phase=Cause.Phase.SEND).failed()
    counts = dict(failed.exclude(retries__in=launched).values_list("pk", "count"))
    records = _failed_records(job)
    rows = {cause: number - records.get(cause, 0) for cause, number in counts.items()}
    return {cause: number for cause, number in rows.items() if number}


def _failed_records(job: Job) -> dict[int, int]:
    """{id of a cause: how many records, no rows of the file, could not be deleted}."""
    if not job.records_to_delete:
        return {}
    failed = job.row_errors.filter(
        outcome=Outcome.FAILED, row__gte=FIRST_RECORD_ROW
    ).order_by()
    return dict(
        failed.values("cause").annotate(rows=Count("pk")).values_list("cause", "rows")
    )


def _may_send_again(job: Job) -> bool:
    """The rows of an undo come from no file: undoing its parent again takes those left."""
    is_undo = job.parent_rows == ParentRows.UNDONE
    return job.is_over and not is_undo and not retention.rows_notice(job)


def _lock(job: Job) -> None:
    """Of two calls at the same time, the second one then finds the draft of the first
    one. The rows are not deleted while the transaction lasts."""
    locked = Job.objects.select_for_update().get(pk=job.pk)
    job.results_pruned_at = locked.results_pruned_at


def _require_rows(job: Job) -> None:
    """Raise NotPossibleNow if the retention settings have deleted the job's rows."""
    # Locked, because its content may be deleted at this moment.
    job.file = File.objects.select_for_update().get(pk=job.file_id)
    if deleted := retention.rows_notice(job):
        raise NotPossibleNow(f"The rows of this job cannot be sent again. {deleted}")


def _create_child(
    job: Job,
    parent_rows: ParentRows,
    rows: int,
    *,
    by: "User | None",
    cause: Cause | None = None,
) -> Job:
    child = Job.objects.create(
        connection=job.connection,
        object_key=job.object_key,
        action=job.action,
        file=job.file,
        parent=job,
        parent_rows=parent_rows,
        cause=cause,
        mapping=job.mapping,
        rules=job.rules,
        saved_mapping=job.saved_mapping,
        # The records that only the account has are no rows of the file.
        options=job.options | {"match": None},
        rows=rows,
        created_by=by,
        **job.run_settings.columns,
    )
    corrections.copy(job, child)
    facts = {"rows": rows, "job": str(child.code)}
    lifecycle.record(job, CREATED_EVENTS[parent_rows], by=by, facts=facts)
    return child


def _start_check(job: Job, by: "User | None") -> None:
    try:
        checker.start(job, by=by)
    except MappingRefused as refusal:
        Job.objects.change(job, expected=(JobState.DRAFT,), reason=str(refusal))
