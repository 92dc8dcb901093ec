"""Adds entries to the audit log, and verifies it.

Each entry has the digest of the one before, so one that is changed, removed or put between
others is found. `Head` shows whether the last ones are missing. Someone who can write to the
database can also write a new chain. Keep the last digest elsewhere to notice that: every export
has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from jobsui.audit import origin
from jobsui.audit.models import Action, Entry, Head

MAX_TEXT = 200
"""Of a value in `before` and `after`."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was acted on."""

    kind: str
    """Such as "job"."""
    subject_id: str
    subject: str
    """What it is called."""
    connection: str = ""


def record(
    action: Action,
    subject: Subject,
    *,
    person: str = "",
    means: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry in the caller's transaction. `person`: the username, `means`: the component
    that acted; "": those of the request. `before`, `after`: JSON without secrets."""
    source = origin.current()
    with transaction.atomic():
        head = _locked_head()
        entry = Entry(
            number=head.number + 1,
            at=timezone.now(),
            person=person or source.person,
            means=means or source.means,
            address=source.address[:100],
            request=source.request,
            action=action.value,
            kind=subject.kind,
            subject_id=subject.subject_id,
            subject=subject.subject[:300],
            connection=subject.connection,
            before=_short(before),
            after=_short(after),
            previous_digest=head.digest,
        )
        entry.digest = entry.expected_digest
        entry.save()
        head.number = entry.number
        head.digest = entry.digest
        head.save()


def _locked_head() -> Head:
    head = Head.objects.select_for_update().filter(pk=1).first()
    if head is None:
        Head.objects.get_or_create(pk=1)
        head = Head.objects.select_for_update().get(pk=1)
    return head


def mistake() -> str:
    """What is wrong with the log, as a sentence; "" if it is as it was written."""
    number = 0
    digest = ""
    for entry in Entry.objects.order_by("number").iterator(chunk_size=1000):
        number += 1
        if entry.number != number:
            return f"Entry {number:,} is missing."
        if entry.previous_digest != digest:
            return f"Entry {number:,} does not follow the one before."
        if entry.digest != entry.expected_digest:
            return f"Entry {number:,} was changed."
        digest = entry.digest
    head = Head.objects.filter(pk=1).first() or Head()
    if (head.number, head.digest) != (number, digest):
        return f"The log ends with entry {number:,}, and {head.number:,} were written."
    return ""


def _short(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Long texts are cut: the log says what was done and holds no data."""
    return {
        name: f"{value[:MAX_TEXT]}…"
        if isinstance(value, str) and len(value) > MAX_TEXT
        else value
        for name, value in (values or {}).items()
    }
