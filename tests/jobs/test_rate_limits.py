import time
from dataclasses import dataclass
from typing import Any

import pytest

from jobsui.connections.models import Connection
from jobsui.jobs.delivery import rate_limits
from jobsui.jobs.delivery.account_limits import AccountLimits
from jobsui.jobs.delivery.batch_request import PostResult
from jobsui.jobs.delivery.call_threads import RunningBatch
from jobsui.jobs.delivery.rate_limits import Backoff, Budget, Durations, Trips, Window
from jobsui.jobs.enums import LimitedBy
from jobsui.zendesk.errors import Limited, NotSent, TooManyJobs, Unsure, ZendeskError
from jobsui.zendesk.payloads import Answer


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


def spent(budget: Budget) -> int:
    """How many requests it lets through right now."""
    count = 0
    while budget.take():
        count += 1
    return count


@pytest.mark.parametrize("share", [100, 80, 50])
@pytest.mark.parametrize("per_minute", [10, 60, 200, 700, 2500])
def test_budget_spends_its_share_of_a_minute_and_never_more_than_the_minute(
    per_minute: int, share: int
) -> None:
    clock = Clock()
    budget = Budget(per_minute, share, clock=clock)

    minutes = []
    for _ in range(3):
        total = 0
        for _ in range(600):
            total += spent(budget)
            clock.now += 0.1
        minutes.append(total)

    wanted = per_minute * share / 100
    assert max(minutes) <= per_minute
    assert min(0.97 * wanted, wanted - 6) <= minutes[-1] <= wanted + 1


def test_requests_that_were_not_made_are_had_again() -> None:
    budget = Budget(600, clock=Clock())
    gathered = spent(budget)

    budget.give_back(1)

    assert (gathered > 0, spent(budget)) == (True, 1)


def test_what_gathered_is_part_of_the_minutes_limit() -> None:
    clock = Clock()
    budget = Budget(700, clock=clock)
    clock.now += 60
    gathered = spent(budget)

    for _ in range(599):
        clock.now += 0.1
        gathered += spent(budget)

    assert 680 < gathered <= 700


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
        ({}, 20),
        ({"X-Rate-Limit": "700", "X-Rate-Limit-Remaining": "500"}, 20),
        ({"X-Rate-Limit": "60", "X-Rate-Limit-Remaining": "50"}, 2),
        ({"X-Rate-Limit-Remaining": "3"}, 3),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "20"}, 0),
        ({"X-Rate-Limit-Remaining": "soon"}, 20),
        ({"Zendesk-RateLimit-custom-objects": "total=100; remaining=0; resets=41"}, 0),
        ({"Zendesk-RateLimit-custom-objects": "total=100; remaining=1; resets=41"}, 20),
        (
            {"zendesk-ratelimit-inflight-jobs": "total=30; remaining=0; resets=60"},
            20,
        ),  # of job slots, not of requests
    ],
)
def test_budget_believes_headers_before_itself(
    headers: dict[str, str], spendable: int
) -> None:
    clock = Clock()
    budget = Budget(600, clock=clock)
    clock.now += 60

    budget.learn(headers)

    assert spent(budget) == spendable


def test_what_others_leave_of_a_minute_is_spread_over_its_rest() -> None:
    clock = Clock()
    budget = Budget(600, clock=clock)
    budget.learn({"X-Rate-Limit-Remaining": "40", "ratelimit-reset": "20"})
    slowed = budget.is_slowed

    used = spent(budget)
    for _ in range(19):
        clock.now += 1
        used += spent(budget)

    assert (slowed, used) == (True, 40)
    clock.now += 2
    assert not budget.is_slowed


def test_budget_takes_over_the_lower_limit_of_a_plan() -> None:
    clock = Clock()
    budget = Budget(600, clock=clock)

    budget.learn({"X-Rate-Limit": "60"})

    assert (budget.burst, round(budget.rate, 3)) == (2, 0.99)


def test_window_shrinks_to_what_was_let_through_and_grows_back() -> None:
    clock = Clock()
    window = Window(30, clock=clock)

    window.refuse(20, 10)
    window.refuse(12, 10)  # The same moment.
    assert window.size == 20

    sizes = []
    for _ in range(4):
        clock.now += 10
        window.grow(window.size, 10)
        sizes.append(window.size)
    assert sizes == [21, 23, 27, 30]


