"""Reading an uploaded file in the background: what it is, its columns, how many rows it
has, and what looks damaged."""

import io
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from django.core.files.storage import default_storage

from jobsui.files import source
from jobsui.files.encoding_detection import question
from jobsui.files.errors import FileRefused
from jobsui.files.layout import Detected, Layout, Notice, OddCells, Row
from jobsui.files.number_styles import mark_of
from jobsui.files.table import Table, detect, open_staged, open_table, recognize, stage
from jobsui.jobs import leases, retention
from jobsui.jobs.enums import FileState
from jobsui.jobs.models import File
from jobsui.jobs.preparation import uploads
from jobsui.jobs.queueing import enqueue
from jobsui.text import counted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from django.core.files.base import File as Content

SAMPLE_ROWS = 20
PROGRESS_EVERY = 20_000
"""Rows."""
BUFFER_BYTES = 1 << 16
SMALLER_FILE = "Upload the file in another format or in smaller parts."
GONE = "The stored file is gone. Upload it again."


class Stopped(Exception):
    """The worker was asked to stop. A later run of the task does the work."""


def read_file(file: File, *, stopping: threading.Event) -> None:
    """Read a file in the state READING. An interrupted file keeps this state."""
    with leases.tried(_lease_name(file), partial(_give_up, file)) as lease:
        file.refresh_from_db()
        if lease is None or file.state != FileState.READING:
            return
        try:
            _Reading(file, lease, stopping).run()
        except FileRefused as refusal:
            _reject(file, str(refusal))
        except Stopped:
            return
    _advance_jobs(file)


def reread(
    file: File,
    *,
    encoding: str = "",
    delimiter: str = "",
    sheet: str = "",
    quoting: str = "",
    header_row: int | None = None,
) -> None:
    """Have a file read again with these settings, chosen by a person. "" and None are
    detected."""
    File.objects.filter(pk=file.pk).update(
        state=FileState.READING,
        encoding=encoding,
        delimiter=delimiter,
        sheet=sheet,
        quoting=quoting,
        header_row=header_row or 0,
        rows_read=0,
        error="",
    )
    file.refresh_from_db()
    leases.forget_tries(_lease_name(file))
    enqueue("read_file", file.pk)


@contextmanager
def open_rows(file: File) -> Iterator[Table]:
    """The table of a file that was read, for as long as the block lasts. Raises
    FileRefused."""
    _require_kept(file)
    with _stored(file.content_name) as content:
        stream = _stream(content)
        if file.staged_as:
            yield open_staged(stream)
        else:
            yield open_table(stream, layout_of(file))


def _require_kept(file: File) -> None:
    """Raise FileRefused if the retention settings have deleted the content."""
    if deleted := retention.file_notice(file):
        raise FileRefused(deleted)


def layout_of(file: File) -> Layout:
    return Layout(
        file.format,
        file.encoding,
        file.delimiter,
        file.sheet,
        quoting=file.quoting,
        header_row=file.header_row,
    )


def _lease_name(file: File) -> str:
    return f"read:{file.pk}"


def _reject(file: File, reason: str) -> None:
    file.state = FileState.REJECTED
    file.error = reason
    kept = ["format", "staged_as", "sheets"]
    file.save(update_fields=["state", "error", *kept])


def _give_up(file: File, _lease: leases.Held, reason: str) -> None:
    file.refresh_from_db()
    if file.state == FileState.READING:
        _reject(file, f"{reason} {SMALLER_FILE}")
        _advance_jobs(file)


def _advance_jobs(file: File) -> None:
    for job in file.jobs.exclude(auto_target=""):
        enqueue("advance_job", job.pk)


