"""What a proof of landing found: in numbers, and the records that are not what was sent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from jobsui.jobs.enums import Action, Landing
from jobsui.jobs.live.read_rows import ReadRow
from jobsui.jobs.models import RecordRead
from jobsui.jobs.records.compare import FIELDS
from jobsui.jobs.reports import read_pages, record_keys, record_values
from jobsui.jobs.reports.record_values import ComparedValue, text_of
from jobsui.paging import Page
from jobsui.zendesk.payloads import time_of

LANDED = frozenset({Landing.EXACT, Landing.OTHER_FORM})
NOT_LANDED = frozenset(Landing) - LANDED
ROWS_PER_PAGE = 25


@dataclass(frozen=True, slots=True)
class ProvedRow:
    row: int
    landing: Landing
    record_id: str
    """ "" if Zendesk has not named it."""
    key: str
    """The key by which the row finds its record; "" if it has none."""
    values: Sequence[ComparedValue] = ()
    """The values that differ: `old` was sent, `new` is what the record holds."""
    updated_at: str = ""
    """Of the record, as Zendesk reports it; "" if there is none."""
    updated_by: str = ""
    """ID of the user who changed it last; "" if Zendesk does not say."""

    @property
    def changed_at(self) -> datetime | None:
        return time_of(self.updated_at)


@dataclass(frozen=True, slots=True)
class ProvedRows:
    """How many records hold what the job has sent."""

    landed: int
    other_form: int
    """How many of these are stored in another form."""
    rows: int


def proved(read: RecordRead) -> ProvedRows:
    counts = {landing: count(read, landing) for landing in Landing}
    return ProvedRows(
        landed=sum(counts[landing] for landing in LANDED),
        other_form=counts[Landing.OTHER_FORM],
        rows=sum(counts.values()),
    )


def count(read: RecordRead, landing: Landing) -> int:
    rows: int = read.counts.get(landing.name.lower(), 0)
    return rows


@dataclass(frozen=True, slots=True)
class OtherForm:
    """In which form records hold the values of a field."""

    name: str
    """Of the field, as in an Image."""
    form: str
    """A Form."""
    records: int
    sent: str
    """Of one of them; "" for blank, here and in `held`."""
    held: str


def other_forms(read: RecordRead) -> list[OtherForm]:
    """Of the records that hold the same in another form, the most frequent first. None of
    proofs from before these were counted."""
    found = [
        OtherForm(f"{FIELDS}.{key}", form, records, text_of(sent), text_of(held))
        for key, forms in read.other_forms.items()
        for form, (records, sent, held) in forms.items()
    ]
    return sorted(found, key=lambda each: (-each.records, each.name, each.form))


def page(
    read: RecordRead,
    landings: frozenset[Landing] = NOT_LANDED,
    *,
    after: int = 0,
    size: int = ROWS_PER_PAGE,
) -> Page[ProvedRow]:
    """Rows with one of these landings after row `after`."""
    pages = (
        (last_row, [_proved(row) for row in rows])
        for last_row, rows in read_pages.rows(read, landings, after)
    )
    found = read_pages.page(pages, after=after, size=size)
    without_key = [row.row for row in found.entries if not row.key]
    keys = record_keys.of_rows(read.job, without_key) if without_key else {}
    rows = [replace(row, key=row.key or keys.get(row.row, "")) for row in found.entries]
    return Page(rows, found.older, found.newer)


def _proved(row: ReadRow) -> ProvedRow:
    sent = row.content
    image = row.image
    return ProvedRow(
        row=row.number,
        landing=Landing(row.code),
        record_id=row.record_id or (image.record_id if image else ""),
        key=record_keys.of_item(sent["item"], Action(sent["action"])),
        values=record_values.sent_and_held(sent["item"], image) if image else (),
        updated_at=image.updated_at if image else "",
        updated_by=image.updated_by if image else "",
    )
