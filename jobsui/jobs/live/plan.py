"""Plans a compared job from its pages: only rows that differ are sent, in full batches, each
with the action that fits its rows."""

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import QuerySet

from jobsui.jobs.enums import Action, Outcome, ParentRows, Purpose, Verdict
from jobsui.jobs.live import not_sent, read_rows, stored_problems
from jobsui.jobs.live.not_sent import KEY_NOT_FOUND
from jobsui.jobs.live.read_rows import ReadRow
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job, ReadPage, RecordRead, RowResult
from jobsui.jobs.models.batch import MAX_BATCH_SIZE
from jobsui.jobs.models.record_rows import FIRST_RECORD_ROW
from jobsui.jobs.preparation.pending_rows import Chunk, PlannedBatch
from jobsui.jobs.records import images
from jobsui.jobs.records.compare import FIELDS, Image
from jobsui.zendesk.payloads import Json

PAGES_PER_CHUNK = 500
"""How many pages are planned together. The last batch of each action need not be full."""
NOT_SENT = "not sent"
"""Not an action: rows that get their results without a request."""
LEFT_OUT = RowResult(Outcome.CANCELLED, "", "", "Left out after the comparison.")
SEVERAL_RECORDS = RowResult(
    Outcome.FAILED,
    "",
    "AmbiguousKey",
    "More than one record in Zendesk has this key. The row was not sent.",
)


def source_of(
    read: RecordRead,
) -> Callable[[Job, int, Callable[[int], None]], Generator[list[Chunk]]]:
    """For `planner.plan`."""

    def source(
        job: Job, after: int, _keep_lease: Callable[[int], None]
    ) -> Generator[list[Chunk]]:
        shared = _shared_rows(job)
        rows = read.pages.all()
        if read.purpose == Purpose.COMPARE:
            # An undo has the records that a job deleted as rows.
            rows = rows.filter(first_row__lt=FIRST_RECORD_ROW)
        while pages := _pages(rows, after, PAGES_PER_CHUNK):
            yield [_chunk(job, pages, shared)]
            after = pages[-1].last_row
        if not job.records_to_delete:
            return
        of_records = read.pages.filter(first_row__gte=FIRST_RECORD_ROW)
        while pages := _pages(of_records, after, PAGES_PER_CHUNK):
            yield [_deletions(pages)]
            after = pages[-1].last_row

    return source


def _shared_rows(job: Job) -> Sequence[tuple[int, int]]:
    """(first, last) row of the ranges whose records earlier jobs may change until these rows
    are sent."""
    if job.parent_rows == ParentRows.UNDONE:
        # It always reads the records again, and puts back nothing over a change.
        return ()
    return list(job.overlaps_with_earlier.values_list("first_row", "last_row"))


def _pages(pages: QuerySet[ReadPage], after: int, number: int) -> list[ReadPage]:
    found = pages.filter(last_row__gt=after).select_related("blob")
    return list(found.order_by("seq")[:number])


def _chunk(
    job: Job, pages: Iterable[ReadPage], shared: Sequence[tuple[int, int]]
) -> Chunk:
    """`shared`: (first, last) row of the ranges that earlier jobs may also change."""
    options = Options.from_json(job.options)
    results = not_sent.results_of(options)
    batches: dict[str, _Batches] = {}
    invalid = []
    last_row = 0
    for page in pages:
        invalid += stored_problems.unpacked(page.blob.invalid)
        last_row = page.last_row
        for row in read_rows.of_page(page.blob):
            is_shared = any(first <= row.number <= last for first, last in shared)
            planned = _planned(job, row, options, results, is_shared=is_shared)
            batches.setdefault(planned.kind, _Batches(planned.kind)).add(planned)
    found = [batch for each in batches.values() for batch in each.all()]
    # Later batches have later rows: the order of jobs relies on it (sql.blocked_rows).
    found.sort(key=lambda batch: batch.first_row)
    return Chunk(last_row, found, invalid)


@dataclass(frozen=True, slots=True)
class _Planned:
    kind: str
    """An action; "" for the action of the job; or NOT_SENT."""
    row: int
    line: bytes = b""
    result: RowResult | None = None
    image: Image | None = None
    """What its record held before."""


