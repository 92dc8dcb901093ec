"""Reads the pages of a read in a few threads. What was found is stored together about once a
second. After an interruption it continues with the pages that are not stored."""

import json
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from jobsui.clock import Clock
from jobsui.connections.errors import ConnectionsError, explain
from jobsui.jobs import account_client, leases, retention, sql
from jobsui.jobs.enums import Action, Landing, Purpose, ReadState, Verdict
from jobsui.jobs.errors import DATABASE_AWAY
from jobsui.jobs.live import account_listing, left_out, name_list, reasons, undo_rows
from jobsui.jobs.live.claims import LaterJobs
from jobsui.jobs.live.keys_of_file import KeysOfFile
from jobsui.jobs.live.page_reading import READS, PageFound, Rows, match_page
from jobsui.jobs.live.proof import StoredForm
from jobsui.jobs.live.reads import Failed, end, fail, is_of_present_rows
from jobsui.jobs.mapping.field_targets import schema_of
from jobsui.jobs.models import Lease, ReadPage, ReadPageBlob, RecordRead
from jobsui.jobs.models.batch import pack, unpack
from jobsui.jobs.models.record_rows import is_record_row
from jobsui.jobs.preparation.file_reading import Stopped
from jobsui.jobs.records import images, sizes, stored_forms
from jobsui.text import from_difference, storable, storable_text
from jobsui.zendesk import custom_objects
from jobsui.zendesk.errors import Refused, ZendeskError
from jobsui.zendesk.payloads import Json

logger = logging.getLogger(__name__)

MAX_READS = 8
"""How many reads run at the same time in one process."""
THREADS = 4
"""How many pages are read at the same time."""
PAGES_PER_QUERY = 50
COMMIT_SECONDS = 1.0
RETRY_SECONDS = 5.0
MAX_FAILING_SECONDS = 600.0
"""After this long without a page that could be read, the read has failed."""


def waiting_reads(stopping: threading.Event) -> dict[str, Callable[[], None]]:
    """{name: function that reads the pages of an open read}, for reads that no process works on.
    Empty while the database is away."""
    try:
        owned = set(Lease.objects.live().values_list("name", flat=True))
        reads = list(RecordRead.objects.filter(state=ReadState.READING)[:MAX_READS])
    except DATABASE_AWAY:
        return {}
    return {
        _lease_name(read): partial(_run_or_report, read, stopping)
        for read in reads
        if _lease_name(read) not in owned
    }


def run(read: RecordRead, *, stopping: threading.Event) -> None:
    """Read the pages that are left."""
    with leases.tried(_lease_name(read), partial(_give_up, read)) as lease:
        read.refresh_from_db()
        if lease is None or read.state != ReadState.READING:
            return
        if not is_of_present_rows(read):
            return
        try:
            if listing := account_listing.of(read):
                account_listing.run(listing, lease, stopping)
            _Pages(read, lease, stopping).read_all()
        except (Stopped, leases.LeaseLost):
            return
        except Failed as reason:
            fail(read, str(reason))


class _WaitingPage(NamedTuple):
    pk: int
    payload: bytes
    """The lines of its rows, packed."""
    is_of_records: bool
    """Whether its rows are records that only the account has."""


