"""Every page, as an administrator sees it: in both themes, on a desk and on a
telephone, by mouse and by keyboard."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from tests.acceptance import product as products
from tests.acceptance.conftest import CONNECTION, starting, watched_page
from tests.acceptance.pages import THEMES, VIEWPORTS, Address, Known, dress, look, pages
from tests.acceptance.person import PASSWORD, Person
from tests.acceptance.product import Product
from tests.acceptance.stages import set_stage
from tests.sandbox_server import Sandbox

RUN_AXE = """async () => {
  const result = await axe.run({ resultTypes: ['violations'] });
  return result.violations;
}"""
"""Tries all rules. Of the rules that hold it reports no details."""
FOCUSABLE = """() => {
  const found = [...document.querySelectorAll(
    'a[href], button:not([disabled]), input:not([disabled]), '
    + 'select, textarea, summary, [tabindex="0"]'
  )].filter((part) => part.checkVisibility() && part.type !== 'hidden' && part.tabIndex >= 0
    && !(part.type === 'radio' && !part.checked
      && document.querySelector(`[name="${part.name}"]:checked`)));
  const seen = window.seenFocus = {};
  found.forEach((part, place) => part.addEventListener('focusin', (event) => {
    if (event.target !== part) return;
    const style = getComputedStyle(part);
    const isOutlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
    seen[place] = isOutlined || style.boxShadow !== 'none';
  }));
  document.activeElement.blur();
  return found.map((part) => part.outerHTML.slice(0, 120));
}"""
DATE_STOPS = 3
"""How often Tab stops within a date input after its first stop."""


@pytest.fixture(scope="module")
def known(
    browser: Browser, product: Product, zendesk: Sandbox, signed_in: Path
) -> Known:
    context = browser.new_context(storage_state=signed_in)
    stage = set_stage(Person(context.new_page(), product), zendesk)
    context.close()
    return stage


@pytest.mark.timeout(600)  # Fifty pages, several checks of each.
def test_full_and_broken_pages_are_sound(
    person: Person, product: Product, known: Known
) -> None:
    found = list(pages(person.page, product.url, known))

    faults = list(faults_of(person.page, product.url, found))

    assert_none(faults)
    assert len(found) > 40


def test_page_of_a_new_token_is_sound_and_gives_it_away(person: Person) -> None:
    person.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    token = person.make_token("deployment", CONNECTION)

    faults = [
        *_keyboard_faults(person.page),
        *_sight_faults(person.page, Address("tokens:add", "/tokens/add/", "made")),
    ]
    person.press("Copy")
    person.sees("Copied")

    assert_none(faults)
    assert person.page.evaluate("navigator.clipboard.readText()") == token


def test_copy_works_where_the_browser_offers_no_clipboard(person: Person) -> None:
    person.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    person.page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', {get() {}, configurable: true})"
    )
    token = person.make_token("deployment", CONNECTION)

    person.press("Copy")

    person.sees("Copied")
    assert person.page.evaluate("String(getSelection())") == token


def test_pages_for_strangers_are_sound(page: Page, product: Product) -> None:
    nothing = Known({}, {}, {}, {}, {}, {})
    found = list(pages(page, product.url, nothing))

    faults = list(faults_of(page, product.url, found))

    assert "account_login" in {address.name for address in found}
    assert_none(faults)


def test_empty_pages_are_sound(browser: Browser, tmp_path: Path) -> None:
    with starting():
        product = products.start(tmp_path / "data")
    try:
        for page in watched_page(browser):
            faults = list(
                faults_of(page, product.url, [Address("first_run", "/first-run/")])
            )
            product.manage(
                "createsuperuser",
                "--noinput",
                DJANGO_SUPERUSER_USERNAME="admin",
                DJANGO_SUPERUSER_EMAIL="a@example.com",
                DJANGO_SUPERUSER_PASSWORD=PASSWORD,
            )
            Person(page, product).sign_in()

            found = list(
                pages(page, product.url, Known({}, {}, {}, {}, {"admin": "1"}, {}))
            )
            faults += list(faults_of(page, product.url, found))

            assert_none(faults)
            assert {
                "home",
                "connections:list",
                "objects:list",
                "jobs:list",
                "jobs:new",
            } <= {a.name for a in found}
    finally:
        product.stop()


def assert_none(faults: list[str]) -> None:
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


def faults_of(page: Page, url: str, found: list[Address]) -> Iterator[str]:
    """The faults of these pages, as sentences. The keyboard is tested once for each
    name."""
    tried: set[str] = set()
    for address in found:
        look(page, url, address, theme="light", size="wide")
        if address.name not in tried:
            yield from (f"{address}: {fault}" for fault in _keyboard_faults(page))
        tried.add(address.name)
        yield from _sight_faults(page, address)


def _sight_faults(page: Page, address: Address) -> Iterator[str]:
    for theme, size in zip(
        THEMES, VIEWPORTS, strict=True
    ):  # Colours depend on the theme, positions on the size.
        dress(page, theme=theme, size=size)
        yield from (
            f"{address}, {theme} {size}: {fault}" for fault in _axe_faults(page)
        )
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            yield f"{address}, {theme} {size}: the page is wider than the window"


def _axe_faults(page: Page) -> Iterator[str]:
    # Loading axe into a page takes as long as running it.
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    for violation in page.evaluate(RUN_AXE):
        places = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
        why = (
            violation["nodes"][0]["any"]
            or violation["nodes"][0]["all"]
            or violation["nodes"][0]["none"]
        )
        yield f"{violation['id']}: {', '.join(places[:3])}: {why[0]['message']}"


def _keyboard_faults(page: Page) -> Iterator[str]:
    """Controls that the Tab key does not reach, or that do not show that it did."""
    controls: list[str] = page.evaluate(FOCUSABLE)
    for _ in range(
        len(controls) + 1 + DATE_STOPS * page.locator("input[type=date]").count()
    ):
        page.keyboard.press("Tab")
    seen: dict[str, bool] = page.evaluate("window.seenFocus")
    for place, control in enumerate(controls):
        if not seen.get(str(place)):
            yield f"Tab {'is not seen on' if str(place) in seen else 'does not reach'} {control}"
