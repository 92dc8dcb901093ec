"""Being on a page while a job runs: what it does by itself, and what people press."""

import csv
import io
import re
from collections import Counter
from itertools import count

import requests
from playwright.sync_api import Page, Route, expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import LONG, Person
from tests.acceptance.product import Product
from tests.harness import gadgets, to_csv
from tests.sandbox_server import Sandbox

WINDOW = 30
MANY = (WINDOW + 5) * 100
"""Rows of a job that is too large to be in flight as a whole."""
QUIET = 2500
"""Milliseconds in which a page that polls would have polled: longer than its
interval."""


def polls(page: Page) -> list[str]:
    """A list that grows with each poll of a live section."""
    asked: list[str] = []
    page.on(
        "request",
        lambda request: (
            asked.append(request.url) if "/progress/" in request.url else None
        ),
    )
    return asked


def test_sign_out_elsewhere_ends_the_watching_in_words(
    page: Page, person: Person, product: Product, zendesk: Sandbox, gadget: str
) -> None:
    stranger = Person(page, product)
    stranger.sign_in()
    zendesk.settings(job_seconds=20)
    job = person.send(
        f"{CONNECTION} · {gadget}", "create", ("rows.csv", to_csv(gadgets(20)))
    )
    stranger.open(job)
    # Now no poll makes the browser load the whole page, which would show the sign-in page.
    stranger.sees("Running")
    elsewhere = Person(page.context.new_page(), product)
    elsewhere.open("/")
    asked = polls(page)

    elsewhere.sign_out()

    expect(page.locator("main")).to_contain_text("You are signed out.", timeout=LONG)
    assert page.url == job
    asked.clear()
    page.wait_for_timeout(QUIET)
    assert asked == []
    person.cancel()


