"""Finds what people name on the command line. Anyone who may run commands here may see
everything."""

import re
from uuid import UUID

from django.contrib.auth.models import User

from jobsui.connections import objects
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.models import Job
from jobsui.jobs.models.job import JobQuerySet
from jobsui.ops.terminal import command_error

MIN_CODE_LENGTH = 8
"""Characters that identify a job."""


def connection(text: str) -> Connection:
    """By name or code."""
    found = Connection.objects.filter(name=text).first() or _by_code(text)
    if found is None:
        names = ", ".join(Connection.objects.values_list("name", flat=True))
        hint = "Create one on the page /connections/."
        if names:
            hint = f"Choose one of: {names}."
        raise command_error(f"There is no connection {text!r}. {hint}")
    return found


def custom_object(connection: Connection, key: str) -> CustomObject:
    """The object with its current fields, read from Zendesk. Raises ConnectionsError and
    ZendeskError if they cannot be read."""
    known = connection.objects_known.filter(key=key).first()
    return objects.refresh(known or objects.add_by_key(connection, key))


def jobs() -> JobQuerySet:
    """All jobs, including drafts, with their current limit."""
    return Job.objects.with_limit().select_related(
        "connection", "file", "parent", "created_by"
    )


def job(text: str) -> Job:
    """By code, or by its first characters."""
    prefix = text.strip().lower()
    if len(prefix) < MIN_CODE_LENGTH or not re.fullmatch(r"[0-9a-f-]+", prefix):
        raise command_error(
            f"{text!r} is not the code of a job. Enter at least its first "
            f"{MIN_CODE_LENGTH} characters. List the jobs: manage.py jobs list"
        )
    found = list(jobs().filter(code__startswith=prefix)[:2])
    if not found:
        raise command_error(
            f"There is no job {text}. List the jobs: manage.py jobs list"
        )
    if len(found) > 1:
        raise command_error(
            f"Several jobs start with {text}. Enter more characters of the code."
        )
    return found[0]


def user(name: str) -> User:
    """An active user."""
    found = User.objects.filter(username=name).first()
    if found is None:
        raise command_error(
            f"There is no user {name!r}. "
            "An administrator can create users on the page People."
        )
    if not found.is_active:
        raise command_error(
            f"The user {name} is deactivated. "
            "An administrator can reactivate the user on the page People."
        )
    return found


def _by_code(text: str) -> Connection | None:
    try:
        code = UUID(text)
    except ValueError:
        return None
    return Connection.objects.filter(code=code).first()
