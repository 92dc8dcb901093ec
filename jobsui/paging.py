"""Keyset pagination: every page of a long list costs the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model, Q, QuerySet

SIZE = 50
MAX_COUNTED = 1000
MAX_INTEGER = 2**63 - 1
"""The largest integer a database stores."""
MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Page[T]:
    entries: Sequence[T]
    older: str
    """Cursor of the next page; "" on the last page."""
    newer: str
    """Cursor of the previous page; "" on the first page."""


class BadCursor(ValueError):
    """A cursor that belongs to no page."""


def by_time[T: Model](queryset: QuerySet[T], cursor: str, size: int = SIZE) -> Page[T]:
    """Newest first, by (created_at, pk). A cursor is "<" for older or ">" for newer,
    then the position() of an entry. Raises BadCursor."""
    if not cursor:
        newest = queryset.order_by("-created_at", "-pk")
        entries, has_more = _cut(newest, size)
        return _time_page(entries, has_older=has_more, has_newer=False)
    direction, at, pk = _parse(cursor)
    if direction == ">":
        newer = queryset.filter(_beyond("gt", at, pk)).order_by("created_at", "pk")
        entries, has_more = _cut(newer, size)
        entries.reverse()
        return _time_page(entries, has_older=True, has_newer=has_more)
    older = queryset.filter(_beyond("lt", at, pk)).order_by("-created_at", "-pk")
    entries, has_more = _cut(older, size)
    return _time_page(entries, has_older=has_more, has_newer=True)


def by_number[T: Model](
    queryset: QuerySet[T], column: str, cursor: str, size: int = SIZE
) -> Page[T]:
    """Ascending by an integer column. A cursor is the last number of the previous page.
    Raises BadCursor."""
    behind = queryset.filter(**{f"{column}__gt": after(cursor)})
    entries, has_more = _cut(behind.order_by(column), size)
    older = str(getattr(entries[-1], column)) if has_more else ""
    return Page(entries, older, "")


def by_number_descending[T: Model](
    queryset: QuerySet[T], column: str, cursor: str, size: int = SIZE
) -> Page[T]:
    """As by_number, but descending."""
    behind = (
        queryset.filter(**{f"{column}__lt": number(cursor)}) if cursor else queryset
    )
    entries, has_more = _cut(behind.order_by(f"-{column}"), size)
    older = str(getattr(entries[-1], column)) if has_more else ""
    return Page(entries, older, "")


def position(entry: Any) -> str:
    """The key of an entry in a list by time."""
    return f"{entry.created_at.isoformat()}_{entry.pk}"


def after(cursor: str) -> int:
    """The last number of the previous page; 0 on the first page. Raises BadCursor."""
    return number(cursor) if cursor else 0


def number(cursor: str) -> int:
    """Raises BadCursor."""
    value = parse_integer(cursor)
    if value is None:
        raise BadCursor(cursor)
    return value


def capped_count(queryset: QuerySet[Any]) -> str:
    """ "37", or "1,000+" for more entries than are worth counting."""
    count = queryset.order_by()[: MAX_COUNTED + 1].count()
    return f"{count:,}" if count <= MAX_COUNTED else f"{MAX_COUNTED:,}+"


def parse_integer(text: str) -> int | None:
    """The integer in a query parameter. None if it is not one, or if the database cannot
    store it."""
    if not text.isdecimal() or len(text) > MAX_DIGITS:
        return None
    value = int(text)
    return value if value <= MAX_INTEGER else None


def _cut[T: Model](queryset: QuerySet[T], size: int) -> tuple[list[T], bool]:
    """The first `size` entries, and whether there are more."""
    entries = list(queryset[: size + 1])
    return entries[:size], len(entries) > size


def _time_page[T: Model](
    entries: list[T], *, has_older: bool, has_newer: bool
) -> Page[T]:
    if not entries:
        return Page([], "", "")
    older = f"<{position(entries[-1])}" if has_older else ""
    newer = f">{position(entries[0])}" if has_newer else ""
    return Page(entries, older, newer)


def _beyond(side: str, at: datetime, pk: int) -> Q:
    return Q(**{f"created_at__{side}": at}) | Q(created_at=at, **{f"pk__{side}": pk})


def _parse(cursor: str) -> tuple[str, datetime, int]:
    """(direction, created_at, pk)."""
    direction = cursor[0]
    at, _, pk = cursor[1:].rpartition("_")
    try:
        moment = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadCursor(cursor) from None
    if direction not in "<>":
        raise BadCursor(cursor)
    return direction, moment, number(pk)
