"""Compares the values of rows with those of the records that were found for them."""

from collections.abc import Sequence

from jobsui.jobs.enums import Action
from jobsui.jobs.mapping import matching
from jobsui.jobs.mapping.agreement import Agreement, Compared, agreement
from jobsui.jobs.mapping.field_targets import api_name, schema_of, targets
from jobsui.jobs.models import Job
from jobsui.jobs.preparation.sampled_rows import SampledRow
from jobsui.zendesk.payloads import Json, Record, Schema

MAX_FIGURES = 3


class Contents:
    """Compares the rows of one job."""

    def __init__(self, job: Job) -> None:
        self._action = Action(job.action)
        self._schema = schema_of(job)
        self._named = _named_columns(job.file.columns, self._schema)

    def agreement(
        self,
        rows: Sequence[SampledRow],
        records: Sequence[Record | None],
        without: Sequence[Record | None] = (),
    ) -> Agreement:
        """Whether the records are those that the rows mean. `records`: one for each row, None if
        there is none. `without`: records of the rows that prove nothing."""
        return agreement(self._columns(rows, records, without).values())

    def figures(
        self, rows: Sequence[SampledRow], records: Sequence[Record | None]
    ) -> str:
        """How many records hold the values of the rows: "Name 0 of 200, Owner 3 of 197". Without
        those where one of both is blank."""
        columns = self._columns(rows, records)
        telling = [name for name in columns if columns[name].varies]
        # Names first, because files change them least.
        telling.sort(key=lambda name: (-columns[name].count, name != "name"))
        parts = [
            f"{self._label(name)} {columns[name].equal:,} of {columns[name].count:,}"
            for name in telling[:MAX_FIGURES]
        ]
        return ", ".join(parts)

    def _columns(
        self,
        rows: Sequence[SampledRow],
        records: Sequence[Record | None],
        without: Sequence[Record | None] = (),
    ) -> dict[str, Compared]:
        """{name of a field: its values in rows and records}."""
        columns: dict[str, Compared] = {}
        for index, (row, record) in enumerate(zip(rows, records, strict=True)):
            if record is None or (without and without[index] is record):
                continue
            key = str(getattr(record, self._action.key))
            for name, value in self._values(row).items():
                held = record.name if name == "name" else record.fields.get(name)
                column = columns.setdefault(name, Compared(self._schema.type_of(name)))
                column.add(key, value, held)
        return columns

    def _label(self, name: str) -> str:
        field = self._schema.field(name)
        return (field.title if field else "") or name.capitalize()

    def _values(self, row: SampledRow) -> dict[str, Json]:
        """{"name", or key of a field: what the row has for it}."""
        if self._action.deletes:
            return {
                name: row.texts[index].strip() for index, name in self._named.items()
            }
        values = dict(row.item.get("custom_object_fields") or {})
        if row.item.get("name"):
            values["name"] = row.item["name"]
        return values


def _named_columns(columns: list[str], schema: Schema) -> dict[int, str]:
    """{index of a column: the field with the same name}. Deletes need it: they map no fields."""
    offered = [
        target
        for target in targets(schema, Action.CREATE)
        if target.key != "external_id"
    ]
    named = matching.suggest(columns, offered)
    return {columns.index(name): api_name(key) for name, key in named.items()}
