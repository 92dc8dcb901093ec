"""Every secret is a unique string. Whatever happens to a connection, the secret never
appears outside."""

import base64
import contextlib
import logging
import shutil
import subprocess
import tempfile
import time
import traceback
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_rq import get_queue as rq_queue
from redis import Redis

from jobsui.access import tokens
from jobsui.access.models import Scope
from jobsui.connections import credentials, encryption, health, objects
from jobsui.connections.errors import explain
from jobsui.connections.models import Connection, SignIn
from jobsui.jobs import queueing
from jobsui.jobs.control import actions
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.models import Job
from jobsui.notifications.models import Channel, Delivery, Target
from jobsui.ops import valkey
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client as Speaker
from jobsui.zendesk.errors import ZendeskError
from jobsui.zendesk.payloads import Token
from tests.conftest import TaskQueue
from tests.connections.conftest import made
from tests.factories import make_channel, make_user
from tests.harness import Harness, gadgets
from tests.sandbox_server import Sandbox
from tests.zendesk.raw_server import responds, serving

KNOWN = "connection-seen-everywhere"
"""Not a secret. It is in a request's path and in a cell of the file, to show that the
search works."""


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every secret that was ever encrypted while the test ran, of connections, channels and
    second factors, and those that were fetched."""
    seen: set[str] = set()
    store = Connection.set_secret
    encrypt = encryption.encrypt

    def encrypted(text: str, *, location: str) -> str:
        seen.add(text)
        return encrypt(text, location=location)

    def noted(connection: Connection, name: str, value: str) -> None:
        seen.update(
            {
                value,
                base64.b64encode(f"{connection.email}/token:{value}".encode()).decode(),
            }
            if value
            else ()
        )
        store(connection, name, value)

    monkeypatch.setattr(Connection, "set_secret", noted)
    monkeypatch.setattr(encryption, "encrypt", encrypted)
    return seen


@pytest.fixture
def harness(
    transactional_db: None,  # noqa: ARG001
    sandbox: Sandbox,
    task_queue: TaskQueue,
    secrets: set[str],  # noqa: ARG001
) -> Harness:
    """Signed in by a pair that can be refreshed."""
    connection = made(
        sandbox.host,
        SignIn.OAUTH_TOKEN,
        client_id=sandbox.client_id,
        requests_per_minute=60_000,
    )
    Connection.objects.filter(pk=connection.pk).update(name=KNOWN)
    connection.refresh_from_db()
    pair = {"access_token": sandbox.bearer, "refresh_token": sandbox.refresh_token}
    credentials.save_secrets(
        connection, pair | {"client_secret": sandbox.client_secret}, by=None
    )
    return Harness(sandbox, connection, task_queue)


def found(secrets: set[str], *sources: str | bytes) -> list[str]:
    """The secrets that are in one of the sources."""
    texts = [
        source.encode() if isinstance(source, str) else source for source in sources
    ]
    return sorted(
        secret for secret in secrets if any(secret.encode() in text for text in texts)
    )


def database_values() -> Iterator[bytes]:
    """Every value of every table, decompressed."""
    # The model of django-rq has no table.
    with_table = [model for model in apps.get_models() if model._meta.managed]
    for model in with_table:
        for row in model._default_manager.values_list():
            for value in row:
                if isinstance(value, bytes | memoryview):
                    yield unpacked(bytes(value))
                else:
                    yield str(value).encode()


def unpacked(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value


def files_below(folder: Path) -> Iterator[bytes]:
    """Uploads, and SQLite's database with its write-ahead log."""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            yield path.read_bytes()


