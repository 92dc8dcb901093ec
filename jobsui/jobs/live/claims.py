"""Claims: the values of a record that a later job has written, or has found as its file says.
An undo does not change them. A claim ends when its job is undone, and begins again when that
undo is undone."""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from jobsui.jobs.enums import SUCCEEDED, Action, JobState, Outcome, ParentRows
from jobsui.jobs.ledger.unreadable import stored_items, stored_results
from jobsui.jobs.live import new_ids
from jobsui.jobs.live.row_ranges import RowRanges
from jobsui.jobs.mapping.field_targets import FIELD, api_name
from jobsui.jobs.mapping.options import UNDO_FIELDS, UNDO_ROWS
from jobsui.jobs.models import Batch, BatchBlob, Job, RecordHistory
from jobsui.jobs.preparation.single_hash import hash_of
from jobsui.jobs.records.compare import FIELDS, MEMBERS

WHOLE_RECORD = "*"
"""The claim of a job that has created or deleted the record."""


@dataclass(slots=True)
class Claims:
    """The claims on one record: {name of a value: the jobs that claim it}."""

    jobs: defaultdict[str, list[Job]] = field(default_factory=lambda: defaultdict(list))

    def of(self, name: str) -> Job | None:
        """The last job that claims a value, or the whole record."""
        found = [*self.jobs[WHOLE_RECORD], *self.jobs[name]]
        return max(found, key=lambda job: job.created_at) if found else None

    def any(self) -> Job | None:
        found = [job for jobs in self.jobs.values() for job in jobs]
        return max(found, key=lambda job: job.created_at) if found else None


class LaterJobs:
    """The jobs that were launched after a job, on the same object of the same account."""

    def __init__(self, job: Job) -> None:
        self.job = job
        later = Job.objects.later_than(job).order_by("created_at", "pk")
        self.jobs = list(later.select_related("file", "parent__parent__file"))
        self._histories: dict[int, _History] = {}
        self._has_new_ids = new_ids.has_any(job)

    def chains_of(self, record_ids: Collection[str]) -> dict[str, list[str]]:
        """As `new_ids.chains`."""
        if not self._has_new_ids:
            return {record_id: [record_id] for record_id in record_ids}
        return new_ids.chains(self.job, record_ids)

    def claims_of(self, chains: Mapping[str, Collection[str]]) -> dict[str, Claims]:
        """`chains`: {key: all IDs of a record}. Returns {key: the claims on its record}, without
        records that no later job has touched."""
        first_ids = {
            record_id: first for first, chain in chains.items() for record_id in chain
        }
        found: defaultdict[str, Claims] = defaultdict(Claims)
        for job in self.jobs:
            undone = _undone_by(job)
            if undone and undone[-1].pk == self.job.pk:
                # What a job has written again keeps nothing from its own undo.
                continue
            for touch in self._history_of(job).touches(first_ids):
                names = _names(job, touch.batch, touch.item)
                _apply(found[first_ids[touch.record_id]], job, undone, names)
            # A row that has changed nothing claims what it does at the time of its own job.
            original = undone[-1] if undone else None
            if original in self.jobs and job.state == JobState.COMPLETED:
                for touch in self._history_of(original).touches(first_ids):
                    if _is_undone_without_row(touch, job):
                        names = _names(original, touch.batch, touch.item)
                        names &= _chosen_fields(job) or names
                        _apply(found[first_ids[touch.record_id]], job, undone, names)
        return dict(found)

    def _history_of(self, job: Job) -> "_History":
        # Read once. That two threads read it at the same time does no harm.
        if job.pk not in self._histories:
            self._histories[job.pk] = _History(job)
        return self._histories[job.pk]


@dataclass(frozen=True, slots=True)
class _Touch:
    """A row that concerns a record."""

    record_id: str
    row: int
    outcome: Outcome
    batch: Batch
    item: Any


def _undone_by(job: Job) -> list[Job]:
    """The job that an undo undoes, the one that this undoes if it is an undo, too, and so on. The
    last one is no undo. Empty for a job that is no undo."""
    undone: list[Job] = []
    while job.parent is not None and job.parent_rows == ParentRows.UNDONE:
        job = job.parent
        undone.append(job)
    return undone


