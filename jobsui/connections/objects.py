"""The custom objects of an account with their fields, name rules and record counts, as
last synced."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.utils import timezone

from jobsui.connections import credentials
from jobsui.connections.errors import ConnectionsError, explain
from jobsui.connections.models import Connection, CustomObject
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import NotFound, Refused, ZendeskError
from jobsui.zendesk.payloads import Json, ObjectInfo

MAX_TITLE = 255
KEY = re.compile(r"[A-Za-z0-9_-]{1,255}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An object as Zendesk shows it."""

    info: ObjectInfo
    fields: list[dict[str, Json]]
    record_count: int | None


class ObjectRefused(ConnectionsError):
    """Not an object key, or one that Zendesk does not know."""


def fetch_all(connection: Connection) -> list[CustomObject]:
    """Sync every custom object the credentials can see. Known ones that are no longer
    there are marked gone.

    Raises ZendeskError; what was not synced stays as it was.
    """
    found = credentials.signed_in(connection, custom_objects.list_objects)
    client = credentials.client_for(connection)
    for info in found:
        _store(connection, _read(client, info))
    missing = connection.objects_known.exclude(key__in=[info.key for info in found])
    missing.update(gone=True)
    return list(connection.objects_known.all())


def refresh(custom_object: CustomObject) -> CustomObject:
    """Sync one object. Raises ZendeskError; one that Zendesk no longer knows is marked
    gone first."""
    with _marking_gone(custom_object):
        snapshot = _fetch(custom_object.connection, custom_object.key)
    _store(custom_object.connection, snapshot)
    custom_object.refresh_from_db()
    return custom_object


def refresh_fields(custom_object: CustomObject) -> None:
    """Sync only the fields of one object, which is all that a launch depends on. Raises
    like `refresh`."""

    def read(client: Client) -> list[dict[str, Json]]:
        return custom_objects.list_fields(client, custom_object.key)

    with _marking_gone(custom_object):
        fields = credentials.signed_in(custom_object.connection, read)
    custom_object.fields = fields
    custom_object.read_at = timezone.now()
    custom_object.gone = False
    custom_object.save(update_fields=["fields", "read_at", "gone"])


def find(connection: Connection, key: str) -> CustomObject:
    """The object with this key as last synced; synced now if it never was. Raises
    ObjectRefused when it is not a key, and ZendeskError (NotFound when there is no such
    object)."""
    if not KEY.fullmatch(key):
        raise ObjectRefused(
            f"{key!r} is not an object key. A key has letters, digits, - and _ only."
        )
    synced = connection.objects_known.filter(key=key, gone=False).exclude(read_at=None)
    return synced.first() or _store(connection, _fetch(connection, key))


def read_once(connection: Connection, key: str) -> CustomObject:
    """`find` for people: when Zendesk refuses, raises ObjectRefused too. Raises
    ZendeskError when it cannot be reached."""
    try:
        return find(connection, key)
    except Refused as error:
        raise ObjectRefused(f"{key} could not be read. {explain(error)}") from error


def add_by_key(connection: Connection, key: str) -> CustomObject:
    """Add an object by its key and sync it. It is stored without fields when Zendesk
    cannot be reached at the moment.

    Raises ObjectRefused when it is not a key, is known already, or Zendesk knows no
    such object.
    """
    if connection.objects_known.filter(key=key).exists():
        raise ObjectRefused(f"{key} is already listed.")
    try:
        return read_once(connection, key)
    except ZendeskError:
        return CustomObject.objects.create(connection=connection, key=key)


@contextmanager
def _marking_gone(custom_object: CustomObject) -> Iterator[None]:
    try:
        yield
    except NotFound:
        custom_object.gone = True
        custom_object.save(update_fields=["gone"])
        raise


def _fetch(connection: Connection, key: str) -> Snapshot:
    def read(client: Client) -> Snapshot:
        return _read(client, custom_objects.get_object(client, key))

    return credentials.signed_in(connection, read)


def _read(client: Client, info: ObjectInfo) -> Snapshot:
    fields = custom_objects.list_fields(client, info.key)
    return Snapshot(info, fields, _count_records(client, info.key))


def _count_records(client: Client, key: str) -> int | None:
    """None when Zendesk gives no count. The count is only shown, so its failure stops
    nothing."""
    try:
        return custom_objects.count_records(client, key)
    except ZendeskError:
        return None


def _store(connection: Connection, snapshot: Snapshot) -> CustomObject:
    info = snapshot.info
    values = {
        "title": info.title[:MAX_TITLE],
        "description": info.description,
        "fields": snapshot.fields,
        "record_count": snapshot.record_count,
        "read_at": timezone.now(),
        "gone": False,
    }
    custom_object, _ = CustomObject.objects.update_or_create(
        connection=connection, key=info.key, defaults=values
    )
    return custom_object
