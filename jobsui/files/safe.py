"""Escapes cells that a spreadsheet would run as formulas, and restores them on
upload."""

import csv
import io
import re
from collections.abc import Iterable

RESULT_COLUMNS = ("_row", "_outcome", "_record_id", "_error_code", "_error")
"""What a results file adds after the file's own columns. They are left out when it is
uploaded again."""

FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"
"""Forms of = + - @ that East Asian spreadsheets treat alike."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", *FULL_WIDTH)
SUSPECT_STARTS = {"'", *FORMULA_STARTS}
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# A spreadsheet that expects another delimiter begins a cell after these. It finds our
# quotes in the middle of a cell, and ignores them there.
CELL_ENDS = ";\\t\\r\\n"
OPERATORS = rf"=+\-@{FULL_WIDTH}"
INNER_FORMULA = re.compile(rf"""([{CELL_ENDS}])(?='*"*[{OPERATORS}])""")
ESCAPED_INNER_FORMULA = re.compile(rf"""([{CELL_ENDS}])'(?='*"*[{OPERATORS}])""")
MAY_BE_ESCAPED = rf"(^|[{CELL_ENDS}])'"
"""Of texts that `unsafe_cell` may change."""


def safe_cell(text: str) -> str:
    """The cell with a ' before each place where a spreadsheet would find a formula: at
    its start, and after a semicolon, a tab or a line end. A plain number stays as it is.
    What already looks escaped gets another ', so that `unsafe_cell` always restores the
    original."""
    if INNER_FORMULA.search(text):
        text = INNER_FORMULA.sub(r"\1'", text)
    return _safe_start(text)


def unsafe_cell(text: str) -> str:
    """The cell that `safe_cell` was given."""
    text = ESCAPED_INNER_FORMULA.sub(r"\1", text)
    if text.startswith("'") and _safe_start(text[1:]) == text:
        return text[1:]
    return text


def _safe_start(text: str) -> str:
    if text[:1] not in SUSPECT_STARTS:
        return text
    unescaped = text.lstrip("'")
    is_plain_number = text == unescaped and NUMBER.fullmatch(text)
    if unescaped.startswith(FORMULA_STARTS) and not is_plain_number:
        return f"'{text}"
    return text


def csv_line(cells: Iterable[str], *, raw: bool = False) -> str:
    """One line of CSV with its line end. Formulas are escaped unless `raw`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(cells if raw else map(safe_cell, cells))
    return out.getvalue()
