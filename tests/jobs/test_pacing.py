from dataclasses import dataclass

import pytest

from jobsui.jobs.engine import pacing
from jobsui.jobs.engine.pacing import Backoff, Budget, Durations, Window


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


def spent(budget: Budget, **how: float) -> int:
    """How many requests it lets through right now."""
    count = 0
    while budget.take(**how):
        count += 1
    return count


@pytest.mark.parametrize("per_minute", [10, 60, 200, 700, 2500])
def test_budget_spends_a_minute_and_never_more(per_minute: int) -> None:
    clock = Clock()
    budget = Budget(per_minute, clock=clock)

    total = 0
    for _ in range(600):
        total += spent(budget, reserve=1.0)
        clock.now += 0.1

    assert 0.85 * per_minute <= total <= per_minute + 2


def test_budget_lets_posts_leave_one_request_to_the_poll() -> None:
    budget = Budget(60, clock=Clock())

    posts = spent(budget, reserve=1.0)

    assert (posts, budget.take(), budget.take()) == (1, True, False)


def test_budget_waits_as_long_as_zendesk_says() -> None:
    clock = Clock()
    budget = Budget(600, clock=clock)

    budget.block(7)

    assert (budget.take(), budget.blocked_for) == (False, 7.0)
    clock.now += 8
    assert budget.take()


@pytest.mark.parametrize(
    ("headers", "spendable"),
    [
        ({}, 19),
        ({"X-Rate-Limit": "700", "X-Rate-Limit-Remaining": "500"}, 19),
        ({"X-Rate-Limit": "60", "X-Rate-Limit-Remaining": "50"}, 2),
        ({"X-Rate-Limit-Remaining": "3"}, 3),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "20"}, 0),
        ({"X-Rate-Limit-Remaining": "soon"}, 19),
    ],
)
def test_budget_believes_headers_before_itself(headers: dict[str, str], spendable: int) -> None:
    budget = Budget(600, clock=Clock())

    budget.learn(headers)

    assert spent(budget) == spendable


def test_budget_takes_over_the_lower_limit_of_a_plan() -> None:
    clock = Clock()
    budget = Budget(600, clock=clock)

    budget.learn({"X-Rate-Limit": "60"})

    spent(budget)
    clock.now += 10
    assert spent(budget) == 2  # Two seconds' worth, never less than two.
    assert budget.rate == 0.95


def test_window_shrinks_to_what_was_let_through_and_grows_back() -> None:
    clock = Clock()
    window = Window(30, clock=clock)

    window.refuse(20, 10)
    window.refuse(12, 10)  # The same moment.
    assert (int(window.size), window.free(18)) == (20, 2)

    for _ in range(3):
        clock.now += 10
        window.grow(10)
    assert (int(window.size), window.free(40)) == (23, 0)


def test_window_keeps_one_place_to_try() -> None:
    window = Window(30, clock=Clock())

    window.refuse(0, 10)

    assert window.free(0) == 1


def test_backoff_doubles_and_counts_failures_of_one_moment_once() -> None:
    clock = Clock()
    backoff = Backoff(clock=clock)

    rests = []
    for _ in range(10):
        for _ in range(6):
            backoff.failed()
        rests.append(backoff.left)
        clock.now += backoff.left

    assert rests == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    backoff.succeeded()
    backoff.failed()
    assert backoff.left == 0.25


def test_backoff_rests_as_long_as_was_asked() -> None:
    clock = Clock()
    backoff = Backoff(clock=clock)

    backoff.failed(12)
    backoff.rest(3)

    assert (backoff.left, backoff.failures) == (12, 1)


@pytest.mark.parametrize(
    ("seen", "typical", "shown", "long"),
    [([], 10, 2.5, 10), ([4], 4, 4, 10), ([1] * 99 + [50], 1, 1, 1), ([1] * 50 + [9] * 50, 5, 5, 9)],
)
def test_durations(seen: list[float], typical: float, shown: float, long: float) -> None:
    durations = Durations()

    for seconds in seen:
        durations.add(seconds)

    assert (durations.typical, durations.shown, durations.long) == (typical, shown, long)


@pytest.mark.parametrize(
    ("duration", "window", "rate", "seconds"),
    [
        (1, 30, 100, 0.25),  # never more often, out of courtesy
        (10, 30, 11, 1.0),  # window-bound: a tenth of a job
        (5, 30, 3.3, 2.045),  # rate-bound: half the time until the window would fill
        (1, 30, 3.3, 4.045),
        (1, 30, 0.5, 5.0),  # never less often: statuses may be pushed off the list
        (600, 30, 3.3, 5.0),
    ],
)
def test_poll_interval(duration: float, window: float, rate: float, seconds: float) -> None:
    assert round(pacing.poll_interval(duration, window, rate), 3) == seconds
