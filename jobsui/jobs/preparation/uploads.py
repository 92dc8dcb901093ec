"""Files coming in: streamed to storage as they are, then read in the background to find
out what they are."""

import hashlib
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import TemporaryUploadedFile

from jobsui.files.encoding import ENCODINGS as KNOWN
from jobsui.files.errors import FileRefused
from jobsui.files.table import Detected, Layout, Table, detect, open_table, stage
from jobsui.jobs import leases
from jobsui.jobs.enums import FileState
from jobsui.jobs.errors import UploadRefused
from jobsui.jobs.models import File
from jobsui.jobs.queueing import enqueue
from jobsui.text import counted

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ENCODINGS = ("utf-8", *KNOWN[1:])
"""What a file may be said to be in, by the names people write."""
SAMPLE_ROWS = 20
SAY_EVERY = 20_000
STAGED_FORMATS = {"xlsx", "json", "jsonl"}
"""Formats that are dearer to read than their staged rows."""


class Stopped(Exception):
    """The worker was asked to end; the work stays to be done."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An upload as it lies in storage, known to no File yet."""

    name: str
    stored_as: str
    size: int
    sha256: str

    def delete(self) -> None:
        default_storage.delete(self.stored_as)


def receive(
    chunks: Iterable[bytes], name: str, *, by: "User | None", **layout: str
) -> File:
    """Keep an upload exactly as it comes and have it read, as `layout` says (encoding,
    delimiter, sheet; detected where left out). Raises UploadRefused; nothing is left
    behind then."""
    return register(store(chunks, name), by=by, **layout)


def register(stored: Stored, *, by: "User | None", **layout: str) -> File:
    """The File of a stored upload, which will be read."""
    file = File.objects.create(
        name=stored.name,
        stored_as=stored.stored_as,
        size=stored.size,
        sha256=stored.sha256,
        uploaded_by=by,
        **layout,
    )
    enqueue("read_file", file.pk)
    return file


def store(chunks: Iterable[bytes], name: str) -> Stored:
    """Keep an upload exactly as it comes. Raises UploadRefused; nothing is left behind
    then."""
    digest, size = hashlib.sha256(), 0

    def measured() -> Iterator[bytes]:
        nonlocal size
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            if size > settings.MAX_UPLOAD_BYTES:
                limit = settings.MAX_UPLOAD_BYTES // 1024**2
                raise UploadRefused(
                    f"The file is larger than {limit:,} MB. Split it, or raise JOBSUI_MAX_UPLOAD_MB."
                )
            yield chunk

    with incoming() as content:
        for chunk in measured():
            content.write(chunk)
        if not size:
            raise UploadRefused("The file is empty.")
        stored_as = keep(content, "uploads")
    return Stored(_plain_name(name), stored_as, size, digest.hexdigest())


@contextmanager
def incoming() -> Iterator[TemporaryUploadedFile]:
    """An empty file to be filled where uploads arrive; gone after the block unless
    `keep` took it."""
    with TemporaryUploadedFile("incoming", "", 0, None) as content:
        yield content


def keep(content: TemporaryUploadedFile, folder: str) -> str:
    """Move a filled file into this folder of the storage; its name there."""
    content.flush()
    return default_storage.save(f"{folder}/{uuid.uuid4()}", content)


@contextmanager
def storing(chunks: Iterable[bytes], name: str) -> Iterator[Stored]:
    """Keep an upload for as long as the block lasts, and on if the block made a File of
    it. Raises UploadRefused."""
    stored = store(chunks, name)
    try:
        yield stored
    finally:
        if not File.objects.filter(stored_as=stored.stored_as).exists():
            stored.delete()


def reread(
    file: File, *, encoding: str = "", delimiter: str = "", sheet: str = ""
) -> None:
    """Read a file again as a person says it is to be read."""
    File.objects.filter(pk=file.pk).update(
        state=FileState.READING,
        encoding=encoding,
        delimiter=delimiter,
        sheet=sheet,
        rows_read=0,
        error="",
    )
    file.refresh_from_db()
    enqueue("read_file", file.pk)


def read_file(file: File, *, stopping: threading.Event) -> None:
    """Find out format, columns and number of rows of a file that is to be read.
    Interrupted, it stays to be read."""
    with leases.held(f"read:{file.pk}") as lease:
        file.refresh_from_db()
        if lease is None or file.state != FileState.READING:
            return
        try:
            _read(file, lease, stopping)
        except FileRefused as refusal:
            file.state, file.error = FileState.REJECTED, str(refusal)
            file.save(update_fields=["state", "error", "staged_as"])
        except Stopped:
            return
    for job in file.jobs.exclude(auto_target=""):
        enqueue("advance_job", job.pk)