class _Reading:
    """One run through a file."""

    def __init__(
        self, file: File, lease: leases.Held, stopping: threading.Event
    ) -> None:
        self._file = file
        self._lease = lease
        self._stopping = stopping

    def run(self) -> None:
        """Raises FileRefused, and Stopped when interrupted."""
        file = self._file
        _require_kept(file)
        self._delete_staged_rows()
        with _stored(file.stored_as) as content:
            stored = _renewing(_stream(content), self._lease)
            with source.content(stored, file.name) as (stream, name):
                found, table = self._read(stream, name)
        self._save(found, table.notices)

    def _read(self, stream: BinaryIO, name: str) -> tuple[Detected, Table]:
        file = self._file
        # Format and sheets are kept for a file that is refused, too. They decide which
        # file settings can be corrected.
        file.format = recognize(stream, name, layout_of(file))
        found = detect(stream, name, layout_of(file))
        file.sheets = list(found.sheets)
        if found.proposals:
            raise FileRefused(question(found.proposals))
        table = open_table(stream, found.layout)
        file.staged_as = self._stage(table)
        with default_storage.open(file.staged_as) as staged:
            self._survey(open_staged(_stream(staged)))
        return found, table

    def _delete_staged_rows(self) -> None:
        """Those of an earlier reading, perhaps of another sheet."""
        if self._file.staged_as:
            default_storage.delete(self._file.staged_as)
            self._file.staged_as = ""

    def _stage(self, table: Table) -> str:
        """Returns the name of the staged rows in storage."""
        with uploads.incoming() as out:
            stage(table.columns, self._with_progress(table), cast(BinaryIO, out))
            return uploads.keep(out, "staged")

    def _survey(self, table: Table) -> None:
        """Go through all rows, and record on the file what was found."""
        rows = 0
        sample: list[Row] = []
        counts = _CellCounts(table.columns)
        for number, cells in self._with_progress(table):
            rows += 1
            if isinstance(cells, OddCells):
                continue
            if len(sample) < SAMPLE_ROWS:
                sample.append((number, cells))
            counts.add(cells)
        if not rows:
            raise FileRefused("The file has a header but no rows.")
        self._file.columns = table.columns
        self._file.rows = rows
        self._file.rows_read = rows
        self._file.sample = sample
        self._file.warnings = counts.warnings()
        self._file.number_marks = counts.number_marks()

    def _with_progress(self, table: Table) -> Iterator[Row]:
        """The rows. Between them, progress is shown, the lease is renewed, and Stopped
        is raised when the worker was asked to stop."""
        for count, row in enumerate(table.rows, 1):
            if count % PROGRESS_EVERY == 0:
                if self._stopping.is_set() or not self._lease.renew():
                    raise Stopped
                File.objects.filter(pk=self._file.pk).update(rows_read=count)
            yield row

    def _save(self, found: Detected, notices: Iterable[Notice]) -> None:
        file = self._file
        file.format = found.layout.format
        file.encoding = found.layout.encoding
        file.delimiter = found.layout.delimiter
        file.sheet = found.layout.sheet
        file.quoting = found.layout.quoting
        file.header_row = found.layout.header_row
        sentences = [f"{notice.message} {notice.fix}" for notice in notices]
        file.warnings = [*found.warnings, *sentences, *file.warnings]
        file.state = FileState.READY
        file.error = ""
        file.save()


class _CellCounts:
    """Counts, by column, values that were damaged before the upload, and how numbers are
    written."""

    def __init__(self, columns: list[str]) -> None:
        self._columns = columns
        self._marks: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._rounded: Counter[int] = Counter()
        self._garbled: Counter[int] = Counter()

    def add(self, cells: list[str]) -> None:
        for index, cell in enumerate(cells):
            if "E+" in cell and _is_rounded(cell):
                self._rounded[index] += 1
            elif "Ã" in cell or "â€" in cell or "\ufffd" in cell:
                self._garbled[index] += 1
            elif ("." in cell or "," in cell) and (mark := mark_of(cell)):
                self._marks[index][mark] += 1

    def number_marks(self) -> dict[str, dict[str, int]]:
        """{column: {decimal mark: how many values have it}}."""
        return {
            self._columns[index]: dict(counts)
            for index, counts in sorted(self._marks.items())
            if index < len(self._columns)
        }

    def warnings(self) -> list[str]:
        """One sentence for each kind of damage and column."""
        rounded = [
            f"{values} like 1.23E+12: a spreadsheet has rounded them. "
            "Export that column as text."
            for values in self._values(self._rounded)
        ]
        garbled = [
            f"{values} with garbled letters (such as Ã¤ for ä). "
            "Was the file saved in another encoding?"
            for values in self._values(self._garbled)
        ]
        return rounded + garbled

    def _values(self, counts: Counter[int]) -> Iterator[str]:
        """ "3 values in price" for each column that has some."""
        for index, count in counts.items():
            if index < len(self._columns):
                yield f"{counted(count, 'value')} in {self._columns[index]}"


def _is_rounded(cell: str) -> bool:
    digits, _, power = cell.partition("E+")
    plain = digits.replace(".", "", 1).replace("-", "", 1)
    return power.isdecimal() and plain.isdecimal()


def _stored(name: str) -> "Content[Any]":
    """Raises FileRefused."""
    try:
        return default_storage.open(name)
    except FileNotFoundError:
        raise FileRefused(GONE) from None


class _RenewingFile(io.RawIOBase):
    """A stored file. While it is read, the lease is renewed: a large file is read several
    times before its first row is known."""

    def __init__(self, stream: BinaryIO, lease: leases.Held) -> None:
        self._stream = stream
        self._lease = lease

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self._lease.keep()
        return cast(io.BufferedReader, self._stream).readinto(buffer)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)


def _renewing(stream: BinaryIO, lease: leases.Held) -> BinaryIO:
    return io.BufferedReader(_RenewingFile(stream, lease), BUFFER_BYTES)


def _stream(content: "Content[Any]") -> BinaryIO:
    return cast(BinaryIO, content.file)
