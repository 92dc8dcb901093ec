"""From signing in to the results of a job, as a person goes."""

import csv
import io
import json
import re
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import Person
from tests.acceptance.product import Product
from tests.harness import GADGET, to_csv
from tests.sandbox_server import Sandbox

ROWS = 10_000
COLUMNS = [
    "external_id",
    "Name",
    "Serial",
    "Status",
    "Tags",
    "Price",
    "Seats",
    "Insured",
    "Bought",
    "Remarks",
]
INTEGER = ("is not a whole number", "Write digits only, such as 1250.")
NUMBER = (
    "is not a number",
    "Write digits with a point, such as 1250.50, or as the other numbers of the column "
    "are written.",
)
DATE = (
    "is not a date",
    "Choose the order of day and month in the column's rule, or write year-month-day, "
    "such as 2026-08-03.",
)
CHECKBOX = (
    "is neither yes nor no",
    "Choose words for yes and no in the column's rule, or write true or false, yes or no, "
    "1 or 0.",
)
OTHER_OPTION = (
    "Choose what the value becomes in the column's rule, or add the option in Zendesk, "
    "refresh the object and check again."
)
STATUS = (
    "is not an option of Status",
    f"Its options are in_use, retired. {OTHER_OPTION}",
)
TAGS = (
    "is not an option of Tags",
    f"Its options are wifi, gps. Write ; between several. {OTHER_OPTION}",
)
SERIAL = (
    "does not match the pattern of Serial",
    "It must match the field's pattern ^[A-Z]{2}-[0-9]{6}$",
)
EMPTY = "Fill it in, or leave the row out."
DOUBLE = "Keep one of the rows: Zendesk may apply them in any order."
DIGITS = (
    "has too many digits",
    "Write at most 18 digits, or use a text field: longer numbers change when they are sent.",
)

MISTAKES: list[tuple[int, str, str, str, str, str]] = [
    (2, "Seats", "four", "not_an_integer", *INTEGER),
    (17, "Seats", "4.5", "not_an_integer", *INTEGER),
    (101, "Seats", "1,0,00", "not_an_integer", *INTEGER),
    (102, "Seats", "12 34", "not_an_integer", *INTEGER),
    (333, "Seats", "1234567890123456789", "too_many_digits", *DIGITS),
    (444, "Price", "1.2.50", "not_a_number", *NUMBER),
    (445, "Price", "12 5", "not_a_number", *NUMBER),
    (446, "Price", "€ 12", "not_a_number", *NUMBER),
    (500, "Price", "NaN", "not_a_number", *NUMBER),
    (777, "Bought", "03/08/2025", "not_a_date", *DATE),
    (778, "Bought", "8/3/25", "not_a_date", *DATE),
    (779, "Bought", "31.12.2024", "not_a_date", *DATE),
    (780, "Bought", "2025-02-30", "not_a_date", *DATE),
    (781, "Bought", "3 Aug 2025", "not_a_date", *DATE),
    (900, "Bought", "2025-08-03T10:30:00", "not_a_date", *DATE),
    (1001, "Insured", "maybe", "not_a_checkbox", *CHECKBOX),
    (1002, "Insured", "2", "not_a_checkbox", *CHECKBOX),
    (1234, "Status", "broken", "unknown_option", *STATUS),
    (1235, "Status", "In use?", "unknown_option", *STATUS),
    (
        2000,
        "Tags",
        "wifi;bluetooth",
        "unknown_option",
        f"“bluetooth” {TAGS[0]}.",
        TAGS[1],
    ),
    (2001, "Tags", "5g", "unknown_option", *TAGS),
    (2500, "Serial", "ab-000001", "no_match", *SERIAL),
    (2501, "Serial", "AB-12345", "no_match", *SERIAL),
    (2502, "Serial", "AB 123456", "no_match", *SERIAL),
    (3000, "Serial", "", "empty", "Serial is empty.", EMPTY),
    (3001, "Serial", "  ", "empty", "Serial is empty.", EMPTY),
    (3500, "Name", "", "empty", "Name is empty.", EMPTY),
    (3501, "Name", " ", "empty", "Name is empty.", EMPTY),
    (
        5000,
        "external_id",
        "g-1500",
        "duplicate_external_id",
        "is already the External ID of row 1501",
        DOUBLE,
    ),
    (
        5001,
        "external_id",
        "g-1500",
        "duplicate_external_id",
        "is already the External ID of row 1501",
        DOUBLE,
    ),
    (
        5002,
        "external_id",
        "g-4998",
        "duplicate_external_id",
        "is already the External ID of row 4999",
        DOUBLE,
    ),
    (
        6000,
        "Name",
        "Gadget 1600",
        "duplicate_name",
        "is already the Name of row 1601",
        DOUBLE,
    ),
    (
        6001,
        "Name",
        "Gadget 5998",
        "duplicate_name",
        "is already the Name of row 5999",
        DOUBLE,
    ),
    (
        8000,
        "",
        "g-7999, Gadget 7999, AB-007999, Retired, gps, -0.5, 5, 2025-06-22, left over",
        "row_width",
        "The row has 11 cells, the header has 10.",
        "Quote cells that contain the delimiter.",
    ),
    (
        8001,
        "",
        "g-8000, Gadget 8000, AB-008000, wifi, 6, yes, a, b",
        "row_width",
        "The row has 12 cells, the header has 10.",
        "Quote cells that contain the delimiter.",
    ),
    (9999, "Seats", "0x10", "not_an_integer", *INTEGER),
    (10_001, "Insured", "ja", "not_a_checkbox", *CHECKBOX),
]
"""Row, column, value of the cell or cells of the row, and its expected problem: code, message,
fix."""
EXTRA_CELLS = {8000: ["left over"], 8001: ["a", "b"]}
"""Behind the last column."""


