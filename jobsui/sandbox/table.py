"""The records of one object, in a compact form: a million of them fit in memory."""

from collections import Counter, deque
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass

from jobsui.sandbox import ids

PAST_MILLISECONDS = 3_600_000
"""How long an earlier version of a record is kept. No read lags more."""


class Record:
    """One record. Its id follows from its row and its time of creation."""

    __slots__ = (
        "applied",
        "created",
        "created_by",
        "deleted",
        "external_id",
        "fields",
        "name",
        "row",
        "updated",
        "updated_by",
    )

    def __init__(
        self,
        row: int,
        name: str,
        external_id: str | None,
        fields: bytes,
        created: int,
        created_by: str = ids.ADMIN_ID,
    ) -> None:
        self.row = row
        self.name = name
        self.external_id = external_id
        self.fields = fields
        """Its field values as JSON."""
        self.created = created
        self.updated = created
        """Milliseconds."""
        self.created_by = created_by
        self.updated_by = created_by
        """Ids of users."""
        self.applied = 0
        """How many items were applied to it."""
        self.deleted = False


@dataclass(frozen=True, slots=True)
class Past:
    """What a row held until a moment."""

    row: int
    record: Record
    until: int
    """Milliseconds."""


class Table:
    """Records in the order of creation, which is the order of their ids, with indexes
    by unique keys."""

    def __init__(self, number: int, *, unique_names: bool = False) -> None:
        self.number = number
        self.rows: list[Record | None] = []
        self.by_external_id: dict[str, int] = {}
        self.by_name: dict[str, int] | None = {} if unique_names else None
        self.children: dict[str, set[int]] = {}
        """Rows by the id of their parent record."""
        self.applied_to_deleted: Counter[str] = Counter()
        self.deleted_keys: set[str] = set()
        """External ids ("external_id:…") and unique names ("name:…") of deleted
        records."""
        self.past: deque[Past] = deque()
        """Earlier versions of records, oldest first, while reads lag."""
        self.hidden: set[int] = set()
        """Rows that reads do not show."""
        self.size = 0

    def id_of(self, record: Record) -> str:
        return ids.record_id(self.number, record.row, record.created)

    def get(self, record_id: str) -> Record | None:
        row = ids.row_of(record_id)
        if row is None or row >= len(self.rows):
            return None
        record = self.rows[row]
        if record is None or record.deleted or self.id_of(record) != record_id:
            return None
        return record

    def with_external_id(self, external_id: str) -> Record | None:
        row = self.by_external_id.get(external_id)
        return None if row is None else self.rows[row]

    def with_name(self, name: str) -> Record | None:
        """Only for tables with unique names."""
        if self.by_name is None:
            return None
        row = self.by_name.get(name)
        return None if row is None else self.rows[row]

    def alive(self) -> Iterator[Record]:
        return (record for record in self.rows if record and not record.deleted)

    def put(self, record: Record) -> None:
        """Add a record at its row. No two records get the same row."""
        self.rows.extend([None] * (record.row + 1 - len(self.rows)))
        self.rows[record.row] = record
        self.size += 1
        self.index(record)

    def index(self, record: Record) -> None:
        if record.external_id is not None:
            self.by_external_id[record.external_id] = record.row
        if self.by_name is not None:
            self.by_name[record.name] = record.row

    def forget_keys(self, record: Record) -> None:
        if record.external_id is not None:
            del self.by_external_id[record.external_id]
        if self.by_name is not None:
            del self.by_name[record.name]

    def remove(self, record: Record, now: int, by: str) -> None:
        """Delete a record. The incremental export still shows it."""
        self.forget_keys(record)
        if record.external_id is not None:
            self.deleted_keys.add(f"external_id:{record.external_id}")
        if self.by_name is not None:
            self.deleted_keys.add(f"name:{record.name}")
        self.applied_to_deleted[record.external_id or record.name] += record.applied
        record.deleted = True
        record.updated = now
        record.updated_by = by
        record.fields = b"{}"
        self.size -= 1

    def remember(self, record: Record, now: int) -> None:
        """Keep a record as it is before a change."""
        self.past.append(Past(record.row, copy(record), now))
        while self.past[0].until < now - PAST_MILLISECONDS:
            self.past.popleft()

    def as_of(self, moment: int) -> "Table":
        """What reads show of the table as it was at this time, in milliseconds."""
        rows = list(self.rows)
        for past in reversed(self.past):
            if past.until > moment:
                rows[past.row] = past.record
        earlier = Table(self.number, unique_names=self.by_name is not None)
        earlier.children = self.children
        for record in rows:
            is_there = record and not record.deleted and record.created <= moment
            if record and is_there and record.row not in self.hidden:
                earlier.put(record)
        return earlier

    def applied(self) -> Counter[str]:
        """How many items were applied, by external id or else by name, deleted records
        included."""
        times = Counter(self.applied_to_deleted)
        for record in self.alive():
            times[record.external_id or record.name] += record.applied
        return times
