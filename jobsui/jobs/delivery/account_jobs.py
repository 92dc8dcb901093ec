"""The moving jobs of one account, as its driver last read them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from jobsui.connections.models import Connection
from jobsui.jobs import leases, sql
from jobsui.jobs.enums import SENDABLE, LimitedBy
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.models import Job

WIDER_THAN_DEADLOCKS = (
    LimitedBy.REQUEST_RATE,
    LimitedBy.JOB_SLOTS,
    LimitedBy.OTHER_INTEGRATIONS,
)
"""Limits of an account that let more batches run than the window of an object."""


class AccountJobs:
    """Reads the jobs that have changed, and advances those that do not wait for a
    result. It opens a transaction only if there is something to write, and then one for
    all jobs.

    Every change of a job or its batches raises the job's version. So a job whose
    version is the same needs no second look."""

    def __init__(self, account: str, lease: leases.Held) -> None:
        self.by_id: dict[int, Job] = {}
        self._account = account
        self._lease = lease
        self._revisions: dict[int, sql.Revision] = {}
        self._checked_versions: dict[int, int] = {}
        """The version of each job that was last found not to be over."""

    @property
    def connections(self) -> Collection[Connection]:
        by_id = {job.connection_id: job.connection for job in self.by_id.values()}
        return by_id.values()

    def may_send(self, job_id: int) -> bool:
        """Whether batches of the job may be sent, as far as is known."""
        job = self.by_id.get(job_id)
        return job is not None and job.state in SENDABLE

    def refresh(self) -> set[int]:
        """Read the jobs that have changed since the last time, in any way or together
        with their batches or their connection. Returns their ids, and those of jobs that
        no longer move."""
        revisions = sql.moving_jobs(self._account)
        changed = {
            pk
            for pk, revision in revisions.items()
            if self._revisions.get(pk) != revision
        }
        ended = self._revisions.keys() - revisions.keys()
        if changed or ended:
            known = self.by_id | _read(changed)
            self.by_id = {pk: known[pk] for pk in revisions if pk in known}
        self._revisions = revisions
        return changed | ended

    def save(
        self,
        limited_by: LimitedBy,
        *,
        blocked: Collection[int],
        deadlocked: Collection[str],
        in_flight: Collection[int],
        now: datetime,
    ) -> None:
        """Store what limits the jobs and how fast they are, and advance the jobs that
        wait for no result: they pause or cancel with nothing in flight, or their last
        row has a result. The jobs in `blocked` wait for earlier jobs, those in
        `in_flight` have batches in flight. On the objects in `deadlocked` fewer batches
        run than the account allows."""
        unchecked = self._unchecked(in_flight)
        checked = {job.pk: job.version for job in unchecked}
        over = _may_be_over(unchecked)
        limits = {
            job: LimitedBy.KEY_CONFLICT
            if pk in blocked
            else _limit_of(job, limited_by, deadlocked)
            for pk, job in self.by_id.items()
            if job.state in SENDABLE and pk not in over
        }
        new_limits = {
            job: limit for job, limit in limits.items() if job.limited_by != limit
        }
        sampled = [
            job for job in self.by_id.values() if settlement.sample_pace(job, now)
        ]
        if new_limits or sampled or over:
            with transaction.atomic():
                leases.fence(self._lease)
                saved = _save_limits(new_limits)
                settlement.save_pace(sampled)
                for pk in over:
                    lifecycle.finish_if_over(pk)
            for job, fields in saved.items():
                self._note_limit(job, fields)
        self._checked_versions |= checked

    def forget_versions(self) -> None:
        """The database may not have stored the last changes, so read and check all jobs
        again."""
        self._revisions.clear()
        self._checked_versions.clear()

    def _unchecked(self, in_flight: Collection[int]) -> list[Job]:
        """Jobs that have changed since they were found not to be over."""
        checked = self._checked_versions
        return [
            job
            for pk, job in self.by_id.items()
            if pk not in in_flight and checked.get(pk) != job.version
        ]

    def _note_limit(self, job: Job, fields: dict[str, Any]) -> None:
        """The driver has stored these fields itself, so it need not read the job again."""
        for name, value in fields.items():
            setattr(job, name, value)
        job.version += 1
        self._revisions[job.pk][0] = job.version


def _limit_of(
    job: Job, limited_by: LimitedBy, deadlocked: Collection[str]
) -> LimitedBy:
    """What limits a job on an account that is limited by this."""
    if job.object_key in deadlocked and limited_by in WIDER_THAN_DEADLOCKS:
        return LimitedBy.DEADLOCKS
    return limited_by


def _read(ids: Collection[int]) -> dict[int, Job]:
    jobs = sql.by_id(Job, ids)
    connections = Connection.objects.in_bulk(
        {job.connection_id for job in jobs.values()}
    )
    for job in jobs.values():
        job.connection = connections[job.connection_id]
    return jobs


def _may_be_over(jobs: Iterable[Job]) -> list[int]:
    """The ids of those that may have to move to another state."""
    stopping = set()
    planned = set()
    for job in jobs:
        if job.state not in SENDABLE or job.hold_after_first_batch:
            stopping.add(job.pk)
        elif job.planned_at:
            planned.add(job.pk)
    finished = planned - sql.unsettled_jobs(planned)
    return sorted(stopping | finished)


def _save_limits(limits: Mapping[Job, LimitedBy]) -> dict[Job, dict[str, Any]]:
    """The fields that were stored of each job; empty if a job has changed meanwhile."""
    fields = {job: job.limited_from_now(limit) for job, limit in limits.items()}
    rows = [
        [*(fields[job][name] for name in sql.LIMIT_FIELDS), job.pk, job.version]
        for job in limits
    ]
    return fields if sql.save_limits(rows) else {}
