"""The driver's most frequent statements, as SQL.

The driver runs them about thirty times a second, and composing a query in Django would
cost more than running it. Rare queries are ordinary Django queries in the modules that
use them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from itertools import batched
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Field, Model

from jobsui.connections.models import Connection
from jobsui.jobs.enums import IN_FLIGHT, MOVING, OVER, SENDABLE, BatchState
from jobsui.jobs.models import Attempt, Batch, Job, Lease, Overlap
from jobsui.jobs.models.record_rows import FIRST_RECORD_ROW

PLANNED = f"state = '{BatchState.PLANNED}' AND done_at IS NULL"
"""The condition of a batch that waits to be sent, written so that SQLite uses the index
of unsettled batches."""
ROWS_PER_INSERT = 100
LIMIT_FIELDS = ("limited_by", "limited_since", "limited_seconds")

type Revision = list[Any]
"""A job's version, the id of its connection and the limits of that."""


def is_held(name: str, epoch: int, owner: str) -> bool:
    """Whether this owner still has the lease. Its row stays locked until the transaction
    ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_table(Lease)} SET epoch = epoch "  # noqa: S608
            "WHERE name = %s AND epoch = %s AND owner = %s",
            [name, epoch, owner],
        )
        return bool(cursor.rowcount)


def lock_jobs(ids: Collection[int]) -> list[tuple[int, str, bool]]:
    """Lock the jobs among these whose batches may be sent. Returns (id, state,
    hold_after_first_batch) of each."""
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    rows = _rows(
        f"SELECT id, state, hold_after_first_batch FROM {_table(Job)} "  # noqa: S608
        f"WHERE id IN ({_marks(ids)}) AND state IN ({_marks(SENDABLE)}) "
        f"ORDER BY id{lock}",
        [*ids, *map(str, SENDABLE)],
    )
    return [(pk, state, bool(hold)) for pk, state, hold in rows]


def moving_jobs(host: str) -> dict[int, Revision]:
    """{id: revision} of the moving jobs of an account. What was read of a job and of its
    connection's limits is still true while the revision is the same."""
    rows = _rows(
        "SELECT job.id, job.version, job.connection_id, requests_per_minute, share, "  # noqa: S608
        f"max_running_jobs, early_send FROM {_table(Job)} AS job "
        f"JOIN {_table(Connection)} AS account ON account.id = job.connection_id "
        f"WHERE account.host = %s AND job.state IN ({_marks(MOVING)}) ORDER BY job.id",
        [host, *map(str, MOVING)],
    )
    return {pk: revision for pk, *revision in rows}


def unconfirmed_batches(host: str) -> dict[int, float]:
    """{id: seconds until it may be reconciled} of the account's unconfirmed batches, by
    the database's clock; 0 or less for now."""
    rows = _rows(
        f"SELECT batch.id, reconcile_at, {_now()} FROM {_table(Batch)} AS batch "  # noqa: S608
        f"JOIN {_table(Job)} AS job ON job.id = batch.job_id "
        f"JOIN {_table(Connection)} AS account ON account.id = job.connection_id "
        f"WHERE account.host = %s AND job.state IN ({_marks(MOVING)}) "
        f"AND batch.state = '{BatchState.UNCONFIRMED}' AND batch.done_at IS NULL "
        "ORDER BY batch.id",
        [host, *map(str, MOVING)],
    )
    return {
        pk: (_time(at) - _time(now)).total_seconds() if at else 0.0
        for pk, at, now in rows
    }


def unsettled_jobs(ids: Collection[int]) -> set[int]:
    """The jobs among these that have batches without a final result."""
    if not ids:
        return set()
    rows = _rows(
        f"SELECT id FROM {_table(Job)} AS job WHERE id IN ({_marks(ids)}) "  # noqa: S608
        f"AND EXISTS (SELECT 1 FROM {_table(Batch)} "
        "WHERE job_id = job.id AND done_at IS NULL)",
        list(ids),
    )
    return {pk for (pk,) in rows}