def pages(harness: Harness, job: Job, boss: User) -> Iterator[str]:
    client = Client()
    client.force_login(boss)
    thing = harness.connection.objects_known.get()
    connection = f"/connections/{harness.connection.code}/"
    reads = [
        "/",
        "/connections/",
        connection,
        f"{connection}edit/",
        f"{connection}move/",
        f"{connection}approval/",
        "/connections/credentials/",
        "/notifications/",
        "/notifications/messages/",
        *(f"/notifications/{channel.pk}/" for channel in Channel.objects.all()),
        "/me/",
        "/accounts/2fa/",
        "/people/",
        "/audit/",
        "/audit/audit.csv",
        "/audit/audit.jsonl",
        "/objects/",
        f"/objects/{thing.pk}/",
        f"/objects/{thing.pk}/request/",
        "/jobs/",
        f"/jobs/{job.code}/",
        f"/jobs/{job.code}/rows/",
        f"/jobs/{job.code}/events/",
        f"/jobs/{job.code}/batches/",
        f"/jobs/{job.code}/results.csv",
        f"/jobs/{job.code}/problems.csv",
        f"/jobs/{job.code}/api/",
    ]
    reads += [
        f"/jobs/{job.code}/batches/{seq}/"
        for seq in job.batches.values_list("seq", flat=True)
    ]
    for path in reads:
        answer = client.get(path)
        assert answer.status_code == 200, path
        yield answer.getvalue().decode()
    _, token = tokens.create(boss, "Nightly", scope=Scope.READ)
    program = Client(headers={"Authorization": f"Bearer {token}"})
    for path in (
        "connections",
        f"connections/{harness.connection.code}",
        f"jobs/{job.code}",
        f"jobs/{job.code}/batches",
    ):
        yield program.get(f"/api/v1/{path}").text
    yield client.post(f"{connection}test/", follow=True).text
    yield client.post(f"{connection}fetch-objects/", follow=True).text
    sent = {"method": "GET", "path": "/api/v2/users/me"}
    yield client.post(f"/objects/{thing.pk}/request/send/", sent).text


def run_with_failures(harness: Harness) -> Job:
    """Expired tokens, 5xx, limits, a lost response, and finally a refused refresh."""
    harness.object()
    once = {"rate": 1, "times": 1, "method": "POST", "path": "/jobs"}
    ended = {"rate": 1, "times": 2, "path": "/job_statuses"}
    harness.sandbox.faults(
        **{
            "bearer-expired": ended,
            "503": once,
            "rate-429": once,
            "drop-after-accept": once,
        }
    )
    return harness.run(gadgets(250), Action.UPSERT_BY_EXTERNAL_ID)


