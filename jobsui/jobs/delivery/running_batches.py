"""The batches that Zendesk accepted and has not finished: which to poll, and what the
job statuses say of them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from jobsui.jobs.delivery.call_threads import PollResult, RunningBatch
from jobsui.jobs.timing import Timing
from jobsui.zendesk.errors import Refused
from jobsui.zendesk.payloads import JobStatus

MAX_POLLED = 100
"""How many job statuses Zendesk returns for one request."""


@dataclass(slots=True)
class Polled:
    """What a poll says of batches that no longer run."""

    finished: list[tuple[RunningBatch, JobStatus]] = field(default_factory=list)
    lost: list[RunningBatch] = field(default_factory=list)
    """Zendesk no longer shows their job statuses."""


class RunningBatches:
    """The running batches of an account. Times are those of Clock.monotonic()."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._by_id: dict[int, RunningBatch] = {}
        self.is_polling = False
        self.polled_at = float("-inf")

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> Collection[RunningBatch]:
        return self._by_id.values()

    def job_ids(self) -> set[int]:
        return {batch.request.job_id for batch in self._by_id.values()}

    @property
    def has_absent(self) -> bool:
        """Whether a job status was missing in the last poll. May be asked in any thread."""
        return any(batch.absent_since is not None for batch in list(self.all()))

    def add(self, batch: RunningBatch) -> None:
        self._by_id[batch.request.batch_id] = batch

    def replace(self, batches: Iterable[RunningBatch]) -> None:
        """Replace the running batches by these. A job status that was absent before still
        is."""
        before = self._by_id
        self._by_id = {batch.request.batch_id: batch for batch in batches}
        for pk, batch in self._by_id.items():
            if pk in before and before[pk].status_id == batch.status_id:
                batch.absent_since = before[pk].absent_since

    def start_poll(self, now: float) -> tuple[RunningBatch, ...]:
        """The batches to poll now: at most MAX_POLLED of one connection, the least
        recently polled ones first."""
        self.is_polling = True
        self.polled_at = now
        by_age = sorted(self._by_id.values(), key=lambda batch: batch.polled_at)
        connection_id = by_age[0].request.connection_id
        batches = [
            batch for batch in by_age if batch.request.connection_id == connection_id
        ]
        polled = tuple(batches[:MAX_POLLED])
        for batch in polled:
            batch.polled_at = now
        return polled

    def end_poll(self, result: PollResult) -> Polled:
        """Take in a poll, and remove the batches that no longer run. A poll that failed
        says nothing, unless Zendesk keeps refusing to show job statuses."""
        self.is_polling = False
        polled = Polled()
        if isinstance(result.error, Refused):
            timeout = self._timing.status_refused_timeout
            for batch in result.batches:
                if self._is_lost(batch, result.at, timeout):
                    self._remove(batch)
                    polled.lost.append(batch)
        if result.error is not None:
            return polled
        statuses = {status.id: status for status in result.statuses}
        for batch in result.batches:
            status = statuses.get(batch.status_id)
            if status is None:
                timeout = self._timing.status_absent_timeout
                if self._is_lost(batch, result.at, timeout):
                    self._remove(batch)
                    polled.lost.append(batch)
                continue
            batch.absent_since = None
            if status.is_over:
                self._remove(batch)
                polled.finished.append((batch, status))
            else:
                batch.seen_at = result.at
        return polled

    def _is_lost(self, batch: RunningBatch, at: float, timeout: float) -> bool:
        """Whether a job status is lost that a poll did not return `at` this time. Under
        load Zendesk shows a new job's status late, so its absence must last."""
        if batch.absent_since is None:
            batch.absent_since = at
        return at - batch.absent_since >= timeout

    def _remove(self, batch: RunningBatch) -> None:
        del self._by_id[batch.request.batch_id]
