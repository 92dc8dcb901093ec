import secrets
import sys
import time
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobsui.connections import credentials, objects
from jobsui.connections.models import Connection, SignIn
from jobsui.jobs.control import actions, drafts
from jobsui.jobs.control.auto_mapping import auto_map
from jobsui.jobs.enums import Action, FileState, JobState
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import checker, uploads
from jobsui.jobs.reports import job_progress
from jobsui.ops.sample import sample_csv

NAME = "Sandbox"


class Command(BaseCommand):
    help = "The sample data of `up --demo`, which calls this: log-ins, a connection to the sandbox, a first job."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url")
        parser.add_argument("sandbox_host")

    def handle(self, *args: Any, **options: Any) -> None:
        for name, is_admin in (("admin", True), ("operator", False)):
            self._say(
                f"  sign in as {name:<9} password {_password(name, admin=is_admin)}"
            )
        connection = _connection(options["sandbox_host"])
        objects.fetch_all(connection)
        job = self._launch(connection)
        page = f"{options['url']}/jobs/{job.code}/"
        self._say(f"A first job of {job.rows:,} rows is running: {page}")
        self._follow(job)
        told = ", ".join(
            f"{number:,} {name.replace('_', ' ')}"
            for name, number in job.counts.items()
            if number and name != "rows"
        )
        self._say(
            f"It is {job.get_state_display().lower()}: {told} of {job.rows:,} rows. Results: {page}results.csv"
        )

    def _launch(self, connection: Connection) -> Job:
        """The way a person goes, through the same functions."""
        operator = User.objects.get(username="operator")
        file = uploads.receive([sample_csv()], "assets.csv", by=operator)
        _wait(lambda: not _is(file, "state", FileState.READING))
        job = drafts.create_draft(
            connection, "asset", Action.UPSERT_BY_EXTERNAL_ID, file, by=operator
        )
        auto_map(job, by=operator, chosen={"Asset no": "external_id"})
        checker.start(job, by=operator)
        _wait(lambda: not _is(job, "state", JobState.CHECKING))
        drafts.set_invalid_rows(job, "skip")
        actions.launch(job, by=operator)
        return job

    def _follow(self, job: Job) -> None:
        """One line that moves on a terminal, a line for each tenth elsewhere."""
        shown = -1
        while not job.is_over:
            time.sleep(0.5)
            job.refresh_from_db()
            percent = job_progress.progress(job).percent
            if sys.stdout.isatty():
                self.stdout.write(
                    f"\r  {percent:3} %  {job.settled:,} of {job.rows:,} rows",
                    ending="",
                )
                self.stdout.flush()
            elif percent // 10 > shown:
                shown = percent // 10
                self._say(f"  {percent:3} %  {job.settled:,} of {job.rows:,} rows")
        if sys.stdout.isatty():
            self._say("")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _password(name: str, *, admin: bool) -> str:
    """A new random password at each start: there is no default one."""
    user, _ = User.objects.get_or_create(username=name)
    user.is_superuser = admin
    password = secrets.token_urlsafe(9)
    user.set_password(password)
    user.save()
    return password


def _connection(host: str) -> Connection:
    connection = Connection.objects.filter(name=NAME).first() or Connection(name=NAME)
    connection.host = host
    connection.sign_in = SignIn.OAUTH_CLIENT
    connection.client_id = "sandbox-client"
    connection.requests_per_minute = 700
    connection.save()
    credentials.save_secrets(
        connection, {"client_secret": "sandbox-client-secret"}, by=None
    )
    return connection


def _is(entry: Any, name: str, value: str) -> bool:
    entry.refresh_from_db()
    return bool(getattr(entry, name) == value)


def _wait(is_so: Any) -> None:
    ends = time.monotonic() + 60
    while not is_so():
        if time.monotonic() > ends:
            raise CommandError(
                "The workers do not get on with the sample file. Look into their logs."
            )
        time.sleep(0.1)
