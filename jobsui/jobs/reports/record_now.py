"""What the account holds of one record now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from jobsui.connections.errors import ConnectionsError, explain
from jobsui.connections.models import CustomObject
from jobsui.jobs import account_client
from jobsui.jobs.live import new_ids
from jobsui.jobs.records import keyed_reads
from jobsui.jobs.records.compare import image_of
from jobsui.jobs.reports import record_values
from jobsui.jobs.reports.record_values import Labels
from jobsui.zendesk.errors import ZendeskError
from jobsui.zendesk.payloads import Record, time_of

READ_BY = ("id", "external_id")


@dataclass(frozen=True, slots=True)
class Now:
    """What the account holds."""

    record: Record | None = None
    texts: Sequence[tuple[str, str]] = ()
    """(name of the value as in an Image, value), without blank values."""
    values: Sequence[tuple[str, str]] = ()
    """The same with the labels of the fields."""
    problem: str = ""
    """Why the account could not be read, as a sentence."""
    is_unknown: bool = False
    """Only a search could find the key, and it did not find it."""

    @property
    def changed_at(self) -> datetime | None:
        """When it was changed last, as Zendesk reports it."""
        return time_of(self.record.updated_at) if self.record else None

    def keys(self, key: str) -> list[str]:
        """The keys under which jobs may have touched the record with this key."""
        known = [self.record.id, self.record.external_id] if self.record else []
        return [each for each in dict.fromkeys([key, *known]) if each]


def read(custom_object: CustomObject, key: str) -> Now:
    """Read the record with this ID or external ID, in one or two requests."""
    try:
        return _read(custom_object, key)
    except ConnectionsError as error:
        return Now(problem=str(error))
    except ZendeskError as error:
        account_client.postpone(custom_object.connection, error)
        return Now(problem=explain(error))


def _read(custom_object: CustomObject, key: str) -> Now:
    client = account_client.client_for(custom_object.connection)
    unknown = False
    for kind in READ_BY:
        read_key = _present_id(custom_object, key) if kind == "id" else key
        found = client.renewing(
            partial(keyed_reads.read, client, custom_object.key, kind, [read_key])
        )
        if records := found.records.get(read_key):
            labels = Labels(custom_object.schema)
            texts = _texts(records[0])
            values = [(labels.of(name), text) for name, text in texts]
            return Now(records[0], texts, values)
        unknown = unknown or bool(found.unknown)
    return Now(is_unknown=unknown)


def _present_id(custom_object: CustomObject, record_id: str) -> str:
    """The present ID of a record that may have been created again."""
    host = custom_object.connection.host
    chains = new_ids.chains_of(host, custom_object.key, [record_id])
    return chains[record_id][-1]


def _texts(record: Record) -> list[tuple[str, str]]:
    texts = [
        (name, record_values.text_of(value))
        for name, value in image_of(record).old.items()
    ]
    return [(name, text) for name, text in texts if text]
