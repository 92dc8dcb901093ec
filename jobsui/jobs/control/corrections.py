"""Corrections: texts that a person changes after the upload. They are kept beside the file,
which stays as it came, until the job is launched. Everything that reads the rows of the job
reads them corrected."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import TYPE_CHECKING, Any

from django.db import transaction

from jobsui import paging
from jobsui.jobs import retention
from jobsui.jobs.enums import EventKind, JobState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.models import Correction, CorrectionUpload, Job
from jobsui.jobs.preparation import checker
from jobsui.jobs.preparation.corrected_cells import Change, CorrectedCells, changes_of
from jobsui.paging import Page
from jobsui.text import storable_text

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from jobsui.jobs.preparation.recheck import Rechecked

MAX_CORRECTIONS = 10_000
MAX_TRIES = 3
ROWS_PER_QUERY = 1_000
MAX_LENGTH = 1 << 20
"""Characters of a corrected text."""
LAUNCHED = "This job was already launched. Its rows can no longer be corrected."
NO_TABLE = "Items of a program have no cells to correct. Send them again, corrected."
UNREADABLE_ROW = (
    "Row {:,} cannot be read as a row of the table, so its cells cannot be corrected. "
    "Correct it in the file, and upload that again."
)


@dataclass(frozen=True, slots=True)
class CellChange:
    row: int
    """As a person sees it on opening the file."""
    column: str
    after: str


def correct_cell(
    job: Job, row: int, column: str, after: str, *, by: "User | None"
) -> None:
    """Change the text of one cell of a draft, and check the row again. With the text that
    the cell would have otherwise, its correction is undone. Raises NotPossibleNow and
    FileRefused."""
    correct_many(job, [CellChange(row, column, after)], by=by)


def correct_many(job: Job, changes: Sequence[CellChange], *, by: "User | None") -> None:
    """`correct_cell` for many cells at once: all of them, or none."""
    _require_draft(job)
    _require_columns(job, [change.column for change in changes])
    originals = _originals(job, changes)
    made = CorrectedCells(changes_of(job))
    edit = _Edit(EventKind.CORRECTED)
    cells: dict[tuple[int, str], str] = {}
    for change in changes:
        cells[change.row, change.column] = _storable(change.after)
    for (row, column), after in cells.items():
        original = originals[row, column]
        if made.text(row, column, original) == after:
            continue
        edit.cells[row, column] = None
        without_own = made.texts.get(column, {}).get(original, original)
        if after != without_own:
            edit.added.append(
                Correction(
                    job=job, row=row, column=column, before=original, after=after, by=by
                )
            )
    if not edit.cells:
        return
    row, column = next(iter(edit.cells)) if len(edit.cells) == 1 else (0, "")
    edit.facts = {"cells": len(edit.cells), "row": row, "column": column}
    _apply(job, edit, by=by)


def replace_text(
    job: Job, column: str, before: str, after: str, *, by: "User | None"
) -> None:
    """Give every cell of a column that has the text `before`, as corrected up to now,
    another one, and check these rows again. Raises NotPossibleNow and FileRefused."""
    replace_texts(job, column, {before: after}, by=by)


def replace_texts(
    job: Job, column: str, texts: Mapping[str, str], *, by: "User | None"
) -> None:
    """`replace_text` for several texts of a column, all at the same time."""
    _require_draft(job)
    _require_columns(job, [column])
    changed = {
        before: _storable(after) for before, after in texts.items() if after != before
    }
    facts = {"column": column, "values": len(changed)}
    edit = _Edit(EventKind.TEXT_REPLACED, facts=facts)
    made = changes_of(job)
    for before in _ordered(changed):
        for change in _changes_for(made, column, before):
            edit.replace(change)
            edit.added.append(
                Correction(
                    job=job,
                    row=change.row,
                    column=column,
                    before=change.before,
                    after=changed[before],
                    by=by,
                )
            )
    if edit.added:
        _apply(job, edit, by=by)


def _ordered(texts: Mapping[str, str]) -> list[str]:
    """The texts to replace in an order in which none is replaced by another one that is
    replaced later."""
    found: dict[str, None] = {}
    for text in texts:
        chain = [text]
        while (following := texts[chain[-1]]) in texts and following not in found:
            if following in chain:
                raise NotPossibleNow(
                    f"“{text}” cannot be replaced by “{texts[text]}” and the other way round at "
                    "once. Replace one after the other."
                )
            chain.append(following)
        found |= dict.fromkeys(reversed(chain))
    return list(found)


def _changes_for(made: Sequence[Change], column: str, before: str) -> list[Change]:
    """The changes to make so that all cells with the text `before` get another one."""
    new = Change(None, column, before, before)
    if not any(each.replaces_same(new) for each in made):
        return [new]
    # Cells that have this text in the file have another one by now. Those that have it now
    # have it from corrections.
    cells = CorrectedCells(made)
    return [
        each for each in made if each.column == column and cells.result(each) == before
    ]


def undo(correction: Correction, *, by: "User | None") -> None:
    """Give the cells of a correction the text that they have without it, and check their
    rows again. Raises NotPossibleNow and FileRefused."""
    job = correction.job
    _require_draft(job)
    edit = _Edit(
        EventKind.CORRECTION_UNDONE,
        facts={"row": correction.row or 0, "column": correction.column},
    )
    edit.replace(
        Change(correction.row, correction.column, correction.before, correction.after)
    )
    _apply(job, edit, by=by)


def page(job: Job, cursor: str = "") -> Page[Correction]:
    """The corrections of a job, the newest first. Raises BadCursor."""
    made = job.corrections.select_related("by").order_by("-pk")
    if cursor:
        made = made.filter(pk__lt=paging.number(cursor))
    entries = list(made[: paging.SIZE + 1])
    shown = entries[: paging.SIZE]
    older = str(shown[-1].pk) if len(entries) > paging.SIZE else ""
    return Page(shown, older, "")


def copy(job: Job, to: Job) -> None:
    """Give a new job of rows of another job the corrections of these."""
    made = job.corrections.order_by("pk")
    Correction.objects.bulk_create(
        Correction(
            job=to,
            row=correction.row,
            column=correction.column,
            before=correction.before,
            after=correction.after,
            by_id=correction.by_id,
        )
        for correction in made
    )


def delete_all(job: Job, *, by: lifecycle.Actor) -> None:
    """Delete the corrections of a draft whose rows become other ones."""
    number, _ = job.corrections.all().delete()
    CorrectionUpload.objects.filter(job=job).delete()
    if number:
        facts = {"number": number}
        lifecycle.record(job, EventKind.CORRECTIONS_DELETED, by=by, facts=facts)


@dataclass(slots=True)
class _Edit:
    """What changes. Earlier corrections of the same cells and texts are replaced."""

    event: EventKind
    facts: Mapping[str, Any] = field(default_factory=dict)
    cells: dict[tuple[int, str], None] = field(default_factory=dict)
    """(row, column), in their order."""
    texts: list[tuple[str, str]] = field(default_factory=list)
    """(column, text before)."""
    added: list[Correction] = field(default_factory=list)

    def replace(self, change: Change) -> None:
        """Take this correction, or an earlier one of the same cells, away."""
        if change.row is None:
            self.texts.append((change.column, change.before))
        else:
            self.cells[change.row, change.column] = None

    def replaces(self, change: Change) -> bool:
        if change.row is None:
            return (change.column, change.before) in self.texts
        return (change.row, change.column) in self.cells


def _apply(job: Job, edit: _Edit, *, by: "User | None") -> None:
    for _ in range(MAX_TRIES):
        job.refresh_from_db()
        checked = _rechecked(job, edit)
        if _is_stored(job, edit, checked, by=by):
            return
    # Other people correct the draft at the same time.
    _is_stored(job, edit, None, by=by)


@dataclass(frozen=True, slots=True)
class _Checked:
    fingerprint: str
    """Of the draft before the edit."""
    result: "Rechecked"


def _rechecked(job: Job, edit: _Edit) -> _Checked | None:
    """The rows concerned, checked again. None: the draft is not checked, or must be checked as
    a whole."""
    if job.state != JobState.READY:
        return None
    before = checker.fingerprint(job)
    if before != job.checked_fingerprint:
        return None
    # Web processes import this module, and blocks need pyarrow, which takes 46 MB.
    from jobsui.jobs.preparation.recheck import recheck  # noqa: PLC0415

    made = changes_of(job)
    left = [change for change in made if not edit.replaces(change)]
    added = [
        Change(each.row, each.column, each.before, each.after) for each in edit.added
    ]
    result = recheck(job, CorrectedCells(made), CorrectedCells([*left, *added]))
    return _Checked(before, result) if result else None


def _is_stored(
    job: Job, edit: _Edit, checked: _Checked | None, *, by: "User | None"
) -> bool:
    """False: the draft has changed since it was checked again."""
    with transaction.atomic():
        locked = Job.objects.select_for_update().get(pk=job.pk)
        if not locked.is_draft:
            raise NotPossibleNow(LAUNCHED)
        if checked and not _is_unchanged(locked, checked):
            return False
        _store(job, edit)
        lifecycle.record(job, edit.event, by=by, facts=edit.facts)
        lifecycle.void_approval(job, by=by, changed="corrections")
        job.refresh_from_db()
        if checked:
            checked.result.store(job)
        elif job.state == JobState.READY:
            checker.start(job, by=by)
    return True


def _is_unchanged(job: Job, checked: _Checked) -> bool:
    is_ready = job.state == JobState.READY
    return is_ready and checker.fingerprint(job) == checked.fingerprint


def _store(job: Job, edit: _Edit) -> None:
    rows_by_column: defaultdict[str, list[int]] = defaultdict(list)
    for row, column in edit.cells:
        rows_by_column[column].append(row)
    for column, rows in rows_by_column.items():
        for part in batched(rows, ROWS_PER_QUERY):
            job.corrections.filter(column=column, row__in=part).delete()
    for column, before in edit.texts:
        job.corrections.filter(column=column, row=None, before=before).delete()
    Correction.objects.bulk_create(edit.added)
    if job.corrections.count() > MAX_CORRECTIONS:
        raise NotPossibleNow(
            f"A job has at most {MAX_CORRECTIONS:,} corrections. Correct the file, and "
            "upload that."
        )


def _require_draft(job: Job) -> None:
    if not job.is_draft:
        raise NotPossibleNow(LAUNCHED)
    if job.file.is_raw_items:
        raise NotPossibleNow(NO_TABLE)
    if deleted := retention.file_notice(job.file):
        raise NotPossibleNow(f"The rows cannot be corrected. {deleted}")
    if not job.file.is_here:
        raise NotPossibleNow(
            f"The file of this job is stored on another machine, {job.file.storage_id}. "
            "Correct its rows there."
        )


def _storable(text: str) -> str:
    if len(text) > MAX_LENGTH:
        raise NotPossibleNow(f"A cell can have at most {MAX_LENGTH:,} characters.")
    return storable_text(text)


def _require_columns(job: Job, columns: Iterable[str]) -> None:
    for column in columns:
        if column not in job.file.columns:
            raise NotPossibleNow(f"The file has no column {column}.")


def _originals(job: Job, changes: Sequence[CellChange]) -> dict[tuple[int, str], str]:
    """{(row, column): text in the file}. Raises NotPossibleNow for rows that cannot be
    corrected."""
    # Web processes import this module, and blocks need pyarrow, which takes 46 MB.
    from jobsui.jobs.preparation import staged_rows  # noqa: PLC0415

    columns: defaultdict[int, list[str]] = defaultdict(list)
    for change in changes:
        columns[change.row].append(change.column)
    indexes = {column: index for index, column in enumerate(job.file.columns)}
    found: dict[tuple[int, str], str] = {}
    with staged_rows.open_staged(job.file) as staged:
        for block in staged_rows.blocks_with(staged, sorted(columns)):
            for number, _ in block.odd:
                raise NotPossibleNow(UNREADABLE_ROW.format(number))
            for index, row in enumerate(block.numbers.to_pylist()):
                for column in columns.pop(row):
                    texts = block.columns[indexes[column]].texts
                    found[row, column] = texts[index].as_py()
    for row in columns:
        raise NotPossibleNow(f"The file has no row {row:,}.")
    return found
