"""The custom objects of an account: which there are, their fields, name rules and
record counts, as last read."""

import re
from dataclasses import dataclass

from django.utils import timezone

from jobsui.connections import credentials
from jobsui.connections.errors import ConnectionsError, explain
from jobsui.connections.models import Connection, CustomObject
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import Forbidden, NotFound, Refused, ZendeskError
from jobsui.zendesk.payloads import Json, ObjectInfo

MOST_TITLE = 255
KEY = re.compile(r"[A-Za-z0-9_-]{1,255}")


@dataclass(frozen=True, slots=True)
class Reading:
    """An object as Zendesk shows it."""

    info: ObjectInfo
    fields: list[dict[str, Json]]
    record_count: int | None


class ObjectRefused(ConnectionsError):
    """Not an object key, or one that Zendesk does not know."""


def fetch_all(connection: Connection) -> list[CustomObject]:
    """Read every custom object the credentials can see; known ones that are no longer
    there are marked gone.

    Raises ZendeskError; what was read before stays as it was.
    """
    found = credentials.signed_in(connection, custom_objects.list_objects)
    client = credentials.client_for(connection)
    for info in found:
        _keep(connection, _read(client, info))
    connection.objects_known.exclude(key__in=[info.key for info in found]).update(
        gone=True
    )
    return list(connection.objects_known.all())


def refresh(custom_object: CustomObject) -> CustomObject:
    """Read one object again. Raises ZendeskError; an object that Zendesk no longer
    knows is marked gone first."""
    try:
        reading = _fetch(custom_object.connection, custom_object.key)
    except NotFound:
        custom_object.gone = True
        custom_object.save(update_fields=["gone"])
        raise
    _keep(custom_object.connection, reading)
    custom_object.refresh_from_db()
    return custom_object


def find(connection: Connection, key: str) -> CustomObject:
    """The object of this key as last read; read now if it never was. Raises
    ObjectRefused when it is no key, and ZendeskError: NotFound when there is no such
    object."""
    if not KEY.fullmatch(key):
        raise ObjectRefused(
            f"{key!r} is not an object key: letters, digits, - and _ only."
        )
    known = (
        connection.objects_known.filter(key=key, gone=False)
        .exclude(read_at=None)
        .first()
    )
    return known or _keep(connection, _fetch(connection, key))


def read_once(connection: Connection, key: str) -> CustomObject:
    """`find` for people: raises ObjectRefused also when Zendesk refuses, and
    ZendeskError when it cannot be asked."""
    try:
        return find(connection, key)
    except Refused as error:
        raise ObjectRefused(f"{key} could not be read. {explain(error)}") from error


def add_by_key(connection: Connection, key: str) -> CustomObject:
    """An object by its key typed by hand, read at once; kept unread when Zendesk cannot
    be asked just now.

    Raises ObjectRefused when it is no key, known already, or Zendesk says there is no
    such object."""
    if connection.objects_known.filter(key=key).exists():
        raise ObjectRefused(f"{key} is already here.")
    try:
        return read_once(connection, key)
    except ZendeskError:
        return CustomObject.objects.create(connection=connection, key=key)


def _fetch(connection: Connection, key: str) -> Reading:
    return credentials.signed_in(connection, lambda client: _look_up(client, key))


def _look_up(client: Client, key: str) -> Reading:
    return _read(client, custom_objects.get_object(client, key))


def _read(client: Client, info: ObjectInfo) -> Reading:
    return Reading(
        info, custom_objects.list_fields(client, info.key), _count(client, info.key)
    )


def _count(client: Client, key: str) -> int | None:
    """None where the count is forbidden: of children of a cascading parent, to all but
    administrators."""
    try:
        return custom_objects.count_records(client, key)
    except Forbidden:
        return None


def _keep(connection: Connection, reading: Reading) -> CustomObject:
    info = reading.info
    values = {
        "title": info.title[:MOST_TITLE],
        "description": info.description,
        "fields": reading.fields,
        "record_count": reading.record_count,
        "read_at": timezone.now(),
        "gone": False,
    }
    return CustomObject.objects.update_or_create(
        connection=connection, key=info.key, defaults=values
    )[0]
