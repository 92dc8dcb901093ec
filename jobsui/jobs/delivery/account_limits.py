"""What one account allows right now, learned while sending: how many batches may go, how
often to poll, and what limits the speed."""

from collections.abc import Collection, Iterable
from math import sqrt
from typing import Protocol

from jobsui.clock import Clock
from jobsui.connections.models import Connection
from jobsui.jobs.delivery.batch_request import PostResult
from jobsui.jobs.delivery.polling import Conditions, poll_interval
from jobsui.jobs.delivery.rate_limits import (
    Backoff,
    Budget,
    Durations,
    ResponseTimes,
    Slots,
    Window,
)
from jobsui.jobs.enums import LimitedBy
from jobsui.jobs.timing import Timing
from jobsui.zendesk.client import retry_after
from jobsui.zendesk.errors import RateLimited, Refused, TooManyJobs, ZendeskError

POLL_RESERVE = 1.0
"""Requests that early sending leaves in the budget, so that it never delays a poll."""
MARGIN_REFUSED = 0.1
MARGIN_ACCEPTED = 0.015
MAX_MARGIN = 4.0
"""How the margin of early sending moves with each post, so that at most about one in eight is
refused."""
TAIL_SHARE = 0.2
"""The interval between two polls when no batch waits to be sent, as a share of a job's duration:
people wait for the end."""
MIN_DURATION = 0.01
"""Seconds that a job takes at least."""


class Running(Protocol):
    """A batch that Zendesk is processing. Times are those of Clock.monotonic()."""

    started_at: float | None
    """When it was accepted; None when an earlier driver sent it."""
    seen_at: float
    """When it was last seen running."""


