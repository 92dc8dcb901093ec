"""Pictures of every page of the demo, in both themes and two sizes: python -m
tools.screenshots DIRECTORY"""

import os
import sys
import tempfile
from pathlib import Path

import django
from playwright.sync_api import Page, sync_playwright

from jobsui.ops.sample import sample_csv
from tests.acceptance import product as products
from tests.acceptance.pages import THEMES, VIEWPORTS, Known, last_id, look, pages
from tests.acceptance.person import Person
from tests.acceptance.product import Product
from tools import browser

OBJECT = "Sandbox · asset"


def known(person: Person) -> Known:
    """The first of everything the demo has, and a draft with problems."""
    found = {
        name: {"demo": _first(person.page, person.product, name)}
        for name in ("connections", "objects", "jobs")
    }
    person.upload(
        OBJECT, "create_or_update_by_external_id", ("assets.csv", sample_csv())
    )
    person.map({"Asset no": "external_id"})
    draft = last_id(person.page.url)
    person.make_token("Nightly import", "Sandbox")
    people, token = (
        _first(person.page, person.product, place) for place in ("people", "tokens")
    )
    return Known(
        drafts={"demo": draft}, people={"demo": people}, tokens={"demo": token}, **found
    )


def _first(page: Page, product: Product, place: str) -> str:
    page.goto(f"{product.url}/{place}/")
    return last_id(page.locator("main table a").first.get_attribute("href") or "")


def photograph(product: Product, page: Page, folder: Path) -> None:
    password = product.console(r"sign in as admin +password (\S+)")[1]
    product.console("Results: ")
    person = Person(page, product)
    person.sign_in("admin", password)
    for address in list(pages(page, product.url, known(person))):
        for theme in THEMES:
            for size in VIEWPORTS:
                look(page, product.url, address, theme=theme, size=size)
                page.screenshot(
                    path=folder
                    / f"{address.name.replace(':', '-')}-{theme}-{size}.png",
                    full_page=True,
                )


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="jobsui-screenshots-") as data,
        sync_playwright() as playwright,
    ):
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "jobsui.settings",
            "JOBSUI_DATA_DIR": data,
        }
        django.setup()
        product = products.start(Path(data), "--demo")
        try:
            chromium = playwright.chromium.launch(
                executable_path=browser.found(),
                args=["--no-sandbox"] if os.geteuid() == 0 else [],
            )
            photograph(product, chromium.new_page(), folder)
            chromium.close()
        finally:
            product.stop()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
