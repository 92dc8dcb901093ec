"""Takes pictures of every page of the demo, in both themes and two sizes.

Usage: python -m tools.screenshots DIRECTORY
"""

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
    """The first of everything in the demo, and a draft with problems."""
    connections = _first(person, "connections")
    objects = _first(person, "objects")
    jobs = _first(person, "jobs")
    file = ("assets.csv", sample_csv())
    person.upload(OBJECT, "create_or_update_by_external_id", file)
    person.map({"Asset no": "external_id"})
    drafts = last_id(person.page.url)
    person.make_token("Nightly import", "Sandbox")
    return Known(
        connections={"demo": connections},
        objects={"demo": objects},
        jobs={"demo": jobs},
        drafts={"demo": drafts},
        people={"demo": _first(person, "people")},
        tokens={"demo": _first(person, "tokens")},
    )


def _first(person: Person, section: str) -> str:
    person.page.goto(f"{person.product.url}/{section}/")
    link = person.page.locator("main table a").first
    return last_id(link.get_attribute("href") or "")


def photograph(product: Product, page: Page, folder: Path) -> None:
    password = product.console(r"sign in as admin +password (\S+)")[1]
    product.console("Results: ")
    person = Person(page, product)
    person.sign_in("admin", password)
    for address in list(pages(page, product.url, known(person))):
        for theme in THEMES:
            for size in VIEWPORTS:
                look(page, product.url, address, theme=theme, size=size)
                name = f"{address.name.replace(':', '-')}-{theme}-{size}.png"
                page.screenshot(path=folder / name, full_page=True)


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
