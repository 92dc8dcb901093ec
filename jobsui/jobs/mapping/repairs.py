"""Repairs: what a spreadsheet or an export has damaged, put right in a text. A rule names those
that a person chose. They change only texts that have the damage."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

from jobsui.files import invisible, mojibake

type Repair = Literal[
    "invisible",
    "garbled",
    "serial_dates",
    "swapped_dates",
    "composed",
    "quotes",
    "dashes",
    "grouping",
    "point_zero",
    "leading_zeros",
]

DAY_ZERO = date(1899, 12, 30)
"""Spreadsheets count days from here, as far as dates after February 1900 go."""
SERIAL_DATE = re.compile(r"[2-6][0-9]{4}(?:[.,]0+)?")
"""From 1954 to 2091, without a time."""
CONVERTED_DATE = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|1[0-2])(?![0-9])")
"""A date that a spreadsheet may have read with day and month swapped: it writes the year
first, and both parts can be a month."""
QUOTES = "[\"'`\u00ab\u00bb\u2018\u2019\u201c\u201d]"
QUOTED = re.compile(f"{QUOTES}(.*){QUOTES}", re.DOTALL)
GROUPED = re.compile(
    r"[0-9]{1,3}(?P<mark>[,.'’ \u00a0\u202f])[0-9]{3}(?:(?P=mark)[0-9]{3})*"
)
"""Digits with a separator between the thousands."""
POINT_ZERO = re.compile(r"([0-9]+)[.,]0+")
LEADING_ZEROS = re.compile(r"0+([0-9]+)")
DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))


def _as_date(text: str) -> str:
    plain = text.strip()
    if not SERIAL_DATE.fullmatch(plain):
        return text
    return (DAY_ZERO + timedelta(days=int(plain[:5]))).isoformat()


def _swapped(text: str) -> str:
    return CONVERTED_DATE.sub(r"\1-\3-\2", text, count=1)


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _without_quotes(text: str) -> str:
    quoted = QUOTED.fullmatch(text.strip())
    return quoted[1] if quoted else text


def _with_hyphens(text: str) -> str:
    return text.translate(DASHES)


def _without_grouping(text: str) -> str:
    grouped = GROUPED.fullmatch(text.strip())
    return grouped[0].replace(grouped["mark"], "") if grouped else text


def _without_point_zero(text: str) -> str:
    number = POINT_ZERO.fullmatch(text.strip())
    return number[1] if number else text


def _without_leading_zeros(text: str) -> str:
    digits = LEADING_ZEROS.fullmatch(text.strip())
    return digits[1] if digits else text


REPAIRS: Mapping[Repair, Callable[[str], str]] = {
    "garbled": mojibake.restored,
    "invisible": invisible.removed,
    "composed": _composed,
    "quotes": _without_quotes,
    "dashes": _with_hyphens,
    "grouping": _without_grouping,
    "point_zero": _without_point_zero,
    "leading_zeros": _without_leading_zeros,
    "serial_dates": _as_date,
    "swapped_dates": _swapped,
}
"""In the order in which they apply."""
REPAIRS_OF_SIGNS: Mapping[str, Repair] = {
    "garbled": "garbled",
    "invisible_characters": "invisible",
    "serial_date": "serial_dates",
    "swapped_dates": "swapped_dates",
}
"""{code of a warning about a column: what repairs it}."""
OF_DATES = frozenset({"serial_dates", "swapped_dates"})
"""Repairs that make sense for dates only. The others are for texts."""
OF_KEYS: frozenset[Repair] = frozenset(
    {"composed", "quotes", "dashes", "grouping", "point_zero", "leading_zeros"}
)
"""Repairs that make sense for the keys of records only."""


def repaired(text: str, repairs: Sequence[str]) -> str:
    for name, repair in REPAIRS.items():
        if name in repairs:
            text = repair(text)
    return text
