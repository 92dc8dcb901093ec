"""How fast an account may be used: its request rate, its job window, and how long its jobs take."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from statistics import median, quantiles

Clock = Callable[[], float]

MINUTE = 60
"""Seconds after which a used-up rate is whole again, whatever a header says."""
SHARE = 0.95
"""Of the account's requests per minute that we use; the rest is left to people pressing *Test*."""


class Budget:
    """A token bucket of the account's requests. It fills evenly and holds two seconds' worth, so that a minute never
    sees more than its limit; what Zendesk says in its headers overrules what we believe."""

    def __init__(self, requests_per_minute: int, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._allow(requests_per_minute)
        self._tokens = self._capacity
        self._filled_at = clock()
        self._blocked_until = 0.0

    @property
    def blocked_for(self) -> float:
        """Seconds until Zendesk lets us call again; 0 when it does."""
        return max(0.0, self._blocked_until - self._clock())

    def block(self, seconds: float) -> None:
        """Zendesk told us to wait."""
        self._blocked_until = max(self._blocked_until, self._clock() + seconds)
        self._tokens = 0.0

    def take(self, *, reserve: float = 0.0) -> bool:
        """One request, if there is one to spend beyond `reserve`."""
        self._fill()
        if self.blocked_for or self._tokens < 1.0 + reserve:
            return False
        self._tokens -= 1.0
        return True

    def learn(self, headers: Mapping[str, str]) -> None:
        """Read the rate headers of an answer: a plan's limit below ours replaces it, and when the minute's rest is
        nearly used up (by others, too) the tokens are cut to it."""
        limit = _whole(headers.get("X-Rate-Limit") or headers.get("ratelimit-limit"))
        remaining = _whole(headers.get("X-Rate-Limit-Remaining") or headers.get("ratelimit-remaining"))
        if limit and limit < self._limit:
            self._allow(limit)
        if remaining is not None and remaining < self._limit * 0.02:
            reset = _whole(headers.get("ratelimit-reset"))
            self._tokens = min(self._tokens, float(remaining))
            if remaining == 0 and reset:
                self.block(min(reset, MINUTE))

    def _allow(self, requests_per_minute: int) -> None:
        self._limit = requests_per_minute
        self.rate = requests_per_minute * SHARE / 60
        self._capacity = max(2.0, self.rate * 2)  # Two at least: one to keep in reserve, one to spend.

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now


class Window:
    """How many of our jobs may run at once. Zendesk counts every integration's jobs, so the window shrinks to what it
    let through when it says TooManyJobs, and grows by one for each job duration without complaint."""

    def __init__(self, cap: int, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.cap = cap
        self.size = float(cap)
        self._shrunk_at = self._grown_at = clock()

    def refuse(self, in_flight: int, duration: float) -> None:
        """TooManyJobs while `in_flight` of ours were running. Refusals of one moment count once."""
        now = self._clock()
        if now - self._shrunk_at < duration / 2 and self.size < self.cap:
            return
        self.size = float(max(1, min(in_flight, self.cap)))
        self._shrunk_at = self._grown_at = now

    def grow(self, duration: float) -> None:
        """Call now and then: one more for each `duration` gone by."""
        now = self._clock()
        if self.size < self.cap and now - self._grown_at >= duration:
            self.size = min(float(self.cap), self.size + 1)
            self._grown_at = now

    def free(self, in_flight: int) -> int:
        return max(0, int(self.size) - in_flight)


class Backoff:
    """How long to rest after calls that failed for no fault of theirs: twice as long each time, until one goes well."""

    LONGEST = 30.0

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self.failures = 0

    @property
    def left(self) -> float:
        """Seconds to rest still."""
        return max(0.0, self._until - self._clock())

    def failed(self, wait: float | None = None) -> None:
        """`wait` is what Zendesk asked for. Failures during a rest were under way before it: they count once."""
        if not self.left:
            self.failures += 1
            self.rest(min(self.LONGEST, 0.125 * 2**self.failures))
        self.rest(wait or 0.0)

    def succeeded(self) -> None:
        self.failures = 0

    def rest(self, seconds: float) -> None:
        """Rest at least this long, for another reason than a failure."""
        self._until = max(self._until, self._clock() + seconds)


class Durations:
    """How long the account's jobs took lately, in seconds."""

    FIRST_GUESS = 10.0
    """Before anything is known: about what small jobs are reported to take."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=300)

    def add(self, seconds: float) -> None:
        self._seen.append(max(0.0, seconds))

    @property
    def typical(self) -> float:
        return median(self._seen) if self._seen else self.FIRST_GUESS

    @property
    def shown(self) -> float:
        """What the account has shown so far, little while it has shown nothing: so that the first jobs are watched
        closely and tell."""
        return median(self._seen) if self._seen else self.FIRST_GUESS / 4

    @property
    def long(self) -> float:
        """95 of 100 took no longer."""
        return quantiles(self._seen, n=20)[-1] if len(self._seen) > 1 else max(self.FIRST_GUESS, self.typical)


def poll_interval(duration: float, window: float, rate: float) -> float:
    """Seconds between two looks at the running jobs.

    While the window limits us each look frees slots, so look often; while the request rate does, the window is not
    full and a look only costs a request, so look just before it would fill. Never less than 0.25 s out of courtesy,
    never more than 5 s because other integrations may push our statuses off the list.
    """
    duration = max(duration, 0.01)
    often = 0.1 * duration
    if rate < window / duration:
        often = max(often, window / rate - duration) / 2
    return min(5.0, max(0.25, often))


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdecimal() else None