def cells_of(number: int) -> dict[str, str]:
    """A valid row. `number` starts at 1, so it is row `number + 1` of the file."""
    return {
        "external_id": f"g-{number}",
        "Name": f"Gadget {number}" if number % 9 else f"Gerät „{number}“, groß",
        "Serial": f"AB-{number:06}",
        "Status": ("in_use", "Retired", "")[number % 3],
        "Tags": ("wifi", "wifi;GPS", "", "gps")[number % 4],
        "Price": ("", "12", f"{number}.25", "-0.5")[number % 4],
        "Seats": str(number % 7),
        "Insured": ("yes", "FALSE", "1", "")[number % 4],
        "Bought": (date(2020, 1, 1) + timedelta(days=number % 2000)).isoformat()
        if number % 5
        else "",
        "Remarks": "Zwei\nZeilen"
        if number == ROWS
        else "=SUM(A1)"
        if number % 11 == 0
        else "",
    }


def record_of(number: int) -> tuple[str, dict[str, Any]]:
    """Name and fields that Zendesk must hold for that row."""
    cells = cells_of(number)
    fields = {
        "serial": cells["Serial"],
        "status": ("in_use", "retired", None)[number % 3],
        "tags": (["wifi"], ["wifi", "gps"], None, ["gps"])[number % 4],
        "price": (None, 12, number + 0.25, -0.5)[number % 4],
        "seats": number % 7,
        "insured": (True, False, True, None)[number % 4],
        "bought": cells["Bought"] or None,
        "notes": cells["Remarks"] or None,
    }
    return cells["Name"], fields


