"""A file that was not read as it was meant, corrected on its page."""

import io
from typing import Any

import openpyxl
from playwright.sync_api import Locator, expect

from tests.acceptance.conftest import CONNECTION
from tests.acceptance.person import LONG, Person

ACTION = "create_or_update_by_external_id"
WESTERN = (
    "external_id;Name;Serial;Remarks\n"
    "g-1;Müller;AB-000001;Zürich\n"
    "g-2;Meyer;AB-000002;Genève\n"
)


def workbook(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def table(person: Person) -> Locator:
    return person.page.get_by_role("table", name="The first rows of the file")


def test_proposed_encoding_is_confirmed_and_the_job_continues(
    person: Person, gadget: str
) -> None:
    content = WESTERN.encode("cp1252")
    person.upload(f"{CONNECTION} · {gadget}", ACTION, ("assets.csv", content))
    expect(person.heading("Which encoding does assets.csv have?")).to_be_visible()
    person.sees("Genčve")

    person.press("Use Windows-1252")

    person.sees("CSV, Windows-1252, semicolon, 4 columns, 2 rows, header in row 1")
    expect(table(person)).to_contain_text("Genève")
    focused = person.page.locator("#file-heading")
    expect(focused).to_be_focused()
    person.map()
    person.review()
    person.launch()
    person.watch()
    names = {row["Name"] for row in person.results()}
    assert names == {"Müller", "Meyer"}


def test_refused_workbook_is_read_from_another_sheet(
    person: Person, gadget: str
) -> None:
    rows = [["external_id", "Name"], ["g-1", "Drill"]]
    content = workbook(Notes=[["external_id", "Name"]], Assets=rows)
    person.upload(f"{CONNECTION} · {gadget}", ACTION, ("book.xlsx", content))
    file = person.page.locator("#file")
    file.get_by_text("File settings").click()
    file.get_by_label("Sheet").select_option("Notes")
    person.press("Apply")
    expect(person.heading("book.xlsx cannot be read")).to_be_visible(timeout=LONG)
    person.sees("The file has a header but no rows.")

    file.get_by_label("Sheet").select_option("Assets")
    person.press("Apply")

    person.sees("2 columns, 1 row, header in row 1, sheet Assets (2 of 2)")
    expect(table(person)).to_contain_text("Drill")


def test_corrected_header_row_redraws_the_table(person: Person, gadget: str) -> None:
    content = b"Asset,Label\nexternal_id,Name\ng-1,Drill\n"
    person.upload(f"{CONNECTION} · {gadget}", ACTION, ("assets.csv", content))
    person.sees("header in row 1")
    person.page.evaluate("window.isSamePage = true")
    file = person.page.locator("#file")
    file.get_by_text("File settings").click()

    file.get_by_label("Row of the header").fill("2")
    file.get_by_label("Row of the header").press("Enter")

    person.sees("2 columns, 1 row, header in row 2")
    header = table(person).locator("thead")
    expect(header).to_contain_text("external_id")
    expect(header).not_to_contain_text("Asset")
    expect(file.get_by_label("Row of the header")).to_be_focused()
    assert person.page.evaluate("window.isSamePage")


def test_rows_are_pasted(person: Person, gadget: str) -> None:
    page = person.page
    person.open("/jobs/new/")
    page.get_by_label("Object").select_option(label=f"{CONNECTION} · {gadget}")
    page.get_by_label("Action").select_option(ACTION)
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData("text/plain", "external_id\\tName\\r\\ng-1\\tDrill, big\\r\\n");
          const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
          document.body.dispatchEvent(event);
        }"""
    )
    person.sees("Pasted 2 rows, the header included.")

    person.press("Upload")

    person.sees("CSV, UTF-8, tab, 2 columns, 1 row, header in row 1")
    expect(table(person)).to_contain_text("Drill, big")


def test_file_is_dropped(person: Person, gadget: str) -> None:
    page = person.page
    person.open("/jobs/new/")
    page.get_by_label("Object").select_option(label=f"{CONNECTION} · {gadget}")
    data = page.evaluate_handle(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(["external_id,Name\\ng-1,Drill\\n"], "dropped.csv"));
          return data;
        }"""
    )
    page.dispatch_event("main", "drop", {"dataTransfer": data})
    person.sees("dropped.csv is chosen.")

    person.press("Upload")

    person.sees("CSV, UTF-8, comma, 2 columns, 1 row, header in row 1")


def test_too_large_file_is_refused_before_it_is_sent(person: Person) -> None:
    page = person.page
    person.open("/jobs/new/")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.locator("input[type=file]").evaluate(
        "(input) => { input.dataset.maxBytes = 10 }"
    )

    person.choose_file(("rows.csv", b"external_id\n12345\n"))

    person.sees(
        "rows.csv is larger than 1 MB. Split it, or raise JOBSUI_MAX_UPLOAD_MB."
    )
    person.press("Upload")
    assert "POST" not in sent
    person.choose_file(("rows.csv", b"a\n1\n"))
    assert page.locator("[data-drop-state]").inner_text() == ""
