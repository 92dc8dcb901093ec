import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.acceptance import product as products
from tests.acceptance.conftest import starting
from tests.acceptance.person import PASSWORD, Person


def test_first_run_makes_the_administrator_and_is_gone(
    page: Page, tmp_path: Path
) -> None:
    with starting():
        product = products.start(tmp_path / "data")
    person = Person(page, product)
    try:
        address, token = product.console(
            r"(http://\S+/first-run/) with the token (\S+)"
        ).groups()

        person.open(address)
        page.get_by_label("Token from the console").fill("not the token")
        page.get_by_label("Username").fill("first")
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main button[type=submit]").click()
        person.sees("Incorrect token. The token is printed in the console.")
        page.get_by_label("Token from the console").fill(token)
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main button[type=submit]").click()
        person.sees("Administrator created. Sign in.")
        person.sign_in("first")

        expect(page.get_by_role("link", name="People")).to_be_visible()
        assert page.request.get(address).status == 404
        assert not (tmp_path / "data" / "first_run_token").exists()
    finally:
        ended = product.stop()
    assert ended == 0
    assert re.search("Stopped", product.lines[-1])
