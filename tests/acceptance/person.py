"""What a person does in the browser."""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.acceptance.product import Product
from tests.sandbox_server import Sandbox

PASSWORD = "correct horse battery"
LONG = 30_000
"""Milliseconds that a job or one of its steps may take on a busy machine."""


class Person:
    def __init__(self, page: Page, product: Product) -> None:
        self.page, self.product = page, product

    def open(self, path: str) -> None:
        self.page.goto(path if path.startswith("http") else self.product.url + path)

    def sees(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.locator("body")).to_contain_text(text, timeout=LONG)

    def heading(self, name: str) -> Locator:
        return self.page.get_by_role("heading", name=name)

    def press(self, name: str | re.Pattern[str]) -> None:
        """Click a button of the page, or a link that looks like one."""
        main = self.page.locator("main")
        main.get_by_role("button", name=name).or_(
            main.get_by_role("link", name=name)
        ).first.click()

    def sign_in(self, name: str = "admin", password: str = PASSWORD) -> None:
        self.open("/accounts/login/")
        self.fill_sign_in(name, password)
        expect(self.heading("Home")).to_be_visible()

    def fill_sign_in(self, name: str = "admin", password: str = PASSWORD) -> None:
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def sign_out(self) -> None:
        self.page.locator("details.menu summary").click()
        self.page.get_by_role("button", name="Sign out").click()
        expect(self.heading("Sign in")).to_be_visible()

    def add_connection(self, name: str, sandbox: Sandbox, *, secret: str = "") -> None:
        self.open("/connections/add/")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Subdomain").fill(sandbox.host)
        self.page.get_by_label("Authentication").select_option("oauth_client")
        self.page.get_by_label("Client ID (unique identifier)").fill(sandbox.client_id)
        self.page.get_by_label("Client secret", exact=True).fill(
            secret or sandbox.client_secret
        )
        self.page.get_by_label("Rate limit (requests per minute)").fill("100000")
        self.press("Save connection")
        self.sees(f"{name} saved.")

    def add_object(self, connection: str, key: str) -> None:
        self.open("/objects/add/")
        self.page.get_by_label("Connection").select_option(label=connection)
        self.page.get_by_label("Object key").fill(key)
        self.press("Add object")
        expect(self.heading(key)).to_be_visible()

    def make_token(self, name: str, connection: str) -> str:
        """Create a token with the scope `run`, and return it."""
        self.open("/tokens/add/")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Connection").select_option(label=connection)
        self.press("Create token")
        expect(self.heading(name)).to_be_visible()
        return self.page.locator("#token").inner_text()

    def upload(self, target: str, action: str, file: Path | tuple[str, bytes]) -> None:
        """Choose the object ("Connection · key"), action and file, and wait until the
        file has been read."""
        self.open("/jobs/new/")
        self.page.get_by_label("Object").select_option(label=target)
        self.page.get_by_label("Action").select_option(action)
        self.choose_file(file)
        self.press("Upload")
        expect(self.page.locator("#file")).not_to_contain_text("Reading", timeout=LONG)

    def choose_file(self, file: Path | tuple[str, bytes]) -> None:
        if isinstance(file, Path):
            self.page.locator("input[type=file]").set_input_files(file)
        else:
            name, content = file
            kind = {
                "name": name,
                "mimeType": "application/octet-stream",
                "buffer": content,
            }
            self.page.locator("input[type=file]").set_input_files(kind)  # type: ignore[arg-type]

    def map(self, corrections: Mapping[str, str] | None = None, **rules: str) -> None:
        """Accept the automatic mapping, except for `corrections` {column: target key},
        and wait for the check."""
        self.press("Map columns")
        for column, target in (corrections or {}).items():
            source = self.page.locator(f'[name="source_{target}"]')
            source.select_option(column)
        for name, value in rules.items():
            self.page.locator(f"[name={name}]").select_option(value)
        self.page.get_by_role("button", name=re.compile("^Check")).click()
        expect(self.page.locator("#checked")).not_to_contain_text(
            "Checking every row", timeout=LONG
        )

    def matched(self) -> dict[str, str]:
        """{column: target key} of the mapped columns, as the map page shows it."""
        sources = self.page.locator("select[name^=source_]")
        # all() does not wait for the page.
        expect(sources.first).to_be_visible()
        found = {}
        for select in sources.all():
            if column := select.input_value():
                name = select.get_attribute("name") or ""
                found[column] = name.removeprefix("source_")
        return found

    def save_mapping(self, job: str, name: str) -> str:
        """Save the mapping of a draft or job, and return its number."""
        self.open(f"/jobs/{job}/save-mapping/")
        self.page.get_by_label("Name").fill(name)
        self.press("Save mapping")
        self.sees(f"Mapping saved as “{name}”")
        link = self.page.locator("main").get_by_role("link", name=f"{name}, version")
        address = link.get_attribute("href") or ""
        return address.strip("/").rpartition("/")[2]

    def review(self, *, leave_out: bool = False) -> None:
        """Without a comparison."""
        self.press(re.compile("^Skip and send" if leave_out else "^(Compare|Review)$"))
        step = self.page.locator(".steps-bar [aria-current]")
        expect(step).not_to_have_text("Check")
        if step.inner_text() == "Compare":
            self.press("Skip comparison")
        expect(self.page.get_by_role("heading", name="Run settings")).to_be_visible()

    def start_with_first_batch(self) -> None:
        self.page.get_by_label("Send the first batch, then wait for approval").check()

    def launch(self) -> str:
        """Launch the reviewed draft, and return the job's address."""
        confirm = self.page.locator("#confirm")
        if confirm.count():
            confirm.fill(
                self.page.locator("label[for=confirm]").inner_text().split()[1]
            )
        self.page.get_by_role("button", name=re.compile("^(Launch|Delete) ")).click()
        self.page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}/$"))
        return self.page.url

    def send(
        self, target: str, action: str, file: Path | tuple[str, bytes], **more: Any
    ) -> str:
        """Upload, map, review and launch, and return the job's address."""
        self.upload(target, action, file)
        self.map(**more)
        self.review()
        return self.launch()

    def cancel(self) -> None:
        """Cancel the job of this page, and say yes when asked."""
        self.press("Cancel job")
        expect(self.heading("Cancel this job?")).to_be_visible()
        self.press("Cancel job")

    def watch(self, state: str = "Completed") -> None:
        """Wait, without reloading, until the job's badge shows the state."""
        expect(self.page.locator("h1 .badge.state")).to_have_text(state, timeout=LONG)

    def download(self, name: str | re.Pattern[str]) -> tuple[str, str]:
        """Click a link; the name and the text of the file it downloads."""
        with self.page.expect_download() as download:
            self.press(name)
        path = download.value.path()
        return download.value.suggested_filename, path.read_text(encoding="utf-8-sig")

    def results(self) -> list[dict[str, str]]:
        _, text = self.download("Original cell values")
        return list(csv.DictReader(io.StringIO(text)))