def waiting_jobs(ids: Collection[int]) -> set[int]:
    """The jobs among these that have batches to send."""
    if not ids:
        return set()
    rows = _rows(
        f"SELECT id FROM {_table(Job)} AS job "  # noqa: S608
        f"WHERE id IN ({_marks(ids)}) AND state IN ({_marks(SENDABLE)}) "
        f"AND EXISTS (SELECT 1 FROM {_table(Batch)} WHERE job_id = job.id AND {PLANNED} "
        "AND (seq = 1 OR NOT job.hold_after_first_batch))",
        [*ids, *map(str, SENDABLE)],
    )
    return {pk for (pk,) in rows}


type RowRange = tuple[int, int]
"""First and last row."""


def blocked_rows(ids: Collection[int]) -> dict[int, list[RowRange]]:
    """The rows of these jobs that wait for earlier jobs with the same records, by the id
    of the job. Jobs without any are left out."""
    in_flight = ", ".join(f"'{state}'" for state in IN_FLIGHT)
    batch_of_earlier = f"FROM {_table(Batch)} WHERE job_id = earlier.id"
    rows = _rows(
        "SELECT overlap.later_id, overlap.first_row, overlap.last_row "  # noqa: S608
        f"FROM {_table(Overlap)} AS overlap "
        f"JOIN {_table(Job)} AS earlier ON earlier.id = overlap.earlier_id "
        f"WHERE overlap.later_id IN ({_marks(ids)}) "
        f"AND earlier.state NOT IN ({_marks(OVER)}) AND ("
        "(earlier.planned_at IS NULL AND earlier.planned_row < overlap.earlier_row) "
        f"OR EXISTS (SELECT 1 {batch_of_earlier} AND done_at IS NULL "
        f"AND state IN ({in_flight}) AND first_row <= overlap.earlier_row) "
        # Batches are planned in the order of rows, so the first one decides.
        f"OR (SELECT first_row {batch_of_earlier} AND {PLANNED} "
        "ORDER BY seq LIMIT 1) <= overlap.earlier_row)",
        [*ids, *map(str, OVER)],
    )
    blocked: dict[int, list[RowRange]] = {}
    for job_id, first_row, last_row in rows:
        blocked.setdefault(job_id, []).append((first_row, last_row))
    return blocked


def next_planned(
    job_id: int,
    number: int,
    blocked: Sequence[RowRange],
    *,
    first_only: bool,
    records_last: bool = False,
) -> list[Batch]:
    """The next `number` batches that a job has to send, in the order of the file, without
    those that have rows in `blocked`. `first_only`: the job's first batch or none.
    `records_last`: records that only the account has wait for the rows of the file."""
    only = "AND seq = 1 " if first_only else ""
    if records_last and _has_open_rows_of_file(job_id):
        only += f"AND first_row < {FIRST_RECORD_ROW} "
    only += "AND NOT (last_row >= %s AND first_row <= %s) " * len(blocked)
    ends = [row for row_range in blocked for row in row_range]
    rows = _rows(
        f"SELECT id FROM {_table(Batch)} WHERE job_id = %s AND {PLANNED} "  # noqa: S608
        f"{only}ORDER BY seq LIMIT %s",
        [job_id, *ends, number],
    )
    batches = by_id(Batch, [pk for (pk,) in rows])
    return sorted(batches.values(), key=lambda batch: batch.seq)


def _has_open_rows_of_file(job_id: int) -> bool:
    rows = _rows(
        f"SELECT 1 FROM {_table(Batch)} WHERE job_id = %s AND done_at IS NULL "  # noqa: S608
        "AND first_row < %s LIMIT 1",
        [job_id, FIRST_RECORD_ROW],
    )
    return bool(rows)


