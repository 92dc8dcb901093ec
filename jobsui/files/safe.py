"""Escapes cells that a spreadsheet would run as formulas, and restores them on
upload."""

import csv
import io
import re
from collections.abc import Iterable

RESULT_COLUMNS = ("_row", "_outcome", "_record_id", "_error_code", "_error")
"""What a results file adds after the file's own columns. They are left out when it is
uploaded again."""

FORMULA_STARTS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)
"""The last four are full-width forms of the first, which East Asian spreadsheets treat
alike."""
SUSPECT_STARTS = {"'", *FORMULA_STARTS}
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def safe_cell(text: str) -> str:
    """The cell with a leading ' where a spreadsheet would take it for a formula. A
    plain number stays as it is. A cell that already looks escaped gets another ', so
    that `unsafe_cell` always restores the original."""
    if text[:1] not in SUSPECT_STARTS:
        return text
    unescaped = text.lstrip("'")
    is_plain_number = text == unescaped and NUMBER.fullmatch(text)
    if unescaped.startswith(FORMULA_STARTS) and not is_plain_number:
        return f"'{text}"
    return text


def unsafe_cell(text: str) -> str:
    """The cell that `safe_cell` was given."""
    if text.startswith("'") and safe_cell(text[1:]) == text:
        return text[1:]
    return text


def csv_line(cells: Iterable[str], *, raw: bool = False) -> str:
    """One line of CSV with its line end. Formulas are escaped unless `raw`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(cells if raw else map(safe_cell, cells))
    return out.getvalue()
