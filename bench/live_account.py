"""The made-up account of bench.live, and files about its records."""

import csv
import io
import itertools
import json
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

KEY = "machine"
ROWS_AT_ONCE = 5_000
REQUESTS_PER_MINUTE = 60_000
"""More than any step makes."""
SOMEBODY = "26000000000002"
"""Another user of the account than the one of the connection."""
OPTIONS = ("new", "used", "broken", "lent")
FIELDS: list[dict[str, Any]] = [
    {"key": "serial", "title": "Serial", "type": "text"},
    {"key": "notes", "title": "Notes", "type": "textarea"},
    {
        "key": "code",
        "title": "Code",
        "type": "regexp",
        "regexp_for_validation": "^[A-Z]{2}-[0-9]{6}$",
    },
    {"key": "seats", "title": "Seats", "type": "integer"},
    {"key": "price", "title": "Price", "type": "decimal"},
    {"key": "insured", "title": "Insured", "type": "checkbox"},
    {"key": "bought", "title": "Bought", "type": "date"},
    {
        "key": "status",
        "title": "Status",
        "type": "dropdown",
        "custom_field_options": [
            {"value": each, "name": each.title()} for each in OPTIONS
        ],
    },
    {
        "key": "tags",
        "title": "Tags",
        "type": "multiselect",
        "custom_field_options": [
            {"value": f"tag_{each}", "name": f"Tag {each}"} for each in range(6)
        ],
    },
    {"key": "supplier", "title": "Supplier", "type": "text"},
]
COLUMNS = ("external_id", "name", *(field["key"] for field in FIELDS))

type Record = dict[str, Any]
"""{"external_id", "name", "custom_object_fields"}."""


def record(number: int, **fields: Any) -> Record:
    """Of the account, with other values in these fields."""
    own = {
        "serial": f"SN-{number * 7919 % 10**8:08}",
        "notes": f"Delivered to room {number % 911}, floor {number % 13}.",
        "code": f"AB-{number % 10**6:06}",
        "seats": number % 100,
        "price": number % 9000 + 0.5,
        "insured": number % 2 == 0,
        "bought": f"20{number % 26:02}-{number % 12 + 1:02}-{number % 28 + 1:02}",
        "status": OPTIONS[number % 4],
        "tags": [f"tag_{number % 3}", f"tag_{number % 3 + 3}"],
        "supplier": f"Supplier {number % 97}",
    }
    return {
        "external_id": key_of(number),
        "name": f"Machine {number}",
        "custom_object_fields": own | fields,
    }


def key_of(number: int) -> str:
    return f"M-{number:07}"


def file_of(records: Iterable[Record], columns: Sequence[str]) -> Iterator[bytes]:
    """A CSV file, in pieces."""
    header: Record = {"custom_object_fields": dict(zip(columns, columns, strict=True))}
    for some in itertools.batched(itertools.chain([header], records), ROWS_AT_ONCE):
        text = io.StringIO()
        writer = csv.writer(text)
        for each in some:
            values = each | each["custom_object_fields"]
            writer.writerow(_cell(values[column]) for column in columns)
        yield text.getvalue().encode()


def _cell(value: Any) -> str:
    return ";".join(value) if isinstance(value, list) else str(value)


class Account:
    """A sandbox, by its own endpoints."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.ask("objects", {"key": KEY, "fields": FIELDS, "name": {}})

    def add(self, records: Iterable[Record]) -> None:
        """Records of the day before."""
        for some in itertools.batched(records, ROWS_AT_ONCE):
            self._write("records", some, age=24 * 3600)

    def edit(self, records: Iterable[Record], *, age: float = 0.0) -> None:
        """As somebody else would do it, `age` seconds ago."""
        self._write("edits", list(records), user=SOMEBODY, age=age)

    def delete(self, records: Iterable[Record]) -> None:
        self._write("deletions", list(records), user=SOMEBODY)

    def contents(self) -> dict[str, Record]:
        """What the records hold that an undo can put back, by external ID."""
        records = self.ask(f"records?object={KEY}")["records"]
        members = ("external_id", "name", "custom_object_fields")
        return {
            each["external_id"]: {name: each[name] for name in members}
            for each in records
        }

    def written(self) -> set[str]:
        """The external IDs of the records that were written through the API."""
        applied = self.ask(f"applied?object={KEY}")["applied"]
        return {key for key, times in applied.items() if times}

    def ask(self, name: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/sandbox/{name}", data)
        with urllib.request.urlopen(request, timeout=300) as response:
            return json.load(response)

    def _write(self, name: str, records: Sequence[Record], **author: Any) -> None:
        self.ask(name, {"object": KEY, "records": records} | author)
