import base64
import json
import socket
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import DatabaseError
from django.db import connection as database
from django.utils import timezone

from jobsui.connections import credentials, errors
from jobsui.connections.models import Connection, SignIn
from jobsui.zendesk import custom_objects, oauth
from jobsui.zendesk.client import MAX_LISTED
from jobsui.zendesk.errors import NotSent, Unauthorized, ZendeskError
from jobsui.zendesk.payloads import Token
from tests.connections.conftest import made
from tests.factories import make_connection
from tests.sandbox_server import Sandbox
from tests.zendesk.raw_server import http_response, read_request, responds, serving


def me(connection: Connection) -> str:
    return credentials.signed_in(connection, custom_objects.me).email


def grants(sandbox: Sandbox) -> int:
    """How many tokens the sandbox has given."""
    return sum(
        entry["path"] == "/oauth/tokens" and entry["status"] == 201
        for entry in sandbox.log()
    )


def stored(connection: Connection) -> Connection:
    return Connection.objects.get(pk=connection.pk)


def failure(act: Callable[[], object]) -> ZendeskError:
    with pytest.raises(ZendeskError) as caught:
        act()
    return caught.value


def test_api_token_signs_in_by_basic(api_token: Connection, sandbox: Sandbox) -> None:
    scheme, _, pair = credentials.authorization(api_token).partition(" ")

    assert scheme == "Basic"
    assert (
        base64.b64decode(pair).decode() == f"{sandbox.email}/token:{sandbox.api_token}"
    )
    assert me(api_token) == sandbox.email


