"""Long lists page by page, by key and never by offset: page one thousand costs what page one does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model, Q, QuerySet

SIZE = 50
MOST_COUNTED = 1000
LARGEST = 2**63 - 1
"""What a database takes for a whole number."""


@dataclass(frozen=True, slots=True)
class Page[T]:
    entries: Sequence[T]
    older: str
    """Cursor of the next page, "" on the last."""
    newer: str
    """Cursor of the page before, "" on the first."""


def by_time[T: Model](found: QuerySet[T], cursor: str, size: int = SIZE) -> Page[T]:
    """Newest first, by (created_at, id). A cursor is "<" or ">", the time and the id; nonsense begins at the top."""
    way, at, pk = _parse(cursor)
    side, order = ("gt", ("created_at", "pk")) if way == ">" else ("lt", ("-created_at", "-pk"))
    beyond = found.filter(_beyond(side, at, pk)) if way else found
    entries = list(beyond.order_by(*order)[: size + 1])
    if way and not entries:
        return by_time(found, "", size)  # What was beyond is gone.
    more, entries = len(entries) > size, entries[:size]
    if way == ">":
        entries.reverse()
        return Page(entries, _cursor("<", entries[-1]), _cursor(">", entries[0]) if more else "")
    return Page(entries, _cursor("<", entries[-1]) if more else "", _cursor(">", entries[0]) if way else "")


def by_number[T: Model](found: QuerySet[T], name: str, after: str, size: int = SIZE) -> Page[T]:
    """Upwards by a whole-number column; `older` carries on behind the last number of this page."""
    if (number := whole(after)) is not None:
        found = found.filter(**{f"{name}__gt": number})
    entries = list(found.order_by(name)[: size + 1])
    return Page(entries[:size], str(getattr(entries[size - 1], name)) if len(entries) > size else "", "")


def capped_count(found: QuerySet[Any]) -> str:
    """ "37", or "1,000+" where counting on would only cost."""
    count = found.order_by()[: MOST_COUNTED + 1].count()
    return f"{count:,}" if count <= MOST_COUNTED else f"{MOST_COUNTED:,}+"


def whole(text: str) -> int | None:
    """The number in an address; None for nonsense and for what no database holds."""
    if not text.isdecimal() or len(text) > 19:
        return None
    number = int(text)
    return number if number <= LARGEST else None


def _beyond(side: str, at: datetime, pk: int) -> Q:
    return Q(**{f"created_at__{side}": at}) | Q(created_at=at, **{f"pk__{side}": pk})


def _cursor(way: str, entry: Any) -> str:
    return f"{way}{entry.created_at.isoformat()}_{entry.pk}"


def _parse(cursor: str) -> tuple[str, datetime, int]:
    at, _, pk = cursor[1:].rpartition("_")
    way, number = cursor[:1], whole(pk)
    try:
        moment = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        return "", datetime.min, 0  # noqa: DTZ901  # never used: no way to go
    if way not in {"<", ">"} or number is None:
        return "", moment, 0
    return way, moment, number
