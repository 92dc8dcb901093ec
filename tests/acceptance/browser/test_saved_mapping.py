"""A broken file is put right inside the product, and the next month's takes two clicks."""

import re

from playwright.sync_api import expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import LONG, Person
from tests.sandbox_server import Sandbox

ACTION = "create_or_update_by_external_id"
HEADER = "External ID;Asset name;Serial no.;Price EUR;Bought on;State;Insured;Remarks\n"
OCTOBER = (
    HEADER
    + "421;Müller;AB-000001;1.234,50;31.12.2025;In use;ja;Zürich\n"
    + "100422;Meyer;AB-000002;99,90;01.02.2026;ausgemustert;nein;Genève\n"
    + "100423;Größe;AB-000003;7,00;03.02.2026;In use;ja;Nîmes\n"
).encode("cp1252")
NOVEMBER = (
    HEADER
    + "424;Schröder;AB-000004;2.500,00;04.05.2026;ausgemustert;ja;Köln\n"
    + "100425;Gößmann;AB-000005;0,50;06.05.2026;In use;nein;Besançon\n"
).encode("cp1252")


def test_broken_file_is_put_right_and_the_next_takes_two_clicks(
    person: Person, gadget: str, zendesk: Sandbox
) -> None:
    page = person.page
    person.upload(f"{CONNECTION} · {gadget}", ACTION, ("october.csv", OCTOBER))
    person.press("Use Windows-1252")
    person.sees("CSV, Windows-1252, semicolon, 8 columns, 3 rows, header in row 1")
    person.press("Map columns")
    for target, column in {"name": "Asset name", "field:bought": "Bought on"}.items():
        page.locator(f"[name='source_{target}']").select_option(column)
    person.sees("Use the suggested rule: Dates are day, month, year")
    person.press("Edit rule of External ID")
    page.get_by_label("Pad with zeros to this many digits").fill("6")
    expect(page.locator("#rule-preview")).to_contain_text("000421")
    person.press("Save rule")
    person.press("Edit rule of Status")
    page.get_by_label("Option for ausgemustert").select_option("Retired")
    person.press("Save rule")
    page.get_by_role("button", name=re.compile("^Check 3 rows")).click()
    person.sees("Checked 3 rows: no problems")
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
    person.launch()
    person.watch()
    records = zendesk.records(gadget)
    fields = [record["custom_object_fields"] for record in records]
    assert [record["external_id"] for record in records] == ["000424", "100425"]
    assert [values["price"] for values in fields] == [2500, 0.5]
    assert [values["bought"] for values in fields] == ["2026-05-04", "2026-05-06"]
    assert [values["status"] for values in fields] == ["retired", "in_use"]
    assert [values["insured"] for values in fields] == [True, False]
    assert [values["notes"] for values in fields] == ["Köln", "Besançon"]
