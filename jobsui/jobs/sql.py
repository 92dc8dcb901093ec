"""What the driver says to the database thirty times a second, as SQL: Django composes
each query anew, which costs more than running it. Everything here is an ordinary query
of the models; what is asked rarely stands where it is asked."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, partial
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Field, Model

from jobsui.jobs.enums import IN_FLIGHT, SENDABLE, BatchState
from jobsui.jobs.models import Batch, Job, Lease

PLANNED = f"state = '{BatchState.PLANNED}' AND done_at IS NULL"
"""Of a batch that is to be sent, in the words by which SQLite finds the index of those
not settled."""


def is_held(name: str, epoch: int, owner: str) -> bool:
    """Whether the lease is still this owner's. Its row stays locked to the end of the
    transaction."""
    sql = f"UPDATE {_table(Lease)} SET epoch = epoch WHERE name = %s AND epoch = %s AND owner = %s"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [name, epoch, owner])
        return bool(cursor.rowcount)


def locked_jobs(ids: Collection[int]) -> list[tuple[int, str, bool]]:
    """Id, state and hold_after_first_batch of those of these jobs whose batches may be sent, locked."""
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    sql = (
        f"SELECT id, state, hold_after_first_batch FROM {_table(Job)} "  # noqa: S608
        f"WHERE id IN ({_marks(ids)}) AND state IN ({_marks(SENDABLE)}) ORDER BY id{lock}"
    )
    return [
        (pk, state, bool(hold_after_first_batch))
        for pk, state, hold_after_first_batch in _rows(sql, [*ids, *map(str, SENDABLE)])
    ]


def waiting_jobs(ids: Collection[int]) -> set[int]:
    """Those of these jobs that have batches to send, as things stand in the
    database."""
    if not ids:
        return set()
    sql = (
        f"SELECT id FROM {_table(Job)} AS job WHERE id IN ({_marks(ids)}) AND state IN ({_marks(SENDABLE)}) "  # noqa: S608
        f"AND EXISTS (SELECT 1 FROM {_table(Batch)} WHERE job_id = job.id AND {PLANNED} "
        "AND (seq = 1 OR NOT job.hold_after_first_batch))"
    )
    return {pk for (pk,) in _rows(sql, [*ids, *map(str, SENDABLE)])}


def next_planned(job_id: int, number: int, *, first_only: bool) -> list[Batch]:
    """A job's next batches to be sent, at most so many, in the order of the file."""
    sql = (
        f"SELECT id FROM {_table(Batch)} WHERE job_id = %s AND {PLANNED} "  # noqa: S608
        f"{'AND seq = 1 ' if first_only else ''}ORDER BY seq LIMIT %s"
    )
    batches = by_id(Batch, [pk for (pk,) in _rows(sql, [job_id, number])])
    return sorted(batches.values(), key=lambda batch: batch.seq)


def plan_again(batch_id: int) -> None:
    """Let a batch in flight be one that is to be sent."""
    sql = (
        f"UPDATE {_table(Batch)} SET state = '{BatchState.PLANNED}', reconcile_at = NULL "  # noqa: S608
        f"WHERE id = %s AND state IN ({_marks(IN_FLIGHT)})"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [batch_id, *map(str, IN_FLIGHT)])


def known_status_ids(ids: Collection[str]) -> set[str]:
    """Which of these job status ids belong to batches we know."""
    if not ids:
        return set()
    # The second condition is the index's: SQLite does not use it without.
    sql = f"SELECT status_id FROM {_table(Batch)} WHERE status_id IN ({_marks(ids)}) AND NOT (status_id = '')"  # noqa: S608
    return {status_id for (status_id,) in _rows(sql, list(ids))}


def add_up(job_id: int, counts: Mapping[str, int]) -> None:
    """Let counters of a job grow, by whatever others add at the same time, and its
    version with them."""
    names = ["version", *(name for name, number in counts.items() if number)]
    sums = ", ".join(f"{name} = {name} + %s" for name in names)
    with connection.cursor() as cursor:
        numbers = [1, *(counts[name] for name in names[1:])]
        cursor.execute(
            f"UPDATE {_table(Job)} SET {sums} WHERE id = %s",  # noqa: S608
            [*numbers, job_id],
        )


