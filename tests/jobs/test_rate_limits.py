from typing import Any

import pytest

from jobsui.connections.models import Connection
from jobsui.jobs.delivery import rate_limits
from jobsui.jobs.delivery.account_limits import AccountLimits
from jobsui.jobs.delivery.batch_request import PostResult
from jobsui.jobs.delivery.call_threads import RunningBatch
from jobsui.jobs.delivery.rate_limits import (
    Backoff,
    Budget,
    Durations,
    ResponseTimes,
    Window,
)
from jobsui.jobs.enums import LimitedBy
from jobsui.jobs.timing import Timing
from jobsui.zendesk.client import raise_for
from jobsui.zendesk.errors import (
    NotSent,
    RateLimited,
    TooManyJobs,
    Unconfirmed,
    ZendeskError,
)
from jobsui.zendesk.payloads import Response
from tests.timing import FakeClock

MOST = 1_500
"""More than any budget of these tests lets through at once."""


def spent(budget: Budget) -> int:
    """How many requests it lets through right now."""
    count = 0
    while count < MOST and budget.take():
        count += 1
    return count


@pytest.mark.parametrize("share", [100, 80, 50])
@pytest.mark.parametrize("per_minute", [10, 60, 200, 700, 2500])
def test_budget_spends_its_share_and_never_more_than_the_limit(
    per_minute: int, share: int
) -> None:
    clock = FakeClock()
    budget = Budget(per_minute, share, clock=clock)

    minutes = []
    for _ in range(3):
        total = 0
        for _ in range(600):
            total += spent(budget)
            clock.time += 0.1
        minutes.append(total)

    wanted = per_minute * share / 100
    assert max(minutes) <= per_minute
    assert min(0.97 * wanted, wanted - 6) <= minutes[-1] <= wanted + 1


@pytest.mark.parametrize("per_minute", [1, 10, 600])
def test_reads_and_posts_take_turns(per_minute: int) -> None:
    clock = FakeClock()
    budget = Budget(per_minute, clock=clock)
    posts = 0
    reads = 0

    while posts + reads < 60:
        posts += budget.take()
        reads += budget.take_for_read()
        clock.time += budget.read_wait

    assert 28 <= reads <= 32


@pytest.mark.parametrize("per_minute", [10, 600])
def test_reads_alone_use_the_whole_rate(per_minute: int) -> None:
    clock = FakeClock()
    budget = Budget(per_minute, clock=clock)
    started = clock.time
    reads = 0
    while reads < 20:
        reads += budget.take_for_read()
        clock.time += budget.read_wait

    fastest = (20 - rate_limits.FIRST_TOKENS) * 60 / per_minute

    assert clock.time - started <= 1.02 * fastest + 2


def test_posts_do_not_wait_for_a_read_that_has_given_up() -> None:
    clock = FakeClock()
    budget = Budget(120, clock=clock)
    spent(budget)
    asked = budget.take_for_read()
    clock.time += 0.6
    first = budget.take()
    clock.time += 0.6
    during_the_wait = budget.take()
    clock.time += 2 * rate_limits.MAX_READ_WAIT
    afterwards = budget.take()

    assert [asked, first, during_the_wait, afterwards] == [False, True, False, True]


def test_a_request_can_be_given_back_after_its_minute() -> None:
    clock = FakeClock()
    budget = Budget(600, clock=clock)
    budget.take()
    clock.time += 120
    before = budget.tokens

    budget.give_back(1)

    assert budget.tokens == before


def test_requests_given_back_can_be_spent_again() -> None:
    budget = Budget(600, clock=FakeClock())
    spent_so_far = spent(budget)

    budget.give_back(1)

    assert spent_so_far > 0
    assert spent(budget) == 1


def test_accumulated_requests_count_towards_the_minute() -> None:
    clock = FakeClock()
    budget = Budget(700, clock=clock)
    clock.time += 60
    spent_so_far = spent(budget)

    for _ in range(599):
        clock.time += 0.1
        spent_so_far += spent(budget)

    assert 680 < spent_so_far <= 700


def test_budget_blocks_as_long_as_zendesk_asks() -> None:
    clock = FakeClock()
    budget = Budget(600, clock=clock)

    budget.block(7)

    assert not budget.take()
    assert budget.blocked_for == 7.0
    clock.time += 8
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
        ),  # job slots, not requests
    ],
)
def test_budget_follows_the_headers_of_responses(
    headers: dict[str, str], spendable: int
) -> None:
    clock = FakeClock()
    budget = Budget(600, clock=clock)
    clock.time += 60

    budget.learn(headers)

    assert spent(budget) == spendable


