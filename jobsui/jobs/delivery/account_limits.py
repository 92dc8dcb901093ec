"""What one account allows right now, learned while running: how many batches may go,
when to look at those that run, and what holds us back."""

import time
from collections.abc import Collection, Iterable
from math import sqrt
from typing import Protocol

from jobsui.connections.models import Connection
from jobsui.jobs.delivery import rate_limits
from jobsui.jobs.delivery.batch_request import PostResult
from jobsui.jobs.enums import LimitedBy
from jobsui.zendesk.client import retry_after
from jobsui.zendesk.errors import Limited, Refused, TooManyJobs, ZendeskError

DEFAULT_WAIT = 30.0
"""Seconds to wait after a 429 that does not say."""
KEEP = 1.0
"""Requests that posting ahead leaves in the budget, so that it never delays a look."""
RECKON_SECONDS = 0.5
REFUSED, ACCEPTED = 0.1, 0.015
"""How the margin of posting ahead moves with each post, so that at most about one in
eight is refused."""
TAIL_SECONDS = 1.0, 0.2
"""Between two looks when no batch waits to be sent, at least, and as a part of a job's
duration: people wait for the end."""


class Running(Protocol):
    """A batch Zendesk works at."""

    started: float | None
    """time.monotonic() when it was accepted; None: before our time."""
    seen: float
    """time.monotonic() when it was last seen running."""


