"""Takes files through the product: calls the same functions as the pages, in the order of
a person's steps."""

import importlib
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.db import connection as database
from django.urls import reverse

from bench.processes import say, wait_for_end, wait_for_go
from jobsui.connections import credentials, objects
from jobsui.connections.models import Connection, SignIn
from jobsui.jobs.control import actions, drafts
from jobsui.jobs.control.auto_mapping import auto_map
from jobsui.jobs.enums import Action, FileState, JobState, Weight
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Batch, File, Job
from jobsui.jobs.preparation import checker, uploads

OBJECT = "asset"
ACTION = Action.UPSERT_BY_EXTERNAL_ID


@dataclass(frozen=True, slots=True)
class Plan:
    url: str
    """The address of the product's pages."""
    accounts: list[dict[str, Any]]
    """The attributes of each Connection, without credentials."""
    jobs: list[dict[str, Any]]
    """For each: "account" (index in `accounts`) and "file"; optionally "weight" and
    "after" (seconds from the first launch)."""
    until: int | None = None
    """Index of the job after which the others are cancelled; None: all run to their
    end."""
    check_only: bool = False


def go(plan: Plan) -> None:
    """Run a plan, and report to the bench that started this process."""
    user, _ = User.objects.get_or_create(username="bench", is_superuser=True)
    accounts = [connection(**account) for account in plan.accounts]
    seconds: dict[str, float] = {}
    say(said="ready")
    with _timed(seconds, "upload"):
        names = dict.fromkeys(job["file"] for job in plan.jobs)
        files = {name: _upload(Path(name), user) for name in names}
    with _timed(seconds, "read"):
        _wait_for_reading(files.values())
    with _timed(seconds, "check"):
        jobs = [
            _draft(accounts[job["account"]], files[job["file"]], job, user)
            for job in plan.jobs
        ]
        _check(jobs, user)
    report: dict[str, Any] = {"rows": sum(job.rows for job in jobs), "way": seconds}
    wait_for_go()
    if not plan.check_only:
        report |= _send(plan, jobs, user, seconds)
    say(said="over", at=time.time())
    if not plan.check_only:
        report["results_csv"] = _download(plan.url, jobs[0], user)
    say(said="report", **report, database_mb=_database_mb())
    wait_for_end()


def _send(
    plan: Plan, jobs: Sequence[Job], user: User, seconds: dict[str, float]
) -> dict[str, Any]:
    started = time.time()
    _launch(jobs, [job.get("after", 0.0) for job in plan.jobs], user)
    _wait_for_jobs(jobs, plan.until, user)
    planned = max(job.planned_at.timestamp() for job in jobs if job.planned_at)
    seconds["plan"] = planned - started
    return {
        "jobs": [_figures(job) for job in jobs],
        "succeeded": sum(job.succeeded for job in jobs),
        "failed": sum(job.failed + job.uncertain for job in jobs),
    }


def connection(host: str, **fields: Any) -> Connection:
    connection = Connection(
        name=f"Sandbox {host}",
        host=host,
        sign_in=SignIn.OAUTH_CLIENT,
        client_id="sandbox-client",
        **fields,
    )
    connection.save()
    credentials.save_secrets(
        connection, {"client_secret": "sandbox-client-secret"}, by=None
    )
    objects.fetch_all(connection)
    return connection


def _upload(path: Path, user: User) -> File:
    with path.open("rb") as content:
        chunks = iter(lambda: content.read(1 << 16), b"")
        return uploads.receive(chunks, path.name, by=user)


def _wait_for_reading(files: Iterable[File]) -> None:
    for file in files:
        wait(partial(is_other, file, FileState.READING))
        if file.state != FileState.READY:
            raise SystemExit(f"The file was refused: {file.error}")


def _draft(
    connection: Connection, file: File, wanted: dict[str, Any], user: User
) -> Job:
    options = Options(invalid="skip")
    job = drafts.create_draft(
        connection, OBJECT, ACTION, file, by=user, options=options
    )
    job.weight = Weight(wanted.get("weight", Weight.NORMAL))
    job.save(update_fields=["weight"])
    auto_map(job, by=None)
    return job


def _check(jobs: Sequence[Job], user: User) -> None:
    for job in jobs:
        checker.start(job, by=user)
    for job in jobs:
        wait(partial(is_other, job, JobState.CHECKING))
        if job.state != JobState.READY:
            raise SystemExit(f"The check failed: {job.reason}")


def _launch(jobs: Sequence[Job], after: Sequence[float], user: User) -> None:
    started = time.monotonic()
    for job, seconds in zip(jobs, after, strict=True):
        time.sleep(max(0.0, started + seconds - time.monotonic()))
        actions.launch(job, by=user)


def _wait_for_jobs(jobs: Sequence[Job], until: int | None, user: User) -> None:
    if until is not None:
        wait(partial(is_over, jobs[until]))
        for job in jobs:
            _cancel(job, user)
    for job in jobs:
        wait(partial(is_over, job))


def _cancel(job: Job, user: User) -> None:
    if not is_over(job):
        # It may end just now.
        with suppress(NotPossibleNow):
            actions.cancel(job, by=user)


def _figures(job: Job) -> dict[str, Any]:
    """The figures of a job. Its `seconds` are from its launch to its last row."""
    assert job.finished_at
    batches = Batch.objects.filter(job=job, sent_at__isnull=False).order_by("sent_at")
    sent = batches.values_list("sent_at", flat=True)
    return {
        "state": job.state,
        "weight": job.weight,
        "counts": job.counts,
        "seconds": (job.finished_at - job.created_at).total_seconds(),
        "sent": [at.timestamp() for at in sent if at],
    }


def _download(url: str, job: Job, user: User) -> dict[str, float]:
    path = reverse("jobs:results", args=[job.code])
    request = urllib.request.Request(f"{url}{path}", headers={"Cookie": _cookie(user)})
    started = time.monotonic()
    with urllib.request.urlopen(request, timeout=600) as response:
        size = len(response.read(1))
        first = time.monotonic() - started
        while chunk := response.read(1 << 16):
            size += len(chunk)
    return {
        "first_byte_seconds": first,
        "seconds": time.monotonic() - started,
        "mb": size / 1e6,
    }


def _cookie(user: User) -> str:
    """The cookie of a signed-in session."""
    session = importlib.import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def _database_mb() -> float:
    if database.vendor == "postgresql":
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return float(cursor.fetchone()[0]) / 1e6
    name = Path(str(settings.DATABASES["default"]["NAME"]))
    return sum(path.stat().st_size for path in name.parent.glob(f"{name.name}*")) / 1e6


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[name] = time.monotonic() - started


def is_over(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_over


def is_other(entry: File | Job, state: str) -> bool:
    entry.refresh_from_db()
    return entry.state != state


def wait(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.1)
