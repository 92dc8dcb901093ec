"""Stopping by itself: a job in which too much fails waits for a person."""

from collections import deque

from jobsui.jobs.models import Job


class FailureWindow:
    """What lately became of one job's rows and requests. A job that is resumed begins
    with a new one."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, int]] = deque()
        self._rows = self._failed = self._refused = 0

    def ended(self, rows: int, failed: int) -> None:
        """A request's rows have their ends."""
        self._recent.append((rows, failed))
        self._rows += rows
        self._failed += failed

    def accepted(self) -> None:
        self._refused = 0

    def refused(self) -> None:
        """Zendesk refused a request as a whole."""
        self._refused += 1

    def reason(self, job: Job) -> str:
        """Why the job should stop, as a sentence; "" when it need not."""
        if job.stop_refusals and self._refused >= job.stop_refusals:
            return (
                f"Stopped by itself: Zendesk refused {self._refused} requests in a row."
            )
        while self._recent and self._rows - self._recent[0][0] >= job.stop_rows:
            rows, failed = self._recent.popleft()
            self._rows -= rows
            self._failed -= failed
        enough = self._rows >= min(job.stop_rows, job.rows)
        if (
            job.stop_percent
            and enough
            and self._failed * 100 >= job.stop_percent * self._rows
        ):
            return f"Stopped by itself: {self._failed} of the last {self._rows} rows failed."
        return ""
