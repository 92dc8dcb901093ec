"""Connections are made, changed and removed by these rules, whoever asks: a page or a
program."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from jobsui.connections import credentials, hosts
from jobsui.connections.errors import ConnectionInUse, ConnectionRefused, HostRefused
from jobsui.connections.models import Connection, SignIn

COLUMNS = (
    "name",
    "host",
    "production",
    "sign_in",
    "client_id",
    "email",
    "requests_per_minute",
    "share",
    "max_running_jobs",
    "early_send",
)
"""What is given besides secrets."""


def make(
    values: Mapping[str, Any], secrets: Mapping[str, str], *, by: User
) -> Connection:
    """A new connection of these values, by the names of COLUMNS, and secrets, by
    theirs.

    Raises ConnectionRefused.
    """
    connection = Connection()
    _fill(connection, values)
    _require_sign_in(connection, secrets, moves=False)
    _save(connection, None, secrets, moves=False, by=by)
    return connection


def change(
    connection: Connection,
    values: Mapping[str, Any],
    secrets: Mapping[str, str],
    *,
    is_busy: bool,
    by: User,
) -> None:
    """Replace these values and secrets; what is not given stays. Stored secrets never
    go to another host or another way to sign in: there they are forgotten, and have to
    be given again. `is_busy`: its jobs are not over.

    Raises ConnectionRefused, and ConnectionInUse for a busy one that would move.
    Nothing is saved then."""
    before = (connection.host, connection.sign_in)
    _fill(connection, values)
    moves = before != (connection.host, connection.sign_in)
    _require_sign_in(connection, secrets, moves=moves)
    if moves and is_busy:
        raise ConnectionInUse(
            "Jobs of this connection are running. Wait for their end before moving it."
        )
    _save(connection, list(values), secrets, moves=moves, by=by)


def remove(connection: Connection) -> None:
    """With its secrets and objects, and the API tokens bound to it. Raises
    ConnectionInUse when it has jobs."""
    try:
        connection.delete()
    except ProtectedError:
        raise ConnectionInUse(
            f"{connection} has jobs, whose history would be lost. It stays."
        ) from None


def _fill(connection: Connection, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(connection, name, value)
    try:
        if "host" in values:
            connection.host = hosts.check_host(values["host"])
        connection.clean_fields(
            exclude={field.name for field in Connection._meta.fields} - values.keys()
        )
    except HostRefused as error:
        raise ConnectionRefused("host", str(error)) from None
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise ConnectionRefused(name, " ".join(messages)) from None


def _require_sign_in(
    connection: Connection, secrets: Mapping[str, str], *, moves: bool
) -> None:
    way = SignIn(connection.sign_in)
    if way == SignIn.OAUTH_CLIENT and not connection.client_id:
        raise ConnectionRefused("client_id", "Type the client's unique identifier.")
    if way == SignIn.API_TOKEN and not connection.email:
        raise ConnectionRefused(
            "email", "Type the e-mail address the token belongs to."
        )
    needed = credentials.NEEDS[way][0]
    if secrets.get(needed):
        return
    if not getattr(connection, f"sealed_{needed}"):
        raise ConnectionRefused(
            needed, "Type the secret; it is stored encrypted and never shown."
        )
    if moves:
        raise ConnectionRefused(
            needed,
            "Type the secret again: a stored one is never sent to another place.",
        )


def _save(
    connection: Connection,
    columns: list[str] | None,
    secrets: Mapping[str, str],
    *,
    moves: bool,
    by: User,
) -> None:
    """Of a stored one (`columns` not None) no secret is written back: a worker may have
    renewed the token since it was read."""
    try:
        with transaction.atomic():
            connection.save(update_fields=columns)
            if moves:
                credentials.forget_secrets(connection)
            if secrets:
                credentials.save_secrets(connection, secrets, by=by)
    except IntegrityError:
        raise ConnectionRefused(
            "name", "There is a connection of that name already."
        ) from None