def _is_undone_without_row(touch: _Touch, undo: Job) -> bool:
    """Whether an undo has no row for a row of its job, because that has changed nothing. The
    claim ends all the same."""
    rows = undo.options.get(UNDO_ROWS)
    is_chosen = rows is None or touch.row in RowRanges.from_json(rows)
    return touch.outcome is Outcome.UNCHANGED and is_chosen


def _chosen_fields(undo: Job) -> set[str]:
    """Empty: all."""
    return set(undo.options.get(UNDO_FIELDS, ()))


def _apply(
    claims: Claims, job: Job, undone: Sequence[Job], names: Collection[str]
) -> None:
    """`undone`: as `_undone_by`. Each undo of the chain turns the claim of its last job."""
    claiming = undone[-1] if undone else job
    is_end = len(undone) % 2 == 1
    for name in names:
        if is_end:
            claims.jobs[name] = [
                each for each in claims.jobs[name] if each.pk != claiming.pk
            ]
        else:
            claims.jobs[name].append(claiming)


def _names(job: Job, batch: Batch, item: Any) -> set[str]:
    """The values that a row claims."""
    if batch.action in {Action.CREATE, Action.DELETE, Action.DELETE_BY_EXTERNAL_ID}:
        return {WHOLE_RECORD}
    if job.parent_rows != ParentRows.UNDONE and job.mapping:
        # After a comparison, only what differs is sent. But the job claims all values of its row.
        return {_name_of(target) for target in job.mapping.values()}
    if not isinstance(item, Mapping):
        return {WHOLE_RECORD}
    fields = {f"{FIELDS}.{key}" for key in item.get(FIELDS) or {}}
    return fields | {name for name in MEMBERS if name in item}


def _name_of(target: str) -> str:
    return f"{FIELDS}.{api_name(target)}" if target.startswith(FIELD) else target


class _History:
    """Finds the rows of one job that concern some records."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._parts = array("q")
        self._first = array("q")
        self._last = array("q")
        """The ID, and the lowest and the highest hash, of each part of its history."""
        # They were created in the order of their hashes.
        parts = RecordHistory.objects.filter(job=job).order_by("pk")
        for pk, first, last in parts.values_list("pk", "first", "last").iterator():
            self._parts.append(pk)
            self._first.append(first)
            self._last.append(last)

    def touches(self, record_ids: Iterable[str]) -> Iterator[_Touch]:
        """The rows that concern these records."""
        record_of = self._record_of(record_ids)
        searched: set[int] = set()
        found: set[int] = set()
        for row in sorted(record_of):
            # A row is in one batch, whose other rows have been found with it.
            batches = () if row in found else self._batches_of(row)
            for batch in batches:
                if batch.pk in searched:
                    continue
                searched.add(batch.pk)
                for touch in _succeeded(batch):
                    found.add(touch.row)
                    if record_of.get(touch.row) == touch.record_id:
                        yield touch

    def _record_of(self, record_ids: Iterable[str]) -> dict[int, str]:
        """{row: the ID of the record that it may concern}. Other IDs may have the same
        hash."""
        hashes = {hash_of("id", record_id): record_id for record_id in record_ids}
        hashes_of: defaultdict[int, list[int]] = defaultdict(list)
        for key_hash in hashes:
            for pk in self._parts_with(key_hash):
                hashes_of[pk].append(key_hash)
        parts = RecordHistory.objects.in_bulk(hashes_of)
        return {
            row: hashes[key_hash]
            for pk, part in parts.items()
            for key_hash in hashes_of[pk]
            for row in part.rows_of(key_hash)
        }

    def _parts_with(self, key_hash: int) -> Iterator[int]:
        """The IDs of the parts that may have the hash."""
        index = bisect_left(self._last, key_hash)
        while index < len(self._parts) and self._first[index] <= key_hash:
            yield self._parts[index]
            index += 1

    def _batches_of(self, row: int) -> QuerySet[Batch]:
        """Those that may have the row: the rows of several may overlap."""
        batches = Batch.objects.filter(first_row__lte=row, last_row__gte=row)
        return batches.filter(job=self._job).select_related("job")


def _succeeded(batch: Batch) -> Iterator[_Touch]:
    """The rows of a batch that have succeeded."""
    blob = BatchBlob.objects.select_related("batch__job").get(batch=batch)
    items = dict(stored_items(blob))
    for row, result in stored_results(blob):
        if result is not None and result.outcome in SUCCEEDED:
            yield _Touch(result.record_id, row, result.outcome, batch, items.get(row))
