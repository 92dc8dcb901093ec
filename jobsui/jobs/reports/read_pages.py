"""The pages of a finished read that have rows of some kind, in constant memory."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

from jobsui import paging
from jobsui.jobs.live import read_rows
from jobsui.jobs.live.read_rows import ReadRow
from jobsui.jobs.models import ReadPageBlob, RecordRead
from jobsui.paging import Page

MAX_PAGES = 2_000
"""How many pages of a read are searched for one page of rows."""
PAGES_PER_SEARCH = 500
PAGES_PER_QUERY = 10


class Row(Protocol):
    @property
    def row(self) -> int: ...


def rows(
    read: RecordRead, codes: frozenset[int], after: int
) -> Iterator[tuple[int, list[ReadRow]]]:
    """(last row of the page, rows with one of these verdicts or landings), for each page with rows
    after row `after`. The bodies of pages without such rows are not read."""
    for last_row, blob in _bodies(read, codes, after):
        found = read_rows.of_page(blob) if blob else ()
        yield (
            last_row,
            [row for row in found if row.code in codes and row.number > after],
        )


def _bodies(
    read: RecordRead, codes: frozenset[int], after: int
) -> Iterator[tuple[int, ReadPageBlob | None]]:
    blobs = ReadPageBlob.objects.filter(page__read=read, page__last_row__gt=after)
    in_order = blobs.order_by("page__seq").values_list(
        "pk", "page__seq", "page__last_row", "verdicts"
    )
    last_seq = 0
    while searched := list(in_order.filter(page__seq__gt=last_seq)[:PAGES_PER_SEARCH]):
        for some in itertools.batched(searched, PAGES_PER_QUERY):
            matching = [
                pk
                for pk, _, _, verdicts in some
                if not codes.isdisjoint(bytes(verdicts))
            ]
            found = blobs.in_bulk(matching) if matching else {}
            for pk, _, last_row, _ in some:
                yield last_row, found.get(pk)
        last_seq = searched[-1][1]


def page[R: Row](
    pages: Iterator[tuple[int, Sequence[R]]], *, after: int, size: int = paging.SIZE
) -> Page[R]:
    """`pages`: (last row, its rows) of successive pages of the read. The cursor `older` is the last
    row that was searched. If few rows match, a page may be short or even empty, although it
    is not the last one."""
    found: list[R] = []
    searched = after
    for last_row, rows in itertools.islice(pages, MAX_PAGES):
        found += rows
        if len(found) > size:
            return Page(found[:size], str(found[size - 1].row), "")
        searched = last_row
    is_cut = next(pages, None) is not None
    return Page(found, str(searched) if is_cut else "", "")