def by_id[M: Model](model: type[M], ids: Collection[int]) -> dict[int, M]:
    """The rows with these primary keys."""
    if not ids:
        return {}
    names, sql, converters = _reading(model)
    found = {}
    for row in _rows(f"{sql} ({_marks(ids)})", list(ids)):
        values = list(row)
        for place, convert in converters:
            values[place] = convert(values[place])
        instance = model.from_db(DEFAULT_DB_ALIAS, names, values)
        found[cast("int", instance.pk)] = instance
    return found


def insert_rows(rows: Sequence[Model]) -> list[int]:
    """Save new rows of one model; their primary keys, in their order."""
    fields, sql, one, returning = _inserting(type(rows[0]))
    values = [
        value
        for row in rows
        for value in _stored(fields, [field.pre_save(row, True) for field in fields])
    ]
    return [
        pk
        for (pk,) in _rows(f"{sql} {', '.join([one] * len(rows))} {returning}", values)
    ]


def update_rows(
    model: type[Model], columns: Sequence[str], rows: Collection[Sequence[Any]]
) -> None:
    """Set `columns` (names of fields) of the rows with these primary keys; each of
    `rows` is (primary key, value, value, ...)."""
    if not rows:
        return
    fields, sql = _updating(model, tuple(columns))
    with connection.cursor() as cursor:
        cursor.executemany(
            sql, [[*_stored(fields, values), pk] for pk, *values in rows]
        )


Converter = Callable[[Any], Any]


@cache
def _reading(model: type[Model]) -> tuple[list[str], str, list[tuple[int, Converter]]]:
    """What all rows of a model are read with: names of attributes, the query up to its
    list of keys, and what makes a value of the database one of the model, by its place.
    A process has one kind of database."""
    fields = model._meta.concrete_fields
    here = connections[DEFAULT_DB_ALIAS]
    converters: list[tuple[int, Converter]] = []
    for place, field in enumerate(fields):
        column = field.get_col(model._meta.db_table)
        for convert in here.ops.get_db_converters(column) + field.get_db_converters(
            here
        ):
            converters.append((place, partial(_converted, convert, column)))
    sql = (
        f"SELECT {', '.join(map(_column, fields))} FROM {_table(model)} "  # noqa: S608
        f"WHERE {_column(_field(model, 'pk'))} IN"
    )
    return [field.attname for field in fields], sql, converters


@cache
def _inserting(model: type[Model]) -> "tuple[list[Field[Any, Any]], str, str, str]":
    """The fields that new rows are saved with, and the statement: what comes before the
    values, one row's marks for them, and what comes after."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    sql = f"INSERT INTO {_table(model)} ({', '.join(map(_column, fields))}) VALUES"
    return (
        fields,
        sql,
        f"({_marks(fields)})",
        f"RETURNING {_column(_field(model, 'pk'))}",
    )


@cache
def _updating(
    model: type[Model], columns: tuple[str, ...]
) -> "tuple[list[Field[Any, Any]], str]":
    """These fields, and the statement that sets them."""
    fields = [_field(model, name) for name in columns]
    assignments = ", ".join(f"{_column(field)} = %s" for field in fields)
    key = _column(_field(model, "pk"))
    sql = f"UPDATE {_table(model)} SET {assignments} WHERE {key} = %s"  # noqa: S608
    return fields, sql


def _converted(convert: Callable[[Any, Any, Any], Any], column: Any, value: Any) -> Any:
    return convert(value, column, connection)


def _stored(fields: "Sequence[Field[Any, Any]]", values: Sequence[Any]) -> list[Any]:
    """The values as the database takes them."""
    here = connections[DEFAULT_DB_ALIAS]
    return [
        value if type(value) in AS_IT_IS else field.get_db_prep_save(value, here)
        for field, value in zip(fields, values, strict=True)
    ]


AS_IT_IS = frozenset({int, str, bytes, bool, type(None)})
"""What both databases take as Python has it. Only a JSONField would not, and ours hold
dicts and lists."""


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


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
