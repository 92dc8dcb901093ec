"""Keeps objects and records in a file: a line for each change, written anew at each
start.

A line is a JSON array; behind a record's stand, after a tab, its field values as they
are kept in memory."""

import json
from collections.abc import Iterator
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import BinaryIO

from jobsui.sandbox.protocol import Json, to_json
from jobsui.sandbox.schema import CustomObject, Field
from jobsui.sandbox.table import Record, Table

type Objects = dict[str, CustomObject]


class Journal:
    """Without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.file: BinaryIO | None = None

    def open(self, objects: Objects) -> None:
        """Read what the file holds into `objects`, write it anew without what is out of
        date, go on from there."""
        if self.path is None:
            return
        if self.path.exists():
            for entry, values in entries(self.path):
                replay(objects, entry, values)
        shorter = self.path.with_name(self.path.name + ".new")
        self.file = shorter.open("wb")
        for custom_object in objects.values():
            self.keep_object(custom_object)
            self._write(
                "applied", custom_object.key, custom_object.table.applied_to_deleted
            )
            for record in custom_object.table.alive():
                self.keep_record(custom_object, record)
        self.flush()
        shorter.replace(self.path)

    def keep_object(self, custom_object: CustomObject) -> None:
        self._write("object", definition(custom_object))

    def drop_object(self, key: str) -> None:
        self._write("no object", key)

    def keep_record(self, custom_object: CustomObject, record: Record) -> None:
        if self.file:
            times = [record.created, record.updated, record.applied]
            row = to_json(
                [
                    "record",
                    custom_object.key,
                    record.row,
                    record.name,
                    record.external_id,
                    *times,
                ]
            )
            self.file.write(row + b"\t" + record.fields + b"\n")

    def keep_number(self, custom_object: CustomObject) -> None:
        """The number the next name will have."""
        self._write(
            "number",
            custom_object.key,
            custom_object.name_rules["autoincrement_next_sequence"],
        )

    def drop_record(self, custom_object: CustomObject, record: Record) -> None:
        self._write(
            "no record", custom_object.key, record.row, record.updated, record.applied
        )

    def flush(self) -> None:
        """Hand it to the operating system: from here on it survives the end of this
        process, however sudden."""
        if self.file:
            self.file.flush()

    def close(self) -> None:
        if self.file:
            self.file.close()
            self.file = None

    def restart(self, objects: Objects) -> None:
        """Forget everything and keep just these."""
        if self.path is None:
            return
        self.close()
        self.path.unlink()
        self.open(objects)

    def _write(self, *entry: Json) -> None:
        if self.file:
            self.file.write(to_json(entry) + b"\n")


def entries(path: Path) -> Iterator[tuple[list[Json], bytes]]:
    """The lines of a journal. A last line cut short by a sudden end is left out."""
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                entry, _, values = line[:-1].partition(b"\t")
                yield json.loads(entry), values


def definition(custom_object: CustomObject) -> dict[str, Json]:
    own = {
        each.name: getattr(custom_object, each.name)
        for each in dataclass_fields(custom_object)
    }
    del own["table"]
    return own | {
        "fields": [field_definition(field) for field in custom_object.fields.values()]
    }


def field_definition(field: Field) -> dict[str, Json]:
    own = {each.name: getattr(field, each.name) for each in dataclass_fields(field)}
    return own | {"option_values": sorted(field.option_values)}


def replay(objects: Objects, entry: list[Json], values: bytes) -> None:
    what, *rest = entry
    if what == "object":
        replay_object(objects, rest[0])
    elif what == "no object":
        del objects[rest[0]]
    elif what == "record":
        replay_record(objects[rest[0]], rest[1:], values)
    elif what == "number":
        objects[rest[0]].name_rules["autoincrement_next_sequence"] = rest[1]
    elif what == "applied":
        objects[rest[0]].table.applied_to_deleted.update(rest[1])
    else:
        replay_deletion(objects[rest[0]], *rest[1:])


def replay_object(objects: Objects, data: dict[str, Json]) -> None:
    fields = [
        Field(**field | {"option_values": frozenset(field["option_values"])})
        for field in data.pop("fields")
    ]
    custom_object = CustomObject(**data, fields={field.key: field for field in fields})
    known = objects.get(custom_object.key)
    custom_object.table = known.table if known else Table(custom_object.number)
    if not custom_object.table.size:
        custom_object.table.by_name = {} if custom_object.names_are_unique else None
    objects[custom_object.key] = custom_object


def replay_record(custom_object: CustomObject, row: list[Json], values: bytes) -> None:
    number, name, external_id, created, updated, applied = row
    forget_old(custom_object, number)
    record = Record(number, name, external_id, values, created)
    record.updated, record.applied = updated, applied
    custom_object.table.put(record)
    link(custom_object, record)


def forget_old(custom_object: CustomObject, row: int) -> None:
    """A record written again replaces what the journal said of it before."""
    table = custom_object.table
    old = table.rows[row] if row < len(table.rows) else None
    if old:
        table.forget_keys(old)
        unlink(custom_object, old)
        table.size -= 1


def replay_deletion(
    custom_object: CustomObject, row: int, at: int, applied: int
) -> None:
    record = custom_object.table.rows[row]
    if record:
        record.applied = applied
        unlink(custom_object, record)
        custom_object.table.remove(record, at)


def link(custom_object: CustomObject, record: Record) -> None:
    """Enter a record among the children of its parents."""
    for parent in parents(custom_object, record):
        custom_object.table.children.setdefault(parent, set()).add(record.row)


def unlink(custom_object: CustomObject, record: Record) -> None:
    for parent in parents(custom_object, record):
        custom_object.table.children.get(parent, set()).discard(record.row)


def parents(custom_object: CustomObject, record: Record) -> list[str]:
    fields = custom_object.parent_fields()
    values = json.loads(record.fields) if fields else {}
    return [values[field.key] for field in fields if values.get(field.key)]