class _Pages:
    """Reads the pages of one read."""

    def __init__(
        self, read: RecordRead, lease: leases.Held, stopping: threading.Event
    ) -> None:
        job = read.job
        self._read = read
        self._lease = lease
        self._stopping = stopping
        self._clock: Clock = lease.clock
        self._client = account_client.patient_client_for(job.connection, self._may_call)
        is_undo = read.purpose == Purpose.UNDO and job.parent is not None
        self._rows = Rows(
            job.object_key,
            Action(job.action),
            schema_of(job),
            LaterJobs(job.parent) if is_undo and job.parent else None,
            retention.undo_notice(job.parent) if is_undo and job.parent else "",
            fields=undo_rows.chosen_fields(job),
            keys_of_file=KeysOfFile(job) if account_listing.of(read) else None,
        )
        self._read_lines = READS[Purpose(read.purpose)]
        self._waiting: deque[_WaitingPage] = deque()
        self._last_seq = 0
        """The `seq` of the last page that was put into `_waiting`."""
        self._found: dict[int, PageFound] = {}
        """{page: what was found and is not stored yet}."""
        self._committed_at = self._clock.monotonic()
        self._succeeded_at = self._clock.monotonic()

    def read_all(self) -> None:
        """Raises Stopped, LeaseLost and Failed."""
        with ThreadPoolExecutor(THREADS) as threads:
            self._list_names(threads)
            in_flight: dict[Future[PageFound], _WaitingPage] = {}
            try:
                while self._fill() or in_flight:
                    self._submit(threads, in_flight)
                    done, _ = wait(in_flight, COMMIT_SECONDS, FIRST_COMPLETED)
                    for future in done:
                        self._take_in(future, in_flight.pop(future))
                    self._commit_if_due()
            finally:
                for future in in_flight:
                    future.cancel()
        self._commit()
        self._finish()

    def _may_call(self) -> bool:
        return not self._stopping.is_set()

    def _list_names(self, threads: Executor) -> None:
        """If names are found by a list of all records, complete this list."""
        read = self._read
        if name_list.is_undecided(read):
            name_list.decide(read, self._number_of_records(threads))
        if name_list.is_open(read):
            names = name_list.NameList(read, self._client, self._lease, self._stopping)
            names.complete(partial(self._patiently, threads))
        if read.is_listed:
            find = partial(name_list.record_ids, read)
            self._rows = replace(self._rows, ids_of_names=find)

    def _number_of_records(self, threads: Executor) -> int | None:
        key = self._read.job.object_key
        try:
            return self._patiently(
                threads, lambda: custom_objects.count_records(self._client, key)
            )
        except Failed:
            return None

    def _patiently[T](self, threads: Executor, call: Callable[[], T]) -> T:
        """The result of requests that may be repeated. Keeps the lease while it waits. Raises
        Stopped, LeaseLost and Failed."""
        while True:
            request = partial(self._client.renewing, call)
            future = threads.submit(_in_thread, request)
            while not wait([future], COMMIT_SECONDS).done:
                self._keep_lease()
            try:
                return self._result(future)
            except ZendeskError as error:
                self._wait_after(error)
            self._keep_lease()

    def _keep_lease(self) -> None:
        if self._stopping.is_set() or not self._lease.keep():
            raise Stopped

    def _fill(self) -> bool:
        """Get pages to read from the database. False if none are left."""
        # Undos and proofs have the records that a job deleted as rows like all others.
        lists_records = self._rows.keys_of_file is not None
        if not self._waiting:
            left = ReadPage.objects.filter(
                read=self._read, read_at=None, seq__gt=self._last_seq
            )
            chosen = left.order_by("seq").values_list(
                "pk", "seq", "blob__payload", "first_row"
            )
            for pk, seq, payload, first_row in chosen[:PAGES_PER_QUERY]:
                is_of_records = lists_records and is_record_row(first_row)
                page = _WaitingPage(pk, bytes(payload), is_of_records)
                self._waiting.append(page)
                self._last_seq = seq
        return bool(self._waiting)

    def _submit(
        self,
        threads: Executor,
        in_flight: dict[Future[PageFound], _WaitingPage],
    ) -> None:
        while self._waiting and len(in_flight) < THREADS:
            page = self._waiting.popleft()
            future = threads.submit(_in_thread, partial(self._read_page, page))
            in_flight[future] = page

    def _read_page(self, page: _WaitingPage) -> PageFound:
        lines = unpack(page.payload).split(b"\n")
        read_lines = match_page if page.is_of_records else self._read_lines
        return self._client.renewing(
            lambda: read_lines(self._client, self._rows, lines)
        )

    def _take_in(self, future: Future[PageFound], page: _WaitingPage) -> None:
        try:
            self._found[page.pk] = self._result(future)
        except ZendeskError as error:
            self._wait_after(error)
            self._waiting.append(page)

    def _result[T](self, future: Future[T]) -> T:
        """Raises Failed, and ZendeskError if the requests may be repeated."""
        try:
            result = future.result()
        except Refused as error:
            raise Failed(explain(error)) from error
        except ZendeskError as error:
            account_client.postpone(self._read.job.connection, error)
            raise
        except ConnectionsError as error:
            raise Failed(str(error)) from error
        self._succeeded_at = self._clock.monotonic()
        return result

    def _wait_after(self, error: ZendeskError) -> None:
        if self._stopping.is_set():
            raise Stopped
        if self._clock.monotonic() - self._succeeded_at > MAX_FAILING_SECONDS:
            raise Failed(explain(error)) from error
        self._stopping.wait(RETRY_SECONDS)

    def _commit_if_due(self) -> None:
        if self._clock.monotonic() - self._committed_at >= COMMIT_SECONDS:
            self._commit()
        if self._stopping.is_set():
            self._commit()
            raise Stopped

    def _commit(self) -> None:
        """Store what was found, in one transaction."""
        self._committed_at = self._clock.monotonic()
        with transaction.atomic():
            if not self._lease.renew():
                raise Stopped
            open_reads = RecordRead.objects.filter(state=ReadState.READING)
            read = open_reads.select_for_update().filter(pk=self._read.pk).first()
            if read is None:
                raise Stopped
            now = timezone.now()
            sql.update_rows(ReadPage, ("read_at",), [(pk, now) for pk in self._found])
            sql.update_rows(
                ReadPageBlob,
                ("verdicts", "record_ids", "images", "notes"),
                [
                    (
                        pk,
                        found.verdicts,
                        _packed(found.record_ids),
                        images.packed(found.images),
                        reasons.packed(found.reasons),
                    )
                    for pk, found in self._found.items()
                ],
            )
            sql.update_rows(
                ReadPageBlob,
                ("payload",),
                [
                    (pk, pack(b"\n".join(found.items)))
                    for pk, found in self._found.items()
                    if found.items
                ],
            )
            forms = {each for found in self._found.values() for each in found.forms}
            stored_forms.learn(self._read.job, forms)
            _add_up(read, self._found)
            read.started_at = read.started_at or now
            read.version += 1
            read.save()
        self._found.clear()
        self._lease.note_progress()

    def _finish(self) -> None:
        name_list.forget(self._read)
        if self._read.purpose == Purpose.PROVE:
            sizes.note(self._read.job)
        with transaction.atomic():
            if not self._lease.renew():
                raise Stopped
            left_out.restore(self._read)
            end(self._read, ReadState.DONE, expected=(ReadState.READING,))


