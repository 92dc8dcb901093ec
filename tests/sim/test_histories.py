"""Histories in the test run: a few of many seeds, and what the instrument promises."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from jobsui.jobs import leases
from jobsui.jobs.models import Lease
from tests.sim import judge
from tests.sim.account import HOSTS, Account, Record, Version
from tests.sim.chance import PROFILES, plan_of
from tests.sim.history import History, Row, play
from tests.sim.plan import Plan, Weather
from tests.sim.shrink import shrink
from tests.sim.tally import MAX_KNOWABLE, MIN_ROWS

pytestmark = pytest.mark.django_db(transaction=True)
CHUNK = 50
"""Histories of one test, with more than MIN_ROWS rows together."""
FIRST_SEEDS = range(101, 201, CHUNK)
LIVE_SEEDS = range(1, 9)
LIVE_PROFILES = ("compared", "matched", "proved", "undone")
PLANS = sorted(Path(__file__).parent.glob("plans/*.json"))


@pytest.fixture(autouse=True)
def _sqlite_only() -> None:
    """The virtual clock of the database is a function of SQLite."""
    if connection.vendor != "sqlite":
        pytest.skip("The simulator runs on SQLite.")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", FIRST_SEEDS)
def test_every_outcome_is_what_the_account_holds(first: int) -> None:
    """`python -m tests.sim replay SEED` prints the history of a seed."""
    histories = [play(plan_of(seed)) for seed in range(first, first + CHUNK)]

    found = {each.plan.seed: judge.judge(each) for each in histories}
    wrong = [each for each in histories if found[each.plan.seed]]
    stories = "\n".join(line for each in wrong for line in each.story)
    rows = sum(len(each.rows) for each in histories)
    knowable = sum(len(judge.knowable_rows(each)) for each in histories)
    assert {each.plan.seed: found[each.plan.seed] for each in wrong} == {}, stories
    assert rows >= MIN_ROWS
    assert knowable <= MAX_KNOWABLE * rows


@pytest.mark.parametrize("profile", LIVE_PROFILES)
def test_what_is_told_of_live_records_is_true(profile: str) -> None:
    histories = [play(plan_of(seed, profile)) for seed in LIVE_SEEDS]

    found = {each.plan.seed: judge.judge(each) for each in histories}
    stories = "\n".join(line for each in histories for line in each.story)
    assert [seed for seed in LIVE_SEEDS if found[seed]] == [], f"{found}\n{stories}"


def test_a_retry_may_write_after_a_job_launched_before_it() -> None:
    """Job 2 was launched after job 0, then a retry of job 0, and job 1 never."""
    versions = [Version(99.0, "j2r1", {}), Version(140.0, "j0r7", {})]
    record = Record("1", "k18", "", 0.0, versions)
    account = SimpleNamespace(host=HOSTS[0], records={"1": record})
    history = History(plan_of(1), launched=[0, 2, 3])
    history.accounts = [cast(Account, account)]
    history.rows = [_row("j0r7", job=0)]

    before = list(judge.values_are_in_order(history))
    history.rows.append(_row("j0r7", job=3))
    after = list(judge.values_are_in_order(history))

    assert before == ["k18 was written in this order: j2r1 j0r7"]
    assert after == []


def _row(tag: str, job: int) -> Row:
    return Row(tag, job, HOSTS[0], "create", "k18", "", "deleted", "1", "", 0, 1)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_what_was_wrong_once_is_right(path: Path) -> None:
    """Each plan failed before its fault was fixed."""
    history = play(Plan.from_json(path.read_text()))

    assert judge.judge(history) == [], "\n".join(history.story)


@pytest.mark.parametrize("seed", [3, 11, 40])
def test_a_seed_is_one_history(seed: int) -> None:
    first = play(plan_of(seed))
    second = play(plan_of(seed))

    assert first.story == second.story
    assert first.rows == second.rows


def test_a_history_has_a_time_of_its_own_and_leaves_none() -> None:
    """SQLite keeps prepared statements, with the function that tells the time."""
    first = play(plan_of(101))
    Lease.objects.live().filter(name=f"account:{HOSTS[0]}").exists()

    second = play(plan_of(101))

    leases.acquire("account:a")
    after = Lease.objects.annotate(time=Now()).values_list("time", flat=True).get()
    assert second.story == first.story
    assert abs((after - timezone.now()).total_seconds()) < 60


@pytest.mark.parametrize("name", PROFILES)
def test_a_plan_survives_its_file(name: str) -> None:
    plans = (plan_of(seed) for seed in range(1, 1_000))
    plan = next(plan for plan in plans if plan.profile == name)

    assert Plan.from_json(plan.to_json()) == plan


def test_a_plan_shrinks_to_what_a_failure_needs() -> None:
    plan = replace(
        plan_of(3),
        faults={"post:1": ("late", 5.0), "post:2": ("500", 0.0)},
        weather=Weather(slots=2),
    )

    smallest = shrink(plan, lambda each: "post:2" in each.faults)

    assert smallest.faults == {"post:2": ("500", 0.0)}
    assert smallest.events == ()
    assert smallest.weather == Weather()
    assert [len(job.rows) for job in smallest.jobs] == [1]
