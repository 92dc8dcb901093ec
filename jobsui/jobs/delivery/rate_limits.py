"""The instruments by which an account's limits are kept: its request rate, its job
window, rests after failures, how long its jobs and its answers take. What they say
together is told in allowance.py."""

import re
import time
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Mapping
from statistics import median

Clock = Callable[[], float]
FIRST_TOKENS = 2.0
"""What a bucket begins with: a driver that takes over does not know what the one before
it has just spent."""
MINUTE = 60
"""Seconds after which a used-up rate is whole again, whatever a header says."""
LONG_MINUTE = 1.01 * MINUTE
"""No such time sees more requests than a minute may: on their way some are slower than
others."""
BURST_SECONDS = 2.0
"""How many seconds' worth of requests may gather: jobs end when they like, not at even
distances."""
NEARLY = 0.2
"""Below this part of the minute's requests what is left is spread over the rest of the
minute."""
CONDITIONAL = re.compile(r"remaining=(\d+);\s*resets?=(\d+)")
"""The value of a `zendesk-ratelimit-NAME` header: a limit of its own beside the
account's."""
INFLIGHT = "zendesk-ratelimit-inflight-jobs"
SLOTS = re.compile(r"total=(\d+);\s*remaining=(\d+)")
"""Its value (docs/zendesk.md)."""


