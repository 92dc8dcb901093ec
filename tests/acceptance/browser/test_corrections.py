"""Rows with problems, corrected in the browser."""

import io
import re

import openpyxl
from playwright.sync_api import Locator, Route, expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import LONG, Person

ACTION = "create_or_update_by_external_id"
ROWS = (
    "external_id,Name,Serial,Price,Status\n"
    "g-1,Drill,AB-000001,x,retired\n"
    "g-2,Saw,AB-000002,y,broken\n"
    "g-3,Lathe,ab,3,broken\n"
    "g-4,Crane,AB-000004,4,in_use\n"
)


def open_cause(person: Person, button: str, cause: str) -> None:
    person.page.get_by_role("link", name=re.compile(f"^{button}: {cause}")).click()


def cell(person: Person, column: str, row: int) -> Locator:
    return person.page.get_by_label(f"{column} of row {row}")


def test_rows_are_corrected_by_keyboard_until_none_has_a_problem(
    person: Person, gadget: str
) -> None:
    page = person.page
    person.upload(f"{CONNECTION} · {gadget}", ACTION, ("rows.csv", ROWS.encode()))
    person.map()
    person.sees("3 of 4 rows are invalid")
    open_cause(person, "Open rows", "Price")
    page.evaluate("window.isSamePage = true")

    cell(person, "Price", 2).fill("1.5")
    cell(person, "Price", 2).press("Enter")
    expect(page.locator("#r2")).to_contain_text("Fixed")
    expect(page.locator("#grid-head")).to_contain_text("1 row with this problem.")
    delayed: list[Route] = []
    page.route("**/rows/correct/", lambda route: delayed.append(route), times=1)
    cell(person, "Price", 3).fill("2")
    with page.expect_request("**/rows/correct/"):
        cell(person, "Status", 3).fill("reti")
    expect(cell(person, "Status", 3)).to_have_value("reti")
    delayed.pop().continue_()
    expect(page.locator("#grid-head")).to_contain_text("0 rows with this problem.")
    expect(cell(person, "Status", 3)).to_have_value("reti")
    expect(cell(person, "Status", 3)).to_be_focused()
    cell(person, "Status", 3).press("Escape")
    expect(page.locator("#r3")).to_contain_text("“broken” is not an option")
    page.locator("#r3").get_by_role("link", name="Saw").press("Enter")
    expect(cell(person, "Name", 3)).to_be_focused()
    cell(person, "Name", 3).fill("Circular saw")
    cell(person, "Name", 3).press("Enter")
    expect(page.locator("#r3")).to_contain_text("In the file: Saw")
    assert page.evaluate("window.isSamePage")

    person.press("Check")
    open_cause(person, "Replace values", "Status")
    page.get_by_label("broken").select_option("retired")
    person.press("Replace and check again")
    person.sees("Replaced 1 value.")
    person.sees("1 of 4 rows is invalid")
    open_cause(person, "Open rows", "Serial")
    cell(person, "Serial", 4).fill("AB-000003")
    cell(person, "Serial", 4).press("Enter")
    expect(page.locator("#grid-head")).to_contain_text("0 of 4 rows are invalid")

    page.get_by_role("link", name="5 corrections").click()
    line = page.get_by_role("row", name=re.compile("Circular saw"))
    line.get_by_role("button", name="Undo").click()
    person.sees("4 corrections.")
    person.press("Check")
    person.sees("Checked 4 rows: no problems")
    person.review()
    person.launch()
    person.watch()
    sent = {row["external_id"]: row for row in person.results()}
    assert sent["g-1"]["Price"] == "1.5"
    assert sent["g-2"]["Name"] == "Saw"
    assert sent["g-2"]["Status"] == "retired"
    assert sent["g-3"]["Serial"] == "AB-000003"


def test_rows_are_corrected_in_a_workbook(person: Person, gadget: str) -> None:
    page = person.page
    person.upload(f"{CONNECTION} · {gadget}", ACTION, ("rows.csv", ROWS.encode()))
    person.map()
    with page.expect_download() as download:
        person.press("Download problems.xlsx")
    book = openpyxl.load_workbook(io.BytesIO(download.value.path().read_bytes()))
    sheet = book["Problems"]
    sheet["F2"] = "1.5"
    sheet["F3"] = "2"
    sheet["C3"] = "g-9"
    content = io.BytesIO()
    book.save(content)

    workbook = {
        "name": "fixed.xlsx",
        "mimeType": "application/octet-stream",
        "buffer": content.getvalue(),
    }
    page.get_by_label("Corrected workbook").set_input_files(workbook)  # type: ignore[arg-type]
    person.press("Apply corrections")

    expect(person.heading("fixed.xlsx: 1 cell corrected")).to_be_visible(timeout=LONG)
    person.sees("1 row not applied")
    person.sees("Row 3. “external_id” has no problem, and it is “g-9” here")
