"""Takes the picture of the README: a running job of 40,000 rows in the demo.

Usage: python -m tools.readme_picture
"""

import os
import tempfile
from pathlib import Path

import django
from playwright.sync_api import Page, sync_playwright

from bench import rows
from tests.acceptance import product as products
from tests.acceptance.person import Person
from tests.acceptance.product import Product
from tools import browser

PICTURE = Path(__file__).parent.parent / "docs" / "job.png"
SIZE = (1200, 760)
ROWS = 40_000
SENT_SHARE = 0.3


def take_picture(product: Product, page: Page, folder: Path) -> None:
    file = folder / "assets-2026.csv"
    rows.write(file, ROWS)
    password = product.console(r"sign in as operator +password (\S+)")[1]
    product.console("Results: ")
    width, height = SIZE
    page.set_viewport_size({"width": width, "height": height})
    person = Person(page, product)
    person.sign_in("operator", password)
    person.upload("Sandbox · asset", "create_or_update_by_external_id", file)
    person.map()
    person.review(leave_out=True)
    person.launch()
    page.wait_for_function(
        "share => document.querySelector('progress, [role=progressbar]') && "
        "parseFloat(document.title) >= 100 * share",
        arg=SENT_SHARE,
        timeout=300_000,
    )
    page.screenshot(path=PICTURE)


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="jobsui-picture-") as data,
        sync_playwright() as playwright,
    ):
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "jobsui.settings",
            "JOBSUI_DATA_DIR": data,
        }
        django.setup()
        product = products.start(Path(data), "--demo")
        try:
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            chromium = playwright.chromium.launch(
                executable_path=browser.found(), args=arguments
            )
            take_picture(product, chromium.new_page(), Path(data))
            chromium.close()
        finally:
            product.stop()


if __name__ == "__main__":
    main()