def held(sandbox: Sandbox, key: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """{external id: (name, fields)}. Empty fields are None."""
    return {
        record["external_id"]: (
            record["name"],
            {
                entry["key"]: record["custom_object_fields"].get(entry["key"]) or None
                if entry["type"] == "multiselect"
                else record["custom_object_fields"].get(entry["key"])
                for entry in GADGET
            },
        )
        for record in sandbox.records(key)
    }


def ten_thousand_rows() -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    wrong = {row: (column, value) for row, column, value, *_ in MISTAKES}
    for number in range(1, ROWS + 1):
        cells = cells_of(number)
        column, value = wrong.get(number + 1, ("", ""))
        if column:
            cells[column] = value
        writer.writerow([*cells.values(), *EXTRA_CELLS.get(number + 1, [])])
    return out.getvalue().encode()


def test_first_job_of_ten_thousand_rows(
    page: Page, product: Product, zendesk: Sandbox, tmp_path: Path
) -> None:
    zendesk.make_object("first", fields=GADGET, name={"is_unique": True})
    file = tmp_path / "gadgets.csv"
    file.write_bytes(ten_thousand_rows())
    person = Person(page, product)

    person.sign_in()
    person.add_connection("First", zendesk)
    person.press("Test")
    expect(page.locator("#test")).to_contain_text("The connection works.")
    person.press("Refresh objects")
    person.sees(re.compile(r"\d+ objects refreshed from First\."))
    person.upload("First · first", "create", file)
    person.sees("10 columns, 10,000 rows")
    person.press("Map columns")
    assert person.matched() == {
        "external_id": "external_id",
        "Name": "name",
        "Serial": "field:serial",
        "Status": "field:status",
        "Tags": "field:tags",
        "Price": "field:price",
        "Seats": "field:seats",
        "Insured": "field:insured",
        "Bought": "field:bought",
        "Remarks": "field:notes",
    }
    page.go_back()
    person.map()
    person.sees("37 of 10,000 rows are invalid")
    _, problems = person.download(re.compile("Download all problems"))
    assert list(csv.reader(io.StringIO(problems)))[1:] == [
        list(map(str, problem)) for problem in expected_problems()
    ]
    person.review(leave_out=True)
    person.sees("Create 9,963 first records")
    person.sees("9,963 rows in 100 batches")
    person.sees("37 invalid rows will not be sent")

    zendesk.settings(job_seconds=2)
    watched = Watched(page)
    person.launch()
    person.watch("Completed with failures")
    zendesk.settings(job_seconds=0.3)

    assert watched.percents() == sorted(set(watched.percents()))
    assert len(watched.percents()) > 3
    expect(page).to_have_title("100 % gadgets.csv · Jobs UI")
    assert watched.polls_from_now(seconds=3) == 0
    rows = person.results()
    wrong = {
        row: f"{column}: {reason}" if column else reason
        for row, column, _, _, reason, _ in expected_problems()
    }
    assert Counter(row["_outcome"] for row in rows) == {"created": 9963, "invalid": 37}
    assert [int(row["_row"]) for row in rows] == list(range(2, ROWS + 2))
    assert {
        int(row["_row"]): row["_error"] for row in rows if row["_outcome"] == "invalid"
    } == wrong
    good = [number for number in range(1, ROWS + 1) if number + 1 not in wrong]
    assert held(zendesk, "first") == {
        f"g-{number}": record_of(number) for number in good
    }
    assert zendesk.applied("first") == {f"g-{number}": 1 for number in good}


def expected_problems() -> list[tuple[int, str, str, str, str, str]]:
    return [
        (
            row,
            column,
            value,
            code,
            reason if reason.endswith(".") else f"“{value}” {reason}.",
            fix,
        )
        for row, column, value, code, reason, fix in MISTAKES
    ]


class Watched:
    """What a page of a job does by itself: its titles, and how often it polls."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._polls = 0
        page.add_init_script(
            "new MutationObserver(() => { if (document.title) sessionStorage.setItem('titles', "
            "(sessionStorage.getItem('titles') || '') + document.title + '\\n') })"
            ".observe(document, { subtree: true, childList: true })"
        )
        page.on("request", lambda request: self._count(request.url))

    def percents(self) -> list[int]:
        """The percentages in the titles, each once, in their order."""
        titles = self._page.evaluate("sessionStorage.getItem('titles')")
        return [
            int(percent)
            for percent in dict.fromkeys(re.findall(r"^(\d+) % ", titles, re.MULTILINE))
        ]

    def polls_from_now(self, *, seconds: float) -> int:
        """How many polls the page sends from now on. The wait must be longer than its
        poll interval."""
        before = self._polls
        self._page.wait_for_timeout(seconds * 1000)
        return self._polls - before

    def _count(self, url: str) -> None:
        self._polls += "/progress/" in url


SMALL = 250


def test_create_makes_the_records(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    rows = [cells_of(number) for number in range(1, SMALL + 1)]

    person.send(
        f"{CONNECTION} · {gadget}",
        "create",
        ("new.csv", to_csv(rows)),
        corrections={"Remarks": "field:notes"},
    )
    person.watch()

    assert held(zendesk, gadget) == {
        f"g-{number}": record_of(number) for number in range(1, SMALL + 1)
    }
    assert Counter(row["_outcome"] for row in person.results()) == {"created": SMALL}


def test_update_changes_what_is_mapped_and_nothing_else(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    ids = seeded(zendesk, gadget)
    rows = [{"id": entry, "Seats": "99", "Bought": ""} for entry in ids]

    person.send(f"{CONNECTION} · {gadget}", "update", ("seats.csv", to_csv(rows)))
    person.watch()

    name, fields = record_of(7)
    assert held(zendesk, gadget)["g-7"] == (name, fields | {"seats": 99})
    assert held(zendesk, gadget) == {
        external_id: (name, fields | {"seats": 99})
        for external_id, (name, fields) in seeds().items()
    }
    assert Counter(row["_outcome"] for row in person.results()) == {"updated": SMALL}


def test_upsert_by_external_id_changes_and_makes(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    seeded(zendesk, gadget, SMALL // 2)
    rows = [cells_of(number) | {"Seats": "50"} for number in range(1, SMALL + 1)]

    person.send(
        f"{CONNECTION} · {gadget}",
        "create_or_update_by_external_id",
        ("all.csv", to_csv(rows)),
        corrections={"Remarks": "field:notes"},
        blank="clear",
    )
    person.watch()

    assert held(zendesk, gadget) == {
        external_id: (name, fields | {"seats": 50})
        for external_id, (name, fields) in seeds().items()
    }
    assert Counter(row["_outcome"] for row in person.results()) == {
        "created_or_updated": SMALL
    }


def test_upsert_by_name_changes_and_makes(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    zendesk.make_object(gadget, fields=GADGET, name={"is_unique": True})
    person.press("Refresh")
    person.sees("refreshed.")
    seeded(zendesk, gadget, SMALL // 2)
    rows = [cells_of(number) | {"Seats": "50"} for number in range(1, SMALL + 1)]

    person.send(
        f"{CONNECTION} · {gadget}",
        "create_or_update_by_name",
        ("names.csv", to_csv(rows)),
        corrections={"Remarks": "field:notes"},
    )
    person.watch()

    assert held(zendesk, gadget) == {
        external_id: (name, fields | {"seats": 50})
        for external_id, (name, fields) in seeds().items()
    }
    assert Counter(row["_outcome"] for row in person.results()) == {
        "created_or_updated": SMALL
    }


@pytest.mark.parametrize(
    ("action", "column"), [("delete", "id"), ("delete_by_external_id", "external_id")]
)
def test_delete_takes_the_named_records(
    person: Person, zendesk: Sandbox, gadget: str, action: str, column: str
) -> None:
    ids = seeded(zendesk, gadget, SMALL + 10)
    named = (
        ids if column == "id" else [f"g-{number}" for number in range(1, SMALL + 11)]
    )

    person.send(
        f"{CONNECTION} · {gadget}",
        action,
        ("gone.csv", to_csv([{column: key} for key in named[:SMALL]])),
    )
    person.watch()

    assert set(held(zendesk, gadget)) == {
        f"g-{number}" for number in range(SMALL + 1, SMALL + 11)
    }
    assert Counter(row["_outcome"] for row in person.results()) == {"deleted": SMALL}


def test_workbook_becomes_records(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Gadgets")
    sheet.append(COLUMNS)
    for number in range(1, SMALL + 1):
        cells: list[Any] = list(cells_of(number).values())
        cells[6] = int(cells[6])
        cells[8] = date.fromisoformat(cells[8]) if cells[8] else None
        cells[9] = cells[9].replace("=SUM(A1)", "sum")
        sheet.append(cells)
    out = io.BytesIO()
    book.save(out)

    person.send(
        f"{CONNECTION} · {gadget}",
        "create",
        ("book.xlsx", out.getvalue()),
        corrections={"Remarks": "field:notes"},
    )
    person.watch()

    expected = {f"g-{number}": record_of(number) for number in range(1, SMALL + 1)}
    for _, fields in expected.values():
        fields["notes"] = fields["notes"] and "sum"
    assert held(zendesk, gadget) == expected


def test_json_lines_become_records(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    lines = []
    for number in range(1, SMALL + 1):
        name, fields = record_of(number)
        present = {key: value for key, value in fields.items() if value is not None}
        lines.append(
            json.dumps(
                {"external_id": f"g-{number}", "name": name, **present},
                ensure_ascii=False,
            )
        )

    person.send(
        f"{CONNECTION} · {gadget}", "create", ("lines.jsonl", "\n".join(lines).encode())
    )
    person.watch()

    assert held(zendesk, gadget) == {
        f"g-{number}": record_of(number) for number in range(1, SMALL + 1)
    }


def seeds(count: int = SMALL) -> dict[str, tuple[str, dict[str, Any]]]:
    return {f"g-{number}": record_of(number) for number in range(1, count + 1)}


def seeded(sandbox: Sandbox, key: str, count: int = SMALL) -> list[str]:
    """Adds these records to Zendesk. Returns their ids."""
    return sandbox.add_records(
        key,
        [
            {"external_id": external_id, "name": name, "custom_object_fields": fields}
            for external_id, (name, fields) in seeds(count).items()
        ],
    )
