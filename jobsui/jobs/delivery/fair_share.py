"""Sharing one account among its jobs: each job sends in proportion to its weight."""

from collections import Counter
from collections.abc import Callable, Mapping

from jobsui.jobs.models import Job


class FairShare:
    """The account's moving jobs, and what each has sent so far."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        """As last read, by id."""
        self.waiting: set[int] | None = None
        """The jobs with batches to send; None: to be read from the database."""
        self._served: dict[int, float] = {}
        """How many batches each job has sent, divided by its weight. Batches that the
        account had no slot for are not counted."""

    def set_jobs(self, jobs: dict[int, Job]) -> None:
        """New jobs start level with the job that was served least."""
        self.jobs = jobs
        least = min(self._served.values(), default=0.0)
        self._served = {pk: self._served.get(pk, least) for pk in jobs}

    def choose(self, room: int, take_request: Callable[[], bool]) -> Counter[int]:
        """How many batches each job may send now: up to `room` in all, each for one
        request of the budget. The job served least always gets the next batch."""
        chosen = Counter[int]()
        served = self._served.copy()
        while self.waiting and chosen.total() < room and take_request():
            job_id = min(self.waiting, key=lambda pk: (served[pk], pk))
            served[job_id] += self._step(job_id)
            chosen[job_id] += 1
        return chosen

    def remove_exhausted(
        self, chosen: Mapping[int, int], claimed: Mapping[int, int]
    ) -> None:
        """Jobs from which fewer batches were claimed than were chosen have no more."""
        if self.waiting is not None:
            self.waiting -= {
                pk for pk, number in chosen.items() if claimed.get(pk, 0) < number
            }

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
