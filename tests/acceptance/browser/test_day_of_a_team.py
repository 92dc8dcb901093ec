"""A day of a team: an operator plans a deletion, and an approver approves it; a changed cell makes
that void, so it is approved again; it runs, messages arrive, and the audit log has all of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance import product as products
from tests.acceptance.conftest import CONNECTION, starting, watched_page
from tests.acceptance.person import LONG, PASSWORD, Person
from tests.acceptance.processes import wait_until
from tests.acceptance.product import Product
from tests.harness import GADGET, gadgets, record_of
from tests.notifications.receivers import Received, mail_server, webhook
from tests.sandbox_server import Sandbox

KEY = "tool"
FILE = ("old-tools.csv", b"external_id,name\ng-1,Saw\ng-2,Drill\n,Hammer\n")
"""The last row lacks its key."""


@pytest.fixture
def hook() -> Iterator[Received]:
    with webhook() as received:
        yield received


@pytest.fixture
def mail() -> Iterator[Received]:
    with mail_server() as received:
        yield received


@pytest.fixture
def team(
    zendesk: Sandbox,
    hook: Received,
    mail: Received,
    tmp_path: Path,
) -> Iterator[Product]:
    """An installation of their own, that sends messages, with an administrator."""
    with starting():
        running = products.start(
            tmp_path / "data",
            JOBSUI_API_HOSTS=zendesk.host,
            JOBSUI_NOTIFY_HOSTS=f"127.0.0.1:{hook.port}",
            EMAIL_URL=f"smtp://127.0.0.1:{mail.port}?tls=off&from=jobs@example.com",
        )
    running.manage(
        "createsuperuser",
        "--noinput",
        DJANGO_SUPERUSER_USERNAME="admin",
        DJANGO_SUPERUSER_EMAIL="admin@example.com",
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )
    yield running
    running.stop()


@pytest.fixture
def people(browser: Browser, team: Product) -> Iterator[dict[str, Person]]:
    """Each in a browser of their own, not signed in."""
    pages = {name: watched_page(browser) for name in ("admin", "olga", "alex")}
    yield {name: Person(next(page), team) for name, page in pages.items()}
    for page in pages.values():
        next(page, None)


def add_person(admin: Person, name: str, role: str) -> str:
    """Returns their temporary password."""
    admin.open("/people/add/")
    admin.page.get_by_label("Username").fill(name)
    admin.page.get_by_label("General role").select_option(role)
    admin.press("Add person and create password")
    return admin.page.locator("#password").inner_text()


def sign_in_first(person: Person, name: str, temporary: str) -> None:
    """With a temporary password, which has to be changed."""
    person.open("/accounts/login/")
    person.fill_sign_in(name, temporary)
    person.page.get_by_label("Current password").fill(temporary)
    person.page.get_by_label("New password", exact=True).fill(PASSWORD)
    person.page.get_by_label("New password again").fill(PASSWORD)
    person.press("Change password")
    person.open("/")
    expect(person.heading("Home")).to_be_visible()


def add_channel(admin: Person, name: str, target: str, **fields: str) -> None:
    admin.open("/notifications/add/")
    admin.page.get_by_label("Name").fill(name)
    admin.page.get_by_label("Sends to").select_option(target)
    for label, value in fields.items():
        admin.page.locator(f"[name={label}]").fill(value)
    admin.page.get_by_label("Job finished").check()
    admin.press(re.compile("^(Add|Save)"))
    admin.sees(name)


def ask(olga: Person, deletes: int) -> None:
    olga.page.locator("#confirm").fill(str(deletes))
    olga.press("Ask for approval")
    olga.sees("Waiting for approval")


def approve(alex: Person, deletes: int) -> None:
    alex.open("/approvals/")
    alex.page.get_by_role("link", name="old-tools.csv").click()
    alex.sees(f"It deletes {deletes} records.")
    alex.page.get_by_label("Comment").fill("These were sold")
    alex.press("Approve")
    alex.sees("Job approved.")


def test_day_of_a_team(
    people: dict[str, Person], zendesk: Sandbox, hook: Received, mail: Received
) -> None:
    admin, olga, alex = people["admin"], people["olga"], people["alex"]
    zendesk.make_object(KEY, fields=GADGET)
    zendesk.add_records(KEY, [record_of(row) for row in gadgets(5)])

    # The administrator prepares the day.
    admin.sign_in()
    admin.add_connection(CONNECTION, zendesk)
    admin.add_object(CONNECTION, KEY)
    sign_in_first(olga, "olga", add_person(admin, "olga", "operator"))
    sign_in_first(alex, "alex", add_person(admin, "alex", "approver"))
    admin.open("/connections/")
    admin.page.locator("main").get_by_role("link", name=CONNECTION).click()
    admin.press("Approval rules")
    admin.page.get_by_label("Jobs that delete records").check()
    admin.press("Save rules")
    admin.sees("Approval rules saved.")
    add_channel(admin, "Operations", "webhook", url=hook.url)
    add_channel(admin, "Team", "mail", addresses="team@example.com")

    # The operator plans, the approver approves.
    olga.upload(f"{CONNECTION} · {KEY}", "delete_by_external_id", FILE)
    olga.map()
    olga.review(leave_out=True)
    review = olga.page.url
    ask(olga, 2)
    approve(alex, 2)

    # A changed cell makes the approval void.
    olga.open(review.replace("/review/", "/check/rows/"))
    cell = olga.page.get_by_label("external_id of row 4")
    cell.fill("g-4")
    cell.press("Enter")
    olga.sees("Fixed")
    olga.open(review)
    olga.sees("The job was changed afterwards")
    ask(olga, 3)
    approve(alex, 3)

    # It runs, and the messages arrive.
    olga.open(review)
    olga.sees("These were sold")
    olga.launch()
    olga.watch()
    wait_until(lambda: hook.requests and mail.mails, "the messages")

    held = {record["external_id"] for record in zendesk.records(KEY)}
    sent = [json.loads(body) for _, body in hook.requests]
    finished = [each for each in sent if each["kind"] == "job_finished"]
    assert held == {"g-3", "g-5"}
    assert [each["facts"]["succeeded"] for each in finished] == [3]
    assert any("old-tools.csv" in each for each in mail.mails)

    # The audit log has all of it.
    admin.open("/audit/")
    shown = admin.page.locator("main table").inner_text()
    for action in (
        "Asked for approval of a job",
        "Approved a job",
        "Voided an approval by a change",
        "Launched a job",
        "Changed approval rules",
        "Added a notification channel",
    ):
        assert action in shown, action
    expect(admin.page.locator("main")).to_contain_text("olga", timeout=LONG)
