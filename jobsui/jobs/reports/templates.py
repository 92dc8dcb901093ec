"""Files to fill in for an object. Their headers map themselves."""

import io

import xlsxwriter

from jobsui.files.safe import csv_line
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.field_targets import Target, targets
from jobsui.jobs.reports.row_results import BOM
from jobsui.zendesk.payloads import Option, Schema

TEXT_FORMAT = "@"
"""In cells with this format, a spreadsheet keeps leading zeros and long numbers."""
NUMBER_TYPES = frozenset({"integer", "decimal", "currency"})
ROWS_WITH_OPTIONS = 10_000
"""How many rows of the sheet offer the options of a dropdown field."""
COLUMN_WIDTH = 20
HELP_WIDTH = 100
HINTS = {
    "key": "Your own ID of the record.",
    "checkbox": "true or false.",
    "date": "Year-month-day, such as 2026-08-03.",
    "integer": "Digits only, such as 1250.",
    "decimal": "Digits with a point, such as 1250.50.",
    "currency": "Digits with a point, such as 1250.50.",
    "dropdown": "One of these options:",
    "multiselect": "Some of these options, separated by ;",
    "lookup": "The Zendesk ID of a record, or external_id: and its external ID.",
    "parent": "The Zendesk ID of a record, or external_id: and its external ID.",
}
"""{type: how values are written}."""


def template_csv(schema: Schema) -> bytes:
    return (BOM + csv_line([target.api_name for target in _offered(schema)])).encode()


def template_xlsx(schema: Schema) -> bytes:
    """A workbook with the sheets Records, to fill in, and Fields, which describes each field
    with its options. Cells for texts and keys have the text format, and those of dropdown
    fields offer the options."""
    offered = _offered(schema)
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        bold = book.add_format({"bold": True})
        text = book.add_format({"num_format": TEXT_FORMAT})
        records = book.add_worksheet("Records")
        records.freeze_panes(1, 0)
        for index, target in enumerate(offered):
            has_text = target.type not in NUMBER_TYPES
            records.set_column(index, index, COLUMN_WIDTH, text if has_text else None)
            records.write_string(0, index, target.api_name, bold)
        # One cell a row, so that this sheet is never taken for the table.
        help_sheet = book.add_worksheet("Fields")
        help_sheet.set_column(0, 0, HELP_WIDTH)
        row = 0
        for index, target in enumerate(offered):
            options = _options(schema, target)
            help_sheet.write_string(row, 0, _description(target), bold)
            for number, option in enumerate(options, 1):
                help_sheet.write_string(row + number, 0, option.value)
            if options and target.type == "dropdown":
                first = row + 2
                source = f"=Fields!$A${first}:$A${first + len(options) - 1}"
                choice = {"validate": "list", "source": source}
                records.data_validation(1, index, ROWS_WITH_OPTIONS, index, choice)
            row += len(options) + 2
    return out.getvalue()


def _offered(schema: Schema) -> list[Target]:
    return targets(schema, Action.UPSERT_BY_EXTERNAL_ID)


def _options(schema: Schema, target: Target) -> tuple[Option, ...]:
    # A field may have the key of a member, such as "name".
    is_field = target.key != target.api_name
    field = schema.field(target.api_name) if is_field else None
    return field.options if field else ()


def _description(target: Target) -> str:
    """ "status: Status, dropdown. One of these options:"."""
    hints = (target.help, HINTS.get(target.type, ""))
    parts = [f"{target.api_name}: {target.label}, {target.type}.", *filter(None, hints)]
    if target.required:
        parts.insert(1, "Required.")
    return " ".join(parts)