def test_budget_spreads_what_others_leave_of_a_minute() -> None:
    clock = FakeClock()
    budget = Budget(600, clock=clock)
    budget.learn({"X-Rate-Limit-Remaining": "40", "ratelimit-reset": "20"})
    slowed = budget.is_slowed

    used = spent(budget)
    for _ in range(19):
        clock.time += 1
        used += spent(budget)

    assert slowed
    assert used == 40
    clock.time += 2
    assert not budget.is_slowed


def test_budget_takes_the_lower_limit_of_a_plan() -> None:
    clock = FakeClock()
    budget = Budget(600, clock=clock)

    budget.learn({"X-Rate-Limit": "60"})

    assert budget.burst == 2
    assert round(budget.rate, 3) == 0.99


def test_window_shrinks_to_what_was_accepted_and_grows_again() -> None:
    clock = FakeClock()
    window = Window(30, clock=clock)

    window.refuse(20, 10)
    window.refuse(12, 10)  # The same moment.
    assert window.size == 20

    sizes = []
    for _ in range(4):
        clock.time += 10
        window.grow(window.size, 10)
        sizes.append(window.size)
    assert sizes == [21, 23, 27, 30]


def test_window_grows_only_when_it_is_full() -> None:
    clock = FakeClock()
    window = Window(30, clock=clock)
    window.refuse(20, 10)
    clock.time += 10

    window.grow(5, 10)

    assert window.size == 20


def test_window_never_shrinks_below_one() -> None:
    window = Window(30, clock=FakeClock())

    window.refuse(0, 10)

    assert window.size == 1


def test_backoff_doubles_and_counts_a_failure_once_per_rest() -> None:
    clock = FakeClock()
    backoff = Backoff(30.0, clock=clock)

    rests = []
    for _ in range(10):
        for _ in range(6):
            backoff.failed()
        rests.append(backoff.left)
        clock.time += backoff.left

    assert rests == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    backoff.succeeded()
    backoff.failed()
    assert backoff.left == 0.25


def test_a_shorter_rest_does_not_end_a_longer_one() -> None:
    clock = FakeClock()
    backoff = Backoff(30.0, clock=clock)

    backoff.rest(12)
    backoff.rest(3)

    assert backoff.left == 12
    assert backoff.failures == 0


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

    assert durations.typical == typical
    assert durations.mean == mean
    assert durations.long == long


def test_durations_are_those_of_the_last_300_jobs() -> None:
    durations = Durations()

    for seconds in [7.0] * 300 + [1.0] * 200:
        durations.add(seconds)

    assert durations.mean == 3.0
    assert durations.probability_of_end(0, 0, 5) == 2 / 3


@pytest.mark.parametrize(
    ("ran", "since", "by", "probability"),
    [
        (0, 0, 0.5, 0),  # none was as quick
        (0, 0, 2, 0.5),  # 1 and 2 were
        (0, 1.5, 2, 0.25),
        (2, 2, 3, 0.5),  # of those that ran for more than 2 seconds
        (2, 3, 9, 0.5),
        (5, 5, 9, 0),  # longer than all others
    ],
)
def test_durations_give_the_probability_of_an_end(
    ran: float, since: float, by: float, probability: float
) -> None:
    durations = Durations()
    for seconds in (1, 2, 3, 4):
        durations.add(seconds)

    assert durations.probability_of_end(ran, since, by) == probability


def test_response_times_are_those_of_the_last_responses() -> None:
    response_times = ResponseTimes()
    for _ in range(60):
        response_times.add(0.02)

    assert response_times.typical == 0.02


# What the instruments say together

TOO_MANY = TooManyJobs("Too many", retry_after=None)


