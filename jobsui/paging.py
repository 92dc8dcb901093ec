"""Long lists page by page, by key and never by offset: page one thousand costs what
page one does."""

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


class BadCursor(ValueError):
    """A cursor that no page ever had."""


def by_time[T: Model](found: QuerySet[T], cursor: str, size: int = SIZE) -> Page[T]:
    """Newest first, by (created_at, id). A cursor is "<" or ">" and the `place` of an
    entry. Raises BadCursor."""
    if not cursor:
        entries = list(found.order_by("-created_at", "-pk")[: size + 1])
        return Page(
            entries[:size],
            f"<{place(entries[size - 1])}" if len(entries) > size else "",
            "",
        )
    way, at, pk = _parse(cursor)
    side, order = (
        ("gt", ("created_at", "pk")) if way == ">" else ("lt", ("-created_at", "-pk"))
    )
    entries = list(found.filter(_beyond(side, at, pk)).order_by(*order)[: size + 1])
    more = len(entries) > size
    entries = entries[:size]
    if not entries:
        return Page([], "", "")
    if way == ">":
        entries.reverse()
        return Page(
            entries, f"<{place(entries[-1])}", f">{place(entries[0])}" if more else ""
        )
    return Page(
        entries, f"<{place(entries[-1])}" if more else "", f">{place(entries[0])}"
    )


def by_number[T: Model](
    found: QuerySet[T], name: str, cursor: str, size: int = SIZE
) -> Page[T]:
    """Upwards by a whole-number column; a cursor is the last number of the page before.
    Raises BadCursor."""
    if cursor:
        found = found.filter(**{f"{name}__gt": number(cursor)})
    entries = list(found.order_by(name)[: size + 1])
    return Page(
        entries[:size],
        str(getattr(entries[size - 1], name)) if len(entries) > size else "",
        "",
    )


def place(entry: Any) -> str:
    """Where it stands among others by time."""
    return f"{entry.created_at.isoformat()}_{entry.pk}"


def number(cursor: str) -> int:
    """That of a cursor by number. Raises BadCursor."""
    if (told := whole(cursor)) is None:
        raise BadCursor(cursor)
    return told


def capped_count(found: QuerySet[Any]) -> str:
    """ "37", or "1,000+" where counting on would only cost."""
    count = found.order_by()[: MOST_COUNTED + 1].count()
    return f"{count:,}" if count <= MOST_COUNTED else f"{MOST_COUNTED:,}+"


def whole(text: str) -> int | None:
    """The number in an address; None for nonsense and for what no database holds."""
    if not text.isdecimal() or len(text) > 19:
        return None
    value = int(text)
    return value if value <= LARGEST else None


def _beyond(side: str, at: datetime, pk: int) -> Q:
    return Q(**{f"created_at__{side}": at}) | Q(created_at=at, **{f"pk__{side}": pk})


def _parse(cursor: str) -> tuple[str, datetime, int]:
    at, _, pk = cursor[1:].rpartition("_")
    try:
        moment = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadCursor(cursor) from None
    if cursor[0] not in "<>":
        raise BadCursor(cursor)
    return cursor[0], moment, number(pk)
