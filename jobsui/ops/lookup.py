"""Finding what people name on the command line. Whoever may run commands here may see
everything."""

import re
from uuid import UUID

from django.contrib.auth.models import User

from jobsui.connections import objects
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.models import Job
from jobsui.jobs.models.job import JobQuerySet
from jobsui.ops.terminal import could_not

FEWEST = 8
"""Characters of a job's code that tell it among many."""


def connection(text: str) -> Connection:
    """By its name or its code."""
    found = Connection.objects.filter(name=text).first() or _by_code(text)
    if found is None:
        there = ", ".join(Connection.objects.values_list("name", flat=True))
        hint = (
            f"There are: {there}."
            if there
            else "Add one on the page /connections/ first."
        )
        raise could_not(f"There is no connection {text!r}. {hint}")
    return found


def custom_object(connection: Connection, key: str) -> CustomObject:
    """An object of the connection with its fields as they are now. Raises
    ConnectionsError and ZendeskError when they cannot be read."""
    known = connection.objects_known.filter(key=key).first() or objects.add_by_key(
        connection, key
    )
    return objects.refresh(known)


def jobs() -> JobQuerySet:
    """All of them, drafts too, with their holder."""
    return Job.objects.with_limit().select_related(
        "connection", "file", "parent", "created_by"
    )


def job(text: str) -> Job:
    """By its code, or at least the first 8 characters of it."""
    begin = text.strip().lower()
    if len(begin) < FEWEST or not re.fullmatch(r"[0-9a-f-]+", begin):
        raise could_not(
            f"{text!r} is no code of a job. Give at least the first {FEWEST} characters, see jobs list."
        )
    found = list(jobs().filter(code__startswith=begin)[:2])
    if not found:
        raise could_not(f"There is no job {text}. See jobs list.")
    if len(found) > 1:
        raise could_not(
            f"Several jobs begin with {text}. Give more characters of the code."
        )
    return found[0]


def user(name: str) -> User:
    """Somebody who may sign in."""
    found = User.objects.filter(username=name).first()
    if found is None:
        raise could_not(
            f"There is nobody called {name!r}. An administrator makes log-ins on the page People."
        )
    if not found.is_active:
        raise could_not(
            f"{name} may not sign in any more. An administrator can change that on the page People."
        )
    return found


def _by_code(text: str) -> Connection | None:
    try:
        return Connection.objects.filter(code=UUID(text)).first()
    except ValueError:
        return None
