"""What the pages say about undoing a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from jobsui import paging
from jobsui.jobs import retention
from jobsui.jobs.control import comparisons, undo
from jobsui.jobs.enums import Outcome
from jobsui.jobs.live import undo_rows
from jobsui.jobs.live.reasons import Reason
from jobsui.jobs.live.row_ranges import RowRanges
from jobsui.jobs.models import BatchImages, Job, RecordRead
from jobsui.jobs.reports import job_changes, record_values, undone_rows
from jobsui.jobs.reports.record_values import ChangedField
from jobsui.jobs.reports.undone_rows import UndoList, UndoneRows
from jobsui.text import counted
from jobsui.web import shown_values
from jobsui.web.shown_values import GridRow

LISTS = {
    UndoList.RESTORED: ("Will be put back", "Put back"),
    UndoList.KEPT: ("Kept because changed since", "Kept because changed since"),
    UndoList.IMPOSSIBLE: ("Cannot be undone", "Not undone"),
}
"""{list: its heading before and after the launch}."""
MAX_ROWS_TEXT = 10_000
MAX_TICKED = 1_000
NOT_KEPT = (
    "What their records held before was not kept, because the job was not compared with "
    "Zendesk before its launch."
)


@dataclass(frozen=True, slots=True)
class Tab:
    """A link that chooses one of the lists."""

    name: str
    rows: int
    address: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Line:
    grid: GridRow
    reasons: Sequence[Reason]


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """A field that the undone job changed, as a check box."""

    field: ChangedField
    restored: int | None
    """How many of its cells the undo puts back; None: it is not chosen, or not known yet."""
    is_chosen: bool


class Choice:
    """What a person wants to undo of a job, as a form."""

    def __init__(self, job: Job, data: QueryDict | None = None) -> None:
        self._is_sent = data is not None and "chosen" in data
        self._fields = job_changes.changed_fields(job)
        self._ticked = set(data.getlist("field")) if data is not None else set()
        self.rows_text = _rows_text(data) if data is not None else ""
        self.ranges: RowRanges | None = None
        self.errors: dict[str, str] = {}
        if self._is_sent:
            self._read()

    @property
    def fields(self) -> list[FieldChoice]:
        return [
            FieldChoice(each, None, not self._is_sent or each.name in self._ticked)
            for each in self._fields
        ]

    @property
    def names(self) -> list[str] | None:
        """The names of the chosen values; None: all."""
        if not self._is_sent:
            return None
        chosen = [each.name for each in self._fields if each.name in self._ticked]
        return None if len(chosen) == len(self._fields) else chosen

    def _read(self) -> None:
        try:
            self.ranges = RowRanges.parsed(self.rows_text) or None
        except ValueError as error:
            self.errors["rows"] = (
                f"“{error}” is neither a row number nor a range such as 2-500."
            )
        if self.names == []:
            self.errors["fields"] = "Choose at least one field."


def _rows_text(data: QueryDict) -> str:
    """What was entered, or the rows that were ticked on a page of the job."""
    if "rows" in data:
        return str(data["rows"])[:MAX_ROWS_TEXT]
    numbers = map(paging.parse_integer, data.getlist("row")[:MAX_TICKED])
    return str(RowRanges.of(number for number in numbers if number))


def plan_fields(draft: Job, read: RecordRead) -> list[FieldChoice]:
    """What a planned undo puts back, field by field."""
    if draft.parent is None:
        return []
    chosen = undo_rows.chosen_fields(draft)
    return [
        FieldChoice(
            each,
            restored=read.changed_cells.get(each.name, (0, 0))[0]
            if is_chosen
            else None,
            is_chosen=is_chosen,
        )
        for each in job_changes.changed_fields(draft.parent)
        for is_chosen in [chosen is None or each.name in chosen]
    ]


def effects(job: Job) -> list[str]:
    """What an undo of a job would do, as sentences."""
    created = job.count(Outcome.CREATED)
    changed = job.count(Outcome.UPDATED) + job.count(Outcome.CREATED_OR_UPDATED)
    deleted = job.count(Outcome.DELETED)
    is_pruned = job.undo_pruned_at is not None
    has_images = not is_pruned and BatchImages.objects.filter(batch__job=job).exists()
    found = []
    if created:
        found.append(
            f"Created records ({created:,}) are deleted, unless they were changed since."
        )
    if changed and has_images:
        found.append(
            f"Changed fields ({counted(changed, 'record')}) get their old values back, if "
            "they still hold what this job wrote. Blank fields become blank again."
        )
    if deleted and has_images:
        found.append(
            f"Deleted records ({deleted:,}) are created again, with new IDs. Links to "
            "them, their attachments and photos are not restored."
        )
    if (changed or deleted) and not has_images:
        rows = counted(changed + deleted, "row")
        reason = retention.undo_notice(job) or NOT_KEPT
        found.append(f"{rows} cannot be undone. {reason}")
    found.append("Zendesk runs its triggers again for every record that is put back.")
    return found


def cost(job: Job) -> str:
    """What it costs to plan the undo, as sentences."""
    requests = comparisons.requests_for(undo.undoable_rows(job))
    return (
        f"First Jobs UI reads the records, which takes {counted(requests, 'request')}, and "
        "shows what it would put back. Nothing changes before you launch the undo."
    )


def sentence(rows: UndoneRows, *, is_launched: bool) -> str:
    """What is put back, in numbers."""
    found = (
        (rows.changes, "to change", "changed"),
        (rows.creates, "to create again", "created again"),
        (rows.deletes, "to delete", "deleted"),
    )
    parts = [f"{each[0]:,} {each[1 + is_launched]}" for each in found if each[0]]
    records = counted(rows.restored, "record")
    verb = "Put back" if is_launched else "Puts back"
    return f"{verb} {records}: {', '.join(parts)}" if parts else f"{verb} no record"


class Lists:
    """The three lists of an undo. The address of the page chooses one."""

    def __init__(self, undo: Job, read: RecordRead, query: Any) -> None:
        read.job = undo
        self.can_choose = undo.is_draft
        self._read = read
        self._labels = record_values.labels_of(undo)
        self._is_launched = not undo.is_draft
        self.rows = (
            undone_rows.done(undo, read)
            if self._is_launched
            else undone_rows.planned(read)
        )
        self.after = paging.parse_integer(query.get("after", "")) or 0
        self.chosen = self._chosen(query.get("list", ""))

    @property
    def shows_choices(self) -> bool:
        """Whether the rows have check boxes."""
        return self.can_choose and self.chosen is UndoList.RESTORED

    @property
    def query(self) -> str:
        """The query of the address, without the position in the list."""
        return urlencode({"list": self.chosen.value})

    @property
    def heading(self) -> str:
        return LISTS[self.chosen][self._is_launched]

    @property
    def tabs(self) -> list[Tab]:
        return [
            Tab(
                name=names[self._is_launched],
                rows=self._count(each),
                address=f"?{urlencode({'list': each.value})}#undo-rows",
                is_chosen=each is self.chosen,
            )
            for each, names in LISTS.items()
        ]

    def page(self) -> tuple[Sequence[Line], str]:
        """The rows, and the cursor of the next page."""
        left_out = self.rows.left_out if self.shows_choices else 0
        if not self._count(self.chosen) + left_out:
            return [], ""
        found = undone_rows.page(self._read, self.chosen, after=self.after)
        lines = [
            Line(shown_values.grid_row(row.compared, self._labels), row.reasons)
            for row in found.entries
        ]
        return lines, found.older

    def _count(self, chosen: UndoList) -> int:
        return {
            UndoList.RESTORED: self.rows.restored,
            UndoList.KEPT: self.rows.kept,
            UndoList.IMPOSSIBLE: self.rows.impossible,
        }[chosen]

    def _chosen(self, name: str) -> UndoList:
        """The list with this name, otherwise the first list that has rows."""
        if name in set(UndoList):
            return UndoList(name)
        with_rows = [each for each in UndoList if self._count(each)]
        return with_rows[0] if with_rows else UndoList.RESTORED


def lists_page(undo: Job, read: RecordRead, query: Any) -> dict[str, Any]:
    lists = Lists(undo, read, query)
    lines, older = lists.page()
    return {
        "undo": lists,
        "lines": lines,
        "older": older,
        "rows_notice": retention.rows_of_read_notice(read),
    }
