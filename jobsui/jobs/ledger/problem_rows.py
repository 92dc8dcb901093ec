"""Which rows have problems, as the check found them."""

from collections import defaultdict
from collections.abc import Iterable

from jobsui.jobs.ledger.row_sets import RowSet
from jobsui.jobs.models import Cause, Job, ProblemRows


def rows_of(causes: Iterable[Cause]) -> dict[int, RowSet]:
    """{id of a cause: its rows}. Causes of a check that stored none are left out."""
    stored = ProblemRows.objects.filter(cause__in=causes)
    parts: defaultdict[int, dict[int, bytes | memoryview]] = defaultdict(dict)
    for cause_id, part, bits in stored.values_list("cause", "part", "packed_bits"):
        parts[cause_id][part] = bits
    return {cause_id: RowSet.unpacked(found) for cause_id, found in parts.items()}


def invalid_rows(job: Job) -> RowSet:
    """The rows of a checked job that have problems. Empty once the job is over."""
    errors = Cause.objects.filter(job=job, phase=Cause.Phase.CHECK, is_warning=False)
    found = RowSet()
    for rows in rows_of(errors).values():
        found |= rows
    return found


def replace(cause: Cause, rows: RowSet) -> None:
    """Store the rows of a cause."""
    ProblemRows.objects.filter(cause=cause).delete()
    ProblemRows.objects.bulk_create(
        ProblemRows(cause=cause, part=part, packed_bits=bits)
        for part, bits in rows.packed().items()
    )