def test_pause_holds_the_rest_until_resume(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    zendesk.settings(job_seconds=3)
    person.send(
        f"{CONNECTION} · {gadget}", "create", ("rows.csv", to_csv(gadgets(MANY)))
    )
    person.watch("Running")

    person.press("Pause")
    person.watch("Paused")
    paused = len(zendesk.records(gadget))
    zendesk.settings(job_seconds=0.3)
    person.press("Resume")
    person.watch()

    assert paused < MANY
    assert zendesk.applied(gadget) == {
        f"g-{number}": 1 for number in range(1, MANY + 1)
    }


def test_first_batch_waits_for_a_person_to_look(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    taken(zendesk, gadget)
    person.upload(
        f"{CONNECTION} · {gadget}", "create", ("rows.csv", to_csv(gadgets(350)))
    )
    person.map()
    person.review()

    person.start_with_first_batch()
    job = person.launch()
    person.watch("Paused")
    person.sees("97 of 100 rows in the first batch were saved, 3 failed")
    person.sees("Limited by: first-batch approval")
    held = len(zendesk.records(gadget))
    person.press("Review the first batch")
    expect(person.page.locator("table").last.get_by_text("Failed")).to_have_count(3)
    person.open(job)
    person.press("Approve and send 250 rows")
    person.watch("Completed with failures")

    assert held == 100
    assert zendesk.applied(gadget) == {
        f"g-{number}": int(number > 3) for number in range(1, 351)
    }


def test_cancel_leaves_the_rest_unsent(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    zendesk.settings(job_seconds=3)
    person.send(
        f"{CONNECTION} · {gadget}", "create", ("rows.csv", to_csv(gadgets(MANY)))
    )
    person.watch("Running")

    person.cancel()
    person.watch("Cancelled")

    created = len(zendesk.records(gadget))
    outcomes = Counter(row["_outcome"] for row in person.results())
    assert 0 < created < MANY
    assert outcomes == {"created": created, "cancelled": MANY - created}


def test_back_and_reload_keep_what_was_chosen(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    page = person.page
    rows = [
        {"Key": row["external_id"], "name": row["name"], "serial": row["serial"]}
        for row in gadgets(5)
    ]
    person.upload(f"{CONNECTION} · {gadget}", "create", ("rows.csv", to_csv(rows)))
    page.reload()
    person.map({"Key": "external_id"})
    page.reload()
    person.sees("Checked 5 rows")

    page.go_back()
    assert person.matched() == {
        "Key": "external_id",
        "name": "name",
        "serial": "field:serial",
    }
    page.reload()
    assert person.matched() == {
        "Key": "external_id",
        "name": "name",
        "serial": "field:serial",
    }
    page.get_by_role("button", name=re.compile("^Check")).click()
    person.sees("Checked 5 rows")
    person.review()
    page.go_back()
    page.go_forward()
    page.reload()
    person.launch()
    person.watch()
    page.go_back()
    page.go_back()

    person.watch()
    assert zendesk.applied(gadget) == {f"g-{number}": 1 for number in range(1, 6)}


def test_two_launches_make_one_job(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    page = person.page
    person.upload(
        f"{CONNECTION} · {gadget}", "create", ("rows.csv", to_csv(gadgets(5)))
    )
    person.map()
    person.review()
    colleague = Person(page.context.new_page(), person.product)
    colleague.open(page.url)

    page.get_by_role("button", name=re.compile("^Launch")).dblclick()
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}/$"))
    landed = colleague.launch()
    person.watch()

    assert landed == page.url
    person.open(f"/jobs/?object={gadget}")
    expect(page.locator("#table tbody tr")).to_have_count(1)
    assert zendesk.applied(gadget) == {f"g-{number}": 1 for number in range(1, 6)}


def test_retry_sends_the_failed_rows_alone(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    ids = taken(zendesk, gadget)
    person.send(f"{CONNECTION} · {gadget}", "create", ("rows.csv", to_csv(gadgets(20))))
    person.watch("Completed with failures")
    for record_id in ids:
        remove(zendesk, gadget, record_id)

    person.press("Retry 3 failed")
    person.sees("Checked 3 rows")
    person.review()
    person.launch()
    person.watch()

    held = sorted(record["external_id"] for record in zendesk.records(gadget))
    assert [(row["_row"], row["_outcome"]) for row in person.results()] == [
        (str(n), "created") for n in (2, 3, 4)
    ]
    assert held == sorted(f"g-{number}" for number in range(1, 21))


def test_corrected_failed_rows_can_be_uploaded_again(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    taken(zendesk, gadget)
    person.send(f"{CONNECTION} · {gadget}", "create", ("rows.csv", to_csv(gadgets(20))))
    person.watch("Completed with failures")
    name, text = person.download(re.compile("^Failed rows"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["_outcome"] for row in rows] == ["failed"] * 3

    for row in rows:
        row["external_id"] += "-new"
    person.upload(f"{CONNECTION} · {gadget}", "create", (name, to_csv(rows)))
    person.press("Map columns")
    columns = set(person.matched())
    person.page.go_back()
    person.map()
    person.review()
    person.launch()
    person.watch()

    assert columns == {"external_id", "name", "serial", "price"}
    held = {record["external_id"] for record in zendesk.records(gadget)}
    assert held == {f"g-{number}" for number in range(1, 21)} | {
        "g-1-new",
        "g-2-new",
        "g-3-new",
    }


def test_live_switch_pauses_the_polls(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    page = person.page
    zendesk.settings(job_seconds=20)
    person.send(f"{CONNECTION} · {gadget}", "create", ("rows.csv", to_csv(gadgets(20))))
    person.watch("Running")
    asked = polls(page)

    page.get_by_role("button", name="Live updates").click()
    expect(page.get_by_role("button", name="Live updates: paused")).to_have_attribute(
        "aria-pressed", "true"
    )
    asked.clear()
    page.wait_for_timeout(QUIET)
    while_paused = list(asked)
    with page.expect_request(re.compile("/progress/")):
        page.get_by_role("button", name="Live updates: paused").click()

    assert while_paused == []
    person.cancel()


LIVELY = """<section id="progress" data-live="0.3" hx-get="{url}"
  hx-trigger="every 300ms" hx-swap="outerHTML">Answer {number}</section>"""


def test_live_page_says_connection_lost_only_when_answers_stop(
    person: Person, zendesk: Sandbox, gadget: str
) -> None:
    page = person.page
    zendesk.settings(job_seconds=20)
    job = person.send(
        f"{CONNECTION} · {gadget}", "create", ("rows.csv", to_csv(gadgets(20)))
    )
    numbers = count(1)

    def answer(route: Route) -> None:
        body = LIVELY.format(url=route.request.url, number=next(numbers))
        route.fulfill(status=200, content_type="text/html", body=body)

    page.route("**/progress/**", answer)
    expect(page.locator("#progress")).to_have_text(re.compile("Answer 1.$"))
    expect(page.locator("#stale")).to_be_hidden()

    page.unroute("**/progress/**", answer)
    page.route("**/progress/**", lambda route: route.fulfill(status=204))
    page.wait_for_timeout(QUIET)
    expect(page.locator("#stale")).to_be_hidden()

    # Answers without content: a broken connection would be a complaint of the browser.
    page.unroute_all()
    page.route("**/progress/**", lambda _: None)
    expect(page.locator("#stale")).to_have_text("Connection lost, retrying")

    colleague = Person(page.context.new_page(), person.product)
    colleague.open(job)
    colleague.cancel()


def test_back_after_filtering_shows_the_page_before(
    person: Person, gadget: str
) -> None:
    page = person.page
    person.open("/jobs/?state=cancelled")
    theme = page.locator("#theme")

    page.get_by_label("Object").fill(gadget)
    page.get_by_label("Object").press("Tab")
    page.wait_for_url(re.compile(f"object={gadget}"))
    person.sees("No job matches")
    page.go_back()
    expect(page.get_by_label("Object")).to_have_value("")
    theme.click()

    expect(theme).to_have_text("Theme: light")
    expect(page.get_by_label("State")).to_have_value("cancelled")


def taken(sandbox: Sandbox, key: str) -> list[str]:
    """Three external ids that Zendesk has already, so that creating them fails; the ids
    of their records."""
    return sandbox.add_records(
        key,
        [
            {
                "external_id": row["external_id"],
                "name": "Taken",
                "custom_object_fields": {"serial": row["serial"]},
            }
            for row in gadgets(3)
        ],
    )


def remove(sandbox: Sandbox, key: str, record_id: str) -> None:
    answer = requests.delete(
        f"{sandbox.url}/api/v2/custom_objects/{key}/records/{record_id}",
        headers={"Authorization": f"Bearer {sandbox.bearer}"},
        timeout=30,
    )
    assert answer.status_code == 204, answer.text
