"""Mapping and rules in a browser: what depends on a choice is redrawn at once."""

import re

from playwright.sync_api import expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import Person

ROWS = (
    "external_id;Name;Serial;State;Bought\n"
    "g-1;Phone;AB-000001;In use;03/04/2026\n"
    "g-2;Tablet;AB-000002;Broken;05/06/2026\n"
)


def test_choices_are_redrawn_and_kept_on_the_way_to_a_rule(
    person: Person, gadget: str
) -> None:
    page = person.page
    action = "create_or_update_by_external_id"
    file = ("assets.csv", ROWS.encode())
    person.upload(f"{CONNECTION} · {gadget}", action, file)
    person.press("Map columns")

    page.get_by_label("Column for External ID", exact=True).select_option("")
    expect(page.locator("#map-missing-below")).to_contain_text("External ID")
    page.get_by_label("Column for External ID", exact=True).select_option("external_id")
    expect(page.locator("#map-missing-below")).to_have_text("")
    page.get_by_label("Column for Status", exact=True).select_option("State")
    page.get_by_role("button", name="Edit rule of Status").click()

    preview = page.locator("#rule-preview")
    expect(preview).to_contain_text("1 of 2 different values has a problem.")
    page.get_by_label("Option for Broken").select_option("Retired")
    expect(preview).to_contain_text("No problem among 2 different values.")
    person.press("Save rule")
    person.sees("1 value replaced")

    page.get_by_role("button", name="Edit rule of Bought").click()
    person.sees("Dates can be read in two orders")
    page.get_by_label("Order of dates").select_option("dmy")
    expect(preview).to_contain_text('"2026-06-05"')
    person.press("Save rule")
    person.press(re.compile("^Check [0-9]"))

    person.sees("no problems")
