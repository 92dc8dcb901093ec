"""Cells that a spreadsheet would run as formulas, made harmless on the way out and
taken back on the way in."""

import csv
import io
import re
from collections.abc import Iterable

RESULT_COLUMNS = ("_row", "_outcome", "_record_id", "_error_code", "_error")
"""What a results file adds behind the file's own columns; left out when it is uploaded
again."""

DANGEROUS = (
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
"""The last four are the full-width forms of the first, which East Asian spreadsheets
take for the same."""
SUSPECT = {"'", *DANGEROUS}
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def safe_cell(text: str) -> str:
    """The cell with a leading ' where a spreadsheet would take it for a formula. A
    plain number is left alone; a cell that already looks escaped gets one more ', so
    that taking one away always gives back what was there."""
    if text[:1] not in SUSPECT:
        return text
    escaped = text.lstrip("'")
    if escaped.startswith(DANGEROUS) and (
        text != escaped or not NUMBER.fullmatch(text)
    ):
        return f"'{text}"
    return text


def unsafe_cell(text: str) -> str:
    """What `safe_cell` was given."""
    return text[1:] if text.startswith("'") and safe_cell(text[1:]) == text else text


def csv_line(cells: Iterable[str], *, raw: bool = False) -> str:
    """One line of CSV with its line end; formula-safe unless `raw`."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(
        cells if raw else map(safe_cell, cells)
    )
    return out.getvalue()
