"""In which order the dates of a column have their day, month and year."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

DATE_ORDERS: Mapping[str, str] = {
    "ymd": r"(?P<y>[0-9]{4})[./-](?P<m>[0-9]{1,2})[./-](?P<d>[0-9]{1,2})",
    "dmy": r"(?P<d>[0-9]{1,2})[./-](?P<m>[0-9]{1,2})[./-](?P<y>[0-9]{4})",
    "mdy": r"(?P<m>[0-9]{1,2})[./-](?P<d>[0-9]{1,2})[./-](?P<y>[0-9]{4})",
}
"""Patterns for Python and RE2."""
EITHER = "either"
UNDECIDED = "undecided"
DAY_AND_MONTH = ("dmy", "mdy")
SEPARATOR = re.compile("[./-]")
PATTERNS = {
    order: re.compile(rf"\s*{pattern}(?:[ T].*)?\s*", re.DOTALL)
    for order, pattern in DATE_ORDERS.items()
}
"""A time may follow."""


def count_orders(texts: Iterable[str]) -> dict[str, int]:
    """{order: how many of these different texts are a date in this order only}, EITHER for
    those that are one in two orders, without orders that no text has. UNDECIDED: those of
    EITHER that are two different dates, where only dates with other separators show an order:
    1/2/2026 beside 31.12.2026."""
    counts: Counter[str] = Counter()
    by_separator: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        dates = _dates_of(text)
        if not dates:
            continue
        order = EITHER if len(dates) > 1 else next(iter(dates))
        counts[order] += 1
        separator = SEPARATOR.search(text)
        has_choice = len(set(dates.values())) > 1
        kind = UNDECIDED if has_choice else order
        by_separator[separator[0] if separator else ""][kind] += 1
    if any(order in counts for order in DAY_AND_MONTH):
        undecided = (
            each[UNDECIDED]
            for each in by_separator.values()
            if not any(order in each for order in DAY_AND_MONTH)
        )
        counts[UNDECIDED] = sum(undecided)
    return {order: count for order, count in sorted(counts.items()) if count}


def _dates_of(text: str) -> dict[str, date]:
    """{order: the date that the text is in it}."""
    found = {}
    for order, pattern in PATTERNS.items():
        if day := _date_of(pattern, text):
            found[order] = day
    return found


def _date_of(pattern: re.Pattern[str], text: str) -> date | None:
    match = pattern.fullmatch(text)
    if match is None:
        return None
    try:
        return date(int(match["y"]), int(match["m"]), int(match["d"]))
    except ValueError:
        return None
