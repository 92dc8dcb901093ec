"""Cursor pagination."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from itertools import islice
from urllib.parse import urlencode

from jobsui.sandbox.errors import invalid_parameter
from jobsui.sandbox.protocol import Json, Request
from jobsui.sandbox.table import Record, Table

MAX_SIZE = 100

type Key = tuple[int, ...]


@dataclass(slots=True)
class Asked:
    """What a request says of the page it wants."""

    size: int
    after: list[Json] | None
    before: list[Json] | None

    @property
    def cursor(self) -> list[Json] | None:
        return self.before if self.after is None else self.after

    @property
    def backwards(self) -> bool:
        return self.before is not None


@dataclass(slots=True)
class Page[T]:
    items: list[T]
    has_more: bool
    first: Json = None
    """The cursors of its first and last item."""
    last: Json = None


def asked_page(request: Request, where: str) -> Asked:
    """Raises Refused when size or cursor make no sense; `where` names the action in the
    message."""
    size = request.query.get("page[size]", str(MAX_SIZE))
    if not size.isdigit() or not 1 <= int(size) <= MAX_SIZE:
        raise invalid_parameter(
            "page[size]", f"must be an integer from 1 to {MAX_SIZE}", where
        )
    after, before = request.query.get("page[after]"), request.query.get("page[before]")
    if after and before:
        raise invalid_parameter("page", "must not have both after and before", where)
    return Asked(int(size), decoded(after, where), decoded(before, where))


def encoded(cursor: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()


def decoded(cursor: str | None, where: str) -> list[Json] | None:
    if not cursor:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, list) or not all(
        isinstance(value, int) for value in values
    ):
        raise invalid_parameter("page", "cursor is invalid", where)
    return values


def rows_page(table: Table, asked: Asked, *, descending: bool) -> Page[Record]:
    """Records by id, without looking at others than those of the page."""
    forward = descending == asked.backwards
    edge = asked.cursor[0] if asked.cursor else None
    if forward:
        rows = range(0 if edge is None else edge + 1, len(table.rows))
    else:
        rows = range(len(table.rows) - 1 if edge is None else edge - 1, -1, -1)
    found = (
        record for row in rows if (record := table.rows[row]) and not record.deleted
    )
    return cut(list(islice(found, asked.size + 1)), asked, lambda record: (record.row,))


def sorted_page(
    records: Iterable[Record],
    asked: Asked,
    key: Callable[[Record], Key],
    *,
    descending: bool,
) -> Page[Record]:
    """Records by any key that tells them apart."""
    forward = descending == asked.backwards
    if asked.cursor is not None:
        edge = tuple(asked.cursor)
        records = (
            record
            for record in records
            if (key(record) > edge if forward else key(record) < edge)
        )
    choose = nsmallest if forward else nlargest
    return cut(choose(asked.size + 1, records, key=key), asked, key)


def listed_page[T](items: Sequence[T], asked: Asked) -> Page[T]:
    """A page of a list already in order; its cursors are positions."""
    if asked.backwards:
        end = asked.before[0] if asked.before else 0
        start = max(0, end - asked.size)
        return Page(list(items[start:end]), start > 0, [start], [end - 1])
    start = asked.after[0] + 1 if asked.after else 0
    chosen = list(items[start : start + asked.size])
    return Page(
        chosen, start + asked.size < len(items), [start], [start + len(chosen) - 1]
    )


def cut(
    found: list[Record], asked: Asked, key: Callable[[Record], Key]
) -> Page[Record]:
    has_more, found = len(found) > asked.size, found[: asked.size]
    if asked.backwards:
        found.reverse()
    if not found:
        return Page([], has_more)
    return Page(found, has_more, list(key(found[0])), list(key(found[-1])))


def envelope[T](
    request: Request, page: Page[T], asked: Asked, *, next_on_last_page: bool
) -> dict[str, Json]:
    """The meta and links that go with a page."""
    after, before = (
        (encoded(page.last), encoded(page.first)) if page.items else (None, None)
    )
    more_after = asked.backwards or page.has_more
    more_before = page.has_more if asked.backwards else asked.after is not None
    return {
        "meta": {
            "has_more": page.has_more,
            "after_cursor": after,
            "before_cursor": before,
        },
        "links": {
            "next": link(request, "after", after, asked.size)
            if more_after or next_on_last_page
            else None,
            "prev": link(request, "before", before, asked.size)
            if more_before
            else None,
        },
    }


def link(request: Request, direction: str, cursor: str | None, size: int) -> str | None:
    if cursor is None:
        return None
    query = {
        name: value
        for name, value in request.query.items()
        if name not in {"page[after]", "page[before]"}
    }
    query |= {f"page[{direction}]": cursor, "page[size]": str(size)}
    return f"{request.origin}{request.path}?{urlencode(query)}"
