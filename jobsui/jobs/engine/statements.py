"""Many rows changed by one prepared statement: what the ORM does row by row, at a tenth of its cost."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from django.db import connection
from django.db.models import Field, Model


def update_rows(model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Set `columns` (names of fields) of the rows with these primary keys; each of `rows` is (primary key, value,
    value, ...)."""
    meta, quote = model._meta, connection.ops.quote_name
    fields = [cast("Field[Any, Any]", meta.get_field(name)) for name in columns]
    assignments = ", ".join(f"{quote(str(field.column))} = %s" for field in fields)
    sql = f"UPDATE {quote(meta.db_table)} SET {assignments} WHERE {quote(str(meta.pk.column))} = %s"  # noqa: S608
    values = [
        [*(field.get_db_prep_save(value, connection) for field, value in zip(fields, each, strict=True)), pk]
        for pk, *each in rows
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(sql, values)