def test_secrets_stay_inside(
    harness: Harness,
    secrets: set[str],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    boss = make_user("boss", admin=True)
    TOTP.activate(boss, generate_totp_secret())
    RecoveryCodes.activate(boss)
    # No such host: its message fails and is tried again.
    hook = "https://hooks.invalid/services/canary-of-the-hook"
    make_channel(harness.connection, url=hook, target=Target.WEBHOOK)
    assert health.test(harness.connection).ok
    job = run_with_failures(harness)
    objects.fetch_all(harness.connection)
    shown = list(pages(harness, job, boss))
    harness.sandbox.reset()  # It forgets the pairs it gave: every refresh is refused from now on.
    Connection.objects.update(access_token_expires_at=timezone.now())
    refused = health.test(Connection.objects.get(pk=harness.connection.pk))

    assert job.state == JobState.COMPLETED
    assert job.updated + job.created + job.created_or_updated == 250
    assert refused.error.startswith("The refresh token has expired")
    # Three to begin with, at least two pairs that were fetched, the URL and key of the channel,
    # the secret of the authenticator app and the seed of the recovery codes.
    assert len(secrets) >= 10
    assert hook in secrets
    assert Delivery.objects.get().error == "The host hooks.invalid is not known."
    out, err = capfd.readouterr()
    sources: dict[str, Sequence[str | bytes]] = {
        "tables": [*database_values()],
        "files": [*files_below(Path(django_settings.DATA_DIR))],
        "pages": shown,
        "log": [caplog.text],
    }
    known = {
        name
        for name, texts in sources.items()
        if found({KNOWN, "users/me", "Gadget 250"}, *texts)
    }
    leaks = {name for name, texts in sources.items() if found(secrets, *texts)}
    assert known == set(sources)
    assert leaks == set()
    assert found(secrets, out, err, str(refused)) == []


@pytest.mark.usefixtures("harness", "secrets")
def test_refused_form_shows_no_secret_again() -> None:
    client = Client()
    client.force_login(make_user("boss", admin=True))
    typed = {
        "name": KNOWN,
        "host": "not a host",
        "sign_in": "oauth_client",
        "client_id": "typed-client",
        "client_secret": "typed-client-secret",
        "access_token": "typed-access",
        "refresh_token": "typed-refresh",
        "token_client_secret": "typed-other",
        "api_token": "typed-api-token",
        "requests_per_minute": 1,
        "max_running_jobs": 1,
    }
    answer = client.post("/connections/add/", typed)

    assert answer.status_code == 200
    assert found(set(map(str, typed.values())), answer.text) == [
        "1",
        KNOWN,
        "not a host",
        "oauth_client",
        "typed-client",
    ]


def test_failing_page_tells_no_secret(
    harness: Harness,
    secrets: set[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(connection: Connection) -> None:
        value = credentials.authorization(connection)
        raise RuntimeError(f"broke with a header of {len(value)} characters")

    monkeypatch.setattr(health, "test", fails)
    client = Client(raise_request_exception=False)
    client.force_login(make_user("boss", admin=True))
    answer = client.post(f"/connections/{harness.connection.code}/test/")

    assert answer.status_code == 500
    assert "broke with a header of" in caplog.text
    assert found(secrets, answer.text, caplog.text) == []
    assert "broke with" not in answer.text


@pytest.mark.parametrize(
    "status", ["401 Unauthorized", "403 Forbidden", "429 Slow", "500 Oops", "302 Found"]
)
@pytest.mark.usefixtures("db")
def test_errors_and_what_holds_secrets_do_not_show_them(
    secrets: set[str], status: str
) -> None:
    with serving(responds(b'{"error": "no"}', status)) as server:
        connection = made(
            server.url.removeprefix("http://"), SignIn.API_TOKEN, email="a@b.example"
        )
        credentials.save_secrets(connection, {"api_token": "canary-api-token"}, by=None)
        client = credentials.client_for(connection)
        with pytest.raises(ZendeskError) as caught:
            credentials.signed_in(connection, custom_objects.me)
        received = b"".join(server.received)

    error = caught.value
    trace = "".join(traceback.format_exception(error))
    assert len(found(secrets, received)) == 1  # It was sent, in its one form.
    shown = (
        f"{error} {error!r} {vars(error)} {trace} {explain(error)} {client!r} "
        f"{vars(client)} {connection!r}"
    )
    assert found(secrets, shown, str(vars(connection))) == []


def test_token_and_client_do_not_show_themselves() -> None:
    token = Token("canary-access", "canary-refresh", 5)
    client = Speaker("http://127.0.0.1:1", lambda: "Bearer canary")

    assert "canary" not in f"{token!r} {token} {client!r} {client} {vars(client)}"


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """An embedded Valkey of the test's own, behind a socket whose path is short
    enough."""
    folder = Path(tempfile.mkdtemp(prefix="jobsui-valkey-"))
    url = f"unix://{folder / 'valkey.sock'}"
    monkeypatch.setattr(django_settings, "RUN_DIR", folder)
    monkeypatch.setattr(django_settings, "DATA_DIR", folder)
    process = subprocess.Popen(valkey.command(), stdout=subprocess.DEVNULL)
    monkeypatch.setattr(django_settings, "REDIS_URL", url)
    try:
        for _ in range(500):
            if queueing.is_reachable():
                break
            time.sleep(0.01)
        yield Redis.from_url(url)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


def test_queue_holds_names_and_ids_only(
    harness: Harness, secrets: set[str], queue: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.checked(gadgets(3), Action.UPSERT_BY_EXTERNAL_ID)
    monkeypatch.setattr(
        queueing, "get_queue", lambda name: rq_queue(name, connection=queue)
    )
    monkeypatch.setattr(queueing, "backend", queueing._enqueue_rq)
    actions.launch(job, by=None)

    keys = sorted(key.decode() for key in queue.scan_iter())
    held = b"".join(queue.dump(key) or b"" for key in queue.scan_iter())
    assert [key.rpartition("-")[0] for key in keys if key.startswith("rq:job:")] == [
        f"rq:job:plan_job-{job.pk}"
    ]
    assert found({"plan_job"}, held, *keys) == ["plan_job"]
    assert found(secrets, held, *keys) == []
