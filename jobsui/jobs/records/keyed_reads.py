"""Reads records by their keys. A record counts as found only if the list of records shows it
under exactly this key. A search alone proves nothing, because its index lags."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.payloads import Record

type Search = Callable[[str], list[Record]]


@dataclass(frozen=True, slots=True)
class Found:
    """The records of some keys."""

    records: Mapping[str, Sequence[Record]]
    """{key: its records}. A key that is missing here has no record, unless it is unknown."""
    unknown: frozenset[str] = frozenset()
    """Keys that only a search could find, and that it did not find."""


def read(client: Client, object_key: str, key: str, values: Sequence[str]) -> Found:
    """The records with these keys, up to 100. `key`: "id", "external_id" or "name". Raises
    the errors of `Client.call`."""
    if key == "id":
        return Found(
            _by(key, values, custom_objects.records_by_ids(client, object_key, values))
        )
    if key == "name":
        return _searched(
            client,
            object_key,
            key,
            values,
            lambda name: custom_objects.records_by_name(client, object_key, name),
        )
    listed = [value for value in values if "," not in value]
    records = custom_objects.records_by_external_ids(client, object_key, listed)
    searched = _searched(
        client,
        object_key,
        key,
        [value for value in values if "," in value],
        lambda value: custom_objects.records_by_external_ids(
            client, object_key, [value]
        ),
    )
    return Found({**_by(key, listed, records), **searched.records}, searched.unknown)


def read_listed(
    client: Client, object_key: str, names: Sequence[str], record_ids: Sequence[str]
) -> Found:
    """The records with these names. `record_ids`: the records that may have them, from a list of
    all records. Raises the errors of `Client.call`."""
    if not record_ids:
        return Found({})
    records = custom_objects.records_by_ids(client, object_key, record_ids)
    return Found(_by("name", names, records))


def _searched(
    client: Client, object_key: str, key: str, values: Sequence[str], search: Search
) -> Found:
    """Searches for each value. What a search finds is read by its ID, because the index may be
    behind."""
    ids = [record.id for value in values for record in search(value)]
    records = custom_objects.records_by_ids(client, object_key, ids) if ids else []
    found = _by(key, values, records)
    return Found(found, frozenset(values) - found.keys())


def _by(
    key: str, values: Iterable[str], records: Iterable[Record]
) -> dict[str, list[Record]]:
    """{key: its records}. Zendesk reads a key with a comma as two keys, so records with other keys
    are left out."""
    wanted = set(values)
    found: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        value = str(getattr(record, key))
        if value in wanted:
            found[value].append(record)
    return dict(found)
