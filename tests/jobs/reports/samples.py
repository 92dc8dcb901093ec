"""Jobs to report on."""

import csv
import io
import threading

from jobsui.jobs.enums import Action, JobState, Outcome
from jobsui.jobs.ledger import settlement
from jobsui.jobs.models import Batch, Job, RowResult
from jobsui.jobs.preparation import checker, planner
from tests.factories import make_connection, make_job, make_object
from tests.harness import GADGET

ROWS = (
    "external_id,price,extra\n"
    + "".join(f"g-{n},{n},=1+{n}\n" for n in range(1, 251))
    + "g-251,x,\n"
)


def planned(
    content: str = ROWS, action: Action = Action.UPSERT_BY_EXTERNAL_ID, **fields: str
) -> Job:
    """A job of these rows, cut into batches that are not sent yet."""
    connection = make_connection(**fields)
    job = make_job(
        content,
        action,
        to=make_object(connection, "gadget", fields=GADGET),
        invalid="skip",
    )
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)
    planner.plan(job, stopping=threading.Event())
    job.refresh_from_db()
    return job


def settle(job: Job, seq: int, *results: RowResult) -> None:
    """Give the first items of a batch these results, the others success."""
    batch = Batch.objects.get(job=job, seq=seq)
    done = RowResult(Outcome.CREATED_OR_UPDATED, "01REC")
    ledger = settlement.JobCounters()
    settlement.settle(
        batch,
        {i: results[i] if i < len(results) else done for i in range(batch.size)},
        ledger,
    )
    ledger.write()
    job.refresh_from_db()


def table(chunks: object) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(chunks).decode("utf-8-sig"))))  # type: ignore[arg-type]
