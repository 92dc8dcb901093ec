"""What limited the speed of an account, from round to round."""

from collections import Counter

from jobsui.jobs.enums import LimitedBy


class LimitLog:
    """Counts what limited each round, and decides which limit is shown. A change is
    written to every job of the account, so the decision changes rarely. Times are those
    of Clock.monotonic(), in seconds."""

    def __init__(self, interval: float) -> None:
        """`interval`: how long a decision stays at least."""
        self.rounds = Counter[LimitedBy]()
        """How many rounds each limit has had since the last decision."""
        self._interval = interval
        self._decided = LimitedBy.NOTHING
        self._changed_at = float("-inf")

    def note(self, limit: LimitedBy) -> None:
        self.rounds[limit] += 1

    def decide(self, now: float, *, has_more: bool) -> LimitedBy:
        """The limit of most rounds since the last decision. `has_more`: batches wait to
        be sent."""
        if now - self._changed_at < self._interval:
            return self._decided
        most = self.rounds.most_common(1)
        if has_more and not most:
            return self._decided
        decided = most[0][0] if most else LimitedBy.NOTHING
        if decided != self._decided:
            self._changed_at = now
        self._decided = decided
        self.rounds.clear()
        return decided