def _planned(
    job: Job,
    row: ReadRow,
    options: Options,
    results: Mapping[Verdict, RowResult],
    *,
    is_shared: bool,
) -> _Planned:
    """`results`: of rows that are not sent, by verdict. `is_shared`: an earlier job may
    change the record before this row is sent, so the comparison says nothing about it."""
    if row.is_left_out:
        return _Planned(NOT_SENT, row.number, row.line, LEFT_OUT)
    if result := results.get(row.verdict):
        return _Planned(NOT_SENT, row.number, row.line, result)
    if is_shared and options.only_existing and row.record_id:
        item = {"id": row.record_id} | json.loads(row.line)
        return _Planned(Action.UPDATE, row.number, _line(item))
    if is_shared:
        return _Planned("", row.number, row.line)
    match row.verdict:
        case Verdict.CHANGE if row.image:
            is_item = job.parent_rows == ParentRows.UNDONE
            line = row.line if is_item else _changes(row, row.image)
            return _Planned(Action.UPDATE, row.number, line, image=row.image)
        case Verdict.CREATE:
            return _Planned(Action.CREATE, row.number, row.line, image=row.image)
        case Verdict.DELETE:
            line = json.dumps(
                row.image.record_id if row.image else row.record_id
            ).encode()
            return _Planned(Action.DELETE, row.number, line, image=row.image)
        case Verdict.UNKNOWN:
            return _Planned("", row.number, row.line)
    return _Planned(NOT_SENT, row.number, row.line, _result(job, row))


def _deletions(pages: Iterable[ReadPage]) -> Chunk:
    """The deletions of records that only the account has."""
    batches = _Batches(Action.DELETE)
    last_row = 0
    for page in pages:
        last_row = page.last_row
        for row in read_rows.of_page(page.blob):
            if row.verdict is Verdict.DELETE and not row.is_left_out:
                line = json.dumps(row.record_id).encode()
                batches.add(_Planned(Action.DELETE, row.number, line, image=row.image))
    return Chunk(last_row, batches.all(), [])


def _changes(row: ReadRow, image: Image) -> bytes:
    """An item that updates only the values that differ."""
    item = json.loads(row.line)
    changed = {
        name: item[name] for name in ("name", "external_id") if name in image.old
    }
    fields = {
        key: value
        for key, value in (item.get(FIELDS) or {}).items()
        if f"{FIELDS}.{key}" in image.old
    }
    update = {"id": row.record_id} | changed
    if fields:
        update[FIELDS] = fields
    return _line(update)


def _line(item: dict[str, Json]) -> bytes:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()


def _result(job: Job, row: ReadRow) -> RowResult:
    match row.verdict:
        case Verdict.AMBIGUOUS:
            return SEVERAL_RECORDS
        case Verdict.KEPT:
            return RowResult(Outcome.UNCHANGED, row.record_id, "Kept", row.note)
        case Verdict.IMPOSSIBLE:
            return RowResult(Outcome.FAILED, row.record_id, "CannotUndo", row.note)
    is_done = row.verdict is Verdict.SAME or Action(job.action).deletes
    return RowResult(Outcome.UNCHANGED, row.record_id) if is_done else KEY_NOT_FOUND


@dataclass(slots=True)
class _Batches:
    """Collects the rows of one action into batches."""

    kind: str
    _rows: list[_Planned] = field(default_factory=list)
    _full: list[PlannedBatch] = field(default_factory=list)

    def add(self, row: _Planned) -> None:
        self._rows.append(row)
        if len(self._rows) == MAX_BATCH_SIZE:
            self._close()

    def all(self) -> list[PlannedBatch]:
        if self._rows:
            self._close()
        return self._full

    def _close(self) -> None:
        rows = [row.row for row in self._rows]
        lines = b"\n".join(row.line for row in self._rows)
        results = [row.result for row in self._rows if row.result]
        found = {index: row.image for index, row in enumerate(self._rows) if row.image}
        batch = PlannedBatch.of(
            rows,
            lines,
            own_action="" if self.kind == NOT_SENT else self.kind,
            results=results,
            images=images.packed(found),
        )
        self._full.append(batch)
        self._rows = []
