"""Creates, changes and deletes records, and checks them first."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from jobsui.sandbox import related
from jobsui.sandbox.assumptions import Assumptions
from jobsui.sandbox.ids import ADMIN_ID
from jobsui.sandbox.journal import Journal, Objects, link, unlink
from jobsui.sandbox.members import is_dropped
from jobsui.sandbox.protocol import Json, JsonObject, to_json
from jobsui.sandbox.schema import CustomObject, Field, now
from jobsui.sandbox.table import Record, Table
from jobsui.sandbox.values import Invalid, Unchanged, is_blank, stored_value, text_size

MAX_RECORD = 32 * 1024
TRIGGER_MILLISECONDS = 1000
NAME_IS_NUMBERED = "Name: can't be set, it is numbered automatically"
NAME_NOT_UNIQUE = "Name: is not unique for this object, records can't be found by it"

type Problems = list[tuple[str, str]]
"""Pairs of a field key, or "base" for the whole record, and a message."""


class RecordInvalid(Exception):
    def __init__(self, problems: Problems) -> None:
        super().__init__(problems)
        self.problems = problems


class RecordMissing(Exception):
    """There is no such record."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, and when."""

    user: str = ADMIN_ID
    applied: int = 1
    """How many items it counts for: 0 without the API."""
    age: float = 0.0
    """How many seconds ago it happened. A negative age lies in the future."""


FROM_API = Author()


