"""Columns in which a spreadsheet has swapped day and month.

A spreadsheet that expects the month first converts 05/03/2024 (5 March) into 3 May, and
leaves 13/05/2024 as text, because there is no month 13. What it has converted gets another
form. So a column is swapped if it has two forms, all days of one are above 12, and no part of
the other is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

DATE_LENGTH = 10
"""Characters of a text that may be a date; a time may follow."""
DATE = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"|(?P<first>\d{1,2})(?P<mark>[./-])(?P<second>\d{1,2})(?P=mark)\d{2,4}"
)
YEAR_FIRST = re.compile(r"\d{4}[./-]\d{1,2}[./-]\d{1,2}")
MIN_DATES = 5
"""Fewer are too few to judge."""
MAX_PART = 12
ISO = "iso"


@dataclass(frozen=True, slots=True)
class _Date:
    form: str
    """ISO or the separator."""
    day: int
    """Or the month, where it is not known which part is which."""
    month: int
    padding: bool | None
    """Whether parts below 10 have a zero. None: there are none."""

    @property
    def can_be_swapped(self) -> bool:
        return self.day <= MAX_PART and self.month <= MAX_PART


def looks_like_date(text: str) -> bool:
    return bool(DATE.match(text) or YEAR_FIRST.match(text))


def converted_dates(texts: Iterable[str]) -> frozenset[str]:
    """The texts that a spreadsheet has converted with day and month swapped, if it has;
    else none."""
    dates = {text: date for text in texts if (date := _parsed(text))}
    whole = {text for text, date in dates.items() if not date.can_be_swapped}
    converted = set(dates) - whole
    if min(len(whole), len(converted)) < MIN_DATES:
        return frozenset()
    is_swapped = _differ(
        [dates[text] for text in whole], [dates[text] for text in converted]
    )
    return frozenset(converted) if is_swapped else frozenset()


def _differ(whole: list[_Date], converted: list[_Date]) -> bool:
    """Whether those with a day above 12 have one form, and the others another."""
    whole_forms = {date.form for date in whole}
    forms = {date.form for date in converted}
    if ISO in whole_forms or len(whole_forms) > 1 or len(forms) > 1:
        return False
    if whole_forms != forms:
        return True
    whole_padding = {date.padding for date in whole} - {None}
    padding = {date.padding for date in converted} - {None}
    return (whole_padding, padding) == ({True}, {False})


def _parsed(text: str) -> _Date | None:
    match = DATE.match(text)
    if match is None:
        return None
    if match["year"]:
        return _Date(ISO, int(match["day"]), int(match["month"]), None)
    parts = (match["first"], match["second"])
    if max(map(int, parts)) > 31 or min(map(int, parts)) > MAX_PART:
        return None
    paddings = {part.startswith("0") for part in parts if int(part) < 10}
    padding = paddings.pop() if len(paddings) == 1 else None
    return _Date(match["mark"], int(parts[0]), int(parts[1]), padding)
