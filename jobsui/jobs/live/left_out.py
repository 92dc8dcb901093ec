"""The rows of a comparison, or of the plan of an undo, that a person or program has left out.
They stay left out when the records are read again."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any

from django.db.models import QuerySet

from jobsui.jobs.enums import SENT, Purpose, Verdict
from jobsui.jobs.live import read_rows
from jobsui.jobs.live.row_ranges import RowRanges
from jobsui.jobs.models import ReadPage, ReadPageBlob, RecordRead
from jobsui.jobs.models.batch import pack_rows, unpack, unpack_rows
from jobsui.jobs.models.record_rows import FIRST_RECORD_ROW, is_record_row

PAGES_PER_QUERY = 50


def choose(read: RecordRead, rows: Iterable[int], *, is_left_out: bool) -> set[int]:
    """Leave these rows of a finished read out, or send them after all. Rows that would not be
    sent anyway are ignored. Returns the others. `rows`: in ascending order."""
    chosen = set()
    for page, own in _by_page(read, rows):
        chosen |= _choose(page.blob, own, is_left_out=is_left_out)
    return chosen


def among(read: RecordRead, rows: Collection[int]) -> set[int]:
    """Which of these rows are left out."""
    if not rows:
        return set()
    blobs = _blobs(read).filter(
        page__first_row__lte=max(rows), page__last_row__gte=min(rows)
    )
    stored = blobs.values_list("left_out", flat=True)
    return {row for packed in stored for row in unpack_rows(packed)}.intersection(rows)


def by_verdict(read: RecordRead) -> Counter[Verdict]:
    """How many rows are left out, by their verdict."""
    found = Counter[Verdict]()
    stored = _blobs(read).values_list("left_out", "rows", "verdicts")
    for left_out, rows, verdicts in stored.iterator(chunk_size=PAGES_PER_QUERY):
        codes = dict(zip(unpack_rows(rows), bytes(verdicts), strict=True))
        found.update(Verdict(codes[row]) for row in unpack_rows(left_out))
    return found


def kept_of(read: RecordRead) -> dict[str, Any]:
    """What is left out, as `RecordRead.left_out` has it, for the next read of the same rows."""
    rows = set(_rows(read.left_out))
    records = set(read.left_out.get("records", ()))
    for blob in _blobs(read).iterator(chunk_size=PAGES_PER_QUERY):
        left_out = unpack_rows(blob.left_out)
        if read.purpose == Purpose.COMPARE and is_record_row(left_out[0]):
            ids = _record_ids(blob)
            records.update(ids[row] for row in left_out)
        else:
            rows.update(left_out)
    return _kept(rows, records)


def restore(read: RecordRead) -> None:
    """Leave out again what was left out of the read before this one, once all pages are
    read. What cannot be left out now is kept for the next read."""
    if not read.left_out:
        return
    rows = set(_rows(read.left_out))
    rows -= choose(read, sorted(rows), is_left_out=True)
    records = set(read.left_out.get("records", ()))
    if records:
        records -= _leave_out_records(read, records)
    read.left_out = _kept(rows, records)
    read.save(update_fields=["left_out"])


def _leave_out_records(read: RecordRead, records: set[str]) -> set[str]:
    """Leave out records that only the account has. They are found by their IDs, because a new
    list may give them other row numbers."""
    found: set[str] = set()
    pages = read.pages.filter(first_row__gte=FIRST_RECORD_ROW).select_related("blob")
    for page in pages.iterator(chunk_size=PAGES_PER_QUERY):
        ids = _record_ids(page.blob)
        own = [row for row, record_id in ids.items() if record_id in records]
        if own:
            left_out = _choose(page.blob, own, is_left_out=True)
            found.update(ids[row] for row in left_out)
    return found


def _blobs(read: RecordRead) -> QuerySet[ReadPageBlob]:
    """Of the pages with rows that are left out."""
    return ReadPageBlob.objects.filter(page__read=read).exclude(left_out=b"")


def _by_page(
    read: RecordRead, rows: Iterable[int]
) -> Iterator[tuple[ReadPage, list[int]]]:
    page: ReadPage | None = None
    own: list[int] = []
    pages = read.pages.select_related("blob").order_by("seq")
    for row in rows:
        if page is None or row > page.last_row:
            if page is not None and own:
                yield page, own
            own = []
            page = pages.filter(last_row__gte=row).first()
        if page is None:
            return
        if row >= page.first_row:
            own.append(row)
    if page is not None and own:
        yield page, own


def _choose(blob: ReadPageBlob, rows: Iterable[int], *, is_left_out: bool) -> set[int]:
    verdicts = dict(zip(unpack_rows(blob.rows), bytes(blob.verdicts), strict=True))
    chosen = {row for row in rows if verdicts.get(row) in SENT}
    before = read_rows.left_out_of(blob)
    after = before | chosen if is_left_out else before - chosen
    if after != before:
        blob.left_out = pack_rows(sorted(after)) if after else b""
        blob.save(update_fields=["left_out"])
    return chosen


def _record_ids(blob: ReadPageBlob) -> dict[int, str]:
    """{row: ID} of records that only the account has."""
    lines = unpack(blob.payload).split(b"\n")
    return {
        row: json.loads(line)["id"]
        for row, line in zip(unpack_rows(blob.rows), lines, strict=True)
    }


def _rows(kept: dict[str, Any]) -> Iterator[int]:
    ranges = RowRanges.from_json(kept.get("rows", ())).ranges
    return chain.from_iterable(range(first, last + 1) for first, last in ranges)


def _kept(rows: set[int], records: set[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if rows:
        kept["rows"] = RowRanges.of(rows).to_json()
    if records:
        kept["records"] = sorted(records)
    return kept