class Writer:
    """All writes to records go through here."""

    def __init__(
        self,
        objects: Objects,
        journal: Journal,
        assumptions: Assumptions,
        clock: Callable[[], int] = now,
    ) -> None:
        self.objects = objects
        self.journal = journal
        self.assumptions = assumptions
        self.clock = clock

    def create(
        self,
        custom_object: CustomObject,
        data: JsonObject,
        author: Author = FROM_API,
    ) -> Record:
        table = custom_object.table
        problems: Problems = []
        name = self._checked_name(custom_object, data, None, problems)
        external_id = self._checked_external_id(custom_object, data, None, problems)
        fields = self._checked_fields(custom_object, {}, data, problems)
        body = to_json(fields)
        self._refuse(problems, name, body)
        if custom_object.autonumbered:
            name = custom_object.next_name()
        created = self._time_of(author)
        row = len(table.rows)
        record = Record(row, name, external_id, body, created, author.user)
        record.applied = author.applied
        table.put(record)
        link(custom_object, record)
        self.journal.keep_record(custom_object, record)
        if custom_object.autonumbered:
            self.journal.keep_number(custom_object)
        return record

    def update(
        self,
        custom_object: CustomObject,
        record: Record,
        data: JsonObject,
        author: Author = FROM_API,
        *,
        keeps: bool = True,
    ) -> Record:
        """Changes only what is sent. Without `keeps` it empties all other fields."""
        problems: Problems = []
        name = self._checked_name(custom_object, data, record, problems)
        external_id = self._checked_external_id(custom_object, data, record, problems)
        before = json.loads(record.fields) if keeps else {}
        fields = self._checked_fields(custom_object, before, data, problems)
        body = to_json(fields)
        self._refuse(problems, name, body)
        held = (record.name, record.external_id, record.fields)
        is_same = held == (name, external_id, body)
        self._remember(custom_object, record)
        unlink(custom_object, record)
        custom_object.table.forget_keys(record)
        record.name = name
        record.external_id = external_id
        record.fields = body
        if not is_same or self.assumptions.no_change_update == "moves":
            record.updated = self._time_of(author)
            record.updated_by = author.user
        record.applied += author.applied
        custom_object.table.index(record)
        link(custom_object, record)
        self.journal.keep_record(custom_object, record)
        return record

    def _time_of(self, author: Author) -> int:
        """In milliseconds."""
        return self.clock() - int(author.age * 1000)

    def trigger(
        self, custom_object: CustomObject, record: Record, values: JsonObject, user: str
    ) -> None:
        """What a trigger of the account does after a write: it changes the record, and sets
        those of these values whose fields the object has. Raises RecordInvalid."""
        known = custom_object.fields.keys() & values.keys()
        sent = {"custom_object_fields": {key: values[key] for key in known}}
        problems: Problems = []
        before = json.loads(record.fields)
        fields = self._checked_fields(custom_object, before, sent, problems)
        body = to_json(fields)
        self._refuse(problems, record.name, body)
        unlink(custom_object, record)
        record.fields = body
        record.updated += TRIGGER_MILLISECONDS
        record.updated_by = user
        link(custom_object, record)
        self.journal.keep_record(custom_object, record)

    def upsert_by_external_id(
        self,
        custom_object: CustomObject,
        data: JsonObject,
        author: Author = FROM_API,
        *,
        keeps: bool = True,
    ) -> Record:
        external_id = data.get("external_id")
        if not isinstance(external_id, str) or not external_id:
            raise RecordInvalid([("base", "External ID: cannot be blank")])
        record = self.with_external_id(custom_object.table, external_id)
        if record is None:
            return self.create(custom_object, data, author)
        data = data | {"external_id": record.external_id}
        return self.update(custom_object, record, data, author, keeps=keeps)

    def with_external_id(self, table: Table, external_id: str) -> Record | None:
        """The record that a write with this external id finds."""
        external_id = self._key(external_id)
        if self.assumptions.external_id_case == "exact":
            return table.with_external_id(external_id)
        wanted = external_id.casefold()
        same = (each for each in table.by_external_id if each.casefold() == wanted)
        found = next(same, None)
        return None if found is None else table.with_external_id(found)

    def _key(self, text: str) -> str:
        """An external id or a name in the form that is stored."""
        return text if self.assumptions.key_spaces == "kept" else text.strip()

    def upsert_by_name(
        self,
        custom_object: CustomObject,
        data: JsonObject,
        author: Author = FROM_API,
        *,
        keeps: bool = True,
    ) -> Record:
        if not custom_object.names_are_unique:
            raise RecordInvalid([("base", NAME_NOT_UNIQUE)])
        name = data.get("name")
        if not isinstance(name, str) or not name.strip():
            raise RecordInvalid([("base", "Name: cannot be blank")])
        record = custom_object.table.with_name(self._key(name))
        if record is None:
            return self.create(custom_object, data, author)
        return self.update(custom_object, record, data, author, keeps=keeps)

    def delete(
        self, custom_object: CustomObject, record: Record, author: Author = FROM_API
    ) -> None:
        """Deletes a record and its children."""
        record.applied += author.applied
        self._delete(custom_object, record, author)

    def _delete(
        self, custom_object: CustomObject, record: Record, author: Author
    ) -> None:
        record_id = custom_object.table.id_of(record)
        self._remember(custom_object, record)
        unlink(custom_object, record)
        custom_object.table.remove(record, self._time_of(author), author.user)
        self.journal.drop_record(custom_object, record)
        for other in self.objects.values():
            children = other.table.children.pop(record_id, set())
            for child in [other.table.rows[row] for row in children]:
                if child and not child.deleted:
                    self._delete(other, child, author)

    def _remember(self, custom_object: CustomObject, record: Record) -> None:
        """Keep what lagging reads still show."""
        if self.assumptions.read_lag or self.assumptions.search_lag:
            custom_object.table.remember(record, self.clock())

    def _checked_fields(
        self,
        custom_object: CustomObject,
        before: JsonObject,
        data: JsonObject,
        problems: Problems,
    ) -> JsonObject:
        """The field values after the change. Adds what is wrong to `problems`."""
        sent = data.get("custom_object_fields")
        if sent is None:
            sent = {}
        if not isinstance(sent, dict):
            problems.append(("base", "custom_object_fields: must be an object"))
            return before
        fields = dict(before)
        for key, value in sent.items():
            self._check_value(custom_object, key, value, fields, problems)
        check_required(custom_object, fields, problems)
        return fields

    def _check_value(
        self,
        custom_object: CustomObject,
        key: str,
        value: Json,
        fields: JsonObject,
        problems: Problems,
    ) -> None:
        field = custom_object.fields.get(key)
        is_usual = field is not None and field.active and not field.is_rollup
        if not is_usual and is_dropped(custom_object, key, self.assumptions):
            return
        if field is None or not field.active:
            problems.append((key, f"{key}: is not a field of {custom_object.key}"))
            return
        try:
            stored = stored_value(field, value, self.find, self.assumptions)
        except Unchanged:
            return
        except Invalid as problem:
            problems.append((key, f"{field.title}: {problem}"))
            return
        if stored is None:
            fields.pop(key, None)
        else:
            fields[key] = stored

    def _checked_name(
        self,
        custom_object: CustomObject,
        data: JsonObject,
        record: Record | None,
        problems: Problems,
    ) -> str:
        name = data.get("name")
        if custom_object.autonumbered:
            if name is not None and self.assumptions.autonumbered_name != "ignored":
                problems.append(("base", NAME_IS_NUMBERED))
            return record.name if record else ""
        if record and "name" not in data:
            return record.name
        if is_blank(name) or not isinstance(name, str) or not name.strip():
            problems.append(("base", "Name: cannot be blank"))
            return ""
        name = self._key(name)
        other = custom_object.table.with_name(name)
        is_used = other is not None and other is not record
        if is_used or self._was_deleted(custom_object, f"name:{name}"):
            problems.append(("base", "Name already exists. Try another one."))
        return name

    def _checked_external_id(
        self,
        custom_object: CustomObject,
        data: JsonObject,
        record: Record | None,
        problems: Problems,
    ) -> str | None:
        if record and "external_id" not in data:
            return record.external_id
        external_id = data.get("external_id")
        if is_blank(external_id):
            return None
        if not isinstance(external_id, str):
            problems.append(("base", "External ID: must be a string"))
            return None
        external_id = self._key(external_id)
        other = self.with_external_id(custom_object.table, external_id)
        is_used = other is not None and other is not record
        if is_used or self._was_deleted(custom_object, f"external_id:{external_id}"):
            problems.append(("base", "External ID already exists. Try another one."))
        return external_id

    def _was_deleted(self, custom_object: CustomObject, key: str) -> bool:
        """Whether a deleted record still has the key."""
        if self.assumptions.deleted_key == "free":
            return False
        return key in custom_object.table.deleted_keys

    def _refuse(self, problems: Problems, name: str, body: bytes) -> None:
        """Raises RecordInvalid when there is a problem or the record is too large."""
        is_in_bytes = self.assumptions.length_unit == "bytes"
        fields_size = len(body) if is_in_bytes else len(body.decode())
        if text_size(name, self.assumptions) + fields_size > MAX_RECORD:
            problems.append(("base", "The record is larger than 32 KB"))
        if problems:
            raise RecordInvalid(problems)

    def find(self, field: Field, value: str) -> str | None:
        """The id a reference means."""
        if not field.target_object:
            return related.find(field.target, value)
        target = self.objects.get(field.target_object)
        if target is None:
            return None
        record = referenced(target, value)
        return target.table.id_of(record) if record else None


def referenced(target: CustomObject, value: str) -> Record | None:
    if value.startswith("external_id:"):
        return target.table.with_external_id(value.removeprefix("external_id:"))
    if not value.startswith("name:"):
        return target.table.get(value)
    name = value.removeprefix("name:")
    if target.names_are_unique:
        return target.table.with_name(name)
    same_name = (record for record in target.table.alive() if record.name == name)
    return next(same_name, None)


def check_required(
    custom_object: CustomObject, fields: JsonObject, problems: Problems
) -> None:
    refused = {key for key, _ in problems}
    for field in custom_object.fields.values():
        is_missing = field.key not in fields and field.key not in refused
        if field.required and field.active and is_missing:
            problems.append((field.key, f"{field.title}: cannot be blank"))
