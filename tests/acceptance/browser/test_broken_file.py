"""A broken file of a spreadsheet is put right inside the product, and the next month's file
of its kind takes two clicks."""

import re
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import LONG, Person
from tests.sandbox_server import Sandbox

type Held = tuple[str, str, float, str]

ACTION = "create_or_update_by_external_id"
FIELDS: list[dict[str, Any]] = [
    {
        "key": "status",
        "title": "Status",
        "type": "dropdown",
        "custom_field_options": [
            {"name": "In use", "value": "in_use"},
            {"name": "Retired", "value": "retired"},
        ],
    },
    {"key": "price", "title": "Price", "type": "decimal"},
    {"key": "purchased_on", "title": "Purchased on", "type": "date"},
]
HEADER = "Asset no;Asset name;State;Price EUR;Bought on"
ROWS = 40


def broken(month: int) -> bytes:
    """A spreadsheet that expects the month first has converted the dates it could, and has
    removed the zeros of a few numbers."""
    lines = [HEADER]
    for index in range(ROWS):
        number = f"{month * 10_000 + index:08}"
        if index % 10 == 3:
            number = number.lstrip("0")
        state = "Verschrottet" if index % 4 == 0 else "In use"
        price = f"1.{100 + index},50"
        name = f"Gerät Größe {index}"
        lines.append(f"{number};{name};{state};{price};{converted(bought_on(index))}")
    return "\r\n".join(lines).encode("cp1252")


def bought_on(index: int) -> date:
    return date(2024, 1, 2) + timedelta(days=9 * index)


def converted(day: date) -> str:
    """As such a spreadsheet writes a day that was 31/12/2024."""
    if day.day > 12:
        return f"{day:%d/%m/%Y}"
    return f"{day:%Y-%d-%m}"


@pytest.fixture
def asset(person: Person, zendesk: Sandbox) -> str:
    """The key of an object of this test's own."""
    key = f"asset_{uuid4().hex[:8]}"
    zendesk.make_object(key, fields=FIELDS)
    person.add_object(CONNECTION, key)
    return key


def test_broken_file_is_put_right_and_the_next_takes_two_clicks(
    person: Person, zendesk: Sandbox, asset: str
) -> None:
    page = person.page
    person.upload(f"{CONNECTION} · {asset}", ACTION, ("october.csv", broken(1)))
    person.press("Use Windows-1252")
    person.sees("CSV, Windows-1252, semicolon, 5 columns, 40 rows, header in row 1")
    person.press("Map columns")
    purchased_on = page.locator('[name="source_field:purchased_on"]')
    purchased_on.select_option("Bought on")
    person.sees("Use the suggested rule: Pad to 8 digits")
    person.sees(
        "Swap day and month of dates with the year first, dates are day, month, year"
    )
    page.get_by_role("button", name="Edit rule of Status").click()
    page.get_by_label("Option for Verschrottet").select_option("Retired")
    person.press("Save rule")
    page.get_by_role("button", name=re.compile("^Check")).click()
    person.sees("Checked 40 rows: no problems")
    person.review()
    person.press("Save mapping")
    page.get_by_label("Name").fill(f"Monthly {asset}")
    person.press("Save mapping")
    person.sees(f"Mapping saved as “Monthly {asset}”, version 1.")
    saved = page.get_by_role("link", name=f"Monthly {asset}, version 1")
    address = saved.get_attribute("href") or ""
    person.launch()
    person.watch()
    assert sent(zendesk, asset) == expected(1)

    person.open(address)
    person.press("New job with this mapping")
    person.choose_file(("november.csv", broken(2)))
    person.press("Upload")

    expect(person.heading("Run settings")).to_be_visible(timeout=LONG)
    person.sees(f"Mapped with the saved mapping Monthly {asset}, version 1")
    person.launch()
    person.watch()
    assert sent(zendesk, asset) == expected(1) | expected(2)


def expected(month: int) -> dict[str, Held]:
    """What each record holds, by external ID."""
    return {
        f"{month * 10_000 + index:08}": (
            f"Gerät Größe {index}",
            "retired" if index % 4 == 0 else "in_use",
            float(f"1{100 + index}.5"),
            bought_on(index).isoformat(),
        )
        for index in range(ROWS)
    }


def sent(zendesk: Sandbox, key: str) -> dict[str, Held]:
    found: dict[str, Held] = {}
    for record in zendesk.records(key):
        fields = record["custom_object_fields"]
        found[record["external_id"]] = (
            record["name"],
            fields["status"],
            float(fields["price"]),
            fields["purchased_on"][:10],
        )
    return found
