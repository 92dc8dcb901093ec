from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.functions import Now

from jobsui.access import limits, tokens
from jobsui.access.limits import LIMITS, Limit, Limited, LimitReached
from jobsui.access.models import LimitUse, Scope
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def two_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, Limited.EXPORT, Limit(2))


@pytest.fixture
def ana(db: None) -> User:  # noqa: ARG001
    return make_user("ana")


def pass_seconds(seconds: int) -> None:
    LimitUse.objects.update(next_at=F("next_at") - timedelta(seconds=seconds))


def use_up(ana: User) -> int:
    """Returns how long the third use has to wait."""
    limits.count(ana, Limited.EXPORT)
    limits.count(ana, Limited.EXPORT)
    with pytest.raises(LimitReached) as reached:
        limits.count(ana, Limited.EXPORT)
    return reached.value.retry_after


def test_use_beyond_the_limit_is_told_when_it_is_possible(ana: User) -> None:
    wait = use_up(ana)

    assert wait in {29, 30}
    pass_seconds(wait)
    limits.count(ana, Limited.EXPORT)
    with pytest.raises(LimitReached):
        limits.count(ana, Limited.EXPORT)


def test_sentence_names_the_limit(ana: User) -> None:
    use_up(ana)

    with pytest.raises(LimitReached) as reached:
        limits.count(ana, Limited.EXPORT)

    assert str(reached.value) == (
        "The limit of 2 downloads a minute is reached. Nothing was changed. "
        f"Try again in {reached.value.retry_after} s."
    )


def test_after_a_pause_all_uses_are_possible_again(ana: User) -> None:
    use_up(ana)
    pass_seconds(3600)

    assert use_up(ana) in {29, 30}


def test_others_tokens_and_other_actions_have_limits_of_their_own(ana: User) -> None:
    use_up(ana)
    token, _ = tokens.create(ana, "Script", scope=Scope.RUN)

    limits.count(token, Limited.EXPORT)
    limits.count(make_user("ben"), Limited.EXPORT)
    limits.count(ana, Limited.UPLOAD)

    assert LimitUse.objects.count() == 4


def test_clock_that_is_set_back_locks_nobody_out(ana: User) -> None:
    use_up(ana)
    LimitUse.objects.update(next_at=Now() + timedelta(hours=1))

    limits.count(ana, Limited.EXPORT)


def test_every_action_has_a_limit() -> None:
    assert set(LIMITS) == set(Limited)