def test_client_credentials_are_fetched_once_and_kept(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    assert [me(oauth_client) for _ in range(3)] == [sandbox.email] * 3

    kept = stored(oauth_client)
    assert grants(sandbox) == 1
    assert kept.access_token_expires_at is not None
    assert (
        1700 < (kept.access_token_expires_at - timezone.now()).total_seconds() <= 1800
    )
    assert bool(kept.secret("access_token"))
    assert kept.secret("refresh_token") == ""
    assert kept.renewing_until is None


def test_token_is_renewed_before_it_expires(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    me(oauth_client)
    first = stored(oauth_client).secret("access_token")
    for left, expected in ((61, 1), (59, 2)):
        ends = timezone.now() + timedelta(seconds=left)
        Connection.objects.filter(pk=oauth_client.pk).update(
            access_token_expires_at=ends
        )
        me(oauth_client)
        assert grants(sandbox) == expected

    assert stored(oauth_client).secret("access_token") != first


def test_revoked_token_is_renewed_and_the_call_repeated(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    me(oauth_client)
    sandbox.faults(bearer_expired={"rate": 1, "times": 1})

    assert me(oauth_client) == sandbox.email
    assert grants(sandbox) == 2


def test_renewals_of_one_call_are_limited(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.faults(bearer_expired=1)

    assert type(failure(lambda: me(oauth_client))) is Unauthorized
    assert grants(sandbox) == 1 + credentials.MAX_RENEWALS


def test_refresh_stores_the_new_pair_before_it_is_used(
    oauth_token: Connection, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.faults(bearer_expired={"rate": 1, "times": 1})
    used: list[tuple[str, str]] = []
    sign = credentials.authorization

    def noted(connection: Connection) -> str:
        value = sign(connection)
        used.append((value, f"Bearer {stored(connection).secret('access_token')}"))
        return value

    monkeypatch.setattr(credentials, "authorization", noted)
    assert me(oauth_token) == sandbox.email

    kept = stored(oauth_token)
    assert [sent == in_database for sent, in_database in used] == [True, True]
    assert used[0] != used[1]
    assert kept.secret("refresh_token") not in {"", sandbox.refresh_token}
    sandbox.faults(bearer_expired={"rate": 1, "times": 1})
    assert (
        me(oauth_token) == sandbox.email
    )  # With the new refresh token: the old one is invalid.


def test_pair_is_given_up_when_it_cannot_be_stored(
    oauth_token: Connection, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_args: object) -> dict[str, object]:
        raise DatabaseError("disk full")

    monkeypatch.setattr(credentials, "_token_columns", lost)
    Connection.objects.filter(pk=oauth_token.pk).update(
        access_token_expires_at=timezone.now()
    )
    error = failure(lambda: me(oauth_token))

    assert type(error) is NotSent
    assert error.code == "database"
    assert [entry["path"] for entry in sandbox.log()] == ["/oauth/tokens"]
    assert stored(oauth_token).renewing_until is None


@pytest.mark.usefixtures("db")
def test_refresh_token_without_a_new_one_stays() -> None:
    with serving(responds(b'{"access_token": "next", "expires_in": 300}')) as server:
        connection = made(server.url.removeprefix("http://"), SignIn.OAUTH_TOKEN)
        credentials.save_secrets(
            connection, {"access_token": "first", "refresh_token": "only"}, by=None
        )
        assert (
            credentials.renew(connection, rejected_token=connection.sealed_access_token)
            == "next"
        )

    assert stored(connection).secret("refresh_token") == "only"


@pytest.mark.parametrize(
    "lifetime", ["null", "1e400", f'"{"9" * 5000}"', "99999999999999999999"]
)
@pytest.mark.usefixtures("db")
def test_odd_lifetime_does_not_lose_the_pair(lifetime: str) -> None:
    body = (
        f'{{"access_token": "next", "refresh_token": "r2", "expires_in": {lifetime}}}'
    )
    with serving(responds(body.encode())) as server:
        connection = made(server.url.removeprefix("http://"), SignIn.OAUTH_TOKEN)
        credentials.save_secrets(
            connection, {"access_token": "first", "refresh_token": "r1"}, by=None
        )
        credentials.renew(connection, rejected_token=connection.sealed_access_token)

    kept = stored(connection)
    assert kept.secret("access_token") == "next"
    assert kept.secret("refresh_token") == "r2"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("transactional_db")
def test_many_threads_renew_once(oauth_token: Connection, sandbox: Sandbox) -> None:
    sandbox.settings(latency_ms=50)
    rejected = oauth_token.sealed_access_token
    together = threading.Barrier(8)
    tokens: list[str] = []

    def renew() -> None:
        mine = stored(oauth_token)
        together.wait(10)
        tokens.append(credentials.renew(mine, rejected_token=rejected))
        database.close()

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert grants(sandbox) == 1
    assert tokens == [stored(oauth_token).secret("access_token")] * 8


def test_used_refresh_token_says_reconnect(
    oauth_token: Connection, sandbox: Sandbox
) -> None:
    oauth.refresh(
        sandbox.url, sandbox.client_id, sandbox.client_secret, sandbox.refresh_token
    )
    error = failure(lambda: me(oauth_token))

    assert type(error) is Unauthorized
    assert error.code == "invalid_grant"
    assert errors.explain(error) == (
        "The refresh token has expired, was revoked or was already used. "
        "Reconnect: create a new token in Zendesk and enter it in this connection."
    )


def test_process_that_died_between_fetch_and_save_is_survived(
    oauth_token: Connection, sandbox: Sandbox
) -> None:
    """Its claim times out. The pair is lost, so a person must reconnect."""
    oauth.refresh(
        sandbox.url, sandbox.client_id, sandbox.client_secret, sandbox.refresh_token
    )
    Connection.objects.filter(pk=oauth_token.pk).update(
        renewing_until=timezone.now() - timedelta(seconds=1)
    )

    assert failure(lambda: me(oauth_token)).code == "invalid_grant"
    assert stored(oauth_token).renewing_until is None

    credentials.save_secrets(
        stored(oauth_token), {"access_token": fresh(sandbox)}, by=None
    )
    assert me(oauth_token) == sandbox.email


def fresh(sandbox: Sandbox) -> str:
    token = oauth.client_credentials(
        sandbox.url, sandbox.client_id, sandbox.client_secret, oauth.GLOBAL_SCOPE
    )
    return token.access_token


def test_renewal_of_another_process_is_waited_for_only_so_long(
    oauth_client: Connection,
) -> None:
    Connection.objects.filter(pk=oauth_client.pk).update(
        renewing_until=timezone.now() + timedelta(seconds=60)
    )

    with pytest.raises(NotSent):
        credentials.renew(
            oauth_client, rejected_token="", timeout=timedelta(seconds=0.3)
        )


def test_clock_set_back_blocks_no_renewal(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    Connection.objects.filter(pk=oauth_client.pk).update(
        renewing_until=timezone.now() + timedelta(hours=5)
    )

    assert me(oauth_client) == sandbox.email
    assert stored(oauth_client).renewing_until is None


def test_token_fetched_with_replaced_credentials_is_discarded(
    oauth_client: Connection, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = oauth.client_credentials

    def overtaken(*args: str) -> Token:
        token = fetch(*args)
        credentials.save_secrets(
            stored(oauth_client), {"client_secret": "of another client"}, by=None
        )
        return token

    monkeypatch.setattr(oauth, "client_credentials", overtaken)
    error = failure(lambda: me(oauth_client))

    kept = stored(oauth_client)
    assert type(error) is NotSent
    assert kept.sealed_access_token == ""
    assert kept.secret("client_secret") == "of another client"
    assert [entry["path"] for entry in sandbox.log()] == ["/oauth/tokens"]


def test_token_of_a_new_host_never_goes_to_the_old_one(
    oauth_token: Connection, sandbox: Sandbox
) -> None:
    stale = stored(oauth_token)
    Connection.objects.filter(pk=oauth_token.pk).update(
        host="acme.zendesk.com", sealed_access_token="of the new host"
    )

    assert (
        type(
            failure(
                lambda: credentials.renew(
                    stale, rejected_token=stale.sealed_access_token
                )
            )
        )
        is NotSent
    )
    assert sandbox.log() == []


def test_client_of_a_moved_connection_sends_nothing(
    api_token: Connection, sandbox: Sandbox
) -> None:
    client = credentials.client_for(api_token)
    Connection.objects.filter(pk=api_token.pk).update(host="acme.zendesk.com")

    assert type(failure(lambda: custom_objects.me(client))) is NotSent
    assert sandbox.log() == []


def test_client_that_may_not_call_sends_nothing(
    api_token: Connection, sandbox: Sandbox
) -> None:
    client = credentials.SignedClient(api_token, may_call=lambda: False)

    assert failure(lambda: custom_objects.me(client)).code == "withheld"
    assert sandbox.log() == []


def test_client_uses_the_secrets_stored_now(
    api_token: Connection, sandbox: Sandbox
) -> None:
    client = credentials.client_for(api_token)
    credentials.save_secrets(stored(api_token), {"api_token": "wrong"}, by=None)
    assert type(failure(lambda: custom_objects.me(client))) is Unauthorized
    credentials.save_secrets(
        stored(api_token), {"api_token": sandbox.api_token}, by=None
    )

    assert custom_objects.me(client).email == sandbox.email


@pytest.mark.usefixtures("db")
def test_token_with_nothing_to_renew_it_is_refused_with_a_sentence(
    sandbox: Sandbox,
) -> None:
    connection = made(sandbox.host, SignIn.OAUTH_TOKEN)
    credentials.save_secrets(connection, {"access_token": "revoked"}, by=None)
    error = failure(lambda: me(connection))

    assert error.status == 401
    assert not credentials.can_renew(connection)
    assert errors.explain(error).startswith(
        "The access token has expired or was revoked. Reconnect"
    )
    assert grants(sandbox) == 0


def test_unreadable_secret_asks_for_it_again(
    api_token: Connection, settings: LazySettings, sandbox: Sandbox
) -> None:
    settings.ENCRYPTION_KEYS = [b"x" * 32]
    error = failure(lambda: me(api_token))

    assert type(error) is Unauthorized
    assert error.code == "unreadable"
    assert "JOBSUI_ENCRYPTION_KEYS" in errors.explain(error)
    assert sandbox.log() == []


@pytest.mark.usefixtures("db")
def test_unconfirmed_renewal_leaves_the_request_unsent() -> None:
    with serving(responds(b"<html>", "502 Bad Gateway")) as server:
        connection = made(
            server.url.removeprefix("http://"), SignIn.OAUTH_CLIENT, client_id="c"
        )
        credentials.save_secrets(connection, {"client_secret": "s"}, by=None)
        error = failure(lambda: me(connection))

    assert type(error) is NotSent
    assert error.status == 502
    assert [received.split()[1] for received in server.received] == [b"/oauth/tokens"]


@pytest.mark.usefixtures("db")
def test_secret_goes_into_the_body_of_the_token_request_alone() -> None:
    def behavior(peer: socket.socket) -> None:
        peer.sendall(http_response(b'{"access_token": "given", "expires_in": 300}'))
        read_request(peer)

    with serving(
        behavior, responds(b'{"user": {"id": 1, "email": "a@b.example"}}')
    ) as server:
        connection = made(
            server.url.removeprefix("http://"), SignIn.OAUTH_CLIENT, client_id="c"
        )
        credentials.save_secrets(connection, {"client_secret": "hush"}, by=None)
        me(connection)

    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert json.loads(body) == {
        "grant_type": "client_credentials",
        "client_id": "c",
        "client_secret": "hush",
        "scope": "custom_objects:read custom_objects:write",
    }
    assert b"hush" not in head
    assert b"hush" not in server.received[1]
    assert b"Authorization: Bearer given" in server.received[1]


def test_new_secrets_forget_what_belonged_to_the_old(
    oauth_client: Connection, oauth_pair: Connection
) -> None:
    me(oauth_client)
    credentials.save_secrets(stored(oauth_client), {"client_secret": "new"}, by=None)
    credentials.save_secrets(oauth_pair, {"access_token": "new"}, by=None)

    kept, pair = stored(oauth_client), stored(oauth_pair)
    assert kept.sealed_access_token == ""
    assert kept.access_token_expires_at is None
    assert kept.tested_at is None
    assert pair.secret("access_token") == "new"
    assert pair.sealed_refresh_token == ""


@pytest.fixture
def oauth_pair(db: None) -> Connection:  # noqa: ARG001
    connection = make_connection(name="Pair", sign_in=SignIn.OAUTH_TOKEN)
    credentials.save_secrets(
        connection, {"access_token": "a", "refresh_token": "r"}, by=None
    )
    return connection


def test_forgotten_secrets_are_gone_from_the_row(oauth_pair: Connection) -> None:
    credentials.forget_secrets(oauth_pair)

    kept = stored(oauth_pair)
    assert [getattr(kept, f"sealed_{name}") for name in Connection.SECRETS] == [""] * 4
    assert not credentials.has_secret(kept)
    assert kept.secret_set_at is None


def test_sealed_secret_of_another_connection_is_never_sent(
    api_token: Connection, sandbox: Sandbox
) -> None:
    other = make_connection(name="Other")
    Connection.objects.filter(pk=api_token.pk).update(
        sealed_api_token=other.sealed_api_token
    )

    assert failure(lambda: me(api_token)).code == "unreadable"
    assert sandbox.log() == []


def test_length_of_lists_is_remembered_for_other_processes(
    api_token: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("asset", fields=[])
    sandbox.assume(address_limit=4_000)
    external_ids = [f"{number:03}-{'x' * 60}" for number in range(100)]
    client = credentials.client_for(api_token)
    other = credentials.client_for(api_token)

    custom_objects.records_by_external_ids(client, "asset", external_ids)

    api_token.refresh_from_db()
    assert api_token.max_listed == 3_350
    assert credentials.client_for(api_token).max_listed == 3_350
    custom_objects.me(other)
    assert other.max_listed == 3_350


def test_longer_lists_are_tried_again_after_a_day(
    api_token: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("asset", fields=[])
    external_ids = [f"{number:03}-{'x' * 60}" for number in range(100)]
    yesterday = timezone.now() - timedelta(hours=25)
    own = Connection.objects.filter(pk=api_token.pk)
    own.update(max_listed=900, max_listed_at=yesterday)
    sandbox.assume(address_limit=4_000)
    client = credentials.client_for(own.get())
    assert client.max_listed == MAX_LISTED

    custom_objects.records_by_external_ids(client, "asset", external_ids)

    found = own.get()
    assert found.listed_length == client.max_listed == 3_350
    assert found.max_listed_at is not None
    assert found.max_listed_at > yesterday + timedelta(hours=24)


def test_length_of_lists_is_forgotten_with_the_secrets(api_token: Connection) -> None:
    own = Connection.objects.filter(pk=api_token.pk)
    own.update(max_listed=900, max_listed_at=timezone.now())

    credentials.forget_secrets(api_token)

    api_token.refresh_from_db()
    assert api_token.listed_length is None
