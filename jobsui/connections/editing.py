"""The rules for creating, changing and removing connections, for pages and programs
alike."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from jobsui.audit import log
from jobsui.audit.log import Subject
from jobsui.audit.models import Action
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
"""What `create` and `change` accept besides secrets."""


def create(
    values: Mapping[str, Any],
    secrets: Mapping[str, str],
    *,
    by: User,
    signs_in_later: bool = False,
) -> Connection:
    """A new connection. `values`: by the names in COLUMNS; `secrets`: by the names in
    Connection.SECRETS; `signs_in_later`: without them, to be signed in by browser. Raises
    ConnectionRefused."""
    connection = Connection()
    _set_values(connection, values)
    if not signs_in_later:
        _require_credentials(connection, secrets, moves=False)
    with transaction.atomic():
        _save(connection, None, secrets, moves=False, by=by)
        after = _columns_of(connection) | _named(secrets)
        log.record(Action.CONNECTION_ADDED, subject_of(connection), after=after)
    return connection


def change(
    connection: Connection,
    values: Mapping[str, Any],
    secrets: Mapping[str, str],
    *,
    is_busy: bool,
    by: User,
) -> None:
    """Replace these values and secrets; the others stay. Stored secrets are never used
    for another host or authentication method: they are deleted, and new ones are
    required. `is_busy`: the connection has unfinished jobs.

    Raises ConnectionRefused, and ConnectionInUse when a busy connection would change
    its host or authentication. Nothing is saved then."""
    before = _columns_of(connection)
    _set_values(connection, values)
    moves = any(
        before[name] != getattr(connection, name) for name in ("host", "sign_in")
    )
    _require_credentials(connection, secrets, moves=moves)
    if moves and is_busy:
        raise ConnectionInUse(
            "Jobs of this connection are running. "
            "Wait until they have finished before you change its host or authentication."
        )
    with transaction.atomic():
        _save(connection, list(values), secrets, moves=moves, by=by)
        now = _columns_of(connection)
        differing = [name for name in COLUMNS if before[name] != now[name]]
        log.record(
            Action.CONNECTION_CHANGED,
            subject_of(connection),
            before={name: before[name] for name in differing},
            after={name: now[name] for name in differing} | _named(secrets),
        )


def remove(connection: Connection) -> None:
    """Remove a connection with its secrets, its objects, and the API tokens bound to
    it. Raises ConnectionInUse when it has jobs."""
    subject = subject_of(connection)
    before = _columns_of(connection)
    try:
        with transaction.atomic():
            connection.delete()
            log.record(Action.CONNECTION_REMOVED, subject, before=before)
    except ProtectedError:
        raise ConnectionInUse(
            f"{connection} cannot be removed: it has jobs, and their history would be "
            "lost."
        ) from None


def subject_of(connection: Connection) -> Subject:
    """How the audit log names a connection."""
    return Subject("connection", str(connection.code), connection.name, connection.name)


def _columns_of(connection: Connection) -> dict[str, Any]:
    return {name: getattr(connection, name) for name in COLUMNS}


def _named(secrets: Mapping[str, str]) -> dict[str, str]:
    """The names of the secrets that are stored, without the secrets."""
    names = ", ".join(name for name, text in secrets.items() if text)
    return {"replaced secrets": names} if names else {}


def _set_values(connection: Connection, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(connection, name, value)
    all_names = {field.name for field in Connection._meta.fields}
    try:
        if "host" in values:
            connection.host = hosts.check_host(values["host"])
        connection.clean_fields(exclude=all_names - values.keys())
    except HostRefused as error:
        raise ConnectionRefused("host", str(error)) from None
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise ConnectionRefused(name, " ".join(messages)) from None


def _require_credentials(
    connection: Connection, secrets: Mapping[str, str], *, moves: bool
) -> None:
    sign_in = SignIn(connection.sign_in)
    if sign_in == SignIn.OAUTH_CLIENT and not connection.client_id:
        raise ConnectionRefused("client_id", "Enter the client's unique identifier.")
    if sign_in == SignIn.API_TOKEN and not connection.email:
        raise ConnectionRefused(
            "email", "Enter the email address the token belongs to."
        )
    name = credentials.REQUIRED_SECRET[sign_in]
    if secrets.get(name):
        return
    if not getattr(connection, f"sealed_{name}"):
        raise ConnectionRefused(
            name, "Enter the secret. It is stored encrypted and never shown."
        )
    if moves:
        raise ConnectionRefused(
            name,
            "Enter the secret again: the stored one is not used after a change of host "
            "or authentication.",
        )


def _save(
    connection: Connection,
    columns: list[str] | None,
    secrets: Mapping[str, str],
    *,
    moves: bool,
    by: User,
) -> None:
    """`columns` None: a new connection. `columns` must not name stored secrets, because
    a worker may have renewed the token since it was read."""
    try:
        with transaction.atomic():
            connection.save(update_fields=columns)
            if moves:
                credentials.forget_secrets(connection)
            if secrets:
                credentials.save_secrets(connection, secrets, by=by)
    except IntegrityError:
        raise ConnectionRefused(
            "name", "There is already a connection with this name."
        ) from None