def test_window_grows_only_when_it_is_full() -> None:
    clock = Clock()
    window = Window(30, clock=clock)
    window.refuse(20, 10)
    clock.now += 10

    window.grow(5, 10)  # Whether there is more room, nobody can tell.

    assert window.size == 20


def test_window_keeps_one_place_to_try() -> None:
    window = Window(30, clock=Clock())

    window.refuse(0, 10)

    assert window.size == 1


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
    ("seen", "typical", "mean", "long"),
    [
        ([], 10, 2.5, 10),
        ([4], 4, 4, 10),
        ([1] * 99 + [51], 1, 1.5, 1),
        ([1] * 50 + [9] * 50, 5, 5, 9),
    ],
)
def test_durations(seen: list[float], typical: float, mean: float, long: float) -> None:
    durations = Durations()

    for seconds in seen:
        durations.add(seconds)

    assert (durations.typical, durations.mean, durations.long) == (typical, mean, long)


def test_durations_are_those_of_the_last_300_jobs() -> None:
    durations = Durations()

    for seconds in [7.0] * 300 + [1.0] * 200:
        durations.add(seconds)

    assert (durations.mean, durations.ending(0, 0, 5)) == (3.0, 2 / 3)


@pytest.mark.parametrize(
    ("ran", "since", "by", "probability"),
    [
        (0, 0, 0.5, 0),  # none was as quick
        (0, 0, 2, 0.5),  # 1 and 2 were
        (0, 1.5, 2, 0.25),
        (2, 2, 3, 0.5),  # of those that ran for more than 2 seconds
        (2, 3, 9, 0.5),
        (5, 5, 9, 0),  # longer than all others: who knows
    ],
)
def test_durations_foretell_which_jobs_end(
    ran: float, since: float, by: float, probability: float
) -> None:
    durations = Durations()
    for seconds in (1, 2, 3, 4):
        durations.add(seconds)

    assert durations.ending(ran, since, by) == probability


def test_trips_are_told_by_the_last_answers() -> None:
    trips = Trips()
    for _ in range(60):
        trips.add(0.02)

    assert trips.typical == 0.02


@pytest.mark.parametrize(
    ("duration", "rate", "trip", "how", "least", "most"),
    [
        (1, 41, 0.02, "known", 0.25, 0.3),  # window-bound: as often as courtesy allows
        (
            10,
            41,
            0.02,
            "known",
            1.3,
            1.8,
        ),  # ... but a look tells of four batches at least
        (10, 3.3, 0.15, "known", 1.3, 2.5),
        (
            1,
            11.5,
            0.02,
            "known",
            1.5,
            3,
        ),  # rate-bound: while the window has room a late look costs nothing
        (1, 3.3, 0.15, "known", 6, 10),
        (
            5,
            3.3,
            0.15,
            "ahead",
            8,
            10,
        ),  # who posts ahead need not know that slots are free
        (1, 41, 0.02, "ahead", 0.25, 0.4),
        (
            1,
            41,
            0.02,
            "told",
            0.4,
            0.8,
        ),  # and looks only for what became of the batches when told of the slots
        (10, 41, 0.02, "told", 5, 8),
        (
            600,
            3.3,
            0.15,
            "known",
            10,
            10,
        ),  # never less often: people want to see progress
    ],
)
def test_poll_interval(
    duration: float, rate: float, trip: float, how: str, least: float, most: float
) -> None:
    interval = rate_limits.poll_interval(
        duration, 30, rate, rate, trip, ahead=how != "known", told=how == "told"
    )

    assert least <= interval <= most


# What the instruments say together


def account(**limits: Any) -> AccountLimits:
    """An account of 600 requests a minute and 30 jobs of which 100 took a second
    each."""
    told = AccountLimits()
    told.agree(
        [
            Connection(
                **{
                    "requests_per_minute": 600,
                    "share": 100,
                    "max_running_jobs": 30,
                    **limits,
                }
            )
        ]
    )
    for _ in range(100):
        told.durations.add(1.0)
    told.budget._tokens = told.budget.burst
    return told


