"""Long lists page by page, by key and never by offset: page one thousand costs what page one does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet

SIZE = 50
MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Page[T]:
    entries: Sequence[T]
    older: str
    """Cursor of the next page, "" on the last."""
    newer: str
    """Cursor of the page before, "" on the first."""


def by_time[T: Model](found: QuerySet[T], cursor: str) -> Page[T]:
    """Newest first, by (created_at, id). A cursor is "<" or ">", the time and the id; nonsense begins at the top."""
    way, at, pk = _parse(cursor)
    if way == ">":
        entries = list(found.filter(_beyond("gt", at, pk)).order_by("created_at", "pk")[: SIZE + 1])
        more_newer, entries = len(entries) > SIZE, entries[:SIZE][::-1]
        return Page(
            entries, _cursor("<", entries[-1]) if entries else "", _cursor(">", entries[0]) if more_newer else ""
        )
    if way == "<":
        found = found.filter(_beyond("lt", at, pk))
    entries = list(found.order_by("-created_at", "-pk")[: SIZE + 1])
    more, entries = len(entries) > SIZE, entries[:SIZE]
    newer = _cursor(">", entries[0]) if way and entries else ""
    return Page(entries, _cursor("<", entries[-1]) if more else "", newer)


def by_number[T: Model](found: QuerySet[T], name: str, after: str) -> Page[T]:
    """Upwards by a whole-number column; `older` carries on behind the last number of this page."""
    if after.isdecimal():
        found = found.filter(**{f"{name}__gt": int(after)})
    entries = list(found.order_by(name)[: SIZE + 1])
    return Page(entries[:SIZE], str(getattr(entries[SIZE - 1], name)) if len(entries) > SIZE else "", "")


def capped_count(found: QuerySet[Any]) -> str:
    """ "37", or "1,000+" where counting on would only cost."""
    count = found.order_by()[: MOST_COUNTED + 1].count()
    return f"{count:,}" if count <= MOST_COUNTED else f"{MOST_COUNTED:,}+"


def _beyond(side: str, at: datetime, pk: int) -> Q:
    return Q(**{f"created_at__{side}": at}) | Q(created_at=at, **{f"pk__{side}": pk})


def _cursor(way: str, entry: Any) -> str:
    return f"{way}{entry.created_at.isoformat()}_{entry.pk}"


def _parse(cursor: str) -> tuple[str, datetime, int]:
    at, _, pk = cursor[1:].rpartition("_")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return "", datetime.min, 0  # noqa: DTZ901  # never used: no way to go
    if cursor[:1] not in {"<", ">"} or not pk.isdecimal() or moment.tzinfo is None:
        return "", moment, 0
    return cursor[0], moment, int(pk)