class AccountLimits:
    """Of one account. All times are of time.monotonic()."""

    def __init__(self) -> None:
        self.budget, self.window = rate_limits.Budget(1), rate_limits.Window(1)
        self.slots, self.durations, self.trips = (
            rate_limits.Slots(),
            rate_limits.Durations(),
            rate_limits.Trips(),
        )
        self.posts, self.asks = rate_limits.Backoff(), rate_limits.Backoff()
        self._limits: tuple[int, int, int] = (0, 0, 0)
        self._posts_ahead = False
        self._margin = 1.0
        self._interval, self._reckoned_at = 0.0, 0.0

    def agree(self, connections: Collection[Connection]) -> None:
        """Keep to the smallest values of these connections, which share the account."""
        if not connections:
            return
        self._posts_ahead = all(each.early_send for each in connections)
        limits = (
            min(each.requests_per_minute for each in connections),
            min(each.share for each in connections),
            min(each.max_running_jobs for each in connections),
        )
        if limits != self._limits:
            self._limits = limits
            self.budget, self.window = (
                rate_limits.Budget(*limits[:2]),
                rate_limits.Window(limits[2]),
            )

    def room(self, running: Collection[Running], uncertain: int) -> int:
        """How many batches more may be sent, 0 or less for none. `uncertain` counts
        those that may be running as well: on their way, or in doubt."""
        if self.posts.left:
            return 0
        known = len(running) + uncertain
        self.window.grow(known, self.durations.typical)
        told = self._knows_slots
        free = self.slots.free if told else self.window.size - len(running)
        if self._may_post_ahead():
            free += self._expected_to_end(running, self.slots.at if told else 0.0)
        window = self.window.cap if told else self.window.size
        return min(
            window * (2 if self._posts_ahead else 1) - known, int(free - uncertain)
        )

    def holds(self, running: int, *, has_room: bool) -> LimitedBy:
        """What keeps us from sending more. `running` jobs of ours are known or
        suspected to run, and room() left some (`has_room`) or none."""
        if self.posts.failures or self.asks.failures:
            return LimitedBy.UNREACHABLE
        if self.budget.blocked_for:
            return LimitedBy.BLOCKED
        if not has_room:
            return LimitedBy.OTHERS if self._others_run(running) else LimitedBy.WINDOW
        return LimitedBy.OTHERS if self.budget.is_slowed else LimitedBy.RATE

    @property
    def gap(self) -> float:
        """Seconds from one batch to the next at full speed."""
        return max(self.durations.mean / self.window.size, 1 / self.budget.rate)

    @property
    def poll_interval(self) -> float:
        """Seconds between two looks at what is running."""
        now, budget = time.monotonic(), self.budget
        if now - self._reckoned_at > RECKON_SECONDS:
            ahead = self._posts_ahead and self.durations.can_foretell
            self._interval, self._reckoned_at = (
                rate_limits.poll_interval(
                    self.durations.mean,
                    self.window.size,
                    budget.rate,
                    budget.burst,
                    self.trips.typical,
                    ahead=ahead,
                    told=self._knows_slots,
                ),
                now,
            )
        return self._interval

    @property
    def tail_interval(self) -> float:
        """The same when no batch waits to be sent."""
        least, part = TAIL_SECONDS
        return min(self.poll_interval, max(least, part * self.durations.mean))

    def heard_of_post(self, posted: PostResult, running: int, on_the_way: int) -> None:
        """A batch was accepted or not, while so many of ours were known to run, and so
        many, with it, on their way."""
        error, answer = posted.error, posted.answer
        if isinstance(error, TooManyJobs):
            self.slots.refused(on_the_way)
        elif error is None:
            self.slots.accepted()
        if answer is not None:
            self.budget.learn(answer.headers)
            self.slots.learn(answer.headers, posted.at - answer.elapsed / 2)
            self.trips.add(answer.elapsed)
        if not isinstance(error, TooManyJobs):
            self._margin = max(0.0, self._margin - ACCEPTED)
            self._pace(self.posts, error)
        elif (
            running + on_the_way > self.window.size
        ):  # One of those posted ahead: no sign of others.
            self._margin = min(4.0, self._margin + REFUSED)
        else:
            self.window.refuse(running, self.durations.typical)
            self.posts.rest(
                1.5 * self.durations.typical / self.window.cap
                if running
                else self.durations.typical
            )

    def heard_of_end(self, job: Running, at: float) -> None:
        """A look that was answered then found this one over: it ended somewhere since
        it was last seen running."""
        self.slots.ended(job.seen, at)
        if job.started is not None:
            self.durations.add((job.seen + at) / 2 - job.started)

    def heard_of_look(self, error: ZendeskError | None) -> None:
        """We asked about something, and were answered or not."""
        self._pace(self.asks, error)

    def _pace(self, calls: rate_limits.Backoff, error: ZendeskError | None) -> None:
        """Hold back as the error asks, or go on at full pace after a call that was
        answered."""
        match error:
            case Limited():
                self.budget.block(
                    DEFAULT_WAIT if error.retry_after is None else error.retry_after
                )
            case None:
                calls.succeeded()
            case Refused(status=status) if status in {400, 413, 422}:
                calls.succeeded()
            case _:
                calls.failed(retry_after(error.answer) if error.answer else None)

    def _may_post_ahead(self) -> bool:
        return (
            self._posts_ahead
            and self.durations.can_foretell
            and not self.asks.failures
            and self.budget.tokens > KEEP
        )

    @property
    def _knows_slots(self) -> bool:
        """Whether what Zendesk said of its job slots is to go by. A smaller window of
        ours it knows not, and in time it grows old."""
        is_new = time.monotonic() - self.slots.at < self.durations.typical
        return (
            is_new and self.slots.are_believed and self.slots.total <= self.window.cap
        )

    def _others_run(self, running: int) -> bool:
        """Whether others use job slots, `running` being ours."""
        if self._knows_slots:
            return self.slots.total - self.slots.free - running >= 1
        return self.window.size < self.window.cap

    def _expected_to_end(self, running: Iterable[Running], since: float) -> float:
        """How many of them will have ended between then, or when they were last seen,
        and the arrival of a post sent now; with a margin for chance."""
        arrives = time.monotonic() + self.trips.typical / 2
        expected = spread = 0.0
        for each in running:
            if each.started is not None:
                ran, ran_then = (
                    each.seen - each.started,
                    max(each.seen, since) - each.started,
                )
                ends = self.durations.ending(ran, ran_then, arrives - each.started)
                expected += ends
                spread += ends * (1 - ends)
        return max(0.0, expected - self._margin * sqrt(spread))
