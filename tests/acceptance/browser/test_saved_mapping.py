"""The next month's file takes two clicks."""

import re

from playwright.sync_api import expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import LONG, Person

ACTION = "create_or_update_by_external_id"
OCTOBER = (
    "Number;Label;Serial no.;Remarks\n"
    "g-1;Müller;AB-000001;Zürich\n"
    "g-2;Meyer;AB-000002;Genève\n"
).encode("cp1252")
NOVEMBER = (
    "Number;Label;Serial no.;Remarks\n"
    "g-3;Schröder;AB-000003;Köln\n"
    "g-4;Gößmann;AB-000004;Nîmes\n"
).encode("cp1252")
COLUMNS = {
    "Number": "external_id",
    "Label": "name",
    "Serial no.": "field:serial",
    "Remarks": "field:notes",
}


def test_next_file_takes_two_clicks(person: Person, gadget: str) -> None:
    page = person.page
    person.upload(f"{CONNECTION} · {gadget}", ACTION, ("october.csv", OCTOBER))
    person.press("Use Windows-1252")
    person.sees("CSV, Windows-1252, semicolon, 4 columns, 2 rows, header in row 1")
    person.map(COLUMNS)
    person.review()
    person.press("Save mapping")
    page.get_by_label("Name").fill(f"Monthly {gadget}")
    person.press("Save mapping")
    person.sees(f"Mapping saved as “Monthly {gadget}”, version 1.")
    page.get_by_role("link", name=f"Monthly {gadget}, version 1").click()

    person.press("New job with this mapping")
    person.choose_file(("november.csv", NOVEMBER))
    person.press("Upload")

    expect(person.heading("Run settings")).to_be_visible(timeout=LONG)
    assert re.search(r"/jobs/new/[0-9a-f-]{36}/review/$", page.url)
    person.sees(f"Mapped with the saved mapping Monthly {gadget}, version 1")
    person.launch()
    person.watch()
    names = {row["Label"] for row in person.results()}
    assert names == {"Schröder", "Gößmann"}