class Account:
    """The limits of an account whose 100 jobs so far took a second each. By default
    it allows 600 requests a minute and 30 jobs."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        self.limits = AccountLimits(self.clock, Timing())
        defaults = {
            "requests_per_minute": 600,
            "share": 100,
            "max_running_jobs": 30,
        }
        self.limits.apply_settings([Connection(**{**defaults, **settings})])
        for _ in range(100):
            self.limits.durations.add(1.0)
        self.limits.budget._tokens = self.limits.budget.burst

    def running(self, *ages: float) -> list[RunningBatch]:
        """Batches accepted this number of seconds ago each, last seen running half a
        second later."""
        request: Any = None
        batches = []
        for age in ages:
            started_at = self.clock.time - age
            seen_at = started_at + min(age, 0.5)
            batches.append(RunningBatch(request, "", started_at, seen_at))
        return batches

    def posted(
        self,
        error: ZendeskError | None = None,
        *,
        free: int | None = None,
        at: float | None = None,
        running: int,
        posting: int,
    ) -> None:
        """A post ended; its response reports `free` job slots of 30."""
        request: Any = None
        response = None
        if free is not None:
            slots = f"total=30; remaining={free}; resets=60"
            headers = {"zendesk-ratelimit-inflight-jobs": slots}
            response = Response(201, headers, b"", elapsed=0.0)
        at = self.clock.time if at is None else at
        result = PostResult(request, error=error, response=response, at=at)
        self.limits.note_post(result, running, posting)


def test_the_smallest_limits_of_an_accounts_connections_apply() -> None:
    limits = AccountLimits(FakeClock(), Timing())

    limits.apply_settings(
        [
            Connection(requests_per_minute=700, max_running_jobs=10, share=50),
            Connection(requests_per_minute=400, max_running_jobs=30, share=80),
        ]
    )

    assert limits.window.cap == 10
    assert round(limits.budget.rate * 60) == 200


def test_unconfirmed_batches_and_posts_take_room() -> None:
    account = Account(early_send=False)

    assert account.limits.room(account.running(*[0.1] * 20), 5) == 5


def test_early_sending_counts_jobs_that_must_be_over() -> None:
    account = Account()

    assert account.limits.room(account.running(*[0.5] * 10, *[2.0] * 20), 0) == 20
    assert account.limits.room(account.running(*[0.5] * 30), 0) == 0


def test_early_sending_never_sends_more_than_twice_the_window() -> None:
    account = Account()

    assert account.limits.room(account.running(*[2.0] * 55), 0) == 5


@pytest.mark.parametrize("obstacle", ["setting", "failed read", "empty budget"])
def test_early_sending_happens_only_where_it_pays(obstacle: str) -> None:
    account = Account(early_send=obstacle != "setting")
    if obstacle == "failed read":
        account.limits.reads.failed()
    if obstacle == "empty budget":
        account.limits.budget._tokens = 0.0

    assert account.limits.room(account.running(*[2.0] * 30), 0) == 0


def test_a_refused_early_post_is_no_sign_of_other_integrations() -> None:
    account = Account()

    account.posted(TOO_MANY, running=27, posting=4)

    assert account.limits.window.size == 30
    assert account.limits.posts.left == 0


@pytest.mark.parametrize(
    ("seconds", "interval"), [(3.0, 1.0), (10.0, 2.0), (40.0, 8.0)]
)
def test_the_last_jobs_are_polled_sooner(seconds: float, interval: float) -> None:
    account = Account()
    for _ in range(300):
        account.limits.durations.add(seconds)
    account.posted(free=0, running=30, posting=0)

    assert round(account.limits.tail_interval, 3) == interval
    assert account.limits.poll_interval > interval


def test_reported_job_slots_are_used_and_no_others() -> None:
    account = Account()
    running = account.running(*[0.1] * 20)

    account.posted(free=4, running=20, posting=0)

    assert account.limits.room(running, 0) == 4
    assert account.limits.room(running, 3) == 1
    assert account.limits.limited_by(20, has_room=True) == LimitedBy.REQUEST_RATE
    account.posted(free=0, running=20, posting=0)
    assert account.limits.room(running, 0) == 0
    assert account.limits.limited_by(20, has_room=False) == LimitedBy.OTHER_INTEGRATIONS


def test_jobs_that_ended_since_the_last_report_freed_their_slots() -> None:
    account = Account(early_send=False)
    limits = account.limits
    now = account.clock.time
    one, another = account.running(3.0, 3.0)
    one.seen_at = now - 1
    another.seen_at = now - 1
    account.posted(free=0, running=30, posting=0)

    # Half of the time in which it ended had passed when Zendesk reported.
    limits.note_job_end(one, now + 1)
    first = limits.room([], 0)
    limits.note_job_end(another, now + 1.1)
    both = limits.room([], 0)
    # Seen and over at the same moment, before Zendesk reported.
    limits.note_job_end(another, another.seen_at)

    assert [first, both, limits.room([], 0)] == [0, 1, 1]


def test_reported_job_slots_grow_old() -> None:
    account = Account(early_send=False)
    account.posted(free=0, running=0, posting=0)

    account.clock.sleep(2)  # Twice as long as jobs take.

    assert account.limits.room([], 0) == 30


def test_of_two_responses_the_one_that_left_zendesk_last_counts() -> None:
    account = Account()

    account.posted(free=4, running=20, posting=2)
    account.posted(free=5, running=21, posting=1, at=account.clock.time - 0.2)

    assert account.limits.slots.free == 4


def test_of_responses_at_one_moment_the_one_with_fewest_slots_counts() -> None:
    account = Account()
    now = account.clock.time

    for free, at in [(2, now), (0, now + 0.001), (1, now + 0.002)]:
        account.posted(free=free, at=at, running=29, posting=1)
    at_one_moment = account.limits.slots.free
    account.posted(free=3, at=now + 0.1, running=29, posting=1)

    assert at_one_moment == 0
    assert account.limits.slots.free == 3


def test_slots_of_jobs_that_seem_over_do_not_count_as_reported() -> None:
    account = Account(early_send=False)
    (one,) = account.running(3.0)

    for _ in range(3):
        account.posted(free=0, running=30, posting=1)
        account.limits.note_job_end(one, account.clock.time + 100)
        account.posted(TOO_MANY, running=29, posting=1)

    assert account.limits.slots.are_trusted


def test_reported_slots_that_do_not_exist_are_not_trusted() -> None:
    account = Account(early_send=False)
    limits = account.limits

    for _ in range(2):
        account.clock.sleep(1)
        account.posted(free=20, running=0, posting=0)
        account.posted(TOO_MANY, running=10, posting=1)
    limits.posts = rate_limits.Backoff(30.0, clock=account.clock)

    assert limits.window.size == 10
    assert limits.room([], 0) == 10
    for _ in range(20):
        account.clock.sleep(0.05)
        account.posted(free=20, running=0, posting=0)
    assert limits.room([], 0) == 20


def test_a_smaller_window_of_our_own_overrides_reported_slots() -> None:
    account = Account(max_running_jobs=5)

    account.posted(free=25, running=5, posting=0)

    assert account.limits.room(account.running(*[0.1] * 5), 0) == 0


def test_other_integrations_in_the_window_are_noticed_and_named() -> None:
    account = Account(early_send=False)
    limits = account.limits
    running = account.running(*[0.1] * 15)

    account.posted(TOO_MANY, running=20, posting=4)

    assert limits.window.size == 20
    assert limits.limited_by(20, has_room=False) == LimitedBy.OTHER_INTEGRATIONS
    assert limits.room(running, 0) == 0
    limits.posts = rate_limits.Backoff(30.0, clock=account.clock)
    assert limits.room(running, 0) == 5


@pytest.mark.parametrize(
    ("error", "limited_by"),
    [
        (RateLimited("Slow down", retry_after=5), LimitedBy.ZENDESK_WAIT),
        (NotSent("refused"), LimitedBy.UNREACHABLE),
        (Unconfirmed("timeout"), LimitedBy.UNREACHABLE),
        (None, LimitedBy.REQUEST_RATE),
    ],
)
def test_what_limits_the_speed_is_known(
    error: ZendeskError | None, limited_by: LimitedBy
) -> None:
    account = Account()

    account.posted(error, running=0, posting=1)

    assert account.limits.limited_by(5, has_room=True) == limited_by


@pytest.mark.parametrize("status", [429, 503])
def test_wait_outlasts_a_change_of_limits(status: int) -> None:
    account = Account()
    response = Response(status, {"Retry-After": "86400"}, b"", 0.1)
    with pytest.raises(ZendeskError) as caught:
        raise_for(response, what="GET x")
    account.limits.note_read(caught.value)

    account.limits.apply_settings(
        [Connection(requests_per_minute=900, share=50, max_running_jobs=10)]
    )

    assert account.limits.waits == 86_400
    assert account.limits.budget.take() is False


def test_changed_limits_keep_what_was_spent() -> None:
    clock = FakeClock()
    budget = Budget(60, clock=clock)
    assert budget.take()
    assert budget.take()

    budget.set_limits(600, 100)

    assert budget.tokens == 0


def test_our_own_jobs_may_fill_the_window() -> None:
    account = Account()

    assert account.limits.limited_by(30, has_room=False) == LimitedBy.JOB_SLOTS
