"""Finds records by their keys in few requests, and remembers them."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from jobsui.connections.models import Connection
from jobsui.zendesk.client import MAX_LISTED
from jobsui.zendesk.custom_objects import PAGE_SIZE, listings
from jobsui.zendesk.payloads import Record

type LookUp = Callable[[str, Sequence[str]], list[Record]]
"""The records that have these values ("id" or "external_id"), in one request."""
type LookUpElsewhere = Callable[[Connection, str, Sequence[str]], list[Record] | None]
"""The same in another account, or None if it does not answer."""

MAX_REQUESTS = 25
"""How many requests a diagnosis may make, in all accounts together."""


class LookUps:
    def __init__(
        self,
        connection: Connection,
        look_up: LookUp,
        look_up_elsewhere: LookUpElsewhere,
    ) -> None:
        self._connection = connection
        self._look_up = look_up
        self._look_up_elsewhere = look_up_elsewhere
        self._records: dict[tuple[str, str], Record | None] = {}
        """{(key, value): the record that has it in the account of the connection}."""
        self.requests = 0
        """How many were made so far, including those of `add_known`."""

    @property
    def requests_left(self) -> int:
        return max(0, MAX_REQUESTS - self.requests)

    def add_known(
        self, key: str, values: Iterable[str], records: Mapping[str, Record]
    ) -> None:
        """Add values that were looked up before. `records`: those that were found, by value."""
        looked_up = list(values)
        self.requests += -(-len(looked_up) // PAGE_SIZE)
        for value in looked_up:
            self._records[key, value] = records.get(value)

    def look_up(self, key: str, values: Iterable[str]) -> None:
        """Read the records of values that are not known yet, as far as requests are left."""
        unknown = [
            value
            for value in dict.fromkeys(values)
            if value and "," not in value and (key, value) not in self._records
        ]
        for page in self.pages(unknown):
            if not self.requests_left:
                return
            self.requests += 1
            found = by_key(self._look_up(key, page), key)
            for value in page:
                self._records[key, value] = found.get(value)

    def record(self, key: str, value: str) -> Record | None:
        """None if there is none, or if it was not looked up."""
        return self._records.get((key, value))

    def records(self, key: str, values: Iterable[str]) -> list[Record | None]:
        """Look the values up. Returns the record of each value."""
        wanted = list(values)
        self.look_up(key, wanted)
        return [self.record(key, value) for value in wanted]

    def records_elsewhere(
        self, connection: Connection, key: str, page: Sequence[str]
    ) -> dict[str, Record]:
        """{key: record} of another account, read in one request. Empty if it does not answer."""
        self.requests += 1
        return by_key(self._look_up_elsewhere(connection, key, page) or (), key)

    def pages(self, values: Iterable[str]) -> Iterable[list[str]]:
        """The values in lists for one request each."""
        return listings(list(values), self._max_listed)

    def _max_listed(self) -> int:
        return self._connection.listed_length or MAX_LISTED


def by_key(records: Iterable[Record], key: str) -> dict[str, Record]:
    return {str(getattr(record, key)): record for record in records}
