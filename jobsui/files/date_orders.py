"""In which order the dates of a column have their day, month and year."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date

DATE_ORDERS: Mapping[str, str] = {
    "ymd": r"(?P<y>[0-9]{4})[./-](?P<m>[0-9]{1,2})[./-](?P<d>[0-9]{1,2})",
    "dmy": r"(?P<d>[0-9]{1,2})[./-](?P<m>[0-9]{1,2})[./-](?P<y>[0-9]{4})",
    "mdy": r"(?P<m>[0-9]{1,2})[./-](?P<d>[0-9]{1,2})[./-](?P<y>[0-9]{4})",
}
"""Patterns for Python and RE2."""
EITHER = "either"
PATTERNS = {
    order: re.compile(rf"\s*{pattern}(?:[ T].*)?\s*", re.DOTALL)
    for order, pattern in DATE_ORDERS.items()
}
"""A time may follow."""


def count_orders(texts: Iterable[str]) -> dict[str, int]:
    """{order: how many of these different texts are a date in this order only}, EITHER for
    those that are one in two orders. Without orders that no text has."""
    counts = Counter(filter(None, map(_order_of, texts)))
    return dict(sorted(counts.items()))


def _order_of(text: str) -> str:
    """ "" for a text that is no date."""
    orders = [order for order, pattern in PATTERNS.items() if _is_date(pattern, text)]
    if len(orders) > 1:
        return EITHER
    return orders[0] if orders else ""


def _is_date(pattern: re.Pattern[str], text: str) -> bool:
    match = pattern.fullmatch(text)
    if match is None:
        return False
    try:
        date(int(match["y"]), int(match["m"]), int(match["d"]))
    except ValueError:
        return False
    return True
