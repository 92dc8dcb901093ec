"""Files of any length for the sandbox's object "asset", the same every time; one row in
a hundred has a mistake."""

import csv
import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain
from pathlib import Path

import openpyxl

HEADER = [
    "external_id",
    "name",
    "serial_number",
    "model",
    "status",
    "features",
    "purchased_on",
    "warranty_months",
    "weight_kg",
    "price",
    "insured",
    "notes",
]
FORMATS = ("csv", "xlsx", "json", "jsonl")
NOTES = (
    "",
    "",
    "",
    "Zürich office",
    "Returned by the holder, to be cleaned, “urgent”",
    "See ticket; cable missing",
)


def write(path: Path, rows: int, *, first: int = 0) -> None:
    """A file of the format its name ends in; `first` sets its external ids apart from
    those of another file."""
    made = _rows(first, rows)
    match path.suffix:
        case ".csv":
            with path.open("w", encoding="utf-8", newline="") as out:
                csv.writer(out).writerows(chain([HEADER], made))
        case ".xlsx":
            book = openpyxl.Workbook(write_only=True)
            sheet = book.create_sheet("Assets")
            for cells in chain([HEADER], made):
                sheet.append(cells)
            book.save(path)
        case ".json":
            with path.open("w", encoding="utf-8") as out:
                for number, cells in enumerate(made):
                    out.write("," if number else "[")
                    out.write(
                        json.dumps(
                            dict(zip(HEADER, cells, strict=True)), ensure_ascii=False
                        )
                    )
                out.write("]")
        case ".jsonl":
            with path.open("w", encoding="utf-8") as out:
                out.writelines(
                    json.dumps(
                        dict(zip(HEADER, cells, strict=True)), ensure_ascii=False
                    )
                    + "\n"
                    for cells in made
                )


def _rows(first: int, rows: int) -> Iterator[list[str]]:
    chance = random.Random(7)
    for number in range(first, first + rows):
        bought = date(2021, 1, 1) + timedelta(days=chance.randrange(1900))
        yield [
            f"A-{number:08}",
            f"Laptop {number + 1}",
            f"LA-{number % 1_000_000:06}",
            chance.choice(("ThinkPad T14", "Latitude 7450", "MacBook Air")),
            chance.choice(("In use", "In stock", "In repair", "Retired"))
            if number % 100 != 50
            else "broken",
            chance.choice(("battery;wifi", "wifi", "rugged;gps", "")),
            bought.isoformat(),
            str(chance.choice((12, 24, 36))),
            f"{chance.uniform(0.2, 6):.2f}",
            f"{chance.uniform(60, 2400):.2f}",
            chance.choice(("yes", "no")),
            chance.choice(NOTES),
        ]
