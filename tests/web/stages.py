"""A job at each stage of its life, without Zendesk."""

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
"""A host that refuses at once."""
ROWS = "external_id,price\ng-1,1\ng-2,2\ng-3,x\n"
"""Two rows that can be sent and one that cannot."""


def gadget(connection: Connection | None = None) -> CustomObject:
    """The object `gadget` of a connection that leads nowhere, made when there is
    none."""
    own = connection or Connection.objects.first() or make_connection(host=NOWHERE)
    return CustomObject.objects.filter(connection=own).first() or make_object(
        own, "gadget", fields=GADGET
    )


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
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    return changed(job, **fields)


def planned(content: str = ROWS, action: Action = UPSERT, **fields: Any) -> Job:
    """Launched and cut into batches, none of them sent."""
    job = checked(content, action, state=JobState.QUEUED)
    planner.plan(job, stopping=threading.Event())
    return changed(job, **fields)


def settled(content: str = ROWS, *results: RowResult, **fields: Any) -> Job:
    """Completed: the first rows with these results, the others created or updated."""
    job = planned(content, state=JobState.RUNNING)
    ledger = settlement.JobCounters()
    left = list(results)
    for batch in Batch.objects.filter(job=job).order_by("seq"):
        own = {
            i: left.pop(0) if left else RowResult(Outcome.CREATED_OR_UPDATED, "01REC")
            for i in range(batch.size)
        }
        settlement.settle(batch, own, ledger)
    ledger.write()
    lifecycle.finish_if_over(job.pk)
    return changed(job, **fields)


def failed(error: str = "Because.", code: str = "C") -> RowResult:
    return RowResult(Outcome.FAILED, code=code, message=error)


def changed(job: Job, **fields: Any) -> Job:
    if fields:
        Job.objects.filter(pk=job.pk).update(**fields)
    return Job.objects.get(pk=job.pk)
