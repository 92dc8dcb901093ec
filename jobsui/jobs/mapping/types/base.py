"""What all types of values share."""

import string
from dataclasses import dataclass
from typing import Any, ClassVar

from jobsui.files.number_styles import Mark
from jobsui.zendesk.payloads import Field

MAX_QUOTED = 80
CONTROL = r"\x00-\x1f"
SPACES = r"\x00- \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
"""Of RE2's classes: the characters that `str.strip` removes, and control characters."""
PLAIN_TEXT = rf'[^{SPACES}"\\#][^"\\{CONTROL}]*'
"""Texts whose JSON is the text between quotation marks. A # may begin an error value."""
WORD_BYTES = (string.ascii_letters + string.digits + "_-").encode()
PLAIN_TEXT_BYTES = WORD_BYTES + b"!$%&'()*+,./:;<=>?@[]^`{|}~"
ESCAPED = r"\x00-\x08\x0b\x0c\x0e-\x1f"
"""Control characters with long escapes."""
NEARLY_PLAIN_TEXT = rf"[^{SPACES}#][^{ESCAPED}]*"


class ValueProblem(Exception):
    """A value that its field cannot take. A file may have a million of them, so sentences are
    composed when they are asked for."""

    __slots__ = ("_kind", "_text", "_what", "code", "fix")

    def __init__(
        self,
        code: str,
        what: str,
        fix: str,
        *,
        text: str | None = None,
        kind: str = "",
    ) -> None:
        """`code`: for programs. `what` completes a sentence that begins with the text, or
        is a sentence if there is no text. `kind`: instead of `what`, for the message of all
        such values."""
        self.code = code
        self.fix = fix
        self._kind = kind or what
        self._what = what
        self._text = text

    def __str__(self) -> str:
        return self.message

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValueProblem) and self._words == other._words

    def __hash__(self) -> int:
        return hash(self._words)

    @property
    def _words(self) -> tuple[str, str, str, str]:
        return self.code, self.message, self.general, self.fix

    @property
    def message(self) -> str:
        if self._text is None:
            return self._what
        return f"“{_shown(self._text)}” {self._what}."

    @property
    def general(self) -> str:
        """The message for all such values, with this one as an example."""
        if self._text is None:
            return self._kind
        return f"The value {self._kind}, for example “{_shown(self._text)}”."


@dataclass(frozen=True, slots=True)
class Respelling:
    """Texts of decimal numbers that become their own JSON values: by removing marks of
    thousands, with a decimal point, and without zeros at the end."""

    pattern: str
    """Of RE2, for whole texts."""
    thousands: str = ""
    decimal_mark: Mark = "."


class ValueType:
    """Turns the texts of cells into values of one field. Subclasses name the field types
    of Zendesk that they are for; one for targets that are no fields has the target's key.

    The texts of most cells are their own JSON values. `plain` says which: they are found by
    the column, and only the others are parsed one by one."""

    by_name: ClassVar[dict[str, "type[ValueType]"]] = {}

    plain = ""
    """A pattern of RE2 for texts that are their own JSON values. "": there are none."""
    plain_bytes = b""
    """Texts of these characters only, at least one, are plain: a column of them is found
    several times as fast as by `plain`."""
    nearly_plain = ""
    """A pattern of RE2 for texts that are their own values once quotation marks, backslashes,
    line ends and tabs are escaped."""
    respellings: "tuple[Respelling, ...]" = ()
    is_text = False
    """The JSON of plain texts has quotation marks around it."""
    keeps_text = False
    """The value is the text of the cell, unchanged."""
    takes_lists = False
    """The value of a JSON array is read by `parse`."""
    is_field = True
    """Can be emptied."""

    def __init_subclass__(cls, names: tuple[str, ...] = ()) -> None:
        for name in names:
            ValueType.by_name[name] = cls

    def __init__(self, field: Field, decimal_mark: Mark = ".") -> None:
        """`decimal_mark` is that of the column."""
        self.field = field
        self.decimal_mark = decimal_mark

    def parse(self, text: str) -> Any:
        """The value of a text that is not blank. Raises ValueProblem."""
        raise NotImplementedError

    def parse_number(self, text: str) -> Any:
        """`parse` for a number of the file: it has a decimal point and no marks of
        thousands."""
        return self.parse(text)


def problem(code: str, text: str, what: str, fix: str) -> ValueProblem:
    """The problem of `text`. `what` completes a sentence that begins with the text."""
    return ValueProblem(code, what, fix, text=text)


def _shown(text: str) -> str:
    return f"{text[:MAX_QUOTED]}…" if len(text) > MAX_QUOTED else text
