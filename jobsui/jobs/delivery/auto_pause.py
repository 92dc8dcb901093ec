"""Pausing automatically: a job in which too much fails waits for a person."""

from collections import deque
from collections.abc import Iterable

from jobsui.jobs.models import Job


class FailureWindow:
    """The latest results of one job's rows and requests. A job that is resumed starts
    with an empty one."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, int]] = deque()
        """(rows, failed rows) of each request, oldest first."""
        self._rows = 0
        self._failed = 0
        self._refused = 0

    def add_rows(self, rows: int, failed: int) -> None:
        """The rows of a request have their results."""
        self._recent.append((rows, failed))
        self._rows += rows
        self._failed += failed

    def request_accepted(self) -> None:
        self._refused = 0

    def request_refused(self) -> None:
        """Zendesk refused a request as a whole."""
        self._refused += 1

    def reason_to_pause(self, job: Job) -> str:
        """Why the job should pause, as a sentence; "" when it should not."""
        if job.stop_refusals and self._refused >= job.stop_refusals:
            return f"Zendesk refused {self._refused} requests in a row."
        self._drop_older_than(job.stop_rows)
        is_full = self._rows >= min(job.stop_rows, job.rows)
        if not job.stop_percent or not is_full:
            return ""
        if self._failed * 100 < job.stop_percent * self._rows:
            return ""
        return f"{self._failed} of the last {self._rows} rows failed."

    def _drop_older_than(self, rows: int) -> None:
        """Drop the oldest requests while `rows` rows remain without them."""
        while self._recent and self._rows - self._recent[0][0] >= rows:
            old_rows, old_failed = self._recent.popleft()
            self._rows -= old_rows
            self._failed -= old_failed


class FailureWindows:
    """The failure windows of an account's jobs."""

    def __init__(self) -> None:
        self._by_job: dict[int, FailureWindow] = {}

    def keep(self, job_ids: Iterable[int]) -> None:
        """Keep the windows of these jobs only."""
        self._by_job = {pk: self._by_job.get(pk) or FailureWindow() for pk in job_ids}

    def of(self, job_id: int) -> FailureWindow:
        """An empty one if the job no longer moves."""
        return self._by_job.get(job_id) or FailureWindow()

    def restart(self, job_ids: Iterable[int]) -> None:
        """Start again with empty windows."""
        for pk in job_ids:
            self._by_job[pk] = FailureWindow()
