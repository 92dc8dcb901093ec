"""A draft that is compared with the account in the browser before it is launched."""

import re

from playwright.sync_api import expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import LONG, Person
from tests.harness import gadgets, to_csv

UPSERT = "create_or_update_by_external_id"


def test_only_rows_that_differ_and_are_ticked_are_sent(
    person: Person, gadget: str
) -> None:
    target = f"{CONNECTION} · {gadget}"
    person.send(target, "create", ("first.csv", to_csv(gadgets(120))))
    person.watch()
    rows = gadgets(121)
    rows[4]["price"] = "500"
    rows[99]["price"] = "600"
    person.upload(target, UPSERT, ("second.csv", to_csv(rows)))
    person.map()
    head = person.page.locator("#comparison")

    person.press("Compare")
    expect(head).to_contain_text(
        "Sends 3 of 121 rows: 2 changes, 1 new record; 118 are as in the file already",
        timeout=LONG,
    )
    expect(person.page.get_by_role("row", name=re.compile("g-5"))).to_contain_text(
        "5.5 → new: 500"
    )
    person.page.get_by_label("Send row 101", exact=True).uncheck()
    expect(head).to_contain_text("Sends 2 of 121 rows: 1 change, 1 new record")
    person.press("Review")
    person.sees("1 is left out")
    person.page.get_by_label("Do not send them: watch for changes").check()
    person.launch()
    person.watch()

    outcomes = {row["external_id"]: row["_outcome"] for row in person.results()}
    assert outcomes["g-5"] == "updated"
    assert outcomes["g-100"] == "cancelled"
    assert outcomes["g-121"] == "created"
    assert list(outcomes.values()).count("unchanged") == 118


def test_chosen_rows_and_fields_of_a_job_are_undone(
    person: Person, gadget: str
) -> None:
    target = f"{CONNECTION} · {gadget}"
    person.send(target, "create", ("first.csv", to_csv(gadgets(5))))
    person.watch()
    rows = [row | {"name": f"New {row['name']}", "price": "9"} for row in gadgets(5)]
    person.upload(target, UPSERT, ("second.csv", to_csv(rows)))
    person.map()
    person.press("Compare")
    person.press("Review")
    person.launch()
    person.watch()

    person.press("Undo")
    person.page.get_by_label("Rows", exact=True).fill("2-4")
    person.page.get_by_role("checkbox", name="Price").uncheck()
    person.press("Plan undo")
    plan = person.page.locator("#plan")
    expect(plan).to_contain_text("Puts back 3 records: 3 to change", timeout=LONG)
    person.page.get_by_label("Undo row 3", exact=True).uncheck()
    expect(plan).to_contain_text("Puts back 2 records: 2 to change")
    person.press("Launch undo")
    person.watch()

    person.sees("Put back 2 records: 2 changed")