@contextmanager
def open_rows(file: File) -> Iterator[Table]:
    """The table of a file that was read, for as long as the block lasts. Raises
    FileRefused."""
    try:
        content = default_storage.open(file.content_name)
    except FileNotFoundError:
        raise FileRefused("The stored file is gone. Upload it again.") from None
    with content:
        layout = Layout("rows") if file.staged_as else layout_of(file)
        yield open_table(cast(BinaryIO, content.file), layout)


def layout_of(file: File) -> Layout:
    return Layout(file.format, file.encoding, file.delimiter, file.sheet)


def _read(file: File, lease: leases.Held, stopping: threading.Event) -> None:
    if file.staged_as:  # Of an earlier reading, perhaps of another sheet.
        default_storage.delete(file.staged_as)
        file.staged_as = ""
    with default_storage.open(file.stored_as) as content:
        stream = cast(BinaryIO, content.file)
        found = detect(
            stream,
            file.name,
            encoding=file.encoding,
            delimiter=file.delimiter,
            sheet=file.sheet,
        )
        table = open_table(stream, found.layout)
        if found.layout.format in STAGED_FORMATS:
            file.staged_as = _staged(table, file, lease, stopping)
            with default_storage.open(file.staged_as) as staged:
                _look_through(
                    open_table(cast(BinaryIO, staged.file), Layout("rows")),
                    file,
                    lease,
                    stopping,
                )
        else:
            _look_through(table, file, lease, stopping)
    _note(file, found)


def _staged(
    table: Table, file: File, lease: leases.Held, stopping: threading.Event
) -> str:
    with incoming() as out:
        watched = _Watched(table, lambda number: _go_on(file, number, lease, stopping))
        stage(cast(Table, watched), cast(BinaryIO, out))
        return keep(out, "staged")


class _Watched:
    """A table that calls `look` every so many rows while it is gone through."""

    def __init__(self, table: Table, look: Callable[[int], None]) -> None:
        self.columns, self._table, self._look = table.columns, table, look

    @property
    def rows(self) -> Iterator[tuple[int, list[str]]]:
        for number, row in enumerate(self._table.rows, 1):
            if number % SAY_EVERY == 0:
                self._look(number)
            yield row


def _look_through(
    table: Table, file: File, lease: leases.Held, stopping: threading.Event
) -> None:
    rows, sample = 0, []
    oddities = _Oddities(table.columns)
    for number, cells in table.rows:
        rows += 1
        if rows <= SAMPLE_ROWS:
            sample.append([number, cells])
        oddities.see(cells)
        if rows % SAY_EVERY == 0:
            _go_on(file, rows, lease, stopping)
    if not rows:
        raise FileRefused("The file has a header but no rows.")
    file.columns, file.rows, file.rows_read, file.sample = (
        table.columns,
        rows,
        rows,
        sample,
    )
    file.warnings = oddities.sentences()


def _note(file: File, found: Detected) -> None:
    layout = found.layout
    file.format, file.encoding, file.delimiter = (
        layout.format,
        layout.encoding,
        layout.delimiter,
    )
    file.sheet, file.sheets, file.state, file.error = (
        layout.sheet,
        list(found.sheets),
        FileState.READY,
        "",
    )
    file.warnings = [*found.warnings, *file.warnings]
    file.save()


def _go_on(
    file: File, rows: int, lease: leases.Held, stopping: threading.Event
) -> None:
    """Between two stretches: say how far we are, keep the lease, and stop when asked
    to."""
    if stopping.is_set() or not lease.renew():
        raise Stopped
    File.objects.filter(pk=file.pk).update(rows_read=rows)


class _Oddities:
    """Signs that a file was damaged before it came here: counted by column, told as
    warnings."""

    def __init__(self, columns: list[str]) -> None:
        self._columns = columns
        self._rounded: dict[int, int] = {}
        self._garbled: dict[int, int] = {}

    def see(self, cells: list[str]) -> None:
        for place, cell in enumerate(cells):
            if "E+" in cell and _is_rounded(cell):
                self._rounded[place] = self._rounded.get(place, 0) + 1
            elif "Ã" in cell or "â€" in cell or "\ufffd" in cell:
                self._garbled[place] = self._garbled.get(place, 0) + 1

    def sentences(self) -> list[str]:
        rounded = "in {column} like 1.23E+12: a spreadsheet has rounded them. Export that column as text."
        garbled = "in {column} with garbled letters (such as Ã¤ for ä). Was the file saved in another encoding?"
        return [
            f"{counted(count, 'value')} {sentence.format(column=self._columns[place])}"
            for sentence, seen in ((rounded, self._rounded), (garbled, self._garbled))
            for place, count in seen.items()
            if place < len(self._columns)
        ]


def _is_rounded(cell: str) -> bool:
    digits, _, power = cell.partition("E+")
    return (
        power.isdecimal() and digits.replace(".", "", 1).replace("-", "", 1).isdecimal()
    )


def _plain_name(name: str) -> str:
    """A file name fit to be shown: without folders and control characters, its end
    kept."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[-200:] or "upload"
