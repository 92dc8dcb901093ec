"""The sign-in at Zendesk, the move to OAuth with proof, and the page of all credentials."""

import html
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobsui.access import roles
from jobsui.access.models import Role
from jobsui.audit.models import Entry
from jobsui.connections import browser_sign_in, credential_move, credentials, health
from jobsui.connections.errors import MoveRefused
from jobsui.connections.models import Connection, OauthSignIn, SignIn
from jobsui.zendesk import oauth
from jobsui.zendesk.errors import NotSent
from jobsui.zendesk.payloads import Token
from tests.connections.conftest import api_token, oauth_token  # noqa: F401
from tests.factories import make_connection, make_user
from tests.sandbox_server import Sandbox
from tests.web.conftest import signed_in

pytestmark = pytest.mark.django_db
CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}


def kept(connection: Connection) -> dict[str, Any]:
    """The credentials that are stored, but not when they were used."""
    stored = Connection.objects.filter(pk=connection.pk).values().get()
    return {name: value for name, value in stored.items() if name != "last_used_at"}


def secrets_of(connection: Connection) -> dict[str, bool]:
    stored = Connection.objects.get(pk=connection.pk)
    return {name: bool(stored.secret(name)) for name in Connection.SECRETS}


def leave(client: Client, connection: Connection, **form: str) -> str:
    """The address at Zendesk to which the page leads."""
    answer = client.post(
        f"/connections/{connection.code}/move/",
        {"way": "browser", "client_id": "sandbox-client"} | form,
    )
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.text)
    assert found, answer.text
    return html.unescape(found[1])


def decide(address: str, decision: str = "allow") -> str:
    """Where Zendesk sends the browser after the person's decision: path and query."""
    answer = requests.get(
        f"{address}&decision={decision}", allow_redirects=False, timeout=10
    )
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def shown(client: Client, answer: Any) -> str:
    """The text of the page after an answer, and of that to which it leads."""
    text = client.get(answer["Location"]).text if answer.status_code == 302 else ""
    return html.unescape(f"{answer.text}{text}")


def test_sign_in_with_zendesk_replaces_an_api_token(
    administrator: Client,
    api_token: Connection,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    address = leave(administrator, api_token)
    pending = OauthSignIn.objects.get()
    verifier = browser_sign_in._decrypted(pending, "verifier")
    back = decide(address)
    caplog.clear()  # The browser's part.
    answer = administrator.get(back)

    asked = {name: each[0] for name, each in parse_qs(urlsplit(address).query).items()}
    state = asked.pop("state")
    assert asked == {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": "http://testserver/connections/oauth/",
        "scope": "custom_objects:read custom_objects:write",
        "code_challenge": browser_sign_in.challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    assert answer["Location"] == f"/connections/{api_token.code}/"
    moved = Connection.objects.get()
    assert [moved.sign_in, moved.client_id, moved.email, moved.test_passed] == [
        "oauth_token",
        "sandbox-client",
        "",
        True,
    ]
    assert secrets_of(moved) == {
        "client_secret": False,
        "access_token": True,
        "refresh_token": True,
        "api_token": False,
    }
    assert moved.refresh_token_expires_at is not None
    assert (moved.refresh_token_expires_at - timezone.now()).days == 89
    entry = Entry.objects.get(action="credential_moved")
    assert [entry.person, entry.before, entry.after] == [
        "boss",
        {"sign_in": "api_token", "scopes": ""},
        {"sign_in": "oauth_token", "scopes": asked["scope"]},
    ]
    code = parse_qs(urlsplit(back).query)["code"][0]
    page = shown(administrator, answer)
    assert "uses the new credentials as Sandbox Admin" in page
    everywhere = f"{page}{caplog.text}{list(Entry.objects.values())}"
    hidden = (code, state, verifier, moved.secret("access_token"))
    assert [everywhere.count(each) for each in hidden] == [0] * 4
    # It renews itself, without the secret of a public client.
    old = moved.sealed_access_token
    credentials.renew(moved, rejected_token=old)
    assert health.test(moved).ok


def test_sign_in_counts_once_and_in_its_own_session(
    administrator: Client,
    boss: User,
    api_token: Connection,  # noqa: F811
) -> None:
    before = kept(api_token)
    back = decide(leave(administrator, api_token))
    wrong = re.sub("state=[^&]*", "state=guessed", back)

    other_session = signed_in(boss).get(back)
    other_person = signed_in(make_user("eve", admin=True)).get(back)
    unknown = administrator.get(wrong)
    untouched = kept(api_token)
    right = administrator.get(back)
    again = administrator.get(back)

    refused = [other_session, other_person, unknown, again]
    assert [answer.status_code for answer in refused] == [400] * 4
    assert ["is not known here" in answer.text for answer in refused] == [True] * 4
    assert untouched == before
    assert right.status_code == 302
    assert Connection.objects.get().sign_in == "oauth_token"
    assert Entry.objects.filter(action="credential_moved").count() == 1


def denied(client: Client, connection: Connection) -> str:
    return decide(leave(client, connection), "deny")


def expired(client: Client, connection: Connection) -> str:
    back = decide(leave(client, connection))
    OauthSignIn.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    return back


def spent_code(client: Client, connection: Connection) -> str:
    first = leave(client, connection)
    state = parse_qs(urlsplit(first).query)["state"][0]
    return f"/connections/oauth/?code=of-another-client&state={state}"


def other_host(client: Client, connection: Connection) -> str:
    back = decide(leave(client, connection))
    OauthSignIn.objects.update(host="other.zendesk.com")
    return back


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        (denied, "Access was denied at Zendesk. Nothing was changed."),
        (expired, "This sign-in at Zendesk is not known here"),
        (spent_code, "its code was already used. Start it again. Nothing was changed"),
        (other_host, "The connection was changed to another host meanwhile."),
    ],
)
def test_sign_in_that_fails_changes_nothing(
    administrator: Client,
    api_token: Connection,  # noqa: F811
    way: Callable[[Client, Connection], str],
    sentence: str,
) -> None:
    before = kept(api_token)
    back = way(administrator, api_token)

    answer = administrator.get(back)

    assert shown(administrator, answer).count(sentence) == 1
    assert kept(api_token) == before
    assert not OauthSignIn.objects.exists()


