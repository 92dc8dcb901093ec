"""Retries: new jobs of the rows that failed in another one."""

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Sum

from jobsui.jobs.enums import EventKind, JobState
from jobsui.jobs.errors import MappingRefused, NotPossibleNow
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.models import Cause, Job
from jobsui.jobs.preparation import checker

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def create_retry(job: Job, *, by: "User | None", cause: Cause | None = None) -> Job:
    """A new job of the failed rows that no launched retry has, or of those of one
    cause. Its check is started. While it is a draft, the same one is returned again.
    Raises NotPossibleNow."""
    with transaction.atomic():
        # Locked: of two calls at once, the second finds the draft of the first.
        Job.objects.select_for_update().get(pk=job.pk)
        rows = retriable_rows(job, cause)
        if not rows:
            raise NotPossibleNow(
                "Only failed rows of a finished job that no other retry contains can be retried."
            )
        drafts = job.retries.drafts().filter(cause=cause)
        if existing := drafts.first():
            return existing
        retry = Job.objects.create(
            connection=job.connection,
            object_key=job.object_key,
            action=job.action,
            file=job.file,
            parent=job,
            cause=cause,
            mapping=job.mapping,
            options=job.options,
            created_by=by,
            **job.run_settings.columns,
        )
        facts = {"rows": rows, "job": str(retry.code)}
        lifecycle.record(job, EventKind.RETRY_CREATED, by=by, facts=facts)
    try:
        checker.start(retry, by=by)
    except MappingRefused as refusal:
        Job.objects.change(retry, expected=(JobState.DRAFT,), reason=str(refusal))
    return retry


def retriable_rows(job: Job, cause: Cause | None = None) -> int:
    """How many failed rows, of this cause or in total, no launched retry has. What a
    retry has sent is retried from there. 0 before the job has finished."""
    if cause is not None:
        return retriable_causes(job).get(cause.pk, 0)
    if not job.is_over or not job.failed:
        return 0
    retried: int | None = job.retries.launched().aggregate(rows=Sum("rows"))["rows"]
    return job.failed - (retried or 0)


def retriable_causes(job: Job) -> dict[int, int]:
    """{id of a cause that no launched retry has: its failed rows}."""
    if not job.is_over or not job.failed:
        return {}
    launched = job.retries.launched()
    if launched.filter(cause=None).exists():
        return {}
    failed = Cause.objects.filter(job=job, phase=Cause.Phase.SEND).failed()
    return dict(failed.exclude(retries__in=launched).values_list("pk", "count"))