def running(*ages: float) -> list[RunningBatch]:
    """Batches accepted so many seconds ago, and seen running half a second after."""
    now = time.monotonic()
    request: Any = None
    return [
        RunningBatch(request, "", now - age, now - age + min(age, 0.5)) for age in ages
    ]


def hear(
    told: AccountLimits,
    error: ZendeskError | None,
    answer: Answer | None,
    *,
    running: int,
    on_the_way: int,
) -> None:
    """What became of a post, just now."""
    request: Any = None
    told.heard_of_post(
        PostResult(request, error=error, answer=answer), running, on_the_way
    )


def test_the_smallest_limits_of_connections_on_one_account_count() -> None:
    told = AccountLimits()

    told.agree(
        [
            Connection(requests_per_minute=700, max_running_jobs=10, share=50),
            Connection(requests_per_minute=400, max_running_jobs=30, share=80),
        ]
    )

    assert (told.window.cap, round(told.budget.rate * 60)) == (10, 200)


def test_batches_in_doubt_and_on_their_way_take_room() -> None:
    assert account(early_send=False).room(running(*[0.1] * 20), 5) == 5


def test_posting_ahead_counts_jobs_that_must_be_over() -> None:
    told = account()

    assert told.room(running(*[0.5] * 10, *[2.0] * 20), 0) == 20
    assert told.room(running(*[0.5] * 30), 0) == 0


def test_posting_ahead_never_sends_more_than_twice_the_window() -> None:
    assert account().room(running(*[2.0] * 55), 0) == 5


@pytest.mark.parametrize("hinders", ["setting", "look failed", "nothing left over"])
def test_posting_ahead_only_where_it_pays(hinders: str) -> None:
    told = account(early_send=hinders != "setting")
    if hinders == "look failed":
        told.asks.failed()
    if hinders == "nothing left over":
        told.budget._tokens = 0.0

    assert told.room(running(*[2.0] * 30), 0) == 0


def test_a_post_ahead_that_is_refused_is_no_sign_of_others() -> None:
    told = account()

    hear(
        told, TooManyJobs("Too many", retry_after=None), None, running=27, on_the_way=4
    )

    assert (told.window.size, told.posts.left) == (30, 0)


def says(free: int, total: int = 30) -> Answer:
    """An answer that tells of job slots."""
    slots = f"total={total}; remaining={free}; resets=60"
    return Answer(201, {"zendesk-ratelimit-inflight-jobs": slots}, b"", elapsed=0.0)


@pytest.mark.parametrize(
    ("seconds", "interval"), [(3.0, 1.0), (10.0, 2.0), (40.0, 8.0)]
)
def test_the_last_jobs_are_looked_at_sooner(seconds: float, interval: float) -> None:
    told = account()
    for _ in range(300):
        told.durations.add(seconds)
    hear(told, None, says(free=0), running=30, on_the_way=0)

    assert round(told.tail_interval, 3) == interval < told.poll_interval


def test_job_slots_that_zendesk_tells_of_are_used_and_no_others() -> None:
    told = account()
    looked_at = running(*[0.1] * 20)

    hear(told, None, says(free=4), running=20, on_the_way=0)

    assert (told.room(looked_at, 0), told.room(looked_at, 3)) == (4, 1)
    assert told.holds(20, has_room=True) == LimitedBy.RATE
    hear(told, None, says(free=0), running=20, on_the_way=0)
    assert (told.room(looked_at, 0), told.holds(20, has_room=False)) == (
        0,
        LimitedBy.OTHERS,
    )


def test_jobs_that_ended_since_zendesk_told_of_its_slots_have_left_theirs() -> None:
    told = account(early_send=False)
    now = time.monotonic()
    one, another = running(*[3.0] * 2)
    one.seen = another.seen = now - 1
    hear(told, None, says(free=0), running=30, on_the_way=0)

    told.heard_of_end(one, now + 1)  # Half of that time had gone by when Zendesk told.
    first = told.room([], 0)
    told.heard_of_end(another, now + 1.1)
    both = told.room([], 0)
    told.heard_of_end(
        another, another.seen
    )  # Seen and over at one moment, before Zendesk told.

    assert (first, both, told.room([], 0)) == (0, 1, 1)


