"""Cursor pagination."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from itertools import islice
from operator import gt, lt
from urllib.parse import urlencode

from jobsui.sandbox.errors import invalid_parameter
from jobsui.sandbox.protocol import Json, JsonObject, Request
from jobsui.sandbox.table import Record, Table

MAX_SIZE = 100

type Key = tuple[int, ...]


@dataclass(slots=True)
class PageRequest:
    """The page that a request asks for."""

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


def parse_page_request(request: Request, where: str) -> PageRequest:
    """Raises Refused for an invalid size or cursor. `where` names the action in the
    message."""
    size = request.query.get("page[size]", str(MAX_SIZE))
    if not size.isdigit() or not 1 <= int(size) <= MAX_SIZE:
        raise invalid_parameter(
            "page[size]", f"must be an integer from 1 to {MAX_SIZE}", where
        )
    after = request.query.get("page[after]")
    before = request.query.get("page[before]")
    if after and before:
        raise invalid_parameter("page", "must not have both after and before", where)
    return PageRequest(int(size), decoded(after, where), decoded(before, where))


def encoded(cursor: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()


def decoded(cursor: str | None, where: str) -> list[Json] | None:
    if not cursor:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, ValueError):
        values = None
    if not is_cursor(values):
        raise invalid_parameter("page", "cursor is invalid", where)
    return list(values)


def is_cursor(values: Json) -> bool:
    return isinstance(values, list) and all(isinstance(each, int) for each in values)


def rows_page(table: Table, wanted: PageRequest, *, descending: bool) -> Page[Record]:
    """Records by id. Reads only the rows of the page."""
    forward = descending == wanted.backwards
    edge = wanted.cursor[0] if wanted.cursor else None
    if forward:
        start = 0 if edge is None else edge + 1
        rows = range(start, len(table.rows))
    else:
        start = len(table.rows) - 1 if edge is None else edge - 1
        rows = range(start, -1, -1)
    records = (table.rows[row] for row in rows)
    alive = (record for record in records if record and not record.deleted)
    found = list(islice(alive, wanted.size + 1))
    return cut(found, wanted, lambda record: (record.row,))


def sorted_page(
    records: Iterable[Record],
    wanted: PageRequest,
    key: Callable[[Record], Key],
    *,
    descending: bool,
) -> Page[Record]:
    """Records in the order of a unique key."""
    forward = descending == wanted.backwards
    choose = nsmallest if forward else nlargest
    is_beyond = gt if forward else lt
    if wanted.cursor is not None:
        edge = tuple(wanted.cursor)
        records = (record for record in records if is_beyond(key(record), edge))
    return cut(choose(wanted.size + 1, records, key=key), wanted, key)


def listed_page[T](items: Sequence[T], wanted: PageRequest) -> Page[T]:
    """A page of a list already in order; its cursors are positions."""
    if wanted.backwards:
        end = wanted.before[0] if wanted.before else 0
        start = max(0, end - wanted.size)
        return Page(list(items[start:end]), start > 0, [start], [end - 1])
    start = wanted.after[0] + 1 if wanted.after else 0
    end = start + wanted.size
    chosen = list(items[start:end])
    last = start + len(chosen) - 1
    return Page(chosen, end < len(items), [start], [last])


def cut(
    found: list[Record], wanted: PageRequest, key: Callable[[Record], Key]
) -> Page[Record]:
    """A page of the records found, which may be one more than the page holds."""
    has_more = len(found) > wanted.size
    chosen = found[: wanted.size]
    if wanted.backwards:
        chosen.reverse()
    if not chosen:
        return Page([], has_more)
    return Page(chosen, has_more, list(key(chosen[0])), list(key(chosen[-1])))


def paging_json[T](
    request: Request, page: Page[T], wanted: PageRequest, *, next_on_last_page: bool
) -> JsonObject:
    """The members "meta" and "links" that go with a page."""
    after = encoded(page.last) if page.items else None
    before = encoded(page.first) if page.items else None
    has_next = wanted.backwards or page.has_more or next_on_last_page
    has_previous = page.has_more if wanted.backwards else wanted.after is not None
    next_link = link(request, "after", after, wanted.size)
    previous_link = link(request, "before", before, wanted.size)
    return {
        "meta": {
            "has_more": page.has_more,
            "after_cursor": after,
            "before_cursor": before,
        },
        "links": {
            "next": next_link if has_next else None,
            "prev": previous_link if has_previous else None,
        },
    }


def link(request: Request, direction: str, cursor: str | None, size: int) -> str | None:
    if cursor is None:
        return None
    query = dict(request.query)
    query.pop("page[after]", None)
    query.pop("page[before]", None)
    query |= {f"page[{direction}]": cursor, "page[size]": str(size)}
    return f"{request.origin}{request.path}?{urlencode(query)}"