def known_status_ids(ids: Collection[str], *, searching: int = 0) -> set[str]:
    """Which of these job status ids belong to batches in the database. The batch
    `searching` may take one again that it has lost."""
    if not ids:
        return set()
    # The conditions NOT (...) are those of the indexes. SQLite does not use an index
    # without its own condition.
    lost = _marks(Attempt.UNCONFIRMED)
    rows = _rows(
        f"SELECT status_id FROM {_table(Batch)} "  # noqa: S608
        f"WHERE status_id IN ({_marks(ids)}) AND NOT (status_id = '') "
        f"UNION ALL SELECT status_id FROM {_table(Attempt)} "
        f"WHERE status_id IN ({_marks(ids)}) AND NOT (status_id = '') "
        f"AND NOT (batch_id = %s AND result IN ({lost}))",
        [*ids, *ids, searching, *map(str, Attempt.UNCONFIRMED)],
    )
    return {status_id for (status_id,) in rows}


def add_up(job_id: int, counts: Mapping[str, int]) -> None:
    """Add to the counters of a job, and 1 to its version. Keeps what other transactions
    add at the same time."""
    changes = {"version": 1} | {name: by for name, by in counts.items() if by}
    sums = ", ".join(f"{name} = {name} + %s" for name in changes)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_table(Job)} SET {sums} WHERE id = %s",  # noqa: S608
            [*changes.values(), job_id],
        )


def save_limits(rows: Sequence[Sequence[Any]]) -> bool:
    """Store what limits jobs. Each of `rows` is (limited_by, limited_since,
    limited_seconds, primary key, version); a job with another version stays as it is.
    True when all were stored. Their versions are one higher then."""
    if not rows:
        return True
    fields = [_field(Job, name) for name in LIMIT_FIELDS]
    assignments = ", ".join(f"{_column(field)} = %s" for field in fields)
    parameters = [
        [*_stored(fields, values), pk, version] for *values, pk, version in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {_table(Job)} SET {assignments}, version = version + 1 "  # noqa: S608
            "WHERE id = %s AND version = %s",
            parameters,
        )
        return bool(cursor.rowcount == len(rows))


def by_id[M: Model](model: type[M], ids: Collection[int]) -> dict[int, M]:
    """The rows with these primary keys."""
    if not ids:
        return {}
    names, select, converters = _select(model)
    found = {}
    for row in _rows(f"{select} ({_marks(ids)})", list(ids)):
        values = list(row)
        for index, convert in converters:
            values[index] = convert(values[index])
        instance = model.from_db(DEFAULT_DB_ALIAS, names, values)
        found[cast("int", instance.pk)] = instance
    return found


def insert_rows(rows: Sequence[Model]) -> list[int]:
    """Insert new rows of one model. Returns their primary keys in the same order."""
    fields, insert, one_row, returning = _insert(type(rows[0]))
    values: list[Any] = []
    for row in rows:
        values += _stored(fields, [field.pre_save(row, True) for field in fields])
    all_rows = ", ".join([one_row] * len(rows))
    return [pk for (pk,) in _rows(f"{insert} {all_rows} {returning}", values)]


