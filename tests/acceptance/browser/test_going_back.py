"""Back, Reload and signing in again never end on a page of the browser or a bare error."""

import re

from playwright.sync_api import Page, expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import Person
from tests.acceptance.product import Product
from tests.harness import gadgets, to_csv

CHECK = re.compile("^Check [0-9]")


def _upload(person: Person, key: str) -> None:
    file = ("rows.csv", to_csv(gadgets(3)))
    person.upload(f"{CONNECTION} · {key}", "create", file)
    person.press("Map columns")


def test_back_works_after_a_mapping_error(person: Person, gadget: str) -> None:
    page = person.page
    _upload(person, gadget)
    name = page.get_by_label("Column for Name", exact=True)
    name.select_option("")
    person.press(CHECK)
    person.sees("Name is required.")
    name.select_option("name")
    person.press(CHECK)
    person.sees("no problems")

    page.go_back()
    expect(name).to_have_value("name")
    page.reload()

    expect(name).to_have_value("name")


def test_form_sent_while_signed_out_can_be_sent_again(
    person: Person, gadget: str
) -> None:
    page = person.page
    _upload(person, gadget)
    address = page.url
    page.context.clear_cookies()

    person.press(CHECK)
    person.sees("You were signed out. Nothing was changed.")
    person.fill_sign_in()
    person.sees("You were signed out. Nothing was changed. Try again.")
    assert page.url == address
    person.press(CHECK)

    person.sees("no problems")


def test_sign_out_leaves_nothing_in_the_browser(
    page: Page, product: Product, gadget: str
) -> None:
    # With a session of their own: the one of `person` belongs to all tests.
    person = Person(page, product)
    person.sign_in()
    _upload(person, gadget)
    page.locator("#live").click()
    address = page.url
    person.sign_out()
    kept = page.evaluate("() => ({...localStorage, ...sessionStorage})")
    page.go_back()
    person.sees("Sign in")

    assert kept == {"live": "paused"}
    assert page.url != address
    assert gadget not in page.content()
