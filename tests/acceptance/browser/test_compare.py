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
    person.press("Compare")
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
    person.launch()
    person.watch()

    outcomes = {row["external_id"]: row["_outcome"] for row in person.results()}
    assert outcomes["g-5"] == "updated"
    assert outcomes["g-100"] == "cancelled"
    assert outcomes["g-121"] == "created"
    assert list(outcomes.values()).count("unchanged") == 118
