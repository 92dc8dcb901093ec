"""Lists the records of the account, and keeps those that the file does not have as pages to
be read. The incremental export then adds what has changed meanwhile.

A page has lines of JSON: {"id", "external_id"}. What is stored tells only which records to
read: whether one is deleted is decided by reading it by its ID (`live/matching.py`)."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobsui.connections.errors import ConnectionsError, explain
from jobsui.jobs import account_client, leases, sql
from jobsui.jobs.enums import ListingState, ReadState
from jobsui.jobs.live.keys_of_file import KeysOfFile
from jobsui.jobs.live.reads import Failed
from jobsui.jobs.models import (
    AccountListing,
    BatchBlob,
    ReadPage,
    ReadPageBlob,
    RecordRead,
)
from jobsui.jobs.models.batch import MAX_BATCH_SIZE, unpack
from jobsui.jobs.models.record_rows import FIRST_RECORD_ROW
from jobsui.jobs.preparation.file_reading import Stopped
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.custom_objects import ExportPage
from jobsui.zendesk.errors import (
    Forbidden,
    NotFound,
    RateLimited,
    Refused,
    ZendeskError,
)
from jobsui.zendesk.payloads import Record

COMMIT_SECONDS = 1.0
RETRY_SECONDS = 5.0
EXPORT_SECONDS = 30.0
"""How long to wait after a refused export without Retry-After. Zendesk allows ten exports a
minute."""
MAX_FAILING_SECONDS = 600.0
MARGIN = timedelta(seconds=65)
"""The export refuses a start that is less than a minute ago."""
PAGES_PER_QUERY = 200
NO_EXPORT = (
    "This connection is not allowed to read the incremental export, so records that changed "
    "while the list was read may be missing from it."
)

type Listed = dict[str, str]
"""{"id", "external_id"}."""


def of(read: RecordRead) -> AccountListing | None:
    return AccountListing.objects.filter(read=read).first()


def run(listing: AccountListing, lease: leases.Held, stopping: threading.Event) -> None:
    """List what is left. After an interruption it continues with the first page that is not
    stored. Raises Stopped, LeaseLost and Failed."""
    if listing.state != ListingState.DONE:
        _Lister(listing, lease, stopping).run()


class _Lister:
    def __init__(
        self, listing: AccountListing, lease: leases.Held, stopping: threading.Event
    ) -> None:
        self._listing = listing
        self._read = RecordRead.objects.get(pk=listing.read_id)
        self._job = self._read.job
        self._lease = lease
        self._stopping = stopping
        self._clock = lease.clock
        self._client = account_client.patient_client_for(
            self._job.connection, self._may_call
        )
        self._keys = KeysOfFile(self._job)
        self._stored_cursor = listing.list_cursor
        """The cursor that an earlier run stored. The account may no longer accept it."""
        self._committed_at = self._clock.monotonic()

    def run(self) -> None:
        while self._listing.state == ListingState.LISTING:
            self._list_page()
        while self._listing.state == ListingState.CATCHING_UP:
            self._catch_up()

    def _may_call(self) -> bool:
        return not self._stopping.is_set()

    def _list_page(self) -> None:
        listing = self._listing
        began = self._clock.monotonic()
        try:
            page = self._call(
                lambda client: custom_objects.list_records(
                    client, self._job.object_key, listing.list_cursor
                ),
                may_refuse=bool(self._stored_cursor),
            )
        except Refused as error:
            if error.status not in {400, 422}:
                raise Failed(explain(error)) from error
            self._start_again()
            return
        self._stored_cursor = ""
        if listing.began_at is None:
            seconds = self._clock.monotonic() - began
            now = self._client.account_time or timezone.now()
            listing.began_at = now - timedelta(seconds=seconds)
        for record in page.records:
            listing.listed += 1
            listing.without_key += not record.external_id
            if self._is_missing(record):
                self._keep(record)
        listing.list_cursor = page.after
        if not page.after:
            listing.state = ListingState.CATCHING_UP
        is_due = self._clock.monotonic() - self._committed_at >= COMMIT_SECONDS
        if is_due or not page.after or self._stopping.is_set():
            self._commit()

    def _catch_up(self) -> None:
        """Add the records that have changed since the list showed them, or that it did not show."""
        listing = self._listing
        start = (listing.began_at or timezone.now()) - MARGIN
        try:
            page = self._call(
                lambda client: custom_objects.changed_records(
                    client,
                    self._job.object_key,
                    start=int(start.timestamp()),
                    cursor=listing.export_cursor,
                ),
                may_refuse=True,
                is_export=True,
            )
        except Refused as error:
            page = ExportPage([], "", is_end=True)
            is_forbidden = isinstance(error, Forbidden | NotFound)
            listing.not_caught_up = NO_EXPORT if is_forbidden else explain(error)
        missing = [record for record in page.records if self._is_missing(record)]
        known = self._known({record.id for record in missing})
        for record in missing:
            if record.id not in known:
                self._keep(record)
        listing.export_cursor = page.cursor
        if page.is_end or not page.records:
            listing.state = ListingState.DONE
        self._commit()

    def _start_again(self) -> None:
        """Delete what was listed, and list from the beginning."""
        listing = self._listing
        with transaction.atomic():
            leases.fence(self._lease)
            own = ReadPage.objects.filter(
                read=self._read, first_row__gte=FIRST_RECORD_ROW
            )
            number = own.count()
            own.delete()
            RecordRead.objects.filter(pk=self._read.pk).update(
                pages_total=F("pages_total") - number, version=F("version") + 1
            )
            self._listing = AccountListing(read_id=listing.read_id)
            self._listing.save()
        self._stored_cursor = ""

    def _is_missing(self, record: Record) -> bool:
        """Whether the file has no row for it."""
        return not record.external_id or record.external_id not in self._keys

    def _keep(self, record: Record) -> None:
        self._listing.waiting.append(
            {"id": record.id, "external_id": record.external_id}
        )
        self._listing.only_in_account += 1

    def _known(self, ids: set[str]) -> set[str]:
        """Which of these records are in a page already."""
        if not ids:
            return set()
        found = {each["id"] for each in self._listing.waiting} & ids
        blobs = ReadPageBlob.objects.filter(
            page__read=self._read, page__first_row__gte=FIRST_RECORD_ROW
        ).order_by("page__seq")
        last_seq = 0
        while pages := list(
            blobs.filter(page__seq__gt=last_seq).values_list("page__seq", "payload")[
                :PAGES_PER_QUERY
            ]
        ):
            for _, payload in pages:
                lines = unpack(payload).split(b"\n")
                found |= {json.loads(line)["id"] for line in lines} & ids
            last_seq = pages[-1][0]
        return found

    def _commit(self) -> None:
        """Store the full pages and how far the list is, in one transaction. At the end, also
        store the last page, which need not be full. Raises Stopped."""
        listing = self._listing
        self._committed_at = self._clock.monotonic()
        waiting: list[Listed] = listing.waiting
        is_last = listing.state == ListingState.DONE
        size = (
            len(waiting) if is_last else len(waiting) // MAX_BATCH_SIZE * MAX_BATCH_SIZE
        )
        with transaction.atomic():
            if not self._lease.renew():
                raise Stopped
            open_reads = RecordRead.objects.filter(state=ReadState.READING)
            read = open_reads.select_for_update().filter(pk=self._read.pk).first()
            if read is None:
                raise Stopped
            first_row = FIRST_RECORD_ROW + listing.only_in_account - len(waiting)
            pages = _pages(waiting[:size], first_row)
            _store(read, pages)
            listing.waiting = waiting[size:]
            listing.save()
            RecordRead.objects.filter(pk=read.pk).update(
                pages_total=F("pages_total") + len(pages), version=F("version") + 1
            )
        self._lease.note_progress()
        if self._stopping.is_set():
            raise Stopped

    def _call[Page](
        self,
        call: Callable[[Client], Page],
        *,
        may_refuse: bool = False,
        is_export: bool = False,
    ) -> Page:
        """Raises Stopped and Failed; with `may_refuse` Refused instead."""
        began = self._clock.monotonic()
        while True:
            try:
                return self._client.renewing(lambda: call(self._client))
            except RateLimited as error:
                seconds = self._seconds_to_wait(error, is_export=is_export)
            except Refused as error:
                if may_refuse:
                    raise
                raise Failed(explain(error)) from error
            except ZendeskError as error:
                if self._clock.monotonic() - began > MAX_FAILING_SECONDS:
                    raise Failed(explain(error)) from error
                account_client.postpone(self._job.connection, error)
                seconds = RETRY_SECONDS
            except ConnectionsError as error:
                raise Failed(str(error)) from error
            self._wait(seconds)

    def _seconds_to_wait(self, error: RateLimited, *, is_export: bool) -> float:
        """The export has a limit of its own, so other reads need not wait for it."""
        if not is_export:
            account_client.postpone(self._job.connection, error)
            return RETRY_SECONDS
        return EXPORT_SECONDS if error.retry_after is None else error.retry_after

    def _wait(self, seconds: float) -> None:
        """Raises Stopped."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            if self._stopping.wait(min(left, 1.0)) or not self._lease.keep():
                raise Stopped


