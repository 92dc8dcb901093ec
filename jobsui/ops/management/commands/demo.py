import secrets
import sys
import time
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Model

from jobsui.access import roles
from jobsui.access.models import Role
from jobsui.connections import credentials, objects
from jobsui.connections.models import Connection, SignIn
from jobsui.jobs.control import actions, drafts
from jobsui.jobs.control.auto_mapping import auto_map
from jobsui.jobs.enums import Action, FileState, JobState
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import checker, uploads
from jobsui.jobs.reports import job_progress
from jobsui.ops.output import counts
from jobsui.ops.sample import sample_csv

CONNECTION_NAME = "Sandbox"
USERS = {
    "admin": Role.ADMINISTRATOR,
    "approver": Role.APPROVER,
    "operator": Role.OPERATOR,
    "viewer": Role.VIEWER,
}
TIMEOUT_SECONDS = 60


class Command(BaseCommand):
    help = (
        "The sample data of `up --demo`: users, a connection to the sandbox, a first "
        "job. `up` runs this command."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url")
        parser.add_argument("sandbox_host")

    def handle(self, *_args: Any, **options: Any) -> None:
        for username, role in USERS.items():
            password = _create_user(username, role)
            self._say(f"  sign in as {username:<9} password {password}")
        connection = _connection(options["sandbox_host"])
        objects.fetch_all(connection)
        job = self._launch(connection)
        page = f"{options['url']}/jobs/{job.code}/"
        self._say(f"A first job with {job.rows:,} rows is running: {page}")
        self._wait_for(job)
        state = job.get_state_display()
        self._say(f"{state}: {counts(job)}. Results: {page}results.csv")

    def _launch(self, connection: Connection) -> Job:
        """The steps of the wizard, by the same functions."""
        operator = User.objects.get(username="operator")
        file = uploads.receive([sample_csv()], "assets.csv", by=operator)
        _wait_until(lambda: _reload(file).state != FileState.READING)
        job = drafts.create_draft(
            connection, "asset", Action.UPSERT_BY_EXTERNAL_ID, file, by=operator
        )
        auto_map(job, by=operator, chosen={"Asset no": "external_id"})
        checker.start(job, by=operator)
        _wait_until(lambda: _reload(job).state != JobState.CHECKING)
        drafts.set_invalid_rows(job, "skip", by=None)
        actions.launch(job, by=operator)
        return job

    def _wait_for(self, job: Job) -> None:
        """Shows a moving line on a terminal; elsewhere one line every 10 %."""
        shown = -1
        is_terminal = sys.stdout.isatty()
        while not job.is_over:
            time.sleep(0.5)
            job.refresh_from_db()
            percent = job_progress.progress(job).percent
            line = f"  {percent:3} %  {job.settled:,} of {job.rows:,} rows"
            if is_terminal:
                self.stdout.write(f"\r{line}", ending="")
                self.stdout.flush()
            elif percent // 10 > shown:
                shown = percent // 10
                self._say(line)
        if is_terminal:
            self._say("")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _create_user(username: str, role: Role) -> str:
    """Returns a new random password, each time the demo starts."""
    user, _ = User.objects.get_or_create(username=username)
    roles.assign(user, role)
    password = secrets.token_urlsafe(9)
    user.set_password(password)
    user.save()
    return password


def _connection(host: str) -> Connection:
    connection, _ = Connection.objects.get_or_create(name=CONNECTION_NAME)
    connection.host = host
    connection.sign_in = SignIn.OAUTH_CLIENT
    connection.client_id = "sandbox-client"
    connection.requests_per_minute = 700
    connection.save()
    credentials.save_secrets(
        connection, {"client_secret": "sandbox-client-secret"}, by=None
    )
    return connection


def _reload[T: Model](entry: T) -> T:
    entry.refresh_from_db()
    return entry


def _wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise CommandError(
                "The workers did not finish the sample file in time. Check their logs."
            )
        time.sleep(0.1)
