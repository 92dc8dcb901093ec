"""Reading every row before anything is sent: what is wrong, where, and how often."""

import contextlib
import hashlib
import json
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobsui.files.errors import FileRefused
from jobsui.files.layout import Row
from jobsui.files.table import Table
from jobsui.jobs import leases
from jobsui.jobs.enums import Action, Component, EventKind, JobState, Outcome
from jobsui.jobs.errors import MappingRefused, NotPossibleNow
from jobsui.jobs.ledger import causes, lifecycle
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.mapping import values
from jobsui.jobs.mapping.field_targets import check_mapping, schema_of
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.raw_items import ItemReader
from jobsui.jobs.mapping.row_reader import Item, Problem, RowReader, shown
from jobsui.jobs.models import Cause, Job, RowError
from jobsui.jobs.preparation import file_reading
from jobsui.jobs.preparation.file_reading import Stopped
from jobsui.jobs.queueing import enqueue

if TYPE_CHECKING:
    pass

SAY_EVERY = 5_000
MOST_CAUSES = 200
SAMPLES = 20
KEY_WORDS = {"id": "Zendesk ID", "external_id": "External ID", "name": "Name"}


def start(job: Job, *, by: Actor) -> None:
    """Have a draft checked. Raises NotPossibleNow, or MappingRefused when that is plain
    before any row is read."""
    require_mapping(job)
    if not lifecycle.move(
        job,
        JobState.CHECKING,
        by=by,
        event=EventKind.CHECK_STARTED,
        reason="",
        rows_checked=0,
    ):
        raise NotPossibleNow("This job is being checked already, or was launched.")
    enqueue("check_job", job.pk)


def stop(job: Job, *, by: Actor) -> None:
    """Make a job a draft again whose check counts no longer."""
    lifecycle.move(
        job,
        JobState.DRAFT,
        by=by,
        event=EventKind.CHECK_STOPPED,
        expected=(JobState.CHECKING, JobState.READY),
        checked_fingerprint="",
    )


def check(job: Job, *, stopping: threading.Event) -> None:
    """Go through all rows of a job that is to be checked. Interrupted, it begins anew
    with the next ring."""
    with leases.held(f"check:{job.pk}") as lease:
        job.refresh_from_db()
        if lease is None or job.state != JobState.CHECKING:
            return
        try:
            _check(job, lease, stopping)
        except (FileRefused, MappingRefused) as refusal:
            lifecycle.move(
                job,
                JobState.DRAFT,
                by=Component.CHECK,
                event=EventKind.CHECK_FAILED,
                expected=(JobState.CHECKING,),
                facts={"reason": str(refusal)},
                reason=str(refusal),
                auto_target="",
            )
        except (Stopped, leases.LeaseLost):
            pass
    if (
        not stopping.is_set()
        and Job.objects.filter(pk=job.pk, state=JobState.CHECKING).exists()
    ):
        enqueue(
            "check_job", job.pk
        )  # What was checked has changed meanwhile: once more, as it is now.
    elif job.auto_target:
        enqueue("advance_job", job.pk)


def require_mapping(job: Job) -> None:
    """Raise MappingRefused unless the job's mapping can work; items sent as they came
    need none."""
    if job.file.is_raw_items:
        return
    check_mapping(job.mapping, job.file.columns, Action(job.action), schema_of(job))


