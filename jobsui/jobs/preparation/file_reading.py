"""Reading an uploaded file in the background: what it is, its columns, how many rows it
has, and what looks damaged."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction

from jobsui.files import parser_process
from jobsui.files.errors import FileRefused
from jobsui.files.intake import Found, stage, take_in
from jobsui.files.layout import Layout, Notice, Proposal
from jobsui.files.parser_process import SMALLER_FILE as SMALLER_FILE
from jobsui.files.table import Table, open_staged
from jobsui.jobs import leases, retention
from jobsui.jobs.enums import FileState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import ColumnFacts, CorrectionUpload, File
from jobsui.jobs.preparation import uploads
from jobsui.jobs.queueing import enqueue
from jobsui.text import storable, storable_text

if TYPE_CHECKING:
    from django.core.files.base import File as Content

PROGRESS_SECONDS = 0.5
MAX_SAMPLE_LENGTH = 20_000
"""Characters of a row of the sample."""
MIN_SAMPLE_CELL = 60
BEING_READ = "The file is being read. Change its settings once it has been read."
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
    values: str = "",
) -> None:
    """Have a file read again with these settings, chosen by a person. "" and None are
    detected. Raises NotPossibleNow while it is being read."""
    settings = {
        "encoding": encoding,
        "delimiter": delimiter,
        "sheet": sheet,
        "quoting": quoting,
        "header_row": header_row or 0,
        "values": values,
    }
    unread = File.objects.filter(pk=file.pk).exclude(state=FileState.READING)
    started = unread.update(
        state=FileState.READING,
        chosen=uploads.chosen_of(settings),
        proposals=[],
        rows_read=0,
        error="",
        **settings,
    )
    if not started:
        raise NotPossibleNow(BEING_READ)
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
            return
        # It was read before every format was staged.
        with TemporaryFile() as out:
            stage(stream, layout_of(file), cast(BinaryIO, out))
            yield open_staged(cast(BinaryIO, out))


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
        values=file.values,
    )


def _lease_name(file: File) -> str:
    return f"read:{file.pk}"


def _reject(file: File, reason: str) -> None:
    file.state = FileState.REJECTED
    file.error = storable_text(reason)
    file.save()


def _give_up(file: File, _lease: leases.Held, reason: str) -> None:
    file.refresh_from_db()
    if file.state == FileState.READING:
        _reject(file, f"{reason} {SMALLER_FILE}")
        _advance_jobs(file)


def _advance_jobs(file: File) -> None:
    for job in file.jobs.exclude(auto_target=""):
        enqueue("advance_job", job.pk)
    for upload in CorrectionUpload.objects.filter(file=file):
        enqueue("apply_corrections", upload.pk)


class _Reading:
    """One run through a file."""

    def __init__(
        self, file: File, lease: leases.Held, stopping: threading.Event
    ) -> None:
        self._file = file
        self._lease = lease
        self._stopping = stopping
        self._shown_at = -math.inf

    def run(self) -> None:
        """Raises FileRefused, and Stopped when interrupted."""
        file = self._file
        _require_kept(file)
        self._delete_staged_rows()
        with _stored(file.stored_as) as content, uploads.incoming() as out:
            found = self._take_in(_stream(content), _stream(out))
            _note(file, found)
            if found.refusal:
                raise FileRefused(found.refusal)
            file.staged_as = uploads.keep(out, "staged")
        file.state = FileState.READY
        file.error = ""
        with transaction.atomic():
            file.save()
            _save_facts(file, found)

    def _take_in(self, content: BinaryIO, out: BinaryIO) -> Found:
        name = self._file.name
        chosen = layout_of(self._file)
        if settings.READ_FILES_IN_PROCESS:
            return take_in(content, name, chosen, out, self._progress, self._report)
        return parser_process.take_in(
            content,
            name,
            chosen,
            out,
            limits=parser_process.Limits(**settings.FILE_LIMITS),
            folder=Path(settings.FILE_UPLOAD_TEMP_DIR),
            progress=self._progress,
            report=self._report,
            tick=self._tick,
        )

    def _delete_staged_rows(self) -> None:
        """Those of an earlier reading, perhaps of another sheet."""
        if self._file.staged_as:
            default_storage.delete(self._file.staged_as)
            self._file.staged_as = ""

    def _tick(self) -> None:
        if self._stopping.is_set() or not self._lease.keep():
            raise Stopped

    def _report(self, found: Found) -> None:
        """Save the first rows, so that people see them while the others are read."""
        if found.sample:
            File.objects.filter(pk=self._file.pk).update(**_first_rows(found))

    def _progress(self, rows: int) -> None:
        self._tick()
        now = self._lease.clock.monotonic()
        if now - self._shown_at < PROGRESS_SECONDS:
            return
        self._shown_at = now
        File.objects.filter(pk=self._file.pk).update(rows_read=rows)


def _note(file: File, found: Found) -> None:
    """Take over what was found. Of a file that was refused, too: people see it, and it
    decides which file settings can be corrected."""
    layout = found.layout
    columns = {
        "format": layout.format,
        "encoding": layout.encoding,
        "delimiter": layout.delimiter,
        "sheet": layout.sheet,
        "quoting": layout.quoting,
        "header_row": layout.header_row,
        "values": layout.values,
        "sheets": list(found.sheets),
        "proposals": [_proposal(proposal) for proposal in found.proposals],
        "warnings": [_warning(notice) for notice in found.notices],
        "rows": None if found.refusal else found.rows,
        "rows_read": found.rows,
        "number_marks": found.number_marks,
    }
    for name, value in (storable(columns) | _first_rows(found)).items():
        setattr(file, name, value)


def _save_facts(file: File, found: Found) -> None:
    """Instead of those of an earlier reading."""
    file.column_facts.all().delete()
    ColumnFacts.objects.bulk_create(
        ColumnFacts(
            file=file,
            position=position,
            name=storable_text(name),
            filled=facts.filled,
            longest=facts.longest,
            distinct=facts.distinct,
            values=storable(facts.values),
            date_orders=facts.date_orders,
        )
        for position, (name, facts) in enumerate(
            zip(found.columns, found.column_facts, strict=True)
        )
    )


def _first_rows(found: Found) -> dict[str, Any]:
    """Columns of a File."""
    width = max(len(found.columns), 1)
    limit = max(MAX_SAMPLE_LENGTH // width, MIN_SAMPLE_CELL)
    odd_rows = [
        {"row": odd.number, "cells": odd.cells, "reason": odd.reason, "fix": odd.fix}
        for odd in found.odd_rows
    ]
    columns = {
        "columns": found.columns,
        "sample": [
            [number, [_shortened(cell, limit) for cell in cells]]
            for number, cells in found.sample
        ],
        "sample_kinds": found.sample_kinds,
        "odd_rows": odd_rows,
    }
    stored: dict[str, Any] = storable(columns)
    return stored


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _proposal(proposal: Proposal) -> dict[str, Any]:
    """As the column `proposals` of a file has it."""
    return {
        "encoding": proposal.encoding,
        "rows": [row for row, _ in proposal.samples],
        "texts": [text for _, text in proposal.samples],
    }


def _warning(notice: Notice) -> dict[str, Any]:
    """As the column `warnings` of a file has it."""
    return {
        "code": notice.code,
        "message": notice.message,
        "fix": notice.fix,
        "column": notice.column,
        "count": notice.count,
        "rows": [row for row, _ in notice.samples],
        "values": [text for _, text in notice.samples],
    }


def _stored(name: str) -> "Content[Any]":
    """Raises FileRefused."""
    try:
        return default_storage.open(name)
    except FileNotFoundError:
        raise FileRefused(GONE) from None


def _stream(content: "Content[Any]") -> BinaryIO:
    return cast(BinaryIO, content.file)
