"""An account that repeats the Authorization header of each request: the secret is in
nothing that is stored or shown."""

import base64
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.test import Client
from requests.structures import CaseInsensitiveDict

from jobsui.access import tokens
from jobsui.access.models import Scope
from jobsui.connections import credentials, health, objects
from jobsui.connections.models import Connection, SignIn
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.models import Job
from jobsui.zendesk.transport import HttpTransport, Received, Request
from tests.connections.conftest import made
from tests.connections.test_canary import database_values, files_below, found, pages
from tests.factories import make_user
from tests.harness import Harness, gadgets, record_of
from tests.ops.commands import run
from tests.zendesk.raw_server import responds, serving

SPOKEN = {"description", "detail", "message", "name", "title"}
"""Members of a response that people read."""
MARK = "echoed:"


def forms(authorization: str) -> list[str]:
    """The secret of the header, as a response may repeat it."""
    credential = authorization.partition(" ")[2]
    secret = credential
    if authorization.startswith("Basic "):
        secret = base64.b64decode(credential).decode().partition(":")[2]
    pair = base64.b64encode(f"somebody:{secret}".encode()).decode()
    return [secret, credential, quote(credential, safe=""), pair]


def with_echo(value: Any, echo: str) -> Any:
    if isinstance(value, list):
        return [with_echo(each, echo) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: f"{each} {MARK} {echo}"
        if name in SPOKEN and isinstance(each, str) and not value.get("external_id")
        else with_echo(each, echo)
        for name, each in value.items()
    }


@pytest.fixture
def echoed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """All forms in which responses have repeated a secret."""
    said: set[str] = set()
    exchange = HttpTransport.exchange

    def repeating(
        self: HttpTransport, request: Request, *, deadline: float
    ) -> Received:
        received = exchange(self, request, deadline=deadline)
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return received
        said.update(forms(authorization))
        # The part of the pair that only the secret decides.
        said.add(forms(authorization)[-1][12:-8])
        echo = " ".join(forms(authorization))
        headers = CaseInsensitiveDict(received.headers)
        for name in ("X-Zendesk-Request-Id", "X-Request-Id", "X-Runtime"):
            headers[name] = f"{MARK} {echo}"
        try:
            answer = with_echo(json.loads(received.body), echo)
            body = json.dumps(answer).encode()
        except ValueError:
            body = received.body + f" {MARK} {echo}".encode()
        return Received(received.status, headers, body)

    monkeypatch.setattr(HttpTransport, "exchange", repeating)
    return said


@pytest.fixture(params=[SignIn.API_TOKEN, SignIn.OAUTH_CLIENT])
def signed_in(request: pytest.FixtureRequest, harness: Harness) -> Harness:
    """With each kind of header."""
    if request.param == SignIn.API_TOKEN:
        return harness
    sandbox = harness.sandbox
    harness.connection.delete()
    connection = made(
        sandbox.host,
        SignIn.OAUTH_CLIENT,
        client_id=sandbox.client_id,
        requests_per_minute=60_000,
    )
    secret = {"client_secret": sandbox.client_secret}
    credentials.save_secrets(connection, secret, by=None)
    return Harness(sandbox, connection, harness.task_queue)


def run_with_failures(harness: Harness) -> Job:
    """Limits, errors, and a row that Zendesk refuses."""
    harness.object()
    posts = {"rate": 1, "times": 1, "method": "POST", "path": "/jobs"}
    harness.sandbox.faults(**{"503": posts, "rate-429": posts})
    rows = gadgets(150)
    harness.sandbox.add_records("gadget", [record_of(rows[7])])
    return harness.run(rows, Action.CREATE)


def api_responses(harness: Harness, job: Job) -> list[str]:
    """Of both APIs."""
    owner = make_user("programmer", admin=True)
    _, token = tokens.create(
        owner, "Canary", scope=Scope.ADMIN, connection=harness.connection
    )
    headers = {"Authorization": f"Bearer {token}"}
    v1 = f"/api/v1/jobs/{job.code}"
    batch = job.batches.values_list("pk", flat=True)[0]
    reads = [
        "/api/v1/connections",
        f"/api/v1/connections/{harness.connection.code}",
        f"/api/v1/connections/{harness.connection.code}/objects",
        v1,
        f"{v1}/rows",
        f"{v1}/errors",
        f"{v1}/batches",
        f"/api/v1/batches/{batch}",
        "/api/v2/custom_objects/gadget",
        "/api/v2/custom_objects/gadget/records",
        "/api/v2/custom_objects/gadget/records/0",
    ]
    client = Client()
    responses = [client.get(path, headers=headers) for path in reads]
    statuses = {response.status_code for response in responses}
    assert statuses == {200, 404}
    return [
        f"{dict(response.headers)} {response.getvalue().decode()}"
        for response in responses
    ]


def test_repeated_secret_is_neither_stored_nor_shown(
    signed_in: Harness,
    echoed: set[str],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    assert health.test(signed_in.connection).ok
    job = run_with_failures(signed_in)
    objects.fetch_all(signed_in.connection)
    shown = [
        *pages(signed_in, job, make_user("boss", admin=True)),
        *api_responses(signed_in, job),
    ]
    verified = run("verify", str(signed_in.connection))
    out, err = capfd.readouterr()

    assert job.state == JobState.COMPLETED
    assert job.failed == 1
    assert len(echoed) >= 3
    sources: dict[str, Sequence[str | bytes]] = {
        "tables": [*database_values()],
        "files": [*files_below(Path(django_settings.DATA_DIR))],
        "pages": shown,
        "terminal": [verified.out, verified.err, out, err, caplog.text],
    }
    leaks = {name: found(echoed, *texts) for name, texts in sources.items()}
    assert leaks == {name: [] for name in sources}
    # The responses came through, without what they repeated.
    assert {name for name in sources if found({MARK}, *sources[name])} >= {
        "tables",
        "pages",
    }


def test_repeated_secret_in_a_broken_header_is_not_logged(
    caplog: pytest.LogCaptureFixture,
    db: None,  # noqa: ARG001
) -> None:
    caplog.set_level(logging.DEBUG)
    broken = responds(b"{}", "200 OK", "a broken header of canary-api-token")
    with serving(broken) as server:
        connection = made(server.url.removeprefix("http://"), SignIn.OAUTH_TOKEN)
        secret = {"access_token": "canary-api-token"}
        credentials.save_secrets(connection, secret, by=None)
        health.test(Connection.objects.get())

    assert found({"canary-api-token"}, caplog.text) == []
