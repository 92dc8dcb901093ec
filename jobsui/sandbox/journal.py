"""Keeps objects and records in a file: one line for each change, compacted at each
start.

A line is a JSON array. A record's line also holds, after a tab, its field values as they
are kept in memory."""

import json
from collections.abc import Iterator
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import BinaryIO

from jobsui.sandbox.ids import ADMIN_ID
from jobsui.sandbox.protocol import Json, JsonObject, to_json
from jobsui.sandbox.schema import CustomObject, Field
from jobsui.sandbox.table import Record, Table

USUAL_USERS = [ADMIN_ID, ADMIN_ID]
"""The users of a record are kept only if they are others."""

type Objects = dict[str, CustomObject]


class Journal:
    """Without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.file: BinaryIO | None = None

    def open(self, objects: Objects) -> None:
        """Read the file into `objects`, rewrite it without outdated lines, and append
        to it from then on."""
        if self.path is None:
            return
        if self.path.exists():
            for entry, values in entries(self.path):
                replay(objects, entry, values)
        compacted = self.path.with_name(self.path.name + ".new")
        self.file = compacted.open("wb")
        for custom_object in objects.values():
            self._keep_with_records(custom_object)
        self.flush()
        compacted.replace(self.path)

    def _keep_with_records(self, custom_object: CustomObject) -> None:
        table = custom_object.table
        self.keep_object(custom_object)
        self._write("applied", custom_object.key, table.applied_to_deleted)
        for record in table.alive():
            self.keep_record(custom_object, record)

    def keep_object(self, custom_object: CustomObject) -> None:
        self._write("object", definition(custom_object))

    def drop_object(self, key: str) -> None:
        self._write("no object", key)

    def keep_record(self, custom_object: CustomObject, record: Record) -> None:
        if not self.file:
            return
        entry = [
            "record",
            custom_object.key,
            record.row,
            record.name,
            record.external_id,
            record.created,
            record.updated,
            record.applied,
        ]
        users = [record.created_by, record.updated_by]
        if users != USUAL_USERS:
            entry += users
        self.file.write(to_json(entry) + b"\t" + record.fields + b"\n")

    def keep_number(self, custom_object: CustomObject) -> None:
        """Keep the number of the next name."""
        number = custom_object.name_rules["autoincrement_next_sequence"]
        self._write("number", custom_object.key, number)

    def drop_record(self, custom_object: CustomObject, record: Record) -> None:
        self._write(
            "no record",
            custom_object.key,
            record.row,
            record.updated,
            record.applied,
            record.updated_by,
        )

    def flush(self) -> None:
        """Hand the lines to the operating system, so that they survive a crash of this
        process."""
        if self.file:
            self.file.flush()

    def close(self) -> None:
        if self.file:
            self.file.close()
            self.file = None

    def restart(self, objects: Objects) -> None:
        """Forget everything and keep only these objects."""
        if self.path is None:
            return
        self.close()
        self.path.unlink()
        self.open(objects)

    def _write(self, *entry: Json) -> None:
        if self.file:
            self.file.write(to_json(entry) + b"\n")


def entries(path: Path) -> Iterator[tuple[list[Json], bytes]]:
    """The lines of a journal. A last line that a crash cut short is left out."""
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                entry, _, values = line[:-1].partition(b"\t")
                yield json.loads(entry), values


def definition(custom_object: CustomObject) -> JsonObject:
    """Everything about an object but its records."""
    values = attributes(custom_object)
    del values["table"]
    fields = custom_object.fields.values()
    return values | {"fields": [field_definition(field) for field in fields]}


def field_definition(field: Field) -> JsonObject:
    return attributes(field) | {"option_values": sorted(field.option_values)}


def attributes(instance: CustomObject | Field) -> JsonObject:
    names = [each.name for each in dataclass_fields(instance)]
    return {name: getattr(instance, name) for name in names}


def replay(objects: Objects, entry: list[Json], values: bytes) -> None:
    kind, subject, *rest = entry
    if kind == "object":
        replay_object(objects, subject)
    elif kind == "no object":
        del objects[subject]
    elif kind == "record":
        replay_record(objects[subject], rest, values)
    elif kind == "number":
        objects[subject].name_rules["autoincrement_next_sequence"] = rest[0]
    elif kind == "applied":
        objects[subject].table.applied_to_deleted.update(rest[0])
    else:
        replay_deletion(objects[subject], *rest)


def replay_object(objects: Objects, data: JsonObject) -> None:
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
    number, name, external_id, created, updated, applied, *users = row
    created_by, updated_by = users or USUAL_USERS
    forget_old(custom_object, number)
    record = Record(number, name, external_id, values, created, created_by)
    record.updated = updated
    record.updated_by = updated_by
    record.applied = applied
    custom_object.table.put(record)
    link(custom_object, record)


def forget_old(custom_object: CustomObject, row: int) -> None:
    """Forget the earlier line about a record that was written again."""
    table = custom_object.table
    old = table.rows[row] if row < len(table.rows) else None
    if old:
        table.forget_keys(old)
        unlink(custom_object, old)
        table.size -= 1


def replay_deletion(
    custom_object: CustomObject, row: int, at: int, applied: int, by: str = ADMIN_ID
) -> None:
    record = custom_object.table.rows[row]
    if record:
        record.applied = applied
        unlink(custom_object, record)
        custom_object.table.remove(record, at, by)


def link(custom_object: CustomObject, record: Record) -> None:
    """Add a record to the children of its parents."""
    for parent in parents(custom_object, record):
        custom_object.table.children.setdefault(parent, set()).add(record.row)


def unlink(custom_object: CustomObject, record: Record) -> None:
    for parent in parents(custom_object, record):
        custom_object.table.children.get(parent, set()).discard(record.row)


def parents(custom_object: CustomObject, record: Record) -> list[str]:
    fields = custom_object.parent_fields()
    values = json.loads(record.fields) if fields else {}
    return [values[field.key] for field in fields if values.get(field.key)]