@dataclass(frozen=True, slots=True)
class _Page:
    rows: range
    packed: Mapping[str, bytes]
    """The `payload` and `rows` of a ReadPageBlob."""


def _pages(records: Sequence[Listed], first_row: int) -> list[_Page]:
    pages = []
    for start in range(0, len(records), MAX_BATCH_SIZE):
        some = records[start : start + MAX_BATCH_SIZE]
        lines = [json.dumps(record, ensure_ascii=False).encode() for record in some]
        rows = range(first_row + start, first_row + start + len(some))
        pages.append(_Page(rows, BatchBlob.packed_payload(b"\n".join(lines), rows)))
    return pages


def _store(read: RecordRead, pages: Sequence[_Page]) -> None:
    """Append these pages to those of the read."""
    by_seq = dict(enumerate(pages, read.pages_total + 1))
    if not by_seq:
        return
    sql.insert_many(
        ReadPage,
        ("read_id", "seq", "size", "first_row", "last_row"),
        (
            (read.pk, seq, len(page.rows), page.rows[0], page.rows[-1])
            for seq, page in by_seq.items()
        ),
    )
    created = ReadPage.objects.filter(read=read, seq__in=by_seq)
    sql.insert_many(
        ReadPageBlob,
        ("page_id", "payload", "rows"),
        [
            (pk, by_seq[seq].packed["payload"], by_seq[seq].packed["rows"])
            for pk, seq in created.values_list("pk", "seq")
        ],
    )
