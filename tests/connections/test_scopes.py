"""Tokens are asked for with the scopes of custom objects, and with read and write where
those do not suffice."""

import socket
import threading

import pytest
from django.db import connection as database

from jobsui.connections import credentials, health, objects, proxy_reads, scopes
from jobsui.connections import test_request as trial
from jobsui.connections.models import Connection, SignIn
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import Forbidden
from tests.connections.conftest import made
from tests.sandbox_server import Sandbox
from tests.zendesk.raw_server import http_response, read_request, responds, serving

GRANULAR = "custom_objects:read custom_objects:write"
GLOBAL = "read write"
ITEM = b'{"job": {"action": "create", "items": [{"name": "One"}]}}'


def post(connection: Connection) -> str:
    """Post a job. Returns the ID of its status."""

    def call(client: Client) -> str:
        return custom_objects.post_job(client, "thing", ITEM)[0].id

    return credentials.signed_in(connection, call)


def grants(sandbox: Sandbox) -> list[int]:
    """The statuses of the requests for a token."""
    return [
        entry["status"] for entry in sandbox.log() if entry["path"] == "/oauth/tokens"
    ]


def held(connection: Connection) -> str:
    """The scopes of the stored token."""
    connection.refresh_from_db()
    return connection.scopes


def test_token_covers_custom_objects_only(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("thing")

    post(oauth_client)

    assert held(oauth_client) == GRANULAR
    assert grants(sandbox) == [201]


@pytest.mark.parametrize(
    ("assumed", "statuses"), [("refused", [400, 201]), ("dropped", [201, 201])]
)
def test_account_without_granular_scopes_gives_the_global_ones(
    oauth_client: Connection, sandbox: Sandbox, assumed: str, statuses: list[int]
) -> None:
    sandbox.make_object("thing")
    sandbox.assume(granular_scopes=assumed)

    post(oauth_client)

    assert held(oauth_client) == GLOBAL
    assert grants(sandbox) == statuses


def test_job_that_the_granular_scopes_do_not_allow_is_posted_once(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("thing")
    sandbox.assume(jobs_scope="write")

    post(oauth_client)
    post(oauth_client)

    assert held(oauth_client) == GLOBAL
    assert grants(sandbox) == [201, 201]
    assert len(sandbox.jobs()) == 2


def test_wider_scopes_are_asked_for_first_from_then_on(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("thing")
    sandbox.assume(jobs_scope="write")
    post(oauth_client)
    sandbox.faults(bearer_expired={"rate": 1, "times": 1})

    post(oauth_client)

    assert held(oauth_client) == GLOBAL
    assert grants(sandbox) == [201, 201, 201]


def test_refusal_that_wider_scopes_do_not_change_is_raised_once(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("thing")
    sandbox.faults(missing_scope=1)

    for _ in range(2):
        with pytest.raises(Forbidden):
            post(oauth_client)

    assert held(oauth_client) == GLOBAL
    assert grants(sandbox) == [201, 201]


@pytest.mark.usefixtures("db")
def test_client_without_global_scopes_keeps_its_refusal() -> None:
    """Zendesk grants the granular scopes only, and refuses the job."""
    token = b'{"access_token": "a", "scope": "%s"}' % GRANULAR.encode()
    forbidden = http_response(b'{"error": "Forbidden"}', "403 Forbidden")

    def refuses_twice(peer: socket.socket) -> None:
        peer.sendall(forbidden)
        read_request(peer)
        peer.sendall(forbidden)

    with serving(
        responds(token),
        refuses_twice,
        responds(b'{"error": "invalid_scope"}', "400 Bad Request"),
        responds(token),
    ) as server:
        host = server.url.removeprefix("http://")
        connection = made(host, SignIn.OAUTH_CLIENT, client_id="c")
        credentials.save_secrets(connection, {"client_secret": "s"}, by=None)
        with pytest.raises(Forbidden):
            post(connection)

    assert held(connection) == GRANULAR


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("transactional_db")
def test_many_refused_threads_ask_for_wider_scopes_once(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("thing")
    post(oauth_client)
    sandbox.assume(jobs_scope="write")
    sandbox.settings(latency_ms=50)
    client = credentials.client_for(oauth_client)
    together = threading.Barrier(6)
    posted: list[str] = []

    def call() -> None:
        together.wait(10)
        status, _ = client.renewing(
            lambda: custom_objects.post_job(client, "thing", ITEM)
        )
        posted.append(status.id)
        database.close()

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(set(posted)) == 6
    assert grants(sandbox) == [201, 201]


def test_new_secret_starts_with_the_granular_scopes_again(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("thing")
    sandbox.assume(jobs_scope="write")
    post(oauth_client)
    sandbox.assume(jobs_scope="granular")

    credentials.save_secrets(
        oauth_client, {"client_secret": sandbox.client_secret}, by=None
    )
    assert held(oauth_client) == ""
    post(oauth_client)

    assert held(oauth_client) == GRANULAR


def test_passing_test_keeps_the_granular_scopes(oauth_client: Connection) -> None:
    result = health.test(oauth_client)

    assert result.ok
    assert result.user == "Sandbox Admin"
    assert held(oauth_client) == GRANULAR


def test_user_that_the_scopes_do_not_show_fails_no_test(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.assume(users_me_scope="read")

    result = health.test(oauth_client)

    assert result.ok
    assert result.user == ""
    assert held(oauth_client) == GRANULAR


def test_test_asks_for_the_scopes_that_job_statuses_require(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.assume(job_statuses_scope="read")

    assert health.test(oauth_client).ok
    assert held(oauth_client) == GLOBAL


def test_test_finds_job_statuses_that_cannot_be_read(
    api_token: Connection, sandbox: Sandbox
) -> None:
    sandbox.faults(refused_statuses=1)

    result = health.test(api_token)

    assert not result.ok
    assert result.error.startswith("The credentials lack a permission")


def test_test_learns_the_scopes_of_an_entered_token(oauth_token: Connection) -> None:
    health.test(oauth_token)

    assert held(oauth_token) == GLOBAL


def test_syncing_objects_and_reads_of_programs_widen_the_scopes_too(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("thing")
    sandbox.assume(job_statuses_scope="read")
    objects.fetch_all(oauth_client)

    response = proxy_reads.read(
        oauth_client, "/api/v2/job_statuses", beside_driver=False
    )

    assert response.status == 200
    assert held(oauth_client) == GLOBAL


def test_refused_read_of_a_program_is_passed_on(
    api_token: Connection, sandbox: Sandbox
) -> None:
    sandbox.faults(refused_statuses=1)

    response = proxy_reads.read(api_token, "/api/v2/job_statuses", beside_driver=False)

    assert response.status == 403


def test_test_request_asks_for_wider_scopes(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.assume(users_me_scope="read")

    response = trial.send(oauth_client, "GET", "/api/v2/users/me")

    assert response.status == 200
    assert held(oauth_client) == GLOBAL


@pytest.mark.parametrize(
    ("given", "sentences"),
    [
        ("", 0),
        (GLOBAL, 0),
        (GRANULAR, 1),
        ("read", 1),
        ("tickets:read", 2),
    ],
)
def test_limits_of_scopes_are_named(given: str, sentences: int) -> None:
    assert len(scopes.limits(given.split())) == sentences
