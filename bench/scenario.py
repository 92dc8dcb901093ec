"""Files' way through the product: the functions the pages call, in the order a person
goes."""

import importlib
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.db import connection as database
from django.urls import reverse

from bench.processes import say, wait_for_go, wait_to_be_let_go
from jobsui.connections import credentials, objects
from jobsui.connections.models import Connection, SignIn
from jobsui.jobs.control import actions
from jobsui.jobs.control.auto_mapping import auto_map
from jobsui.jobs.enums import Action, FileState, JobState, Weight
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Batch, File, Job
from jobsui.jobs.preparation import checker, uploads

OBJECT, ACTION = "asset", Action.UPSERT_BY_EXTERNAL_ID


@dataclass(frozen=True, slots=True)
class Plan:
    url: str
    """Where the product's pages are."""
    accounts: list[dict[str, Any]]
    """What a Connection is told, but its credentials."""
    jobs: list[dict[str, Any]]
    """Of each: "account" (place in `accounts`), "file"; maybe "weight" and "after"
    (seconds from the first launch)."""
    until: int | None = None
    """The job at whose end the others are cancelled; None: all go to their end."""
    check_only: bool = False


def go(plan: Plan) -> None:
    user, _ = User.objects.get_or_create(username="bench", is_superuser=True)
    accounts = [_connection(**account) for account in plan.accounts]
    seconds: dict[str, float] = {}
    say(said="ready")
    with _timed(seconds, "upload"):
        files = {
            name: _upload(Path(name), user)
            for name in dict.fromkeys(job["file"] for job in plan.jobs)
        }
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
        begun = time.time()
        _launch(jobs, [job.get("after", 0.0) for job in plan.jobs], user)
        _follow(jobs, plan.until, user)
        seconds["plan"] = (
            max(job.planned_at.timestamp() for job in jobs if job.planned_at) - begun
        )
        report |= {
            "jobs": [_told(job) for job in jobs],
            "succeeded": sum(job.succeeded for job in jobs),
            "failed": sum(job.failed + job.uncertain for job in jobs),
        }
    say(said="over", at=time.time())
    if not plan.check_only:
        report["results_csv"] = _download(plan.url, jobs[0], user)
    say(said="report", **report, database_mb=_database_mb())
    wait_to_be_let_go()


def _connection(host: str, **fields: Any) -> Connection:
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
        return uploads.receive(
            iter(lambda: content.read(1 << 16), b""), path.name, by=user
        )


def _wait_for_reading(files: Iterable[File]) -> None:
    for file in files:
        _wait(partial(_is_other, file, FileState.READING))
        if file.state != FileState.READY:
            raise SystemExit(f"The file was refused: {file.error}")


def _draft(
    connection: Connection, file: File, wanted: dict[str, Any], user: User
) -> Job:
    options = Options(invalid="skip")
    job = actions.draft(connection, OBJECT, ACTION, file, by=user, options=options)
    job.weight = Weight(wanted.get("weight", Weight.NORMAL))
    job.save(update_fields=["weight"])
    auto_map(job, by=None)
    return job


def _check(jobs: Sequence[Job], user: User) -> None:
    for job in jobs:
        checker.start(job, by=user)
    for job in jobs:
        _wait(partial(_is_other, job, JobState.CHECKING))
        if job.state != JobState.READY:
            raise SystemExit(f"The check failed: {job.reason}")


def _launch(jobs: Sequence[Job], after: Sequence[float], user: User) -> None:
    begun = time.monotonic()
    for job, seconds in zip(jobs, after, strict=True):
        time.sleep(max(0.0, begun + seconds - time.monotonic()))
        actions.launch(job, by=user)


def _follow(jobs: Sequence[Job], until: int | None, user: User) -> None:
    if until is not None:
        _wait(partial(_is_over, jobs[until]))
        for job in jobs:
            if not _is_over(job):
                try:
                    actions.cancel(job, by=user)
                except NotPossibleNow:
                    continue  # It has just ended.
    for job in jobs:
        _wait(partial(_is_over, job))


def _told(job: Job) -> dict[str, Any]:
    """How it went; `seconds` are from its launch to its last row."""
    assert job.finished_at
    sent = (
        Batch.objects.filter(job=job, sent_at__isnull=False)
        .order_by("sent_at")
        .values_list("sent_at", flat=True)
    )
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
    begun = time.monotonic()
    with urllib.request.urlopen(request, timeout=600) as answer:
        size = len(answer.read(1))
        first = time.monotonic() - begun
        while piece := answer.read(1 << 16):
            size += len(piece)
    return {
        "first_byte_seconds": first,
        "seconds": time.monotonic() - begun,
        "mb": size / 1e6,
    }


def _cookie(user: User) -> str:
    """A session of somebody who signed in."""
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
    begun = time.monotonic()
    yield
    seconds[name] = time.monotonic() - begun


def _is_over(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_over


def _is_other(entry: File | Job, state: str) -> bool:
    entry.refresh_from_db()
    return entry.state != state


def _wait(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.1)
