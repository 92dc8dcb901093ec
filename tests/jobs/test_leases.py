from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from jobsui.jobs import leases
from jobsui.jobs.models import Lease
from tests.timing import FakeClock

pytestmark = pytest.mark.django_db


def run_out(name: str) -> None:
    Lease.objects.filter(name=name).update(expires_at=Now() - timedelta(seconds=1))


def test_only_one_takes_a_lease() -> None:
    first = leases.acquire("account:a", owner="one")

    second = leases.acquire("account:a", owner="two")

    assert first is not None
    assert second is None
    assert leases.acquire("account:b", owner="two") is not None


def test_a_lease_that_ran_out_is_taken_with_a_new_epoch() -> None:
    first = leases.acquire("account:a", owner="one")
    run_out("account:a")

    second = leases.acquire("account:a", owner="two")

    assert first
    assert second
    assert second.epoch == first.epoch + 1
    assert not first.renew()
    assert second.renew()


def test_a_lease_given_back_is_free_even_if_the_clock_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = leases.acquire("account:a", owner="one")
    assert first
    first.release()
    monkeypatch.setattr(leases, "Now", lambda: Now() - timedelta(hours=1))

    assert leases.acquire("account:a", owner="two") is not None


def test_an_owner_that_slept_is_fenced() -> None:
    slept = leases.acquire("account:a", owner="one")
    run_out("account:a")
    owner = leases.acquire("account:a", owner="two")
    assert slept
    assert owner

    with transaction.atomic():
        leases.fence(owner)
    with pytest.raises(leases.LeaseLost), transaction.atomic():
        leases.fence(slept)


def test_an_owner_that_slept_releases_nothing() -> None:
    slept = leases.acquire("account:a", owner="one")
    run_out("account:a")
    leases.acquire("account:a", owner="two")

    assert slept
    slept.release()

    assert leases.acquire("account:a", owner="three") is None


def test_the_same_owner_later_is_not_the_same_lease() -> None:
    first = leases.acquire("account:a", owner="one")
    run_out("account:a")
    leases.acquire("account:a", owner="one")

    assert first
    assert not first.renew()


def test_renewal_resets_the_age() -> None:
    clock = FakeClock()
    lease = leases.acquire("account:a", clock=clock)
    assert lease
    clock.sleep(20)
    age = lease.age

    assert lease.renew()
    assert age == 20
    assert lease.age == 0


def test_held_releases_also_after_an_error() -> None:
    with pytest.raises(RuntimeError, match="no more"), leases.held("account:a"):
        raise RuntimeError("no more")

    with leases.held("account:a") as again:
        assert again is not None


def test_a_lease_of_the_future_is_cut_to_its_ttl() -> None:
    """The database's clock was set back after its owner died."""
    leases.acquire("account:a", owner="dead", ttl=30)
    Lease.objects.update(expires_at=Now() + timedelta(hours=1))

    leases.shorten(30)

    soon = Lease.objects.filter(expires_at__lte=Now() + timedelta(seconds=30))
    assert soon.count() == 1
    assert leases.acquire("account:a", owner="next") is None


def test_a_usual_lease_is_not_cut() -> None:
    lease = leases.acquire("account:a", ttl=30)
    before = Lease.objects.get()

    leases.shorten(30)

    assert lease
    assert Lease.objects.get().expires_at == before.expires_at


@pytest.mark.parametrize(
    ("error", "runs"),
    [
        (ValueError, leases.MAX_TRIES),
        (OperationalError, leases.MAX_KILLS),
        (InterfaceError, leases.MAX_KILLS),
    ],
)
def test_task_outlives_a_database_that_is_away(
    error: type[Exception], runs: int
) -> None:
    given_up: list[str] = []

    for run in range(1, runs + 1):
        before = len(given_up)
        with (
            pytest.raises(error),
            leases.tried("check:1", lambda _, reason: given_up.append(reason)),
        ):
            raise error
        assert (before, len(given_up)) == (0, int(run == runs))

    assert error.__name__ in given_up[0]