def test_way_back_needs_a_person_who_may_manage(
    client: Client,
    administrator: Client,
    api_token: Connection,  # noqa: F811
) -> None:
    boss = User.objects.get(username="boss")
    back = decide(leave(administrator, api_token))
    boss.is_superuser = False
    boss.save()
    roles.assign(boss, Role.OPERATOR)

    stranger = client.get(f"{back}&arrived=1")

    assert stranger["Location"] == "/accounts/login/?next=/connections/oauth/"
    assert administrator.get(back).status_code == 403
    assert Connection.objects.get().sign_in == "api_token"


@pytest.mark.parametrize("other_user", [False, True])
def test_credentials_of_another_user_are_refused_unless_allowed(
    administrator: Client,
    api_token: Connection,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    *,
    other_user: bool,
) -> None:
    old = health.TestResult(ok=True, user="Ana", user_id=7)
    monkeypatch.setattr(health, "user_of", lambda _connection: old)
    form = {"way": "client"} | CLIENT | ({"other_user": "on"} if other_user else {})

    answer = administrator.post(f"/connections/{api_token.code}/move/", form)

    refusal = "The new credentials belong to Sandbox Admin, the old ones to Ana."
    assert [answer.status_code, refusal in answer.text] == (
        [302, False] if other_user else [200, True]
    )
    assert Connection.objects.get().sign_in == (
        "oauth_client" if other_user else "api_token"
    )


def test_move_to_client_credentials_that_do_not_work_changes_nothing(
    administrator: Client,
    sandbox: Sandbox,
    api_token: Connection,  # noqa: F811
) -> None:
    before = kept(api_token)
    page = f"/connections/{api_token.code}/move/"
    form = {"way": "client"} | CLIENT

    without = administrator.post(page, form | {"client_secret": ""})
    wrong = administrator.post(page, form | {"client_secret": "wr0ng"})
    sandbox.settings(role="end-user")
    weak = administrator.post(page, form)

    assert without.text.count("Client credentials need the client&#x27;s secret.") == 1
    assert "Zendesk does not know the OAuth client" in wrong.text
    assert "The new credentials do not work: Sandbox Admin has the role" in weak.text
    assert [kept(api_token), "wr0ng" in wrong.text] == [before, False]


