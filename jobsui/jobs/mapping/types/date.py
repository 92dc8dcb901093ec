"""Dates: only year-month-day, because Jobs UI does not guess the order of day and month."""

import re
from datetime import date, datetime, time

from jobsui.jobs.mapping.types.base import ValueType, problem

DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Date(ValueType, names=("date",)):
    def parse(self, text: str) -> str:
        plain = text.strip()
        try:
            if DATE.fullmatch(plain):
                return date.fromisoformat(plain).isoformat()
            return _date_at_midnight(plain)
        except ValueError:
            raise problem(
                "not_a_date",
                text,
                "is not a date",
                "Choose the order of day and month in the column's rule, or write "
                "year-month-day, such as 2026-08-03.",
            ) from None


def _date_at_midnight(text: str) -> str:
    """The date of "2026-08-03T00:00:00". Raises ValueError for any other time."""
    moment = datetime.fromisoformat(text)
    if not DATE.match(text) or moment.time() != time():
        raise ValueError(text)
    return moment.date().isoformat()