def insert_many(
    model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert new rows. Each of `rows` has the values of the fields named `columns`; the
    other fields have their defaults."""
    insert, one_row, defaults = _insert_many(model, tuple(columns))
    with connection.cursor() as cursor:
        for group in batched(rows, ROWS_PER_INSERT):
            values: list[Any] = []
            for row in group:
                values += row
                values += defaults
            all_rows = ", ".join([one_row] * len(group))
            cursor.execute(f"{insert} {all_rows}", values)


def update_rows(
    model: type[Model], columns: Sequence[str], rows: Collection[Sequence[Any]]
) -> None:
    """Set the fields named `columns`. Each of `rows` is (primary key, value, value,
    ...)."""
    if not rows:
        return
    fields, update = _update(model, tuple(columns))
    parameters = [[*_stored(fields, values), pk] for pk, *values in rows]
    with connection.cursor() as cursor:
        cursor.executemany(update, parameters)


Converter = Callable[[Any], Any]


@cache
def _select(model: type[Model]) -> tuple[list[str], str, list[tuple[int, Converter]]]:
    """How to read rows of a model: the names of its attributes, the query up to its
    list of primary keys, and the converters with the indexes of their columns.

    Cached, because a process has one kind of database."""
    fields = model._meta.concrete_fields
    database = connections[DEFAULT_DB_ALIAS]
    converters: list[tuple[int, Converter]] = []
    for index, field in enumerate(fields):
        column = field.get_col(model._meta.db_table)
        found = database.ops.get_db_converters(column)
        for convert in found + field.get_db_converters(database):
            converters.append((index, partial(_converted, convert, column)))
    names = ", ".join(map(_column, fields))
    key = _column(_field(model, "pk"))
    select = f"SELECT {names} FROM {_table(model)} WHERE {key} IN"  # noqa: S608
    return [field.attname for field in fields], select, converters


@cache
def _insert(model: type[Model]) -> "tuple[list[Field[Any, Any]], str, str, str]":
    """The fields of a new row, and the statement in three parts: before the values, the
    placeholders of one row, and after the values."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names = ", ".join(map(_column, fields))
    insert = f"INSERT INTO {_table(model)} ({names}) VALUES"
    returning = f"RETURNING {_column(_field(model, 'pk'))}"
    return fields, insert, f"({_marks(fields)})", returning


@cache
def _insert_many(
    model: type[Model], columns: tuple[str, ...]
) -> tuple[str, str, list[Any]]:
    """The statement before the values, the placeholders of one row, and the values of the
    fields that are not among `columns`."""
    given = [_field(model, name) for name in columns]
    others = [
        field
        for field in model._meta.concrete_fields
        if field not in given and not (field.primary_key and not field.is_relation)
    ]
    fields = [*given, *others]
    names = ", ".join(map(_column, fields))
    insert = f"INSERT INTO {_table(model)} ({names}) VALUES"
    defaults = [field.get_default() for field in others]
    return insert, f"({_marks(fields)})", _stored(others, defaults)


@cache
def _update(
    model: type[Model], columns: tuple[str, ...]
) -> "tuple[list[Field[Any, Any]], str]":
    """The fields of these names, and the statement that sets them."""
    fields = [_field(model, name) for name in columns]
    assignments = ", ".join(f"{_column(field)} = %s" for field in fields)
    key = _column(_field(model, "pk"))
    update = f"UPDATE {_table(model)} SET {assignments} WHERE {key} = %s"  # noqa: S608
    return fields, update


def _converted(convert: Callable[[Any, Any, Any], Any], column: Any, value: Any) -> Any:
    return convert(value, column, connection)


def _stored(fields: "Sequence[Field[Any, Any]]", values: Sequence[Any]) -> list[Any]:
    """The values as the database takes them."""
    database = connections[DEFAULT_DB_ALIAS]
    return [
        value
        if type(value) in STORED_AS_IS
        else field.get_db_prep_save(value, database)
        for field, value in zip(fields, values, strict=True)
    ]


STORED_AS_IS = frozenset({int, str, bytes, bool, type(None)})
"""Types that both databases store as Python has them. A JSONField would convert some of them, but
ours hold dicts and lists."""


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _now() -> str:
    """The database's clock, as the function that Django uses."""
    if connection.vendor == "sqlite":
        return "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')"
    return "STATEMENT_TIMESTAMP()"


def _time(value: datetime | str) -> datetime:
    """A stored time. SQLite has it as a text, in UTC."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _marks(values: Collection[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    return cast(
        "Field[Any, Any]",
        model._meta.pk if name == "pk" else model._meta.get_field(name),
    )


def _column(field: "Field[Any, Any]") -> str:
    return connection.ops.quote_name(str(field.column))