class AccountLimits:
    """The limits of one account. Times are those of Clock.monotonic(), in seconds."""

    def __init__(self, clock: Clock, timing: Timing) -> None:
        self._clock = clock
        self._timing = timing
        self.budget = Budget(1, clock=clock)
        self.window = Window(1, clock=clock)
        self.slots = Slots()
        self.durations = Durations(timing.first_job_duration)
        self.response_times = ResponseTimes()
        self.posts = Backoff(timing.max_backoff, clock=clock)
        self.reads = Backoff(timing.max_backoff, clock=clock)
        self._settings = (0, 0, 0)
        self._early_send = False
        self._margin = 1.0
        self._poll_interval = 0.0
        self._poll_interval_at = float("-inf")

    def apply_settings(self, connections: Collection[Connection]) -> None:
        """Keep to the smallest limits of these connections, which share the account."""
        if not connections:
            return
        self._early_send = all(each.early_send for each in connections)
        requests_per_minute = min(each.requests_per_minute for each in connections)
        share = min(each.share for each in connections)
        max_running_jobs = min(each.max_running_jobs for each in connections)
        settings = (requests_per_minute, share, max_running_jobs)
        if settings != self._settings:
            self._settings = settings
            self.budget.set_limits(requests_per_minute, share)
            self.window = Window(max_running_jobs, clock=self._clock)

    # What is allowed

    def room(self, running: Collection[Running], unknown: int) -> int:
        """How many more batches may be sent; 0 or less for none. `unknown` counts the
        batches that may be running as well: those being posted, and unconfirmed ones."""
        if self.posts.left:
            return 0
        occupied = len(running) + unknown
        self.window.grow(occupied, self.durations.typical)
        if self._knows_slots:
            size = self.window.cap
            free = self.slots.free
            known_at = self.slots.at
        else:
            size = self.window.size
            free = float(size - len(running))
            known_at = 0.0
        if self._may_send_early():
            free += self._expected_to_end(running, known_at)
        most = size * 2 if self._early_send else size
        return min(most - occupied, int(free - unknown))

    def limited_by(self, running: int, *, has_room: bool) -> LimitedBy:
        """What limits sending. `running` counts our jobs that run or may run;
        `has_room` says whether room() left some."""
        if self.posts.failures or self.reads.failures:
            return LimitedBy.UNREACHABLE
        if self.budget.blocked_for:
            return LimitedBy.ZENDESK_WAIT
        if not has_room:
            return (
                LimitedBy.OTHER_INTEGRATIONS
                if self._others_run(running)
                else LimitedBy.JOB_SLOTS
            )
        return (
            LimitedBy.OTHER_INTEGRATIONS
            if self.budget.is_slowed
            else LimitedBy.REQUEST_RATE
        )

    @property
    def send_interval(self) -> float:
        """Seconds from one batch to the next at full speed."""
        by_window = self.durations.mean / self.window.size
        by_rate = 1 / self.budget.rate
        return max(by_window, by_rate)

    @property
    def poll_interval(self) -> float:
        """Seconds between two polls while batches wait to be sent."""
        now = self._clock.monotonic()
        if now - self._poll_interval_at > self._timing.poll_interval_reuse:
            self._poll_interval_at = now
            self._poll_interval = poll_interval(self._conditions, self._timing)
        return self._poll_interval

    @property
    def _conditions(self) -> Conditions:
        return Conditions(
            duration=max(self.durations.mean, MIN_DURATION),
            window=self.window.size,
            rate=self.budget.rate,
            burst=self.budget.burst,
            response_time=self.response_times.typical,
            early_send=self._early_send and self.durations.can_predict,
            slots_reported=self._knows_slots,
        )

    @property
    def tail_interval(self) -> float:
        """Seconds between two polls when no batch waits to be sent."""
        share = TAIL_SHARE * self.durations.mean
        return min(self.poll_interval, max(self._timing.min_tail_interval, share))

    @property
    def waits(self) -> float:
        """Seconds for which Zendesk asked to send nothing; 0 for none."""
        return self.budget.blocked_for

    # What is learned

    def note_post(self, result: PostResult, running: int, posting: int) -> None:
        """A post ended while `running` of our jobs were known to run and `posting`
        posts, this one included, had no response yet."""
        error = result.error
        response = result.response
        if isinstance(error, TooManyJobs):
            self.slots.refused(posting)
        elif error is None:
            self.slots.accepted()
        if response is not None:
            self.budget.learn(response.headers)
            self.slots.learn(response.headers, result.at - response.elapsed / 2)
            self.response_times.add(response.elapsed)
        if isinstance(error, TooManyJobs):
            self._note_too_many_jobs(running, posting)
        else:
            self._margin = max(0.0, self._margin - MARGIN_ACCEPTED)
            self._note_response(self.posts, error)

    def _note_too_many_jobs(self, running: int, posting: int) -> None:
        if running + posting > self.window.size:
            # It was sent early, so it says nothing about other integrations.
            self._margin = min(MAX_MARGIN, self._margin + MARGIN_REFUSED)
            return
        typical = self.durations.typical
        self.window.refuse(running, typical)
        self.posts.rest(1.5 * typical / self.window.cap if running else typical)

    def note_job_end(self, job: Running, at: float) -> None:
        """A poll whose response arrived `at` this time found that the job is over. It
        ended at some time since it was last seen running."""
        self.slots.job_ended(job.seen_at, at)
        if job.started_at is not None:
            ended_at = (job.seen_at + at) / 2
            self.durations.add(ended_at - job.started_at)

    def note_read(self, error: ZendeskError | None) -> None:
        """A poll, a reconciliation or a verification ended."""
        self._note_response(self.reads, error)

    def _note_response(self, calls: Backoff, error: ZendeskError | None) -> None:
        """Slow down as the error asks, or return to full speed after a success."""
        match error:
            case RateLimited(retry_after=wait):
                self.budget.block(
                    self._timing.rate_limit_wait if wait is None else wait
                )
            case None:
                calls.succeeded()
            case Refused(is_temporary=False):
                # Zendesk works. What it refuses to one job concerns no other.
                calls.succeeded()
            case _:
                calls.failed()
                if error.response and (wait := retry_after(error.response)):
                    # As long as Zendesk asks for, nothing else is sent either.
                    self.budget.block(wait)

    # What follows from it

    def _may_send_early(self) -> bool:
        return (
            self._early_send
            and self.durations.can_predict
            and not self.reads.failures
            and self.budget.tokens > POLL_RESERVE
        )

    @property
    def _knows_slots(self) -> bool:
        """Whether Zendesk's last report about job slots is reliable. A report becomes
        outdated, and it does not know that our own window may be smaller."""
        age = self._clock.monotonic() - self.slots.at
        return (
            age < self.durations.typical
            and self.slots.are_trusted
            and self.slots.total <= self.window.cap
        )

    def _others_run(self, running: int) -> bool:
        """Whether other integrations use job slots, `running` of which are ours."""
        if self._knows_slots:
            used = self.slots.total - self.slots.free
            return used - running >= 1
        return self.window.size < self.window.cap

    def _expected_to_end(self, running: Iterable[Running], known_at: float) -> float:
        """How many of these jobs will probably have ended when a post sent now arrives,
        but were running at `known_at` or when they were last seen. Reduced by a safety
        margin."""
        arrives_at = self._clock.monotonic() + self.response_times.typical / 2
        expected = 0.0
        variance = 0.0
        for job in running:
            if job.started_at is None:
                continue
            probability = self.durations.probability_of_end(
                ran=job.seen_at - job.started_at,
                since=max(job.seen_at, known_at) - job.started_at,
                by=arrives_at - job.started_at,
            )
            expected += probability
            variance += probability * (1 - probability)
        return max(0.0, expected - self._margin * sqrt(variance))
