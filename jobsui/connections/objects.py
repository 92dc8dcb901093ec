"""The custom objects of an account: which there are, their fields, name rules and record counts, as last read."""

import re

from django.utils import timezone

from jobsui.connections import credentials
from jobsui.connections.errors import ConnectionsError, explain
from jobsui.connections.models import Connection, CustomObject
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import NotFound, ZendeskError
from jobsui.zendesk.payloads import ObjectInfo

KEY = re.compile(r"[A-Za-z0-9_-]{1,255}")


class ObjectRefused(ConnectionsError):
    """Not an object key, or one that Zendesk does not know."""


def fetch_all(connection: Connection) -> list[CustomObject]:
    """Read every custom object the credentials can see; known ones that are no longer there are marked gone.

    Raises ZendeskError; what was read before stays as it was.
    """
    client = credentials.client_for(connection)
    found = custom_objects.list_objects(client)
    for info in found:
        known, _ = CustomObject.objects.get_or_create(connection=connection, key=info.key)
        _read(known, client, info)
    keys = [info.key for info in found]
    connection.objects_known.exclude(key__in=keys).update(gone=True)
    return list(connection.objects_known.all())


def refresh(custom_object: CustomObject) -> CustomObject:
    """Read one object again. Raises ZendeskError; an object that Zendesk no longer knows is marked gone first."""
    client = credentials.client_for(custom_object.connection)
    try:
        info = custom_objects.get_object(client, custom_object.key)
    except NotFound:
        custom_object.gone = True
        custom_object.save(update_fields=["gone"])
        raise
    _read(custom_object, client, info)
    return custom_object


def add_by_key(connection: Connection, key: str) -> CustomObject:
    """An object by its key typed by hand, read at once. Raises ObjectRefused when it cannot be read."""
    if not KEY.fullmatch(key):
        raise ObjectRefused(f"{key!r} is not an object key: letters, digits, - and _ only.")
    if connection.objects_known.filter(key=key).exists():
        raise ObjectRefused(f"{key} is already here.")
    try:
        info = custom_objects.get_object(credentials.client_for(connection), key)
    except ZendeskError as error:
        raise ObjectRefused(f"{key} could not be read. {explain(error)}") from error
    custom_object = CustomObject.objects.create(connection=connection, key=key)
    _read(custom_object, credentials.client_for(connection), info)
    return custom_object


def _read(custom_object: CustomObject, client: Client, info: ObjectInfo) -> None:
    custom_object.fields = custom_objects.list_fields(client, info.key)
    custom_object.record_count = custom_objects.count_records(client, info.key)
    custom_object.title, custom_object.title_pluralized = info.title, info.title_pluralized
    custom_object.description, custom_object.gone = info.description, False
    custom_object.read_at = timezone.now()
    custom_object.save()
