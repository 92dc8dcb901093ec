"""A file's way through the product: the functions the pages call, in the order a person goes."""

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.urls import reverse

from jobsui.connections import credentials, objects
from jobsui.connections.models import Connection, SignIn
from jobsui.jobs.engine import checking, control, intake, mapping
from jobsui.jobs.engine.options import Options
from jobsui.jobs.enums import Action, FileState, JobState
from jobsui.jobs.models import Batch, File, Job

OBJECT, ACTION = "asset", Action.UPSERT_BY_EXTERNAL_ID


class Way:
    job: Job
    file: File
    planned_after = 0.0
    """Seconds from launch until the last batch was planned."""

    def __init__(self, sandbox: str, requests_per_minute: int, window: int) -> None:
        self.user, _ = User.objects.get_or_create(username="bench", is_superuser=True)
        self.connection = Connection(
            name="Sandbox", host=sandbox.removeprefix("http://"), sign_in=SignIn.OAUTH_CLIENT,
            client_id="sandbox-client", requests_per_minute=requests_per_minute, max_running_jobs=window,
        )  # fmt: skip
        self.connection.save()
        credentials.save_secrets(self.connection, {"client_secret": "sandbox-client-secret"}, by=None)
        objects.fetch_all(self.connection)

    def upload(self, path: Path) -> None:
        with path.open("rb") as content:
            self.file = intake.receive(iter(lambda: content.read(1 << 16), b""), path.name, by=self.user)

    def wait_for_reading(self) -> None:
        _wait(lambda: not _is(self.file, "state", FileState.READING))
        if self.file.state != FileState.READY:
            raise SystemExit(f"The file was refused: {self.file.error}")

    def check(self) -> None:
        self.job = control.draft(self.connection, OBJECT, ACTION, self.file, by=self.user)
        offered = mapping.targets(checking.schema_of(self.job), ACTION)
        control.set_mapping(self.job, mapping.suggest(self.file.columns, offered), Options(invalid="skip"))
        checking.start(self.job, by=self.user)
        _wait(lambda: not _is(self.job, "state", JobState.CHECKING))
        if self.job.state != JobState.READY:
            raise SystemExit(f"The check failed: {self.job.reason}")

    def launch_and_follow(self, look: Callable[..., None]) -> None:
        begun = time.time()
        control.launch(self.job, by=self.user)
        while not self.job.is_over:
            time.sleep(0.25)
            look()
            self.job.refresh_from_db()
        look(last=True)
        if self.job.planned_at:
            self.planned_after = self.job.planned_at.timestamp() - begun

    @property
    def steady(self) -> float:
        """Records a second between the first and the last tenth of the batches."""
        batches = Batch.objects.filter(job=self.job).order_by("done_at").values_list("done_at", "size")
        done = [(at.timestamp(), size) for at, size in batches if at]
        middle = done[len(done) // 10 : len(done) - len(done) // 10]
        if len(middle) < 2:
            return 0.0
        return sum(size for _, size in middle[1:]) / max(middle[-1][0] - middle[0][0], 0.001)

    @property
    def results_path(self) -> str:
        return reverse("jobs:results", args=[self.job.code])

    @property
    def cookie(self) -> str:
        """A session of somebody who signed in."""
        session = importlib.import_module(settings.SESSION_ENGINE).SessionStore()
        session[SESSION_KEY] = str(self.user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = self.user.get_session_auth_hash()
        session.create()
        return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"

    @property
    def database_bytes(self) -> int:
        name = Path(str(settings.DATABASES["default"]["NAME"]))
        return sum(path.stat().st_size for path in name.parent.glob(f"{name.name}*"))


def _is(entry: Any, name: str, value: str) -> bool:
    entry.refresh_from_db()
    return bool(getattr(entry, name) == value)


def _wait(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.05)
