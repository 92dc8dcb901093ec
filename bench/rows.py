"""Writes files of any length for the sandbox's object "asset". They are the same every
time, and one row in a hundred has a mistake."""

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
MODELS = ("ThinkPad T14", "Latitude 7450", "MacBook Air")
STATUSES = ("In use", "In stock", "In repair", "Retired")
FEATURES = ("battery;wifi", "wifi", "rugged;gps", "")
NOTES = (
    "",
    "",
    "",
    "Zürich office",
    "Returned by the holder, to be cleaned, “urgent”",
    "See ticket; cable missing",
)

type Row = list[str]


def write(path: Path, rows: int, *, first: int = 0) -> None:
    """Write a file of the format that its name ends in.

    `first` is the number of the first external id, so that two files differ.
    """
    writers = {
        ".csv": _write_csv,
        ".xlsx": _write_xlsx,
        ".json": _write_json,
        ".jsonl": _write_json_lines,
    }
    writers[path.suffix](path, _rows(first, rows))


def _write_csv(path: Path, rows: Iterator[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(chain([HEADER], rows))


def _write_xlsx(path: Path, rows: Iterator[Row]) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Assets")
    for cells in chain([HEADER], rows):
        sheet.append(cells)
    book.save(path)


def _write_json(path: Path, rows: Iterator[Row]) -> None:
    with path.open("w", encoding="utf-8") as out:
        for number, cells in enumerate(rows):
            out.write("," if number else "[")
            out.write(_to_json(cells))
        out.write("]")


def _write_json_lines(path: Path, rows: Iterator[Row]) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.writelines(f"{_to_json(cells)}\n" for cells in rows)


def _to_json(cells: Row) -> str:
    record = dict(zip(HEADER, cells, strict=True))
    return json.dumps(record, ensure_ascii=False)


def _rows(first: int, rows: int) -> Iterator[Row]:
    chance = random.Random(7)
    for number in range(first, first + rows):
        bought = date(2021, 1, 1) + timedelta(days=chance.randrange(1900))
        model = chance.choice(MODELS)
        is_mistake = number % 100 == 50
        status = "broken" if is_mistake else chance.choice(STATUSES)
        yield [
            f"A-{number:08}",
            f"Laptop {number + 1}",
            f"LA-{number % 1_000_000:06}",
            model,
            status,
            chance.choice(FEATURES),
            bought.isoformat(),
            str(chance.choice((12, 24, 36))),
            f"{chance.uniform(0.2, 6):.2f}",
            f"{chance.uniform(60, 2400):.2f}",
            chance.choice(("yes", "no")),
            chance.choice(NOTES),
        ]
