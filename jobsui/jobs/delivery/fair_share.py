"""Sharing one account among its jobs: each job sends in proportion to its weight."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

from jobsui.jobs.models import Job

NO_LIMITS: Mapping[str, int] = {}
NO_CLAIMS: Mapping[int, int] = {}


class FairShare:
    """The account's moving jobs, and what each has sent so far."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        """As last read, by id."""
        self.waiting: set[int] = set()
        """The jobs with batches to send, as far as is known."""
        self.unknown: set[int] = set()
        """Jobs of which the database must say whether they have batches to send."""
        self._exhausted: set[int] = set()
        """Jobs that had no batch to send when they were asked last. Some may have
        batches that wait for another job."""
        self._served: dict[int, float] = {}
        """How many batches each job has sent, divided by its weight. Batches that the
        account had no slot for are not counted."""

    def set_jobs(self, jobs: dict[int, Job]) -> None:
        """New jobs start level with the job that was served least."""
        self.jobs = jobs
        self.waiting &= jobs.keys()
        self.unknown &= jobs.keys()
        self._exhausted &= jobs.keys()
        least = min(self._served.values(), default=0.0)
        self._served = {pk: self._served.get(pk, least) for pk in jobs}

    def recheck(self, job_ids: Iterable[int]) -> None:
        """These jobs may have batches to send, and so may jobs that wait for them. To be
        called when something has changed."""
        self.unknown |= self._exhausted.union(job_ids) & self.jobs.keys()
        self._exhausted.clear()

    def set_waiting(self, job_ids: set[int]) -> None:
        """Of the unknown jobs, these have batches to send."""
        self.waiting -= self.unknown
        self.waiting |= job_ids
        self._exhausted |= self.unknown - job_ids
        self.unknown.clear()

    def choose(
        self,
        room: int,
        take_request: Callable[[], bool],
        object_room: Mapping[str, int] = NO_LIMITS,
        claimed: Mapping[int, int] = NO_CLAIMS,
        without: Collection[int] = (),
    ) -> Counter[int]:
        """How many batches each job may send now: up to `room` in all, each for one
        request of the budget. The job served least always gets the next batch.
        `object_room`: {key of an object: how many more batches may run on it}. `claimed`
        counts those of each job that are about to be sent. Jobs in `without` send none."""
        chosen = Counter[int]()
        served = self._served.copy()
        left = dict(object_room)
        for job_id, number in claimed.items():
            served[job_id] += number * self._step(job_id)
            key = self.jobs[job_id].object_key
            if key in left:
                left[key] -= number
        candidates = self._on_free_objects(left).difference(without)
        while candidates and chosen.total() < room and take_request():
            job_id = min(candidates, key=lambda pk: (served[pk], pk))
            served[job_id] += self._step(job_id)
            chosen[job_id] += 1
            key = self.jobs[job_id].object_key
            if key in left:
                left[key] -= 1
                candidates = self._on_free_objects(left).difference(without)
        return chosen

    def _on_free_objects(self, left: Mapping[str, int]) -> set[int]:
        """The waiting jobs on whose objects more batches may run."""
        if not left:
            return self.waiting
        return {pk for pk in self.waiting if left.get(self.jobs[pk].object_key, 1) > 0}

    def remove_exhausted(
        self, chosen: Mapping[int, int], claimed: Mapping[int, int]
    ) -> None:
        """Jobs from which fewer batches were claimed than were chosen have no more."""
        exhausted = {pk for pk, number in chosen.items() if claimed.get(pk, 0) < number}
        self.waiting -= exhausted
        self._exhausted |= exhausted

    def sent(self, job_id: int) -> None:
        """A batch of the job is sent."""
        self._served[job_id] += self._step(job_id)

    def not_sent(self, job_id: int) -> None:
        """The account had no slot for a batch of the job. The job may no longer
        move."""
        if job_id in self._served:
            self._served[job_id] -= self._step(job_id)

    def _step(self, job_id: int) -> float:
        return 1 / self.jobs[job_id].weight
