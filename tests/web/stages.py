"""Jobs at each stage of their life, without Zendesk."""

import threading
from typing import Any

from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.enums import Action, JobState, Outcome
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.models import Batch, Job, RowResult
from jobsui.jobs.preparation import checker, planner
from tests.factories import make_connection, make_job, make_object
from tests.harness import GADGET

UPSERT = Action.UPSERT_BY_EXTERNAL_ID
NOWHERE = "127.0.0.1:1"
"""A host that refuses every connection at once."""
ROWS = "external_id,price\ng-1,1\ng-2,2\ng-3,x\n"
"""Two valid rows and an invalid one."""


def gadget(connection: Connection | None = None) -> CustomObject:
    """The object `gadget` of this connection, or of one to an unreachable host. Created
    where it does not exist."""
    owner = connection or Connection.objects.first() or make_connection(host=NOWHERE)
    existing = CustomObject.objects.filter(connection=owner).first()
    return existing or make_object(owner, "gadget", fields=GADGET)


def draft(
    content: str = ROWS,
    action: Action = UPSERT,
    *,
    to: CustomObject | None = None,
    **fields: Any,
) -> Job:
    job = make_job(content, action, to=to or gadget(), invalid="skip")
    return changed(job, **fields)


def checked(content: str = ROWS, action: Action = UPSERT, **fields: Any) -> Job:
    job = draft(content, action)
    check(job)
    return changed(job, **fields)


def check(job: Job) -> None:
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())


def planned(content: str = ROWS, action: Action = UPSERT, **fields: Any) -> Job:
    """Launched and split into batches. None of them is sent."""
    job = checked(content, action, state=JobState.QUEUED)
    planner.plan(job, stopping=threading.Event())
    return changed(job, **fields)


def settled(content: str = ROWS, *results: RowResult, **fields: Any) -> Job:
    """Completed. The first rows have these results, the others were created or
    updated."""
    job = planned(content, state=JobState.RUNNING)
    counters = settlement.JobCounters()
    given = iter(results)
    saved = RowResult(Outcome.CREATED_OR_UPDATED, "01REC")
    Batch.objects.filter(job=job).update(attempts_made=1)
    for batch in Batch.objects.filter(job=job).order_by("seq"):
        of_batch = {index: next(given, saved) for index in range(batch.size)}
        settlement.settle(batch, of_batch, counters)
    counters.write()
    lifecycle.finish_if_over(job.pk)
    return changed(job, **fields)


def failed(error: str = "Because.", code: str = "C") -> RowResult:
    return RowResult(Outcome.FAILED, code=code, message=error)


def changed(job: Job, **fields: Any) -> Job:
    if fields:
        Job.objects.filter(pk=job.pk).update(**fields)
    return Job.objects.get(pk=job.pk)