class Budget:
    """A token bucket of the account's requests, of which we use a share. It fills
    evenly, and no minute sees more than the limit, however much gathers in it; what
    Zendesk says in its headers overrules what we believe."""

    def __init__(
        self,
        requests_per_minute: int,
        share: int = 100,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        """`share` in percent."""
        self._clock, self._share = clock, share
        self._allow(requests_per_minute)
        self._tokens = FIRST_TOKENS
        self._spent: deque[float] = deque()
        """When each request of the last minute was."""
        self._filled_at = clock()
        self._blocked_until = self._slow_until = 0.0
        self._slow_rate = 0.0

    @property
    def blocked_for(self) -> float:
        """Seconds until Zendesk lets us call again; 0 when it does."""
        return max(0.0, self._blocked_until - self._clock())

    @property
    def is_slowed(self) -> bool:
        """Others use so much of the account's rate that less than our share is left."""
        return self._clock() < self._slow_until

    @property
    def tokens(self) -> float:
        """Requests that may be spent now."""
        self._fill()
        return (
            0.0
            if self.blocked_for
            else min(self._tokens, float(self._limit - len(self._spent)))
        )

    def block(self, seconds: float) -> None:
        """Zendesk told us to wait."""
        self._blocked_until = max(self._blocked_until, self._clock() + seconds)
        self._tokens = 0.0

    def take(self) -> bool:
        """One request, if there is one to spend."""
        if self.tokens < 1.0:
            return False
        self._tokens -= 1.0
        self._spent.append(self._clock())
        return True

    def give_back(self, requests: int) -> None:
        """So many of those taken last are not made after all."""
        self._tokens = min(self.burst, self._tokens + requests)
        for _ in range(requests):
            self._spent.pop()

    def learn(self, headers: Mapping[str, str]) -> None:
        """Read the rate headers of an answer: a plan's limit below ours replaces it;
        when the minute's rest is nearly used up (by others, too) no more than it is
        spent; a conditional limit that is used up is waited for."""
        limit = _whole(headers.get("X-Rate-Limit") or headers.get("ratelimit-limit"))
        remaining = _whole(
            headers.get("X-Rate-Limit-Remaining") or headers.get("ratelimit-remaining")
        )
        reset = _whole(headers.get("ratelimit-reset"))
        self._fill()
        if limit and limit < self._limit:
            self._allow(limit)
        if remaining is not None and remaining < self._limit * NEARLY:
            self._tokens = min(self._tokens, float(remaining))
            if remaining == 0 and reset:
                self.block(min(reset, MINUTE))
            elif (
                reset and remaining < (reset - 1) * self.rate
            ):  # Seconds are told whole, perhaps rounded up.
                self._slow_rate, self._slow_until = (
                    remaining / reset,
                    self._clock() + min(reset, MINUTE),
                )
        for name, value in headers.items():
            if (
                name.lower().startswith("zendesk-ratelimit-")
                and name.lower() != INFLIGHT
            ):
                self._learn_conditional(value)

    def _learn_conditional(self, value: str) -> None:
        told = CONDITIONAL.search(value)
        if told and int(told[1]) == 0:
            self.block(min(int(told[2]), MINUTE))

    def _allow(self, requests_per_minute: int) -> None:
        self._limit = requests_per_minute
        wanted = requests_per_minute * self._share / 100 / MINUTE
        self.burst = max(
            2.0, wanted * BURST_SECONDS
        )  # Two at least: a look and a post at once.
        self.rate = min(wanted, requests_per_minute / LONG_MINUTE)

    def _fill(self) -> None:
        now = self._clock()
        rate = min(self.rate, self._slow_rate) if now < self._slow_until else self.rate
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        while self._spent and self._spent[0] <= now - LONG_MINUTE:
            self._spent.popleft()


class Window:
    """How many of our jobs may run at once. Zendesk counts every integration's jobs, so
    the window shrinks to what it let through when it says TooManyJobs. While it is full
    it grows again with each job duration without complaint: by one, then two, then
    four. So what others give back is soon found, and a complaint costs one request."""

    def __init__(self, cap: int, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.cap = cap
        self.size = cap
        self._shrunk_at = self._grown_at = clock()
        self._step = 1

    def refuse(self, in_flight: int, duration: float) -> None:
        """TooManyJobs while `in_flight` of ours were running. Refusals of one moment
        count once."""
        now = self._clock()
        if now - self._shrunk_at < duration / 2 and self.size < self.cap:
            return
        self.size = max(1, min(in_flight, self.size))
        self._shrunk_at = self._grown_at = now
        self._step = 1

    def grow(self, in_flight: int, duration: float) -> None:
        """Call now and then: more for each `duration` gone by, when there is use for
        it."""
        now = self._clock()
        if in_flight < self.size:
            return
        if self.size < self.cap and now - self._grown_at >= duration:
            self.size = min(self.cap, self.size + self._step)
            self._grown_at = now
            self._step *= 2


class Slots:
    """What Zendesk said last of the account's job slots, whoever uses them. It says so
    with each answer to a batch, so as long as we send this is the surest and newest
    there is. It is not believed when batches are refused that it said there was room
    for."""

    BELIEVED = 1.5
    CONTRADICTED, CONFIRMED = 1.0, 0.03
    APART = 0.02
    """Seconds. Of answers closer to each other nobody can tell which left first; each
    took a slot, so the one that tells of the fewest was the last."""

    def __init__(self) -> None:
        self.total = 0
        self.free = 0.0
        """Then, and those of which we have learned since that their jobs were over."""
        self.at = float("-inf")
        """When that was."""
        self._said = 0
        """How many were free then, by its word alone."""
        self._contradictions = 0.0

    @property
    def are_believed(self) -> bool:
        return self._contradictions < self.BELIEVED

    def learn(self, headers: Mapping[str, str], at: float) -> None:
        """Read an answer that left Zendesk at about this time. One that was overtaken
        by a newer one tells nothing."""
        told = SLOTS.search(headers.get(INFLIGHT) or "")
        if told and at > self.at - self.APART:
            follows = at >= self.at + self.APART
            self.total, self._said = (
                int(told[1]),
                int(told[2]) if follows else min(int(told[2]), self._said),
            )
            self.free, self.at = float(self._said), max(at, self.at)

    def accepted(self) -> None:
        self._contradictions = max(0.0, self._contradictions - self.CONFIRMED)

    def refused(self, on_the_way: int) -> None:
        """TooManyJobs, while so many batches were on their way with that one."""
        if self._said >= on_the_way:
            self._contradictions = min(
                2 * self.BELIEVED, self._contradictions + self.CONTRADICTED
            )
        self._said, self.free = 0, 0.0

    def ended(self, after: float, before: float) -> None:
        """A job of ours ended between these times."""
        since = max(after, self.at)
        if before > since:
            self.free = min(self.total, self.free + (before - since) / (before - after))


class Backoff:
    """How long to rest after calls that failed for no fault of theirs: twice as long
    each time, until one goes well."""

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
        """`wait` is what Zendesk asked for. Failures during a rest were under way
        before it: they count once."""
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
    ENOUGH = 20
    """From so many on they can foretell."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        seconds = max(0.0, seconds)
        self._seen.append(seconds)
        insort(self._sorted, seconds)
        if len(self._seen) > 300:
            del self._sorted[bisect_right(self._sorted, self._seen.popleft()) - 1]

    @property
    def can_foretell(self) -> bool:
        return len(self._seen) >= self.ENOUGH

    @property
    def typical(self) -> float:
        return median(self._sorted) if self._sorted else self.FIRST_GUESS

    @property
    def mean(self) -> float:
        """What throughput follows; little while nothing is known, so that the first
        jobs are watched closely."""
        return (
            sum(self._sorted) / len(self._sorted)
            if self._sorted
            else self.FIRST_GUESS / 4
        )

    @property
    def long(self) -> float:
        """95 of 100 took no longer."""
        if len(self._sorted) < 2:
            return max(self.FIRST_GUESS, self.typical)
        return self._sorted[int(0.95 * len(self._sorted))]

    def ending(self, ran: float, since: float, by: float) -> float:
        """The probability that a job which was running after `ran` seconds ends between
        `since` and `by`. One that has run longer than all others did is taken to run
        on."""
        longer = len(self._sorted) - bisect_right(self._sorted, ran)
        return (
            (bisect_right(self._sorted, by) - bisect_right(self._sorted, since))
            / longer
            if longer
            else 0.0
        )


class Trips:
    """How long the account's answers took lately, in seconds."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque([0.1], maxlen=50)

    def add(self, seconds: float) -> None:
        self._seen.append(seconds)

    @property
    def typical(self) -> float:
        return median(self._seen)


OFTENEST, RAREST = 0.25, 10.0
"""Seconds between two looks: out of courtesy, and so that people see progress."""
BATCHES_A_LOOK = 4
"""On the average a look tells of at least so many batches: looks must not eat the rate.
Of twice as many when Zendesk tells of its slots with each answer: then a look tells
only what became of them."""
TAKEN_AHEAD = 0.95
"""Of what is posted ahead of knowing about so much is accepted, where requests are
scarce."""
GAP = 0.03
"""Seconds from hearing of a free slot to filling it: a commit."""


def poll_interval(
    duration: float,
    window: float,
    rate: float,
    burst: float,
    trip: float,
    *,
    ahead: bool,
    told: bool,
) -> float:
    """Seconds between two looks at the running jobs: of those that hardly cost speed,
    the longest.

    A look costs a request. Between looks a slot that became free lies idle, half an
    interval on the average; and no more can be sent than the window and the gathered
    requests hold. When batches are posted ahead of knowing, slots hardly lie idle, but
    at most twice the window is sent without a look; when Zendesk tells of its slots as
    well, rare looks only make it a little harder to foretell which will be free."""
    duration = max(duration, 0.01)

    def speed(interval: float) -> float:
        if ahead:
            by_window = window / (duration + interval / (40 if told else 4) + trip)
            by_look = 2 * window / (duration + interval + 2 * trip + GAP)
            by_rate = (rate - 1 / interval) * TAKEN_AHEAD
        else:
            by_window = window / (duration + interval / 2 + 2 * trip + GAP)
            by_look = (window + burst) / (duration + interval + 2 * trip + GAP)
            by_rate = rate - 1 / interval
        return min(by_rate, by_window, by_look)

    batches = BATCHES_A_LOOK * (2 if ahead and told else 1)
    interval = max(OFTENEST, min(RAREST, batches / min(rate, window / duration)))
    tried = {}
    while interval <= RAREST:
        tried[interval] = speed(interval)
        interval *= 1.1
    best = max(tried.values())
    return max(each for each, its in tried.items() if its >= best - 0.01 * abs(best))


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdecimal() else None
