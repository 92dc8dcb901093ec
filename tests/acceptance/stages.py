"""An installation with connections, drafts and jobs in every state: some work, some are
broken, some wait."""

import re

from playwright.sync_api import expect

from tests.acceptance.pages import Known, last_id
from tests.acceptance.person import LONG, Person
from tests.harness import GADGET, gadgets, to_csv
from tests.sandbox_server import Sandbox


def set_stage(person: Person, zendesk: Sandbox) -> Known:
    """Create connections, drafts and jobs in all states that stay, on the pages
    themselves."""
    zendesk.make_object("stage", fields=GADGET)
    person.add_connection("Stage", zendesk)
    person.press("Test")
    person.sees("The connection works.")
    working = last_id(person.page.url)
    person.add_object("Stage", "stage")
    stage = last_id(person.page.url)
    person.add_connection("Broken", zendesk, secret="wrong")
    person.press("Test")
    expect(person.page.locator("#test .bad")).to_be_visible()
    broken = last_id(person.page.url)
    unconfirmed = _unconfirmed(person, zendesk)
    jobs = _jobs(person, unconfirmed)
    return Known(
        connections={"works": working, "failed test": broken},
        objects={"known": stage},
        drafts=_drafts(person),
        jobs=jobs,
        people={"colleague": _colleague(person)},
        tokens={"nightly": _token(person)},
        mappings={"monthly": person.save_mapping(jobs["completed"], "Monthly")},
    )


def _colleague(person: Person) -> str:
    person.open("/people/add/")
    person.page.get_by_label("Username").fill("colleague")
    person.page.locator("main button[type=submit]").click()
    person.open("/people/")
    edit = person.page.get_by_role("link", name="colleague")
    return last_id(edit.get_attribute("href") or "")


def _token(person: Person) -> str:
    person.make_token("nightly import", "Stage")
    person.open("/tokens/")
    revoke = person.page.get_by_role("link", name="Revoke nightly import")
    return last_id(revoke.get_attribute("href") or "")


def _drafts(person: Person) -> dict[str, str]:
    drafts = {}
    person.upload(
        "Stage · stage", "create", ("broken.xlsx", b"PK\x03\x04 this is no workbook")
    )
    person.sees("cannot be read")
    drafts["rejected file"] = last_id(person.page.url)
    person.upload("Stage · stage", "create", ("fresh.csv", to_csv(gadgets(20))))
    drafts["unmapped"] = last_id(person.page.url)
    wrong = [
        row | {"price": "much"} if index % 3 else row
        for index, row in enumerate(gadgets(20))
    ]
    person.upload("Stage · stage", "create", ("wrong.csv", to_csv(wrong)))
    person.map()
    drafts["with problems"] = last_id(person.page.url)
    person.upload(
        "Stage · stage",
        "delete_by_external_id",
        ("gone.csv", b"external_id\ng-1\ng-2\n"),
    )
    person.map()
    drafts["deletes"] = last_id(person.page.url)
    return drafts


def _jobs(person: Person, unconfirmed: str) -> dict[str, str]:
    jobs = {
        "completed": last_id(
            person.send("Stage · stage", "create", ("good.csv", to_csv(gadgets(120))))
        )
    }
    person.watch()
    jobs["with failures"] = last_id(
        person.send("Stage · stage", "create", ("again.csv", to_csv(gadgets(150))))
    )
    person.watch("Completed with failures")
    person.upload(
        "Stage · stage", "create", ("looked-at.csv", to_csv(gadgets(120, first=5000)))
    )
    person.map()
    person.review()
    person.start_with_first_batch()
    jobs["waits for approval"] = last_id(person.launch())
    person.watch("Paused")
    person.open(unconfirmed)
    person.watch("Needs a decision")
    return jobs | {"needs a decision": last_id(unconfirmed)}


def _unconfirmed(person: Person, zendesk: Sandbox) -> str:
    """A job whose only request is lost. Without external IDs its rows cannot be
    found in Zendesk."""
    rows = [
        {"name": row["name"], "serial": row["serial"]}
        for row in gadgets(30, first=1000)
    ]
    person.upload("Stage · stage", "create", ("lost.csv", to_csv(rows)))
    person.press("Map columns")
    person.page.get_by_label("Generate external IDs").uncheck()
    person.page.get_by_role("button", name=re.compile("^Check")).click()
    person.review()
    first_post = {"rate": 1, "method": "POST", "path": "/jobs", "times": 1}
    zendesk.faults(drop_before_accept=first_post)
    job = person.launch()
    expect(person.page.locator("#progress")).to_contain_text(
        "1 in flight", timeout=LONG
    )
    zendesk.faults()
    return job
