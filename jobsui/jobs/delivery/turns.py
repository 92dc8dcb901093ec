"""Turns: a worker process drives a limited number of accounts at a time. If there are
more, they take turns."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from jobsui.clock import Clock
from jobsui.jobs.delivery.account_limits import AccountLimits
from jobsui.jobs.delivery.auto_pause import FailureWindows
from jobsui.jobs.delivery.object_windows import ObjectWindows
from jobsui.jobs.delivery.running_batches import RunningBatches
from jobsui.jobs.delivery.unconfirmed import UnconfirmedBatches
from jobsui.jobs.timing import Timing

type Revision = tuple[object, ...]
"""Differs after each change of an account's moving jobs."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a driver has observed of its account and the database does not know. The next
    turn continues with it: what must last for longer than a turn, such as the absence
    of a record, would never be established otherwise."""

    unconfirmed: UnconfirmedBatches
    running: RunningBatches
    failures: FailureWindows
    objects: ObjectWindows

    @property
    def has_absent(self) -> bool:
        """Whether a record or a job status is absent, perhaps for good."""
        return bool(self.unconfirmed) or self.running.has_absent

    @classmethod
    def nothing(cls, timing: Timing) -> "Observed":
        return cls(
            UnconfirmedBatches(),
            RunningBatches(timing),
            FailureWindows(),
            ObjectWindows(),
        )


class Turn:
    """The time for which a worker drives an account. Times are those of
    Clock.monotonic()."""

    def __init__(
        self, clock: Clock, timing: Timing, previous: "Turn | None" = None
    ) -> None:
        """`previous` is the account's last turn in this process, if it had any."""
        self._clock = clock
        self._timing = timing
        self.began_at = clock.monotonic()
        self.sent_at = self.began_at
        """When a batch was last sent; the beginning, if none was."""
        self.ended_at = float("-inf")
        self.leaving = threading.Event()
        """Another account needs the turn: send nothing more."""
        self.epoch = 0
        """That of the account's lease."""
        self.revision: Revision = ()
        """That of the account's jobs before the turn."""
        self.waits_for_change = False
        """At its end there was nothing to send, to poll or to reconcile."""
        self.has_ended_in_order = False
        """Its driver waits for no call."""
        self._previous = previous
        self.limits = AccountLimits(clock, timing)
        self.observed = Observed.nothing(timing)

    def begin(self, epoch: int) -> None:
        """The account is owned. What was learned of it in the last turn is still true,
        unless another process has driven it since."""
        self.epoch = epoch
        previous = self._previous
        if previous is not None and previous.epoch + 1 == epoch:
            self.limits = previous.limits
            if previous.has_ended_in_order:
                self.observed = previous.observed
        self._previous = None

    def end(self) -> None:
        self._previous = None
        self.ended_at = self._clock.monotonic()

    def may_follow(self, revision: Revision) -> bool:
        """Whether a further turn may find something to do: Zendesk may be asked, and
        something has changed unless the last turn left work."""
        if self.limits.posts.left or self.limits.waits:
            return False
        is_same = self.waits_for_change and revision == self.revision
        age = self._clock.monotonic() - self.ended_at
        return not is_same or age > self._timing.max_rest

    @property
    def idle_seconds(self) -> float:
        return self._clock.monotonic() - self.sent_at

    @property
    def may_end(self) -> bool:
        """Whether the account has had its turn: it has nothing to do now, or its turn has
        lasted for long."""
        age = self._clock.monotonic() - self.began_at
        is_idle = self.idle_seconds >= self._timing.min_turn
        return (is_idle and not self._is_watching) or age >= self._timing.max_turn

    @property
    def _is_watching(self) -> bool:
        """Whether it waits for an absence to last, and Zendesk can be read. Only this
        process knows for how long it has lasted: a worker on another host would begin
        again."""
        return self.observed.has_absent and not self.limits.reads.left


def choose_leaving(turns: Iterable[Turn], number: int) -> list[Turn]:
    """The turns to end so that `number` other accounts can have one, fewer if not enough
    may end. Those that have sent nothing for longest come first."""
    if number <= 0:
        return []
    ending = [turn for turn in turns if turn.may_end and not turn.leaving.is_set()]
    ending.sort(key=lambda turn: turn.sent_at)
    return ending[:number]
