"""A table with a column of each common field type. It is the same every time."""

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STATUSES = [f"status_{number}" for number in range(12)]
FEATURES = ("battery;wifi", "wifi", "rugged;gps", "")


def _options(values: list[str]) -> list[dict[str, str]]:
    return [{"value": value, "name": value.title()} for value in values]


FIELDS: list[dict[str, Any]] = [
    {"key": "count", "type": "integer"},
    {"key": "price", "type": "decimal"},
    {"key": "purchased_on", "type": "date"},
    {"key": "insured", "type": "checkbox"},
    {
        "key": "status",
        "type": "dropdown",
        "custom_field_options": _options(STATUSES),
    },
    {
        "key": "features",
        "type": "multiselect",
        "custom_field_options": _options(["battery", "wifi", "rugged", "gps"]),
    },
    {
        "key": "owner",
        "type": "lookup",
        "relationship_target_type": "zen:user",
    },
    {
        "key": "code",
        "type": "regexp",
        "regexp_for_validation": "^[0-9]{6}-[0-9]{2}$",
    },
]
"""Of the custom object whose records the rows are, as Zendesk has them."""
HEADER = ["external_id", "name", *(field["key"] for field in FIELDS)]
BAD_EVERY = 100
"""Of these rows, one has a bad cell."""
DOUBLED_EVERY = 1000
"""Of these rows, one has the external id of the row before."""
NAMES = ("Laptop {}", "Zürich office {}", 'Drill, 5" ({})', "first line\nsecond {}")


def write(path: Path, rows: int) -> None:
    """28 % of the rows have quoted cells, 10 % a line end in one."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADER)
        writer.writerows(rows_of(rows))


def rows_of(rows: int) -> Iterator[list[str]]:
    chance = random.Random(7)
    for number in range(rows):
        yield _row(number, chance)


def _row(number: int, chance: random.Random) -> list[str]:
    is_doubled = number % DOUBLED_EVERY == DOUBLED_EVERY - 1
    is_bad = number % BAD_EVERY == BAD_EVERY // 2
    name = chance.choices(NAMES, weights=(54, 18, 18, 10))[0]
    return [
        f"A-{number - is_doubled:08}",
        name.format(number),
        "many" if is_bad else str(chance.randrange(100_000)),
        f"{chance.uniform(1, 9000):.2f}",
        f"20{number % 26:02}-{number % 12 + 1:02}-{number % 28 + 1:02}",
        chance.choice(("true", "false")),
        chance.choice(STATUSES),
        chance.choice(FEATURES),
        f"owner-{number % 5000}-{chance.randrange(10**9)}",
        f"{chance.randrange(10**6):06}-{number % 97:02}",
    ]
