"""Finds the records with the names of a file by listing all records of the object, where that
takes fewer requests than a search for each name. Only the IDs of records whose name the file
may have are stored. After an interruption the list continues at its last stored cursor."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence

from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Coalesce, Now

from jobsui.jobs import leases, sql
from jobsui.jobs.enums import Action, NameSource, Purpose, ReadState
from jobsui.jobs.models import ListedName, ReadPageBlob, RecordRead
from jobsui.jobs.models.batch import MAX_BATCH_SIZE, unpack
from jobsui.jobs.preparation.file_reading import Stopped
from jobsui.jobs.preparation.single_hash import hash_of
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import Refused
from jobsui.zendesk.payloads import Record

COMMIT_SECONDS = 1.0
MAX_DELETED = 5_000
"""Rows of a transaction."""
MIN_BITS = 1 << 16
MAX_BITS = 1 << 27
BITS_PER_NAME = 64

type Call = Callable[
    [Callable[[], custom_objects.RecordPage]], custom_objects.RecordPage
]
"""Makes a request, and repeats it after errors that may pass."""


class _CursorRefused(Exception):
    """The account no longer accepts the cursor."""


def requests_for(rows: int, records: int | None) -> int:
    """How many requests find the records with these names, and read them. `records`: how many
    the object has; None if that is not known."""
    searches = rows
    if records is not None:
        searches = min(searches, _pages(records))
    return searches + _pages(rows)


def is_undecided(read: RecordRead) -> bool:
    """Whether it must be decided how the names of a comparison are found."""
    is_by_name = Action(read.job.action).key == "name"
    return is_by_name and read.purpose == Purpose.COMPARE and not read.name_source


def decide(read: RecordRead, records: int | None) -> None:
    """`records`: how many the object has; None if that is not known."""
    rows = _number_of_rows(read)
    is_cheaper = records is not None and _pages(records) < rows
    read.name_source = NameSource.LIST if is_cheaper else NameSource.SEARCH
    read.records_to_list = records or 0
    read.save(update_fields=["name_source", "records_to_list"])


def is_open(read: RecordRead) -> bool:
    return read.name_source == NameSource.LIST and not read.is_listed


class NameList:
    """The list of the records of an object, for one comparison."""

    def __init__(
        self,
        read: RecordRead,
        client: Client,
        lease: leases.Held,
        stopping: threading.Event,
    ) -> None:
        self._read = read
        self._client = client
        self._lease = lease
        self._stopping = stopping
        self._names = Names(_number_of_rows(read))
        self._found: list[tuple[int, int, str]] = []
        """(read, hash of the name, record ID) of records that are not stored yet."""
        self._listed = 0
        """How many records were listed since the last commit."""
        self._stored_cursor = read.list_cursor
        """The cursor that an earlier run stored. The account may no longer accept it."""

    def complete(self, call: Call) -> None:
        """List the records that are left. Raises what `call` raises, and Stopped."""
        for name in self._names_of_rows():
            self._names.add(name)
        cursor = self._read.list_cursor
        committed_at = self._lease.clock.monotonic()
        has_more = True
        while has_more:
            try:
                page = self._page(call, cursor)
            except _CursorRefused:
                self._start_again()
                cursor = ""
                continue
            self._take_in(page.records)
            cursor = page.after
            has_more = bool(cursor)
            now = self._lease.clock.monotonic()
            is_due = now - committed_at >= COMMIT_SECONDS
            if is_due or not has_more or self._stopping.is_set():
                self._commit(cursor, is_listed=not has_more)
                committed_at = now
            if self._stopping.is_set():
                raise Stopped

    def _page(self, call: Call, cursor: str) -> custom_objects.RecordPage:
        key = self._read.job.object_key

        def listed() -> custom_objects.RecordPage:
            try:
                return custom_objects.list_records(self._client, key, cursor)
            except Refused as error:
                if (
                    cursor
                    and cursor == self._stored_cursor
                    and error.status in {400, 422}
                ):
                    raise _CursorRefused from error
                raise

        return call(listed)

    def _start_again(self) -> None:
        forget(self._read)
        self._stored_cursor = ""
        self._read.list_cursor = ""
        self._read.records_listed = 0
        self._read.save(update_fields=["list_cursor", "records_listed"])

    def _names_of_rows(self) -> Iterator[str]:
        blobs = ReadPageBlob.objects.filter(page__read=self._read).order_by("pk")
        for payload in blobs.values_list("payload", flat=True).iterator(MAX_BATCH_SIZE):
            if self._stopping.is_set() or not self._lease.keep():
                raise Stopped
            lines = filter(None, unpack(payload).split(b"\n"))
            for item in json.loads(b"[%b]" % b",".join(lines)):
                yield str(item["name"])

    def _take_in(self, records: Sequence[Record]) -> None:
        self._listed += len(records)
        self._found += [
            (self._read.pk, hash_of("name", record.name), record.id)
            for record in records
            if record.name in self._names
        ]

    def _commit(self, cursor: str, *, is_listed: bool) -> None:
        """Store what was found and the cursor of the next page, in one transaction."""
        with transaction.atomic():
            if not self._lease.renew():
                raise Stopped
            sql.insert_many(
                ListedName, ("read_id", "name_hash", "record_id"), self._found
            )
            open_read = RecordRead.objects.filter(
                pk=self._read.pk, state=ReadState.READING
            )
            if not open_read.update(
                list_cursor=cursor,
                is_listed=is_listed,
                records_listed=F("records_listed") + self._listed,
                started_at=Coalesce("started_at", Now()),
                version=F("version") + 1,
            ):
                raise Stopped
        self._found = []
        self._listed = 0
        self._read.refresh_from_db()
        self._lease.note_progress()


def forget(read: RecordRead) -> None:
    """Delete what was listed, some rows at a time."""
    own = ListedName.objects.filter(read=read).order_by("pk")
    while ids := list(own.values_list("pk", flat=True)[:MAX_DELETED]):
        ListedName.objects.filter(pk__in=ids).delete()


def record_ids(read: RecordRead, names: Sequence[str]) -> list[str]:
    """The IDs of the records that may have these names."""
    hashes = {hash_of("name", name) for name in names}
    found = ListedName.objects.filter(read=read, name_hash__in=hashes)
    return list(found.values_list("record_id", flat=True))


class Names:
    """A set of names in constant memory. About one of 64 other names seems to be in it, too."""

    def __init__(self, number: int) -> None:
        wanted = max(MIN_BITS, min(MAX_BITS, number * BITS_PER_NAME))
        bits = 1 << (wanted - 1).bit_length()
        self._mask = bits - 1
        self._bytes = bytearray(bits // 8)

    def add(self, name: str) -> None:
        bit = hash(name) & self._mask
        self._bytes[bit >> 3] |= 1 << (bit & 7)

    def __contains__(self, name: str) -> bool:
        bit = hash(name) & self._mask
        return bool(self._bytes[bit >> 3] & 1 << (bit & 7))


def _number_of_rows(read: RecordRead) -> int:
    total: int | None = read.pages.aggregate(rows=Sum("size"))["rows"]
    return total or 0


def _pages(number: int) -> int:
    return -(-number // custom_objects.PAGE_SIZE)
