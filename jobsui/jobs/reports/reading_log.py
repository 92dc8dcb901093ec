"""Adds to the audit log who has seen or downloaded what was sent."""

from jobsui.audit import log
from jobsui.audit.models import Action
from jobsui.jobs.ledger.lifecycle import subject_of
from jobsui.jobs.models import Batch, Job


def exported(job: Job, what: str, *, outcome: str = "") -> None:
    """`what`: the name of the file. `outcome`: of its rows; "": all."""
    after = {"file": what} | ({"outcome": outcome} if outcome else {})
    log.record(Action.EXPORTED, subject_of(job), after=after)


def bodies_seen(batch: Batch) -> None:
    log.record(Action.BODIES_SEEN, subject_of(batch.job), after={"batch": batch.seq})
