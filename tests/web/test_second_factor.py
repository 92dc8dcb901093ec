import re
import time
from html import unescape

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from jobsui.access import factors, tokens
from jobsui.audit.models import Action, Entry
from jobsui.connections import first_key
from tests.factories import make_user
from tests.web.conftest import signed_in
from tests.web.test_sign_in import LOGIN

pytestmark = pytest.mark.django_db
ACTIVATE = "/accounts/2fa/totp/activate/"
AUTHENTICATE = "/accounts/2fa/authenticate/"
CODES = "/accounts/2fa/recovery-codes/"


class Clock:
    """Stands still until a test moves it."""

    now = float(int(time.time()) // 30 * 30)

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(totp, "time", clock)
    return clock


class Phone:
    """An authenticator app."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def code(self) -> str:
        return f"{totp.hotp_value(self._secret, int(self._clock.now) // 30):06}"

    def next_code(self) -> str:
        self._clock.now += 30
        return self.code()


def add_app(client: Client, clock: Clock) -> Phone:
    page = client.get(ACTIVATE).text
    secret = re.findall(r'id="totp-key">([A-Z2-7]+)<', page)[0]
    phone = Phone(secret, clock)
    assert client.post(ACTIVATE, {"code": phone.code()})["Location"] == CODES
    return phone


def enter_password() -> Client:
    client = Client()
    assert client.post("/accounts/login/", LOGIN)["Location"] == AUTHENTICATE
    return client


def is_in(client: Client) -> bool:
    return client.get("/jobs/").status_code == 200


def test_password_alone_opens_nothing(operator: Client, clock: Clock) -> None:
    phone = add_app(operator, clock)

    client = enter_password()
    pages = [client.get(path) for path in ("/jobs/", "/accounts/2fa/", "/api/v1/docs")]
    key_before = client.session.session_key
    wrong = client.post(AUTHENTICATE, {"code": "000000"})
    right = client.post(AUTHENTICATE, {"code": phone.next_code()})

    assert [page.status_code for page in pages] == [302] * 3
    assert "Incorrect or already used." in wrong.text
    assert right["Location"] == "/"
    assert is_in(client)
    assert client.session.session_key != key_before
    signed = Entry.objects.filter(action=Action.SIGNED_IN).first()
    assert signed
    assert signed.after == {"method": "password and authenticator app"}
    failed = Entry.objects.get(action=Action.SIGN_IN_FAILED)
    assert (failed.subject, failed.after) == ("ana", {"method": "second factor"})


def test_password_confirms_nothing_where_there_is_a_factor(
    operator: Client, clock: Clock
) -> None:
    phone = add_app(operator, clock)
    session = operator.session
    del session["account_authentication_methods"]
    session.save()
    remove = "/accounts/2fa/totp/deactivate/"

    asked = operator.get(remove)["Location"]
    by_password = operator.post(
        "/accounts/reauthenticate/", {"password": LOGIN["password"]}
    )
    still_asked = operator.get(remove).status_code
    operator.post(asked, {"code": phone.next_code(), "next": remove})

    assert asked == f"/accounts/2fa/reauthenticate/?next={remove.replace('/', '%2F')}"
    assert by_password["Location"] == "/accounts/2fa/reauthenticate/"
    assert still_asked == 302
    assert operator.post(remove).status_code == 302
    assert Authenticator.objects.count() == 0
    assert Client().post("/accounts/login/", LOGIN)["Location"] == "/"


@pytest.mark.parametrize("is_for_setup", [True, False])
def test_code_is_accepted_once(
    operator: Client, clock: Clock, *, is_for_setup: bool
) -> None:
    """Also in the 30 seconds after its own, in which it is still valid."""
    phone = add_app(operator, clock)
    code = phone.code() if is_for_setup else phone.next_code()
    if not is_for_setup:
        assert enter_password().post(AUTHENTICATE, {"code": code}).status_code == 302
    clock.now += 30

    again = enter_password().post(AUTHENTICATE, {"code": code})

    assert "Incorrect or already used." in again.text


def test_codes_are_limited_and_only_for_who_knows_the_password(
    operator: Client, clock: Clock
) -> None:
    phone = add_app(operator, clock)
    stranger = Client(REMOTE_ADDR="203.0.113.7")
    for number in range(6):
        stranger.post(AUTHENTICATE, {"code": f"{number:06}"})
    own = enter_password().post(AUTHENTICATE, {"code": phone.next_code()})
    thief = enter_password()

    pages = [thief.post(AUTHENTICATE, {"code": f"{number:06}"}) for number in range(6)]
    right = thief.post(AUTHENTICATE, {"code": phone.next_code()})

    assert own["Location"] == "/"
    assert "Too many failed sign-ins." in pages[-1].text
    assert right.status_code == 200
    assert not is_in(thief)


def test_recovery_codes_are_shown_once_and_work_once(
    operator: Client, clock: Clock
) -> None:
    add_app(operator, clock)

    first = operator.get(CODES).text
    second = operator.get(CODES).text
    shown = unescape(re.findall(r'id="recovery-codes">([^<]+)<', first)[0]).split()
    answers = [enter_password().post(AUTHENTICATE, {"code": shown[0]}) for _ in "12"]
    index = operator.get("/accounts/2fa/").text
    operator.post(f"{CODES}generate/")
    old = enter_password().post(AUTHENTICATE, {"code": shown[1]})

    assert len(set(shown)) == 10
    assert 'download="jobsui-recovery-codes.txt"' in first
    assert [code for code in shown if code in second] == []
    assert [answer.status_code for answer in answers] == [302, 200]
    assert "9 left" in " ".join(index.split())
    assert old.status_code == 200
    actions = Entry.objects.values_list("action", flat=True)
    assert list(actions).count(Action.RECOVERY_CODES_CREATED) == 2


def test_secrets_are_encrypted_and_keys_rotate(
    operator: Client, clock: Clock, settings: LazySettings
) -> None:
    phone = add_app(operator, clock)
    before = str(list(Authenticator.objects.values_list("data", flat=True)))
    settings.ENCRYPTION_KEYS = [b"n" * 32, *settings.ENCRYPTION_KEYS]

    call_command("rotatekeys")
    after = str(list(Authenticator.objects.values_list("data", flat=True)))
    settings.ENCRYPTION_KEYS = [b"n" * 32]
    works = enter_password().post(AUTHENTICATE, {"code": phone.next_code()})

    assert phone._secret not in before + after
    assert before != after
    assert works.status_code == 302
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match="encryption key"):
        first_key.create(None, "default")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("required", "status"), [("viewer", 302), ("operator", 302), ("administrator", 200)]
)
def test_role_that_needs_a_factor_gets_only_the_page_that_adds_one(
    operator: Client,
    ana: User,
    clock: Clock,
    settings: LazySettings,
    required: str,
    status: int,
) -> None:
    _, text = tokens.create(ana, "nightly")
    settings.REQUIRE_SECOND_FACTOR = required

    page = operator.get("/jobs/")
    fragment = operator.get("/live/", headers={"HX-Request": "true"})
    program = Client().get("/api/v1/jobs", headers={"Authorization": f"Bearer {text}"})
    setup = operator.get("/accounts/2fa/").text

    assert page.status_code == status
    assert program.status_code == 200
    if status == 302:
        assert page["Location"] == "/accounts/2fa/"
        assert fragment["HX-Redirect"] == "/accounts/2fa/"
        assert "Your role needs a second factor." in setup
        add_app(operator, clock)
        refused = operator.post("/accounts/2fa/totp/deactivate/")
        assert "Your role needs a second factor." in refused.text
        assert is_in(operator)


def test_administrator_removes_a_lost_factor(
    operator: Client, ana: User, administrator: Client, clock: Clock
) -> None:
    add_app(operator, clock)
    path = f"/people/{ana.pk}/second-factor/"
    _, text = tokens.create(ana, "nightly")
    listed = administrator.get("/people/").text
    unconfirmed = Client()
    unconfirmed.force_login(make_user("root", admin=True))

    asked = administrator.get(path).text
    refused = unconfirmed.post(path)
    assert is_in(operator)
    administrator.post(path, {"revoke_tokens": "on"})

    assert listed.count('data-label="Second factor">Yes') == 1
    assert "Remove the second factors of ana?" in asked
    assert refused["Location"].startswith("/accounts/reauthenticate/")
    assert not is_in(operator)
    assert tokens.authenticate(text) is None
    assert Client().post("/accounts/login/", LOGIN)["Location"] == "/"
    removed = Entry.objects.get(action=Action.FACTOR_REMOVED)
    assert (removed.person, removed.subject) == ("boss", "ana")
    assert removed.before == {"kind": "authenticator app"}


def test_command_lets_the_last_administrator_in(
    administrator: Client, boss: User, clock: Clock
) -> None:
    add_app(administrator, clock)

    call_command("removefactors", "boss")

    assert not factors.has_one(boss)
    assert not is_in(administrator)
    with pytest.raises(CommandError, match="no person"):
        call_command("removefactors", "unknown")


def test_new_password_needs_a_recent_confirmation(ana: User, boss: User) -> None:
    client = Client()
    client.force_login(boss)
    path = f"/people/{ana.pk}/password/"

    asked = client.get(path)

    assert asked["Location"].startswith("/accounts/reauthenticate/?next=")
    assert signed_in(boss).get(path).status_code == 200
