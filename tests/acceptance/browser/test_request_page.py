"""The test request: one request, prepared, changed, confirmed, answered and
followed."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import LONG, Person
from tests.harness import GADGET
from tests.sandbox_server import Sandbox

GOOD: dict[str, Any] = {"serial": "AB-000001", "status": "in_use"}
ITEMS: dict[str, Any] = {
    "create": {"external_id": "g-9", "name": "Nine", "custom_object_fields": GOOD},
    "update": {"id": "", "custom_object_fields": {"seats": 8}},
    "create_or_update_by_external_id": {
        "external_id": "g-1",
        "name": "One",
        "custom_object_fields": {"seats": 8},
    },
    "create_or_update_by_name": {
        "name": "Gadget one",
        "custom_object_fields": {"seats": 8},
    },
    "delete": "",
    "delete_by_external_id": "g-1",
}
"""What is sent for each action, about the one record that is there."""
AFTERWARDS: dict[str, dict[str, tuple[str, Any]]] = {
    "create": {"g-1": ("Gadget one", None), "g-9": ("Nine", None)},
    "update": {"g-1": ("Gadget one", 8)},
    "create_or_update_by_external_id": {"g-1": ("One", 8)},
    "create_or_update_by_name": {"g-1": ("Gadget one", 8)},
    "delete": {},
    "delete_by_external_id": {},
}


@pytest.mark.parametrize("action", ITEMS)
def test_request_is_prepared_confirmed_and_followed(
    person: Person, zendesk: Sandbox, gadget: str, action: str
) -> None:
    page = person.page
    zendesk.make_object(gadget, fields=GADGET, name={"is_unique": True})
    [known] = zendesk.add_records(
        gadget,
        [{"external_id": "g-1", "name": "Gadget one", "custom_object_fields": GOOD}],
    )
    person.press("Refresh")
    person.sees("refreshed.")
    before = len(zendesk.jobs())
    item = (
        known
        if action == "delete"
        else ITEMS[action] | {"id": known}
        if action == "update"
        else ITEMS[action]
    )

    person.press("Test request")
    page.get_by_label("Example").select_option(action)
    expect(page.get_by_label("Body")).to_have_value(re.compile(f'"action": "{action}"'))
    page.get_by_label("Body").fill(
        json.dumps({"job": {"action": action, "items": [item]}})
    )
    person.press("Send")
    person.sees(f"This changes data in {CONNECTION}")
    assert len(zendesk.jobs()) == before
    person.press("Send to Zendesk")

    person.sees(re.compile(r"201\s+in \d+ ms"))
    page.get_by_text("Headers", exact=True).click()
    person.sees(re.compile("content-type", re.IGNORECASE))
    expect(page.locator("pre.code").first).to_contain_text('"job_status"')
    expect(page.locator("#job-status")).to_contain_text(
        '"status": "completed"', timeout=LONG
    )
    assert page.locator("[hx-trigger*=every]").count() == 0
    assert len(zendesk.jobs()) == before + 1
    held = {
        record["external_id"]: (
            record["name"],
            record["custom_object_fields"].get("seats"),
        )
        for record in zendesk.records(gadget)
    }
    assert held == AFTERWARDS[action]


@pytest.mark.usefixtures("gadget")
def test_reading_asks_nothing_first(person: Person) -> None:
    page = person.page
    person.press("Test request")

    page.get_by_label("Method").select_option("GET")
    page.get_by_label("Address").fill("/api/v2/users/me")
    person.press("Send")

    person.sees(re.compile(r"200\s+in \d+ ms"))
    person.sees("admin@sandbox.example")
    assert page.locator("#job-status").count() == 0
