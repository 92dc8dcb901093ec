"""Whole numbers."""

import re

from jobsui.jobs.mapping.types.base import problem
from jobsui.jobs.mapping.types.numbers import Number

INTEGER = re.compile(r"[+-]?\d+(\.0+)?", re.ASCII)
MAX_DIGITS = 18
"""A number with this many digits fits into 64 bits, whatever the digits are."""


class Integer(Number, names=("integer",)):
    plain = r"0|-?[1-9][0-9]{0,17}"

    def parse_plain(self, text: str) -> int:
        number = text.strip()
        if not INTEGER.fullmatch(number):
            raise problem(
                "not_an_integer",
                text,
                "is not a whole number",
                "Write digits only, such as 1250.",
            )
        digits = number.partition(".")[0]
        if len(digits.lstrip("+-0")) > MAX_DIGITS:
            raise problem(
                "too_many_digits",
                text,
                "has too many digits",
                f"Write at most {MAX_DIGITS} digits, or use a text field: longer "
                "numbers change when they are sent.",
            )
        return int(digits)