def fingerprint(job: Job) -> str:
    """Changes when anything a check depends on does: the file and how it is read,
    mapping, options, fields, rows. What becomes of rows with problems is chosen after
    the check and no part of it."""
    file = job.file
    options = {name: value for name, value in job.options.items() if name != "invalid"}
    facts = [
        file.sha256,
        file.format,
        file.encoding,
        file.delimiter,
        file.sheet,
        job.connection_id,
        job.object_key,
        job.action,
        job.mapping,
        options,
        schema_of(job).fingerprint,
        job.parent_id,
        job.cause_id,
        sorted(_taken_before(job)),
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def judged_rows(job: Job, table: Table) -> Iterator[tuple[Row, Item | list[Problem]]]:
    """Each row of the job with the item it becomes or its problems, duplicates within
    the file among them. Check and planning both read rows through here, so they cannot
    disagree."""
    reader = _reader(job, table.columns)
    columns = {target: column for column, target in job.mapping.items()}
    with _SeenKeys(columns) as seen:
        for row in rows_of(job, table):
            judged = reader.read(row)
            if isinstance(judged, Item) and judged.keys:
                judged = seen.doubles(judged) or judged
            yield row, judged


def _reader(job: Job, columns: list[str]) -> RowReader | ItemReader:
    schema, action = schema_of(job), Action(job.action)
    if job.file.is_raw_items:
        return ItemReader(schema, action)
    return RowReader(
        schema, action, job.mapping, columns, Options.from_json(job.options)
    )


def rows_of(job: Job, table: Table) -> Iterator[Row]:
    """The rows a job is about: all of its file, or for a retry those that failed before
    and are its own to send."""
    if job.parent_id is None:
        return table.rows
    return _chosen(table.rows, _failed_rows(job))


def _failed_rows(retry: Job) -> Iterator[int]:
    failed = RowError.objects.filter(job=retry.parent, outcome=Outcome.FAILED).order_by(
        "row"
    )
    if retry.cause_id:
        failed = failed.filter(cause_id=retry.cause_id)
    else:
        failed = failed.exclude(cause__in=_taken_before(retry))
    return failed.values_list("row", flat=True).iterator(chunk_size=2000)


def _taken_before(retry: Job) -> list[int]:
    """The causes whose rows a retry of all failed rows leaves to others. Nothing is
    launched beside it after it was launched itself (control.launch), so this does not
    change any more then."""
    if retry.parent_id is None or retry.cause_id:
        return []
    beside = Job.objects.launched().filter(
        parent_id=retry.parent_id, cause__isnull=False
    )
    return list(beside.values_list("cause_id", flat=True))


def _chosen(rows: Iterator[Row], numbers: Iterator[int]) -> Iterator[Row]:
    wanted = next(numbers, None)
    for row in rows:
        if wanted is None:
            return
        if row[0] == wanted:
            yield row
            wanted = next(numbers, None)


def _check(job: Job, lease: leases.Held, stopping: threading.Event) -> None:
    require_mapping(job)
    before = fingerprint(job)
    found = _Causes(job)
    rows = invalid = 0
    with file_reading.open_rows(job.file) as table:
        for _, judged in judged_rows(job, table):
            rows += 1
            if isinstance(judged, list):
                invalid += 1
                found.add(judged)
            if rows % SAY_EVERY == 0:
                _go_on(job, before, rows, lease, stopping)
    with transaction.atomic():
        leases.fence(lease)
        _require_same(job, before)
        if lifecycle.move(
            job,
            JobState.READY,
            by=Component.CHECK,
            event=EventKind.CHECKED,
            facts={"rows": rows, "invalid": invalid},
            rows=rows,
            rows_checked=rows,
            rows_invalid=invalid,
            checked_fingerprint=before,
            checked_at=timezone.now(),
            reason="",
        ):
            found.save()


def _go_on(
    job: Job, before: str, rows: int, lease: leases.Held, stopping: threading.Event
) -> None:
    if stopping.is_set() or not lease.renew():
        raise Stopped
    _require_same(job, before)
    Job.objects.filter(pk=job.pk).update(rows_checked=rows, version=F("version") + 1)


def _require_same(job: Job, before: str) -> None:
    """Raise Stopped when the job was thrown away meanwhile, or is no longer what is
    being checked."""
    now = Job.objects.filter(pk=job.pk, state=JobState.CHECKING).first()
    if now is None or fingerprint(now) != before:
        raise Stopped


class _Causes:
    """Problems grouped by cause as they are found; a fixed amount of memory."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._found: dict[tuple[str, str], Cause] = {}

    def add(self, problems: list[Problem]) -> None:
        for problem in problems:
            cause = self._found.get((problem.code, problem.column)) or self._new(
                problem
            )
            cause.count += 1
            if len(cause.sample_rows) < SAMPLES:
                cause.sample_rows.append(problem.row)
            if (
                problem.value
                and len(cause.sample_values) < 5
                and problem.value not in cause.sample_values
            ):
                cause.sample_values.append(problem.value)

    def save(self) -> None:
        Cause.objects.filter(job=self._job, phase=Cause.Phase.CHECK).delete()
        Cause.objects.bulk_create(self._found.values())

    def _new(self, problem: Problem) -> Cause:
        key, said, fix = (problem.code, problem.column), problem.general, problem.fix
        if len(self._found) >= MOST_CAUSES:
            key, said, fix = (
                ("other", ""),
                "Problems of further kinds.",
                "Fix the others first.",
            )
        new = Cause(
            job=self._job,
            phase=Cause.Phase.CHECK,
            signature=causes.signature(*key, ""),
            code=key[0],
            column=key[1][:255],
            message=said,
            fix=fix,
        )
        return self._found.setdefault(key, new)


class _SeenKeys:
    """Which keys came before in the file, and in which row: on disk, so that memory
    does not grow with the file."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = columns

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        db = sqlite3.connect(Path(folder) / "keys", isolation_level=None)
        self._stack.callback(db.close)
        self._seen = db.cursor()
        self._seen.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16000; BEGIN;"
            "CREATE TABLE seen (key BLOB PRIMARY KEY, row INTEGER) WITHOUT ROWID"
        )
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def doubles(self, item: Item) -> list[Problem]:
        """A problem for each key of the item that an earlier row has; the others are
        remembered."""
        return [
            self._problem(item, name, value, first)
            for name, value in item.keys
            if (first := self._first(name, value, item.row)) is not None
        ]

    def _first(self, name: str, value: str, row: int) -> int | None:
        digest = hashlib.blake2b(f"{name}\x00{value}".encode(), digest_size=16).digest()
        if self._seen.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?)", (digest, row)
        ).rowcount:
            return None
        first: int = self._seen.execute(
            "SELECT row FROM seen WHERE key = ?", (digest,)
        ).fetchone()[0]
        return first

    def _problem(self, item: Item, name: str, value: str, first: int) -> Problem:
        fix = "Keep one of the rows: the order in which Zendesk would apply them is not certain."
        what = f"is already the {KEY_WORDS[name]} of"
        found = values.problem(f"duplicate_{name}", value, f"{what} row {first}", fix)
        kind = f"The value {what} an earlier row, for example “{shown(value)}”."
        return Problem(
            item.row,
            self._columns.get(name, ""),
            shown(value),
            found.code,
            found.message,
            fix,
            kind,
        )
