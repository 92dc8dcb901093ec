"""Each request to Zendesk takes one token of the account's rate, whatever it is for."""

from collections.abc import Iterator
from typing import Any

import pytest

from jobsui.clock import Clock
from jobsui.connections.models import Connection
from jobsui.jobs.delivery import account_limits
from jobsui.jobs.delivery.driver import Driver
from jobsui.jobs.delivery.rate_limits import Budget
from jobsui.jobs.enums import Action, JobState
from tests.harness import Harness, gadgets
from tests.jobs.driving import InlineExecutor, new_driver, records, state_of
from tests.timing import FakeClock


class CountedBudget(Budget):
    """Counts its tokens. The budget itself forgets them after a minute."""

    def __init__(self, requests_per_minute: int, *, clock: Clock) -> None:
        super().__init__(requests_per_minute, clock=clock)
        self.spent = 0

    def give_back(self, requests: int) -> None:
        super().give_back(requests)
        self.spent -= requests

    def _spend(self) -> None:
        super()._spend()
        self.spent += 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def driver(
    harness: Harness, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Driver]:
    monkeypatch.setattr(account_limits, "Budget", CountedBudget)
    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        yield driver


def with_commas(count: int) -> list[dict[str, Any]]:
    """Rows whose external ids cannot be listed: each needs a search of its own."""
    return [{**row, "external_id": f"g,{n}"} for n, row in enumerate(gadgets(count))]


def requests_seen(harness: Harness) -> int:
    return sum("/api/v2/" in entry["path"] for entry in harness.sandbox.log())


def tokens_spent(driver: Driver) -> int:
    assert isinstance(driver.limits.budget, CountedBudget)
    return driver.limits.budget.spent


@pytest.mark.parametrize(
    ("rows", "action"),
    [
        (gadgets(12), Action.CREATE),
        (with_commas(12), Action.CREATE),
        (with_commas(12), Action.UPSERT_BY_EXTERNAL_ID),
    ],
)
def test_reconciling_takes_a_token_for_each_request(
    harness: Harness, driver: Driver, rows: list[dict[str, Any]], action: Action
) -> None:
    harness.object()
    job = harness.planned(rows, action)
    harness.sandbox.faults(drop_after_accept={"rate": 1, "times": 1})
    before = requests_seen(harness)

    driver.run()

    assert state_of(job) == JobState.COMPLETED
    assert tokens_spent(driver) == requests_seen(harness) - before


def test_verifying_takes_a_token_for_each_request(
    harness: Harness, driver: Driver
) -> None:
    harness.object(is_unique=True)
    harness.sandbox.add_records("gadget", records(12))
    rows = with_commas(12)
    harness.planned([{**row, "name": f"G{n}"} for n, row in enumerate(rows)])
    harness.sandbox.faults(drop_before_accept={"rate": 1, "times": 1})
    before = requests_seen(harness)

    driver.run()

    assert tokens_spent(driver) == requests_seen(harness) - before


def test_searches_wait_for_the_rate(
    harness: Harness, driver: Driver, clock: FakeClock
) -> None:
    harness.object()
    harness.planned(with_commas(30))
    harness.sandbox.faults(drop_after_accept={"rate": 1, "times": 1})
    Connection.objects.update(requests_per_minute=30, share=100)
    started = clock.time

    driver.run()
    minutes = (clock.time - started) / 60

    # A post and at least thirty searches, at 30 requests a minute.
    assert minutes >= 0.9
