"""What integers and decimals share: the marks of their column."""

from typing import Any

from jobsui.files.number_styles import Ambiguous, plain
from jobsui.jobs.mapping.types.base import ValueType, problem


class Number(ValueType):
    def parse(self, text: str) -> Any:
        try:
            number = plain(text, self.decimal_mark)
        except Ambiguous:
            raise problem(
                "ambiguous_number",
                text,
                "can be read in two ways, and the other numbers of its column do not decide",
                "Choose the decimal mark in the column's rule, or write the number "
                "without marks for thousands.",
            ) from None
        return self.parse_plain(number)

    def parse_number(self, text: str) -> Any:
        return self.parse_plain(text)

    def parse_plain(self, text: str) -> Any:
        """The value of a text without marks of thousands. Raises ValueProblem."""
        raise NotImplementedError
