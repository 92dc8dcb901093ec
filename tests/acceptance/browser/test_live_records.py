"""The whole way of records that a job changes, in the browser: compare, prove, undo, and their
history."""

import re
from typing import Any

from playwright.sync_api import expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import LONG, Person
from tests.harness import gadgets, record_of, to_csv
from tests.sandbox_server import Sandbox

UPSERT = "create_or_update_by_external_id"


def test_changes_are_compared_proved_and_undone(
    person: Person, gadget: str, zendesk: Sandbox
) -> None:
    object_page = person.page.url
    zendesk.add_records(gadget, [record_of(row) for row in gadgets(120)])
    before = contents(zendesk, gadget)
    rows = gadgets(121)
    rows[4] |= {"name": "Other", "price": "500"}
    rows[49] |= {"name": "New", "price": "700"}
    rows[99]["price"] = "600"
    page = person.page

    person.upload(f"{CONNECTION} · {gadget}", UPSERT, ("second.csv", to_csv(rows)))
    person.map()
    person.press("Compare")
    comparison = page.locator("#comparison")
    expect(comparison).to_contain_text(
        "Sends 4 of 121 rows: 3 changes, 1 new record; 117 are as in the file already",
        timeout=LONG,
    )
    assert table(person, "Cells that change, by field") == ["Price 3 0", "Name 2 0"]
    assert table(person, "Rows, with old and new values") == [
        "6 g-5 Change Name old: Gadget 5 → new: Other Price old: 5.5 → new: 500",
        "51 g-50 Change Name old: Gadget 50 → new: New Price old: 50.5 → new: 700",
        "101 g-100 Change Price old: 100.5 → new: 600",
        "122 g-121 Create Name new: Gadget 121 Serial new: AB-000121 Price new: 121.5 –",
    ]
    page.get_by_label("Send row 101", exact=True).uncheck()
    expect(comparison).to_contain_text("Sends 3 of 121 rows: 2 changes, 1 new record")
    person.press("Review")
    person.sees("117 are as in the file already; 1 is left out")
    page.get_by_label("Do not send them: watch for changes").check()
    job = person.launch()
    person.watch()

    outcomes = {row["external_id"]: row["_outcome"] for row in person.results()}
    sent = {"g-5": "updated", "g-50": "updated", "g-100": "cancelled"}
    sent["g-121"] = "created"
    unchanged = dict.fromkeys((row["external_id"] for row in rows), "unchanged")
    assert outcomes == unchanged | sent
    after = contents(zendesk, gadget)
    assert after["g-5"] == ("Other", before["g-5"][1] | {"price": 500})
    assert after["g-50"] == ("New", before["g-50"][1] | {"price": 700})
    assert after.keys() - before.keys() == {"g-121"}
    kept = before.keys() - {"g-5", "g-50"}
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}

    person.press("Prove")
    person.press("Prove")
    person.sees("120 of 120 records are exactly as in your file")
    person.sees("Every record is what was sent.")

    # First the names of two rows, of which one is left out after all; then the rest.
    person.open(job)
    person.press("Undo")
    person.sees("Created records (1) are deleted, unless they were changed since.")
    person.sees("Changed fields (2 records) get their old values back")
    page.get_by_label("Rows", exact=True).fill("6, 51")
    page.get_by_role("checkbox", name="Price").uncheck()
    person.press("Plan undo")
    plan = page.locator("#plan")
    expect(plan).to_contain_text("Puts back 2 records: 2 to change", timeout=LONG)
    page.get_by_label("Undo row 6", exact=True).uncheck()
    expect(plan).to_contain_text("Puts back 1 record: 1 to change")
    assert table(person, "Will be put back") == [
        "6 g-5 Change Name old: Other → new: Gadget 5 –",
        "51 g-50 Change Name old: New → new: Gadget 50 –",
    ]
    person.press("Launch undo")
    person.watch()
    person.sees("Put back 1 record: 1 changed")
    assert contents(zendesk, gadget) == after | {
        "g-50": ("Gadget 50", after["g-50"][1])
    }

    person.open(job)
    person.press("Undo")
    person.press("Plan undo")
    expect(plan).to_contain_text(
        "Puts back 3 records: 2 to change, 1 to delete", timeout=LONG
    )
    page.get_by_label("Type 1 to delete 1 record").fill("1")
    person.press("Launch undo")
    person.watch()
    person.sees("Put back 3 records: 2 changed, 1 deleted")
    assert table(person, "Put back") == [
        "6 g-5 Change Name old: Other → new: Gadget 5 Price old: 500 → new: 5.5 –",
        "51 g-50 Change Price old: 700 → new: 50.5 –",
        "122 g-121 Delete Name old: Gadget 121 External ID old: g-121 Serial old: AB-000121 "
        "Price old: 121.5 –",
    ]
    assert contents(zendesk, gadget) == before

    person.press("Undo")
    person.press("Plan undo")
    expect(plan).to_contain_text(
        "Puts back 3 records: 2 to change, 1 to create again", timeout=LONG
    )
    assert table(person, "Will be put back") == [
        "6 g-5 Change Name old: Gadget 5 → new: Other Price old: 5.5 → new: 500 –",
        "51 g-50 Change Price old: 50.5 → new: 700 –",
        "122 g-121 Create Name new: Gadget 121 External ID new: g-121 Serial new: AB-000121 "
        "Price new: 121.5 –",
    ]
    person.open(object_page)
    person.press("Record history")
    page.get_by_label("External ID or record ID").fill("g-50")
    person.press("Show history")
    held = page.locator("dl.facts dd")
    expect(held).to_have_text(["Gadget 50", "g-50", "AB-000050", "50.5"])
    history = table(person, "Jobs that touched the record, newest first")
    assert [line.partition(" UTC ")[2] for line in history] == [
        "second.csv (undo) 51 Undo row Updated Price old: 700 → new: 50.5 admin",
        "second.csv (undo) 51 Undo row Updated Name old: New → new: Gadget 50 admin",
        "second.csv 51 Undo row Updated Name old: Gadget 50 → new: New Price old: 50.5 → "
        "new: 700 admin",
    ]
    assert contents(zendesk, gadget) == before


def table(person: Person, caption: str) -> list[str]:
    """The rows of a table, without the IDs of records."""
    found = person.page.get_by_role("table", name=caption).locator("tbody tr")
    expect(found.first).to_be_visible()
    texts = [" ".join(text.split()) for text in found.all_inner_texts()]
    return [re.sub(r" ?\b01[0-9A-Z]{24}", "", text) for text in texts]


def contents(zendesk: Sandbox, gadget: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """(name, fields) of the records, by external ID."""
    return {
        record["external_id"]: (record["name"], record["custom_object_fields"])
        for record in zendesk.records(gadget)
    }
