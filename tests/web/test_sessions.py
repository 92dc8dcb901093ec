import time
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from jobsui.ops import expired
from jobsui.web import sessions

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
HOUR = 3600.0


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How many seconds later it is: the last of the list."""
    passed = [0.0]
    now = time.time

    class Clock:
        @staticmethod
        def time() -> float:
            return now() + passed[-1]

    monkeypatch.setattr(sessions, "time", Clock)
    return passed


def is_signed_in(client: Client, **headers: str) -> bool:
    return "Sign in" not in client.get("/jobs/", headers=headers, follow=True).text


def test_session_ends_without_use(operator: Client, later: list[float]) -> None:
    later.append(12 * HOUR + 1)

    assert not is_signed_in(operator)
    assert Session.objects.count() == 0


def test_used_session_goes_on(operator: Client, later: list[float]) -> None:
    for hours in (11, 22, 33):
        later.append(hours * HOUR)
        assert is_signed_in(operator)


def test_polls_keep_no_session_alive(operator: Client, later: list[float]) -> None:
    later.append(11 * HOUR)
    operator.get("/live/", headers=HTMX)

    later.append(12 * HOUR + 1)

    assert "signed out" in operator.get("/live/", headers=HTMX).text.lower()


def test_used_session_ends_after_seven_days(
    operator: Client, later: list[float]
) -> None:
    for hours in range(0, 7 * 24, 8):
        later.append(hours * HOUR)
        assert is_signed_in(operator)

    later.append(7 * 24 * HOUR + 1)

    assert not is_signed_in(operator)


def test_use_is_noted_only_now_and_then(operator: Client, later: list[float]) -> None:
    def stored() -> list[str]:
        return list(Session.objects.values_list("session_data", flat=True))

    before = stored()
    operator.get("/jobs/")

    assert stored() == before
    later.append(sessions.NOTE_INTERVAL + 1)
    operator.get("/jobs/")
    assert stored() != before


def test_session_of_an_earlier_version_ends_from_now_on(
    operator: Client, later: list[float]
) -> None:
    session = operator.session
    del session[sessions.STARTED]
    del session[sessions.USED]
    session.save()

    assert is_signed_in(operator)
    later.append(12 * HOUR + 1)
    assert not is_signed_in(operator)


def test_sweep_deletes_expired_sessions(operator: Client) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    steps = list(expired.steps())

    assert ("session", 1) in steps
    assert not is_signed_in(operator)
