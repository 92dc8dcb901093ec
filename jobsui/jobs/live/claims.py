"""Claims: the values of a record that a later job has written, or has found as its file says.
An undo does not change them. A claim ends when its job is undone, and begins again when that
undo is undone."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobsui.jobs.enums import SUCCEEDED, Action, ParentRows
from jobsui.jobs.ledger.unreadable import stored_results
from jobsui.jobs.mapping.field_targets import FIELD, api_name
from jobsui.jobs.models import Batch, BatchBlob, Job, RecordHistory
from jobsui.jobs.models.batch import Unreadable
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
        launched = Job.objects.on_account(job.connection.host).launched()
        later = launched.filter(
            object_key=job.object_key, created_at__gt=job.created_at
        ).exclude(pk=job.pk)
        self.jobs = list(
            later.select_related("file", "parent__parent__file").order_by(
                "created_at", "pk"
            )
        )

    def claims_of(self, chains: Mapping[str, Collection[str]]) -> dict[str, Claims]:
        """`chains`: {key: all IDs of a record}. Returns {key: the claims on its record}, without
        records that no later job has touched."""
        first_ids = {
            record_id: first for first, chain in chains.items() for record_id in chain
        }
        found: defaultdict[str, Claims] = defaultdict(Claims)
        for job in self.jobs:
            for record_id, batch, item in _touches(job, first_ids):
                _apply(found[first_ids[record_id]], job, batch, item)
        return dict(found)


def _apply(claims: Claims, job: Job, batch: Batch, item: Any) -> None:
    names = _names(job, batch, item)
    is_undo = job.parent_rows == ParentRows.UNDONE
    undone = job.parent if is_undo else None
    is_second_undo = undone is not None and undone.parent_rows == ParentRows.UNDONE
    for name in names:
        if undone is not None and not is_second_undo:
            claims.jobs[name] = [
                each for each in claims.jobs[name] if each.pk != undone.pk
            ]
        elif is_second_undo and undone is not None and undone.parent is not None:
            claims.jobs[name].append(undone.parent)
        else:
            claims.jobs[name].append(job)


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


def _touches(job: Job, record_ids: Collection[str]) -> Iterable[tuple[str, Batch, Any]]:
    """(record ID, batch, item) of the rows of a job that concern these records."""
    hashes = {hash_of("id", record_id): record_id for record_id in record_ids}
    wanted: dict[int, str] = {}
    for key_hash, record_id in hashes.items():
        for part in RecordHistory.objects.filter(
            job=job, first__lte=key_hash, last__gte=key_hash
        ):
            wanted |= dict.fromkeys(part.rows_of(key_hash), record_id)
    if not wanted:
        return
    for row, record_id in sorted(wanted.items()):
        batches = Batch.objects.filter(job=job, first_row__lte=row, last_row__gte=row)
        for batch in batches.select_related("job"):
            blob = BatchBlob.objects.select_related("batch__job").get(batch=batch)
            for index, (number, result) in enumerate(stored_results(blob)):
                if result is None or result.outcome not in SUCCEEDED:
                    continue
                if number == row and result.record_id == record_id:
                    yield record_id, batch, _item(blob, index)


def _item(blob: BatchBlob, index: int) -> Any:
    try:
        return blob.items[index]
    except (Unreadable, IndexError):
        return None
