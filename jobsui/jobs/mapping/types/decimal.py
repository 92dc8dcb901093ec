"""Decimal numbers and amounts of money."""

import re
from collections.abc import Mapping
from decimal import Decimal as ExactDecimal

from jobsui.files.number_styles import Mark
from jobsui.jobs.mapping.types.base import Respelling, problem
from jobsui.jobs.mapping.types.numbers import Number
from jobsui.zendesk.payloads import Field

DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
MAX_DIGITS = 15
MAX_WHOLE_FLOAT = 1e15
"""Up to here a whole float is sent as an integer."""
WHOLE = r"0|-?[1-9][0-9]{0,14}"
WITH_POINT = r"-?(?:0|[1-9][0-9]{0,11})\.[0-9]{0,2}[1-9]"
NEVER_THOUSANDS = r"-?(?:0|[1-9][0-9]{0,11})\.[0-9]?[1-9]"
"""Three digits behind the point may be thousands."""
SIMPLE = r"(?:0|-?[1-9][0-9]{0,11})"
GROUPED = r"-?[1-9][0-9]{0,2}(?:\%s[0-9]{3}){1,3}"
ZEROS_AT_END = Respelling(SIMPLE + r"\.[0-9]{0,2}0")
TWO_DIGITS_WITH_ZERO = Respelling(SIMPLE + r"\.[0-9]?0")
WITH_COMMA = Respelling(SIMPLE + ",[0-9]{1,3}", decimal_mark=",")
RESPELLINGS: Mapping[Mark, tuple[Respelling, ...]] = {
    ".": (ZEROS_AT_END, Respelling(GROUPED % "," + r"\.[0-9]{1,3}", thousands=",")),
    ",": (
        TWO_DIGITS_WITH_ZERO,
        WITH_COMMA,
        Respelling(GROUPED % "." + ",[0-9]{1,3}", thousands=".", decimal_mark=","),
    ),
    "?": (TWO_DIGITS_WITH_ZERO,),
    "": (),
}
"""By the decimal mark of the column."""


class Decimal(Number, names=("decimal", "currency")):
    def __init__(self, field: Field, decimal_mark: Mark = ".") -> None:
        super().__init__(field, decimal_mark)
        decimals = WITH_POINT if decimal_mark == "." else NEVER_THOUSANDS
        self.plain = f"{WHOLE}|{decimals}"
        self.respellings = RESPELLINGS[decimal_mark]

    def parse_plain(self, text: str) -> int | float:
        written = text.strip()
        if not DECIMAL.fullmatch(written):
            raise problem(
                "not_a_number",
                text,
                "is not a number",
                "Write digits with a point, such as 1250.50, or as the other numbers of the "
                "column are written.",
            )
        number = float(written)
        may_be_rounded = len(written) > MAX_DIGITS or "e" in written.lower()
        if may_be_rounded and ExactDecimal(written) != ExactDecimal(repr(number)):
            raise problem(
                "too_many_digits",
                text,
                "has too many digits",
                f"Write at most {MAX_DIGITS} digits, or use a text field: such "
                "numbers are rounded when they are sent.",
            )
        if number.is_integer() and abs(number) < MAX_WHOLE_FLOAT:
            return int(number)
        return number
