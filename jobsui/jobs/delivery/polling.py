"""How often to poll: the longest interval that hardly costs speed."""

from dataclasses import dataclass

from jobsui.jobs.timing import Timing

MIN_BATCHES_PER_POLL = 4
"""A poll reports at least this many batches on average. With fewer, polls would use up
the rate. The number doubles when Zendesk reports its slots with each response, because
a poll then brings only results."""
EARLY_SEND_ACCEPTED = 0.95
"""About this share of the batches sent early is accepted, where requests are scarce."""
COMMIT_SECONDS = 0.03
"""From the report of a free slot to the request that fills it: one commit."""
MAX_LOSS = 0.01
"""The share of the best speed that a longer interval may cost."""
STEP = 1.1
"""The ratio of one interval that is considered to the one before it."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which conditions the account's batches run now. Times are in seconds."""

    duration: float
    """The mean duration of a job, above 0."""
    window: float
    """How many jobs may run at the same time."""
    rate: float
    """Requests per second."""
    burst: float
    """How many requests may accumulate."""
    response_time: float
    early_send: bool
    """Batches leave shortly before a slot is free."""
    slots_reported: bool
    """Zendesk reports its free slots with each response."""

    def speed(self, interval: float) -> float:
        """Batches per second with one poll each `interval`.

        Each poll costs a request. Between two polls, a free slot is idle for half an
        interval on average, and the driver sends at most what the window and the
        accumulated requests allow. With early sending, slots are hardly idle, but the
        driver sends at most twice the window between two polls. When Zendesk reports
        its slots too, rare polls only make it slightly harder to predict which slots
        are free."""
        round_trip = 2 * self.response_time + COMMIT_SECONDS
        cycle = self.duration + interval + round_trip
        by_rate = self.rate - 1 / interval
        if not self.early_send:
            by_window = self.window / (self.duration + interval / 2 + round_trip)
            by_poll = (self.window + self.burst) / cycle
            return min(by_rate, by_window, by_poll)
        idle = interval / (40 if self.slots_reported else 4)
        by_window = self.window / (self.duration + idle + self.response_time)
        by_poll = 2 * self.window / cycle
        return min(by_rate * EARLY_SEND_ACCEPTED, by_window, by_poll)

    @property
    def shortest_interval(self) -> float:
        """A poll each time that this passes reports just enough batches."""
        batches = MIN_BATCHES_PER_POLL
        if self.early_send and self.slots_reported:
            batches *= 2
        batches_per_second = min(self.rate, self.window / self.duration)
        return batches / batches_per_second


def poll_interval(conditions: Conditions, timing: Timing) -> float:
    """Seconds between two polls: the longest interval that hardly costs speed."""
    shortest = min(timing.max_poll_interval, conditions.shortest_interval)
    interval = max(timing.min_poll_interval, shortest)
    speeds = {}
    while interval <= timing.max_poll_interval:
        speeds[interval] = conditions.speed(interval)
        interval *= STEP
    best = max(speeds.values())
    good_enough = best - MAX_LOSS * abs(best)
    return max(each for each, its in speeds.items() if its >= good_enough)
