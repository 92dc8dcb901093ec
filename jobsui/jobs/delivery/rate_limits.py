"""The instruments that keep an account's limits: its request rate, its job slots, rests
after failures, and how long jobs and responses take.

AccountLimits (account_limits.py) decides from all of them together. All times are those
of Clock.monotonic(), in seconds."""

import re
import threading
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Mapping
from statistics import median

from jobsui.clock import Clock
from jobsui.jobs.timing import Timing

FIRST_TOKENS = 2.0
"""What a budget starts with: a driver that takes over does not know what the one before it has
just spent."""
MINUTE = 60
"""Seconds after which a used-up rate is available again, even if a header says
otherwise."""
SAFE_MINUTE = 1.01 * MINUTE
"""A period of this length never has more requests than a minute may have. It is longer
than a minute because some requests take longer to arrive than others."""
MIN_READ_WAIT = 0.05
MAX_READ_WAIT = 1.0
"""Seconds after which a call that reads asks for a token again."""
BURST_SECONDS = 2.0
"""How many seconds' worth of requests may accumulate: jobs do not end at even intervals."""
LOW_SHARE = 0.2
"""Once less than this share of the minute's requests remains, it is spread over the rest of the
minute."""
CONDITIONAL_LIMIT = re.compile(r"remaining=(\d+);\s*resets?=(\d+)")
"""The value of a `zendesk-ratelimit-NAME` header: a limit in addition to the
account's."""
SLOTS_HEADER = "zendesk-ratelimit-inflight-jobs"
SLOTS_VALUE = re.compile(r"total=(\d+);\s*remaining=(\d+)")
"""The value of SLOTS_HEADER (docs/zendesk.md)."""