def _run_or_report(read: RecordRead, stopping: threading.Event) -> None:
    """`run`, for a thread of its own. Errors go to the log."""
    try:
        run(read, stopping=stopping)
    except Exception:
        logger.exception("Reading the records of job %s failed.", read.job_id)
        stopping.wait(RETRY_SECONDS)
    finally:
        connection.close()


def _lease_name(read: RecordRead) -> str:
    return f"records:{read.pk}"


def _packed(found: list[str]) -> bytes:
    return pack(json.dumps(found).encode())


def _in_thread[T](call: Callable[[], T]) -> T:
    try:
        return call()
    finally:
        connection.close()


def _add_up(read: RecordRead, found: Mapping[int, PageFound]) -> None:
    verdicts = Counter[int]()
    changed = Counter[str]()
    blanks = Counter[str]()
    for page in found.values():
        verdicts.update(page.verdicts)
        changed.update(page.changed)
        blanks.update(page.blanks)
    read.pages_read += len(found)
    codes = Landing if read.purpose == Purpose.PROVE else Verdict
    for code, count in verdicts.items():
        name = codes(code).name.lower()
        read.counts[name] = read.counts.get(name, 0) + count
    for each in (value for page in found.values() for value in page.equal):
        forms = read.other_forms.setdefault(each.key, {})
        sample = forms.setdefault(each.form, [0, *_sample(each)])
        sample[0] += 1
    for name, count in changed.items():
        changes, become_blank = read.changed_cells.get(name, (0, 0))
        read.changed_cells[name] = [changes + count, become_blank + blanks[name]]


def _sample(value: StoredForm) -> tuple[Json, Json]:
    """What was sent and what is held, of limited length."""
    sent = value.sent
    held = value.held
    if isinstance(sent, str) and isinstance(held, str):
        return from_difference(storable_text(sent), storable_text(held))
    return storable(sent), storable(held)


def _give_up(read: RecordRead, _lease: leases.Held, reason: str) -> None:
    fail(read, reason)