def test_scopes_that_send_no_jobs_are_refused(
    sandbox: Sandbox,
    boss: User,
    api_token: Connection,  # noqa: F811
) -> None:
    before = kept(api_token)
    token = oauth.client_credentials(
        sandbox.url, sandbox.client_id, sandbox.client_secret, "read"
    )
    new = credentials.OauthCredentials(SignIn.OAUTH_TOKEN, sandbox.client_id, "", token)

    with pytest.raises(MoveRefused, match="The token cannot send jobs"):
        credential_move.move(api_token, new, other_user=False, by=boss)

    assert kept(api_token) == before


def test_crash_before_storing_leaves_the_old_credentials(
    administrator: Client,
    api_token: Connection,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = kept(api_token)
    back = decide(leave(administrator, api_token))

    def crash(*_args: Any, **_named: Any) -> None:
        raise KeyboardInterrupt

    # Last in the transaction: all else is undone.
    monkeypatch.setattr("jobsui.connections.credential_move.log.record", crash)
    with pytest.raises(KeyboardInterrupt):
        administrator.get(back)
    monkeypatch.undo()

    assert kept(api_token) == before
    assert health.test(api_token).ok
    assert administrator.get(back).status_code == 400


def test_renewal_that_a_move_overtakes_does_not_undo_it(
    administrator: Client,
    oauth_token: Connection,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The renewal has its new pair when the person has just moved the connection."""
    back = decide(leave(administrator, oauth_token, **CLIENT, other_user="on"))
    renewed = Token("late-access", "late-refresh", 1800)
    moved: list[Any] = []

    def refresh(*_args: Any) -> Token:
        administrator.get(back)
        moved.append(kept(oauth_token))
        return renewed

    monkeypatch.setattr(oauth, "refresh", refresh)
    stale = Connection.objects.get()
    with pytest.raises(NotSent):
        credentials.renew(stale, rejected_token=stale.sealed_access_token)

    after = kept(oauth_token)
    # The claim is released.
    assert after | {"renewing_until": None} == moved[0] | {"renewing_until": None}
    assert health.test(Connection.objects.get()).ok
    assert Connection.objects.get().secret("access_token") != "late-access"


def test_connection_without_tokens_is_added_and_then_signed_in(
    administrator: Client, sandbox: Sandbox
) -> None:
    form = {
        "name": "Acme",
        "host": sandbox.host,
        "sign_in": "oauth_token",
        "requests_per_minute": "400",
        "share": "80",
        "max_running_jobs": "30",
    }

    added = administrator.post("/connections/add/", form)

    made = Connection.objects.get()
    assert added["Location"] == f"/connections/{made.code}/move/"
    assert administrator.get(decide(leave(administrator, made))).status_code == 302
    assert health.test(Connection.objects.get()).ok


@pytest.mark.usefixtures("api_token")
def test_use_is_noted_every_five_minutes() -> None:
    noted = []
    for last in (None, timedelta(minutes=4), timedelta(minutes=6)):
        at = last and timezone.now() - last
        Connection.objects.update(last_used_at=at)
        health.test(Connection.objects.get())
        noted.append(Connection.objects.get().last_used_at != at)

    assert noted == [True, False, True]


def test_page_lists_credentials_that_end_first_and_no_secret(ana: User) -> None:
    now = timezone.now()
    legacy = make_connection(name="Legacy")
    forever = make_connection(
        name="Forever", host="b.zendesk.com", sign_in=SignIn.OAUTH_CLIENT
    )
    token = make_connection(
        name="Soon",
        host="c.zendesk.com",
        sign_in=SignIn.OAUTH_TOKEN,
        scopes="read write",
        refresh_token_expires_at=now + timedelta(days=2, hours=1),
        sealed_refresh_token="x",
        tested_at=now,
        test_passed=True,
        test_result={"user": "Ana Agent"},
    )
    make_connection(name="Foreign", host="d.zendesk.com")
    roles.assign(ana, Role.VIEWER)
    for connection in (legacy, forever, token):
        roles.assign(ana, Role.ADMINISTRATOR, connection=connection)

    text = signed_in(ana).get("/connections/credentials/").text

    listed = re.findall(r'<a href="/connections/[0-9a-f-]{36}/">(\w+)<', text)
    assert listed == ["Soon", "Legacy", "Forever"]
    assert "3 days left" in text
    assert "30 April 2027" in text
    assert [text.count(each) for each in ("Ana Agent", "read write", "Foreign")] == [
        1,
        1,
        0,
    ]
    assert "token-of-acme" not in text
