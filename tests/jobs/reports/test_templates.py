"""Templates map themselves, and their workbooks keep what people type."""

import io

import openpyxl
import pytest

from jobsui.files.layout import DETECT_ALL
from jobsui.files.table import detect
from jobsui.jobs.reports import templates
from jobsui.zendesk.payloads import Schema
from tests.factories import make_connection, make_object
from tests.harness import GADGET

pytestmark = pytest.mark.django_db
COLUMNS = ["external_id", "name", *[field["key"] for field in GADGET]]


@pytest.fixture
def schema() -> Schema:
    return make_object(make_connection(), "gadget", fields=GADGET).schema


def test_template_csv_has_columns_that_map_themselves(schema: Schema) -> None:
    header = templates.template_csv(schema).decode("utf-8-sig")

    assert header.strip().split(",") == COLUMNS


def test_template_workbook_has_columns_and_describes_them(schema: Schema) -> None:
    book = openpyxl.load_workbook(io.BytesIO(templates.template_xlsx(schema)))
    lines = [row[0].value for row in book["Fields"].iter_rows()]
    start = lines.index("status: Status, dropdown. One of these options:")

    assert book.sheetnames == ["Records", "Fields"]
    assert [cell.value for cell in book["Records"][1]] == COLUMNS
    assert lines[0] == (
        "external_id: External ID, key. Required. Identifies the record. "
        "Your own ID of the record."
    )
    assert lines[start + 1 : start + 4] == ["in_use", "retired", None]


def test_template_workbook_keeps_texts_and_offers_options(schema: Schema) -> None:
    book = openpyxl.load_workbook(io.BytesIO(templates.template_xlsx(schema)))
    records = book["Records"]
    formats = {
        name: records.column_dimensions[letter].number_format
        for letter, name in zip("ABCDEFGH", COLUMNS, strict=False)
    }
    [choice] = records.data_validations.dataValidation

    assert formats["external_id"] == "@"
    assert formats["price"] == "General"
    offered = [cell.value for [cell] in book["Fields"][choice.formula1[7:]]]
    assert offered == ["in_use", "retired"]
    assert str(choice.sqref) == "D2:D10001"


def test_template_workbook_that_is_filled_in_is_read(schema: Schema) -> None:
    book = openpyxl.load_workbook(io.BytesIO(templates.template_xlsx(schema)))
    book["Records"]["A2"] = "00042"
    book["Records"]["B2"] = "Drill"
    filled = io.BytesIO()
    book.save(filled)

    found = detect(filled, "gadget-template.xlsx", DETECT_ALL)

    assert found.layout.sheet == "Records"
    assert found.layout.header_row == 1
