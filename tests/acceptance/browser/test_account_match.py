"""The account is made to match a file, in the browser."""

import re

from playwright.sync_api import expect

from tests.acceptance.browser.test_live_records import contents
from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import LONG, Person
from tests.harness import gadgets, record_of, to_csv
from tests.sandbox_server import Sandbox

UPSERT = "create_or_update_by_external_id"


def test_account_matches_a_file(person: Person, gadget: str, zendesk: Sandbox) -> None:
    anonymous = {"name": "No key", "custom_object_fields": {"serial": "AB-000099"}}
    zendesk.add_records(gadget, [*map(record_of, gadgets(60)), anonymous])
    before = contents(zendesk, gadget)
    rows = [*gadgets(57), *gadgets(2, 101)]
    rows[4]["price"] = "500"
    person.upload(f"{CONNECTION} · {gadget}", UPSERT, ("second.csv", to_csv(rows)))
    person.map()
    person.press("Compare")
    page = person.page
    match = page.locator("#match")

    person.press("Find other records")
    expect(match).to_contain_text("The account has 61 records", timeout=LONG)
    expect(match.get_by_role("row", name="Without external ID")).to_contain_text("1")
    match.get_by_label("Only in the account").select_option("delete")
    person.press("Save choices")
    expect(match).to_contain_text("3 records of 61 would be deleted, 4.92 %")
    match.get_by_label("Most records to delete (percent)").fill("5")
    person.press("Save choices")
    expect(page.locator("#comparison-head")).to_contain_text(
        "Deletes 3 records that only the account has"
    )
    page.get_by_label("Delete the record g-60").uncheck()
    expect(page.locator("#comparison-head")).to_contain_text("Deletes 2 records")
    expect(match.get_by_role("row", name="Only in the account")).to_contain_text("2")
    person.press("Review")
    person.sees("3 rows and 2 deletions in about ")
    person.page.get_by_label("Type 2 to delete 2 records").fill("2")
    person.press(re.compile("^Launch 3 rows and delete 2 records"))
    person.watch()

    results = person.results()
    assert len(results) == 61
    assert [(row["external_id"], row["_row"]) for row in results[59:]] == [
        ("g-58", ""),
        ("g-59", ""),
    ]
    after = contents(zendesk, gadget)
    assert after.keys() == {row["external_id"] for row in rows} | {"g-60", None}
    assert after["g-5"] == ("Gadget 5", before["g-5"][1] | {"price": 500})

    person.press("Undo")
    person.press("Plan undo")
    expect(page.locator("#plan")).to_contain_text(
        "Puts back 5 records: 1 to change, 2 to create again, 2 to delete", timeout=LONG
    )
    page.get_by_label("Type 2 to delete 2 records").fill("2")
    person.press("Launch undo")
    person.watch()
    person.sees("Put back 5 records: 1 changed, 2 created again, 2 deleted")
    assert contents(zendesk, gadget) == before
