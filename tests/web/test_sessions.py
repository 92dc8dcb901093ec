import re
import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobsui.access import people, tokens
from jobsui.access.models import Session
from jobsui.audit.models import Action, Entry
from jobsui.ops import expired
from jobsui.web import sessions
from jobsui.web.browsers import browser_name
from tests.web.test_sign_in import PASSWORD

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


def test_sweep_deletes_expired_sessions(operator: Client) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    steps = list(expired.steps())

    assert ("session", 1) in steps
    assert not is_signed_in(operator)


FIREFOX = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:146.0) Gecko/20100101 Firefox/146.0"
)


def sign_in(address: str = "198.51.100.7") -> Client:
    client = Client(REMOTE_ADDR=address, headers={"User-Agent": FIREFOX})
    client.post("/accounts/login/", {"login": "ana", "password": PASSWORD})
    return client


def session_ids(page: str) -> list[str]:
    return re.findall(r'name="session"\s+value="([0-9a-f]+)"', page)


@pytest.mark.usefixtures("ana")
def test_person_sees_and_ends_their_sessions() -> None:
    own = sign_in("198.51.100.1")
    other = sign_in("2001:db8::7")
    third = sign_in()

    shown = own.get("/me/sessions/").text
    named = session_ids(shown)
    own.post("/me/sessions/", {"session": named[1]})
    after_one = [is_signed_in(each) for each in (own, other, third)]
    again = own.post("/me/sessions/", {"session": named[1]}, follow=True).text
    own.post("/me/sessions/")

    assert shown.count("Firefox on Windows") == 5
    assert "2001:db8::7" in shown
    assert shown.count("This session") == 1
    assert not set(named) & set(Session.objects.values_list("pk", flat=True))
    assert after_one == [True, False, True]
    assert "This session had already ended." in again
    assert [is_signed_in(each) for each in (own, third)] == [True, False]
    ended = Entry.objects.filter(action=Action.SESSION_ENDED)
    assert [entry.before["address"] for entry in ended] == [
        "198.51.100.7",
        "2001:db8::7",
    ]


def test_sessions_of_others_are_ended_by_administrators_only(
    ana: User, administrator: Client, operator: Client
) -> None:
    theirs = sign_in()
    path = f"/people/{ana.pk}/sessions/"
    [_, named] = session_ids(administrator.get(path).text)

    refused = operator.post("/me/sessions/", {"session": "0" * 16}).status_code
    administrator.post("/me/sessions/", {"session": named})
    still = is_signed_in(theirs)
    administrator.post(path)

    assert refused == 302
    assert still
    assert not is_signed_in(theirs)
    assert is_signed_in(administrator)


def test_deactivated_person_is_out_at_once_and_stays_out(ana: User) -> None:
    browser = sign_in()
    cookie = browser.cookies["jobsui_session"].value
    _, text = tokens.create(ana, "nightly")
    program = Client(headers={"Authorization": f"Bearer {text}"})
    before = program.get("/api/v1/jobs").status_code

    people.set_active(ana, is_active=False)
    after = program.get("/api/v1/jobs").status_code
    is_in = is_signed_in(browser)
    people.set_active(ana, is_active=True)
    browser.cookies["jobsui_session"] = cookie

    assert (before, after, is_in) == (200, 401, False)
    assert not is_signed_in(browser)


def test_new_password_ends_sessions_and_keeps_the_one_that_chose_it(
    ana: User,
) -> None:
    own = sign_in()
    other = sign_in()
    new = "another-long-password"

    own.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )

    assert [is_signed_in(own), is_signed_in(other)] == [True, False]
    people.reset_password(ana, revoke_tokens=True)
    assert not is_signed_in(own)
    assert Session.objects.filter(person=ana).count() == 0


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/140 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows) Chrome/140 Safari/537 Edg/140", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; like Mac OS X) Safari/604", "Safari on iPhone"),
        ("curl/8", "Unknown browser"),
    ],
)
def test_browsers_are_named_in_words(user_agent: str, name: str) -> None:
    assert browser_name(user_agent) == name