def test_what_was_said_of_job_slots_grows_old() -> None:
    told = account(early_send=False)
    hear(told, None, says(free=0), running=0, on_the_way=0)

    told.slots.at -= 2  # Twice as long as jobs take.

    assert told.room([], 0) == 30


def test_of_two_answers_the_one_that_left_zendesk_last_counts() -> None:
    told = account()
    request: Any = None
    overtaken = PostResult(request, answer=says(free=5), at=time.monotonic() - 0.2)

    hear(told, None, says(free=4), running=20, on_the_way=2)
    told.heard_of_post(overtaken, 21, 1)

    assert told.slots.free == 4


def test_of_answers_at_one_moment_the_one_that_tells_of_the_fewest_was_the_last() -> (
    None
):
    told = account()
    request: Any = None
    now = time.monotonic()

    for free, at in [(2, now), (0, now + 0.001), (1, now + 0.002)]:
        told.heard_of_post(PostResult(request, answer=says(free=free), at=at), 29, 1)
    at_once = told.slots.free
    told.heard_of_post(PostResult(request, answer=says(free=3), at=now + 0.1), 29, 1)

    assert (at_once, told.slots.free) == (0, 3)


def test_slots_whose_jobs_seem_over_are_no_word_of_zendesk() -> None:
    told = account(early_send=False)
    one = running(3.0)[0]

    for _ in range(3):
        hear(told, None, says(free=0), running=30, on_the_way=0)
        told.heard_of_end(one, time.monotonic() + 100)
        hear(
            told,
            TooManyJobs("Too many", retry_after=None),
            None,
            running=29,
            on_the_way=1,
        )

    assert told.slots.are_believed


def test_slots_that_zendesk_tells_of_and_does_not_have_are_not_believed() -> None:
    told = account(early_send=False)
    none: list[RunningBatch] = []

    for _ in range(2):
        told.slots.at -= 1  # A second later.
        hear(told, None, says(free=20), running=0, on_the_way=0)
        hear(
            told,
            TooManyJobs("Too many", retry_after=None),
            None,
            running=10,
            on_the_way=1,
        )
    told.posts = rate_limits.Backoff()

    assert (told.window.size, told.room(none, 0)) == (10, 10)
    for _ in range(20):
        told.slots.at -= 1
        hear(told, None, says(free=20), running=0, on_the_way=0)
    assert told.room(none, 0) == 20


def test_a_smaller_window_of_ours_is_kept_to_whatever_zendesk_tells() -> None:
    told = account(max_running_jobs=5)

    hear(told, None, says(free=25), running=5, on_the_way=0)

    assert told.room(running(*[0.1] * 5), 0) == 0


def test_others_in_the_window_are_learned_and_named() -> None:
    told = account(early_send=False)

    hear(
        told, TooManyJobs("Too many", retry_after=None), None, running=20, on_the_way=4
    )

    assert (told.window.size, told.holds(20, has_room=False)) == (20, LimitedBy.OTHERS)
    assert told.room(running(*[0.1] * 15), 0) == 0  # It rests a moment, then:
    told.posts = rate_limits.Backoff()
    assert told.room(running(*[0.1] * 15), 0) == 5


@pytest.mark.parametrize(
    ("error", "limited_by"),
    [
        (Limited("Slow down", retry_after=5), LimitedBy.BLOCKED),
        (NotSent("refused"), LimitedBy.UNREACHABLE),
        (Unsure("timeout"), LimitedBy.UNREACHABLE),
        (None, LimitedBy.RATE),
    ],
)
def test_what_holds_back_is_known(
    error: ZendeskError | None, limited_by: LimitedBy
) -> None:
    told = account()

    hear(told, error, None, running=0, on_the_way=1)

    assert told.holds(5, has_room=True) == limited_by


def test_job_slots_of_ours_alone_hold_back() -> None:
    assert account().holds(30, has_room=False) == LimitedBy.WINDOW