class Budget:
    """A token bucket for the share of the account's requests that Jobs UI may use.

    It fills evenly, and no minute has more requests than the limit, however many tokens
    have accumulated. What Zendesk reports in its headers overrides the bucket.

    The driver takes a token for each request before it makes a call. A call that needs
    more requests takes the other tokens in its own thread (`take_for_read`). While both
    want tokens, they take turns."""

    def __init__(
        self, requests_per_minute: int, share: int = 100, *, clock: Clock
    ) -> None:
        """`share` is in percent."""
        self._clock = clock
        self._share = share
        self._set_limit(requests_per_minute)
        self._tokens = FIRST_TOKENS
        self._spent_at: deque[float] = deque()
        """The time of each request of the last minute."""
        self._filled_at = clock.monotonic()
        self._lock = threading.RLock()
        self._wanted_at = float("-inf")
        """When the driver last asked for a token."""
        self._read_waits_until = float("-inf")
        """A read is waiting for a token, unless this has passed."""
        self._is_turn_of_read = False
        self._blocked_until = 0.0
        self._slow_until = 0.0
        self._slow_rate = 0.0

    @property
    def blocked_for(self) -> float:
        """Seconds until Zendesk accepts requests again; 0 when it does now."""
        return max(0.0, self._blocked_until - self._clock.monotonic())

    @property
    def is_slowed(self) -> bool:
        """Whether other integrations leave less than our share of the account's
        rate."""
        return self._clock.monotonic() < self._slow_until

    @property
    def tokens(self) -> float:
        """How many requests may be sent now."""
        with self._lock:
            self._fill()
            if self.blocked_for:
                return 0.0
            return min(self._tokens, float(self._limit - len(self._spent_at)))

    def set_limits(self, requests_per_minute: int, share: int) -> None:
        """Use other limits from now on. What was spent and asked for stays known."""
        with self._lock:
            self._fill()
            self._share = share
            self._set_limit(requests_per_minute)
            self._tokens = min(self._tokens, self.burst)

    def block(self, seconds: float) -> None:
        """Send nothing for this long, because Zendesk asked for it."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            self._blocked_until = max(self._blocked_until, until)
            self._tokens = 0.0

    def take(self) -> bool:
        """Spend one request of the driver. False when there is none to spend."""
        with self._lock:
            now = self._clock.monotonic()
            self._wanted_at = now
            does_read_wait = now < self._read_waits_until
            kept = 1.0 if does_read_wait and self._is_turn_of_read else 0.0
            if self.tokens < 1.0 + kept:
                return False
            self._is_turn_of_read = does_read_wait
            self._spend()
            return True

    def borrow(self) -> bool:
        """Spend one more request of the driver, which follows the one that it has just taken.
        Those that come later wait for it. False when the minute has no more."""
        with self._lock:
            self._fill()
            if len(self._spent_at) >= self._limit:
                return False
            self._spend()
            return True

    def take_for_read(self) -> bool:
        """Spend one request of a call that reads. False when there is none to spend, or
        it is the driver's turn: try again after `read_wait` seconds. May be called in any
        thread."""
        with self._lock:
            now = self._clock.monotonic()
            tokens = self.tokens
            is_wanted = now - self._wanted_at < MAX_READ_WAIT
            needed = 2.0 if is_wanted and not self._is_turn_of_read else 1.0
            if tokens < needed:
                self._read_waits_until = now + 2 * MAX_READ_WAIT
                return False
            self._is_turn_of_read = False
            self._read_waits_until = float("-inf")
            self._spend()
            return True

    @property
    def read_wait(self) -> float:
        """Seconds until a read may get a token."""
        missing = max(0.0, 1.0 - self.tokens)
        return min(MAX_READ_WAIT, max(MIN_READ_WAIT, missing / self.rate))

    def give_back(self, requests: int) -> None:
        """Return the tokens taken last, for requests that are not sent after all."""
        with self._lock:
            self._tokens = min(self.burst, self._tokens + requests)
            for _ in range(min(requests, len(self._spent_at))):
                self._spent_at.pop()

    def _spend(self) -> None:
        self._tokens -= 1.0
        self._spent_at.append(self._clock.monotonic())

    def learn(self, headers: Mapping[str, str]) -> None:
        """Read the rate headers of a response.

        A plan's limit below ours replaces it. When the minute's requests are nearly used up (by
        other integrations too), no more than the rest is spent. A conditional limit that is used
        up blocks until it resets."""
        limit = _integer(headers.get("X-Rate-Limit") or headers.get("ratelimit-limit"))
        remaining = _integer(
            headers.get("X-Rate-Limit-Remaining") or headers.get("ratelimit-remaining")
        )
        reset = _integer(headers.get("ratelimit-reset"))
        with self._lock:
            self._fill()
            if limit and limit < self._limit:
                self._set_limit(limit)
            if remaining is not None and remaining < self._limit * LOW_SHARE:
                self._spread(remaining, reset)
            for name, value in headers.items():
                key = name.lower()
                if key.startswith("zendesk-ratelimit-") and key != SLOTS_HEADER:
                    self._learn_conditional(value)

    def _spread(self, remaining: int, reset: int | None) -> None:
        """Spend no more than `remaining` requests in the `reset` seconds to come."""
        self._tokens = min(self._tokens, float(remaining))
        if not reset:
            return
        seconds = min(reset, MINUTE)
        # Zendesk reports whole seconds, perhaps rounded up.
        is_scarce = remaining < (reset - 1) * self.rate
        if remaining == 0:
            self.block(seconds)
        elif is_scarce:
            self._slow_rate = remaining / reset
            self._slow_until = self._clock.monotonic() + seconds

    def _learn_conditional(self, value: str) -> None:
        found = CONDITIONAL_LIMIT.search(value)
        if found and int(found[1]) == 0:
            self.block(min(int(found[2]), MINUTE))

    def _set_limit(self, requests_per_minute: int) -> None:
        self._limit = requests_per_minute
        wanted = requests_per_minute * self._share / 100 / MINUTE
        # At least two: a poll and a post at the same time.
        self.burst = max(2.0, wanted * BURST_SECONDS)
        self.rate = min(wanted, requests_per_minute / SAFE_MINUTE)

    def _fill(self) -> None:
        now = self._clock.monotonic()
        rate = self.rate
        if now < self._slow_until:
            rate = min(rate, self._slow_rate)
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        while self._spent_at and self._spent_at[0] <= now - SAFE_MINUTE:
            self._spent_at.popleft()


class Window:
    """How many of our jobs may run at the same time.

    Zendesk counts the jobs of every integration. When it answers TooManyJobs, the
    window shrinks to the number of jobs that Zendesk let through. While the window is
    full and no request is refused, it grows with each job duration: by one, then two,
    then four. So it soon finds slots that others free, and a refusal costs one
    request."""

    def __init__(self, cap: int, *, clock: Clock) -> None:
        self._clock = clock
        self.cap = cap
        self.size = cap
        self._shrunk_at = clock.monotonic()
        self._grown_at = self._shrunk_at
        self._step = 1

    def refuse(self, in_flight: int, duration: float) -> None:
        """Zendesk answered TooManyJobs while `in_flight` of our jobs were running.

        Refusals within half a job `duration` count once."""
        now = self._clock.monotonic()
        if now - self._shrunk_at < duration / 2 and self.size < self.cap:
            return
        self.size = max(1, min(in_flight, self.size))
        self._shrunk_at = now
        self._grown_at = now
        self._step = 1

    def grow(self, in_flight: int, duration: float) -> None:
        """Grow when the window is full and a job `duration` has passed since the last
        change. To be called often."""
        now = self._clock.monotonic()
        if in_flight < self.size:
            return
        if self.size < self.cap and now - self._grown_at >= duration:
            self.size = min(self.cap, self.size + self._step)
            self._grown_at = now
            self._step *= 2


class Slots:
    """What Zendesk last reported about the account's job slots, used by any integration.

    It reports them with each response to a batch, so while we send, this is the newest and most
    reliable figure. It is not trusted once batches are refused although a report left room."""

    DISTRUST_AT = 1.5
    CONTRADICTED = 1.0
    CONFIRMED = 0.03
    """How the distrust grows and falls."""
    SAME_MOMENT = 0.02
    """Seconds. Which of two responses this close together left first cannot be known. Each took a
    slot, so the one that reports the fewest was the last."""

    def __init__(self) -> None:
        self.total = 0
        self.free = 0.0
        """Free slots at `at`, plus those whose jobs have ended since."""
        self.at = float("-inf")
        """When the last report left Zendesk."""
        self._reported = 0
        """How many slots the last report gave as free."""
        self._distrust = 0.0

    @property
    def are_trusted(self) -> bool:
        return self._distrust < self.DISTRUST_AT

    def learn(self, headers: Mapping[str, str], at: float) -> None:
        """Read the headers of a response that left Zendesk at about this time. A
        response is ignored if a newer one arrived before it."""
        found = SLOTS_VALUE.search(headers.get(SLOTS_HEADER) or "")
        if not found or at <= self.at - self.SAME_MOMENT:
            return
        total = int(found[1])
        free = int(found[2])
        is_same_moment = at < self.at + self.SAME_MOMENT
        self.total = total
        self._reported = min(free, self._reported) if is_same_moment else free
        self.free = float(self._reported)
        self.at = max(at, self.at)

    def accepted(self) -> None:
        """A batch was accepted."""
        self._distrust = max(0.0, self._distrust - self.CONFIRMED)

    def refused(self, posting: int) -> None:
        """A batch was refused with TooManyJobs while `posting` batches, this one
        included, had no response yet."""
        if self._reported >= posting:
            most = 2 * self.DISTRUST_AT
            self._distrust = min(most, self._distrust + self.CONTRADICTED)
        self._reported = 0
        self.free = 0.0

    def job_ended(self, after: float, before: float) -> None:
        """One of our jobs ended between these times."""
        since = max(after, self.at)
        if before > since:
            share = (before - since) / (before - after)
            self.free = min(self.total, self.free + share)


class Backoff:
    """How long to rest after requests that failed through no fault of their own: twice
    as long each time, until one succeeds."""

    def __init__(self, max_seconds: float, *, clock: Clock) -> None:
        self._clock = clock
        self._max_seconds = max_seconds
        self._until = 0.0
        self.failures = 0

    @property
    def left(self) -> float:
        """Seconds that remain to rest."""
        return max(0.0, self._until - self._clock.monotonic())

    def failed(self) -> None:
        """A request failed. Requests that fail during a rest had been sent before it, so
        they count once."""
        if not self.left:
            self.failures += 1
            self.rest(min(self._max_seconds, 0.125 * 2**self.failures))

    def succeeded(self) -> None:
        self.failures = 0

    def rest(self, seconds: float) -> None:
        """Rest at least this long, without counting a failure."""
        self._until = max(self._until, self._clock.monotonic() + seconds)


class Durations:
    """How long the account's last 300 jobs took."""

    MAX_JOBS = 300
    MIN_TO_PREDICT = 20

    def __init__(self, first_guess: float = Timing.first_job_duration) -> None:
        """`first_guess` is the duration to expect before any job has finished."""
        self._first_guess = first_guess
        self._seen: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        seconds = max(0.0, seconds)
        self._seen.append(seconds)
        insort(self._sorted, seconds)
        if len(self._seen) > self.MAX_JOBS:
            oldest = self._seen.popleft()
            del self._sorted[bisect_right(self._sorted, oldest) - 1]

    @property
    def can_predict(self) -> bool:
        """Whether enough jobs are known for `probability_of_end`."""
        return len(self._seen) >= self.MIN_TO_PREDICT

    @property
    def typical(self) -> float:
        return median(self._sorted) if self._sorted else self._first_guess

    @property
    def mean(self) -> float:
        """The mean determines throughput. It is short while nothing is known, so that
        the first jobs are polled often."""
        if not self._sorted:
            return self._first_guess / 4
        return sum(self._sorted) / len(self._sorted)

    @property
    def long(self) -> float:
        """95 of 100 jobs took no longer."""
        if len(self._sorted) < 2:
            return max(self._first_guess, self.typical)
        return self._sorted[int(0.95 * len(self._sorted))]

    def probability_of_end(self, ran: float, since: float, by: float) -> float:
        """The probability that a job that was still running after `ran` seconds ends
        between `since` and `by` seconds. 0 for a job that has run longer than all others."""
        longer = len(self._sorted) - bisect_right(self._sorted, ran)
        if not longer:
            return 0.0
        ended_by = bisect_right(self._sorted, by)
        ended_since = bisect_right(self._sorted, since)
        return (ended_by - ended_since) / longer


class ResponseTimes:
    """How long the account's last responses took."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque([0.1], maxlen=50)

    def add(self, seconds: float) -> None:
        self._seen.append(seconds)

    @property
    def typical(self) -> float:
        return median(self._seen)


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdecimal() else None
