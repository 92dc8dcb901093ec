"""Causes: the problems of a job's rows, grouped by kind and counted."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from django.db.models import F

from jobsui.jobs import sql
from jobsui.jobs.enums import Outcome
from jobsui.jobs.models import Batch, Cause, RowError
from jobsui.jobs.models.record_rows import is_record_row

type CauseKey = tuple[int, str]
"""A job's id and a signature."""

MAX_SAMPLE_ROWS = 20
MAX_SAMPLE_VALUES = 5
PARTICULARS = re.compile(
    r"'[^']*'|\"[^\"]*\"|\b[0-9A-HJKMNP-TV-Z]{26}\b|\d+",
)
"""Quoted values, record ids and numbers within a message."""


class FailedRow(NamedTuple):
    """A row that did not succeed, and the cause it counts towards. It becomes a RowError
    without a model object, which would cost more than all the rest of a row."""

    job_id: int
    batch_id: int | None
    row: int
    outcome: str
    code: str
    column: str
    value: str
    message: str
    signature: str
    general: str
    """What the cause says of all its rows."""
    fix: str = ""
    """What to do about it, as a sentence; "" when only Zendesk's message is known."""


ROW_ERROR_FIELDS = FailedRow._fields[: FailedRow._fields.index("signature")]
"""Those of a FailedRow that its RowError has, too."""


def signature(code: str, column: str, message: str) -> str:
    """The same for two messages that differ only in numbers, ids and quoted values."""
    general = PARTICULARS.sub("…", message)
    return hashlib.sha256("\x00".join((code, column, general)).encode()).hexdigest()


def record_failed_rows(rows: Iterable[FailedRow]) -> None:
    """Save the errors of these rows, each under its cause, and count the causes."""
    by_cause: defaultdict[CauseKey, list[FailedRow]] = defaultdict(list)
    for row in rows:
        by_cause[row.job_id, row.signature].append(row)
    causes = _causes_of(by_cause)
    errors: list[tuple[Any, ...]] = []
    for key, failed_rows in by_cause.items():
        cause = causes.get(key) or _created_cause(failed_rows[0])
        _count(cause, failed_rows)
        errors += [(cause.pk, *row[: len(ROW_ERROR_FIELDS)]) for row in failed_rows]
    sql.insert_many(RowError, ("cause_id", *ROW_ERROR_FIELDS), errors)


def remove_uncertain_rows(batch: Batch) -> None:
    """Delete the errors of a batch's uncertain rows, and causes that count none then."""
    uncertain = RowError.objects.filter(batch=batch, outcome=Outcome.UNCERTAIN)
    counts = Counter(uncertain.values_list("cause", flat=True))
    for cause_id, number in counts.items():
        Cause.objects.filter(pk=cause_id).update(count=F("count") - number)
    uncertain.delete()
    sent = Cause.objects.filter(job=batch.job_id, phase=Cause.Phase.SEND)
    sent.filter(count=0).delete()


def _causes_of(keys: Collection[CauseKey]) -> dict[CauseKey, Cause]:
    """Those of them that have rows already."""
    if not keys:
        return {}
    found = Cause.objects.filter(
        job__in={job_id for job_id, _ in keys},
        phase=Cause.Phase.SEND,
        signature__in={signature for _, signature in keys},
    )
    return {(cause.job_id, cause.signature): cause for cause in found}


def _created_cause(row: FailedRow) -> Cause:
    cause, _ = Cause.objects.get_or_create(
        job_id=row.job_id,
        phase=Cause.Phase.SEND,
        signature=row.signature,
        defaults={
            "code": row.code,
            "column": row.column,
            "message": row.general,
            "fix": row.fix,
        },
    )
    return cause


def _count(cause: Cause, rows: Sequence[FailedRow]) -> None:
    numbers = [row.row for row in rows if not is_record_row(row.row)]
    values = [row.value for row in rows if row.value]
    distinct_values = list(dict.fromkeys([*cause.sample_values, *values]))
    Cause.objects.filter(pk=cause.pk).update(
        count=F("count") + len(rows),
        sample_rows=[*cause.sample_rows, *numbers][:MAX_SAMPLE_ROWS],
        sample_values=distinct_values[:MAX_SAMPLE_VALUES],
    )
