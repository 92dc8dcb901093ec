"""Jobs at the stages that people act on, with an object of a running sandbox."""

import threading
from typing import Any

from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.control import actions, drafts
from jobsui.jobs.enums import Action, BatchState, JobState, Outcome
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.models import Batch, Job, RowResult
from jobsui.jobs.preparation import checker, planner
from tests.factories import make_file, make_job

ROWS = "external_id,price\ng-1,1\ng-2,2\ng-3,x\n"


def checked(to: CustomObject, content: str = ROWS, **options: Any) -> Job:
    job = make_job(content, to=to, **{"invalid": "skip"} | options)
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    return job


def planned(to: CustomObject, content: str = ROWS) -> Job:
    job = checked(to, content)
    actions.launch(job, by=None)
    planner.plan(job, stopping=threading.Event())
    job.refresh_from_db()
    return job


def in_state(state: JobState, connection: Connection, **fields: Any) -> Job:
    job = drafts.create_draft(
        connection, "gadget", Action.CREATE, make_file(ROWS), by=None
    )
    Job.objects.filter(pk=job.pk).update(state=state, **fields)
    job.refresh_from_db()
    return job


def settled(job: Job, *results: RowResult) -> Batch:
    """The job's only batch with these results, and the job as its driver leaves it."""
    batch = Batch.objects.get(job=job)
    ledger = settlement.JobCounters()
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.ACCEPTED)
    settlement.settle(batch, dict(enumerate(results)), ledger)
    ledger.write()
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING)
    lifecycle.finish_if_over(job.pk)
    job.refresh_from_db()
    batch.refresh_from_db()
    return batch


def row_result(outcome: Outcome) -> RowResult:
    return RowResult(outcome, code="C", message="Because.")
