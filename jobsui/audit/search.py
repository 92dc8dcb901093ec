"""Finds entries of the audit log, and writes them to files."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q

from jobsui.audit.models import Entry, EntryQuerySet
from jobsui.files.safe import csv_line

COLUMNS = tuple(field.name for field in Entry._meta.fields)


def found(
    *,
    person: str = "",
    action: str = "",
    text: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> EntryQuerySet:
    """The entries that match all of these, newest first. `text`: part of what was acted on, of
    its ID or connection, or of an address or a request."""
    conditions = {
        "person__iexact": person,
        "action": action,
        "at__gte": since,
        "at__lt": until,
    }
    entries = Entry.objects.filter(
        **{name: each for name, each in conditions.items() if each}
    )
    if text:
        entries = entries.filter(
            Q(subject__icontains=text)
            | Q(subject_id__iexact=text)
            | Q(connection__icontains=text)
            | Q(address__icontains=text)
            | Q(request=text)
        )
    return entries


def as_json(entries: Iterable[Entry]) -> Iterator[str]:
    """One object a line, whose digest is that of the others in this form."""
    for entry in entries:
        yield f"{json.dumps(_values(entry), ensure_ascii=False)}\n"


def as_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """With a header. What a spreadsheet would run as a formula is escaped."""
    yield csv_line(COLUMNS)
    for entry in entries:
        values = _values(entry)
        yield csv_line(_cell(values[column]) for column in COLUMNS)


def _values(entry: Entry) -> dict[str, Any]:
    return entry.content | {"digest": entry.digest}


def _cell(value: Any) -> str:
    return (
        json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    )
