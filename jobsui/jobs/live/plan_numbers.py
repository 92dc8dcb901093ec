"""What launching a job would do, in the numbers that rules of approval ask for."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import Action, ParentRows, Verdict
from jobsui.jobs.live import planned_rows
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.rules import rules_of
from jobsui.jobs.models import ColumnFacts, Job, RecordRead

MAX_COUNT_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PlanNumbers:
    """Without a comparison, these are the most that can be."""

    sent: int
    """Rows, and deletions of records that only the account has."""
    deletes: int
    """Records."""
    changed: int
    """Records that exist and are changed or deleted."""
    blanked: int | None
    """Cells of records that become blank; None: not known."""
    records: int | None
    """How many the object has, as counted in the last day; None: not known."""


def of(job: Job, read: RecordRead | None) -> PlanNumbers:
    """`read`: the finished comparison of a checked job, or the finished read of an undo."""
    if job.parent_rows == ParentRows.UNDONE:
        return _of_undo(job, read)
    if read is not None:
        return _of_comparison(job, read)
    action = Action(job.action)
    rows = job.rows - job.rows_left_out
    exists = action is not Action.CREATE
    return PlanNumbers(
        sent=rows,
        deletes=rows if action.deletes else 0,
        changed=rows if exists else 0,
        blanked=_blank_cells(job) if exists and not action.deletes else 0,
        records=_records(job),
    )


def _of_comparison(job: Job, read: RecordRead) -> PlanNumbers:
    plan = planned_rows.of(read)
    deletes = plan.deletes + plan.records
    return PlanNumbers(
        sent=plan.sent + plan.records,
        deletes=deletes,
        changed=plan.changes + plan.unknown + deletes,
        blanked=_blanked(read),
        records=_records(job),
    )


def _of_undo(job: Job, read: RecordRead | None) -> PlanNumbers:
    if read is None:
        return PlanNumbers(job.rows, job.rows, job.rows, None, _records(job))
    counts, _left_out = planned_rows.by_verdict(read)
    changes = counts[Verdict.CHANGE]
    deletes = counts[Verdict.DELETE]
    return PlanNumbers(
        sent=changes + deletes + counts[Verdict.CREATE],
        deletes=deletes,
        changed=changes + deletes,
        blanked=_blanked(read),
        records=_records(job),
    )


def _blanked(read: RecordRead) -> int:
    """Also of rows that a person has left out."""
    return sum(blanked for _, blanked in read.changed_cells.values())


def _blank_cells(job: Job) -> int | None:
    """How many cells of the file can empty a field; None: they were not counted."""
    if job.file.is_raw_items:
        return None
    if Options.from_json(job.options).blank != "clear":
        return 0
    rules = rules_of(job.rules)
    if any(target in rules for target in job.mapping.values()):
        # A rule can make a text blank.
        return None
    filled = dict(
        ColumnFacts.objects.filter(file=job.file).values_list("name", "filled")
    )
    rows = job.file.rows or 0
    if not set(job.mapping) <= set(filled):
        return None
    return sum(rows - filled[column] for column in job.mapping)


def _records(job: Job) -> int | None:
    own = CustomObject.objects.filter(connection=job.connection, key=job.object_key)
    counted = own.filter(read_at__gte=timezone.now() - MAX_COUNT_AGE)
    return counted.values_list("record_count", flat=True).first()
