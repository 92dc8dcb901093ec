"""What the pages say about the proof that a job has landed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from jobsui import paging
from jobsui.jobs.enums import Action, Landing, ParentRows, ReadState
from jobsui.jobs.mapping.comparison import Form
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.reports import proved_rows, record_history, record_values
from jobsui.jobs.reports.proved_rows import NOT_LANDED, OtherForm, ProvedRow
from jobsui.jobs.reports.record_values import ChangedField, ComparedValue
from jobsui.text import counted
from jobsui.web import shown_values, stored_forms_page

MEANINGS = {
    Landing.EXACT: "exactly as sent",
    Landing.OTHER_FORM: "the same in another form",
    Landing.ALTERED: "altered",
    Landing.CHANGED_SINCE: "changed since",
    Landing.GONE: "gone",
    Landing.STILL_THERE: "still there",
    Landing.UNKNOWN: "not found for certain",
}
EXPLANATIONS = {
    Landing.ALTERED: (
        "Altered: Zendesk holds another value, though the record was not changed since. A "
        "trigger or the account itself has done it."
    ),
    Landing.CHANGED_SINCE: (
        "Changed since: the record was changed after the job had written it."
    ),
    Landing.GONE: (
        "Gone: the record was deleted since, or this connection is not allowed to see it."
    ),
    Landing.STILL_THERE: "Still there: the job deleted the record, and Zendesk shows it.",
    Landing.UNKNOWN: (
        "Not found for certain: only a search can find the record, or a value refers to "
        "another record by its external ID."
    ),
}


@dataclass(frozen=True, slots=True)
class LandingCount:
    meaning: str
    rows: int
    address: str
    """ "" for records that landed: they are not listed."""
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Line:
    row: ProvedRow
    meaning: str
    values: Sequence[tuple[str, ComparedValue]]
    """(label of the field, sent and held value)."""
    hidden: int
    later_job: Job | None
    """The last job launched since that has touched the record."""


@dataclass(frozen=True, slots=True)
class OtherFormLine:
    label: str
    """Of the field."""
    form: str
    """In words."""
    seen: OtherForm


def sentence(read: RecordRead, job: Job) -> str:
    found = proved_rows.proved(read)
    numbers = f"{found.landed:,} of {counted(found.rows, 'record')}"
    verb = "is" if found.landed == 1 else "are"
    if Action(job.action).deletes:
        return f"{numbers} {verb} deleted"
    wanted = "as sent" if job.parent_rows == ParentRows.UNDONE else "as in your file"
    exactly = "" if found.other_form else "exactly "
    return f"{numbers} {verb} {exactly}{wanted}"


def summary(read: RecordRead | None, job: Job) -> str:
    """A sentence for the page of the job."""
    if read is None:
        return ""
    if read.is_open:
        return "The records are being read."
    if read.state == ReadState.DONE:
        return f"{sentence(read, job)}."
    return f"Not proved. {read.reason}".strip()


class Landings:
    """The records that are not what was sent, as far as the address of the page chooses them."""

    def __init__(self, read: RecordRead, job: Job, query: Any) -> None:
        read.job = job
        self._read = read
        self._job = job
        self._labels = record_values.labels_of(job)
        self.after = paging.parse_integer(query.get("after", "")) or 0
        codes = {_code(landing): landing for landing in NOT_LANDED}
        self.landing = codes.get(query.get("landing", ""))

    @property
    def query(self) -> str:
        """The query of the address, without the position in the list."""
        return urlencode({"landing": _code(self.landing)}) if self.landing else ""

    @property
    def fields(self) -> list[ChangedField]:
        return record_values.changed_fields(self._read, self._labels)

    @property
    def counts(self) -> list[LandingCount]:
        return [
            LandingCount(
                meaning=self._meaning(landing),
                rows=proved_rows.count(self._read, landing),
                address=f"?landing={_code(landing)}#landings"
                if landing in NOT_LANDED
                else "",
                is_chosen=landing is self.landing,
            )
            for landing in Landing
            if landing is Landing.EXACT or proved_rows.count(self._read, landing)
        ]

    @property
    def other_forms(self) -> list[OtherFormLine]:
        """In which forms records hold the same as was sent."""
        return [
            OtherFormLine(
                label=self._labels.of(each.name),
                form=stored_forms_page.TEXTS[Form(each.form)],
                seen=each,
            )
            for each in proved_rows.other_forms(self._read)
        ]

    @property
    def explanations(self) -> list[str]:
        return [
            text
            for landing, text in EXPLANATIONS.items()
            if proved_rows.count(self._read, landing)
        ]

    def page(self) -> tuple[list[Line], str]:
        """The rows, and the cursor of the next page."""
        chosen = frozenset([self.landing]) if self.landing else NOT_LANDED
        if not any(proved_rows.count(self._read, landing) for landing in chosen):
            return [], ""
        found = proved_rows.page(self._read, chosen, after=self.after)
        ids = {row.record_id for row in found.entries if row.record_id}
        later = record_history.later_jobs(self._job, ids)
        lines = [self._line(row, later.get(row.record_id)) for row in found.entries]
        return lines, found.older

    def _line(self, row: ProvedRow, later_job: Job | None) -> Line:
        values, hidden = shown_values.first_values(row.values, self._labels)
        return Line(row, self._meaning(row.landing), values, hidden, later_job)

    def _meaning(self, landing: Landing) -> str:
        is_deleted = landing is Landing.EXACT and Action(self._job.action).deletes
        return "deleted" if is_deleted else MEANINGS[landing]


def _code(landing: Landing) -> str:
    return landing.name.lower()
