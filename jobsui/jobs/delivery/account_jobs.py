"""The moving jobs of one account, as its driver last read them."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from jobsui.jobs import leases
from jobsui.jobs.enums import SENDABLE, LimitedBy
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.models import Job


class AccountJobs:
    """Reads the jobs, and advances those that do not wait for a result.

    Every change of a job or its batches raises the job's version. So a job whose
    version is the same needs no second check."""

    def __init__(self, account: str, lease: leases.Held) -> None:
        self.by_id: dict[int, Job] = {}
        self._account = account
        self._lease = lease
        self._versions: dict[int, int] = {}
        self._checked_versions: dict[int, int] = {}
        """The version of each job for which finish_if_over was called last."""

    def refresh(self) -> bool:
        """Read the jobs again. True when a job or its batches have changed since the last
        time."""
        moving = Job.objects.on_account(self._account).moving()
        self.by_id = {job.pk: job for job in moving.select_related("connection")}
        versions = {pk: job.version for pk, job in self.by_id.items()}
        has_changed = versions != self._versions
        self._versions = versions
        return has_changed

    def sample_pace(self, now: datetime) -> None:
        for job in self.by_id.values():
            settlement.sample_pace(job, now)

    def save_limit(self, limited_by: LimitedBy) -> None:
        """Save what limits the jobs that may send."""
        for job in self.by_id.values():
            if job.state in SENDABLE:
                Job.objects.set_limit(job, limited_by)

    def finish_idle(self, in_flight: Collection[int]) -> None:
        """Advance the jobs that do not wait for a result: they pause or cancel with
        nothing in flight, or their last row has a result. `in_flight` are the jobs with
        batches in flight."""
        for job in self.by_id.values():
            if job.pk in in_flight or not _may_be_over(job):
                continue
            if self._checked_versions.get(job.pk) == job.version:
                continue
            with transaction.atomic():
                leases.fence(self._lease)
                lifecycle.finish_if_over(job.pk)
            self._checked_versions[job.pk] = job.version

    def forget_versions(self) -> None:
        """The database may not have stored the last changes, so read and check all jobs
        again."""
        self._versions.clear()
        self._checked_versions.clear()


def _may_be_over(job: Job) -> bool:
    is_planned = bool(job.planned_at or job.hold_after_first_batch)
    return job.state not in SENDABLE or is_planned
