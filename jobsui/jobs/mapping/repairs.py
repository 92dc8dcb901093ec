"""Repairs: what a spreadsheet or an export has damaged, put right in a text. A rule names those
that a person chose. They change only texts that have the damage."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

from jobsui.files import invisible, mojibake

type Repair = Literal["invisible", "garbled", "serial_dates", "swapped_dates"]

DAY_ZERO = date(1899, 12, 30)
"""Spreadsheets count days from here, as far as dates after February 1900 go."""
SERIAL_DATE = re.compile(r"[2-6][0-9]{4}(?:[.,]0+)?")
"""From 1954 to 2091, without a time."""
CONVERTED_DATE = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|1[0-2])(?![0-9])")
"""A date that a spreadsheet may have read with day and month swapped: it writes the year
first, and both parts can be a month."""


def _as_date(text: str) -> str:
    plain = text.strip()
    if not SERIAL_DATE.fullmatch(plain):
        return text
    return (DAY_ZERO + timedelta(days=int(plain[:5]))).isoformat()


def _swapped(text: str) -> str:
    return CONVERTED_DATE.sub(r"\1-\3-\2", text, count=1)


REPAIRS: Mapping[Repair, Callable[[str], str]] = {
    "garbled": mojibake.restored,
    "invisible": invisible.removed,
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


def repaired(text: str, repairs: Sequence[str]) -> str:
    for name, repair in REPAIRS.items():
        if name in repairs:
            text = repair(text)
    return text
