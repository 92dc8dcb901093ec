"""What a cell of an OpenDocument spreadsheet contains."""

import re
from decimal import Decimal
from typing import NamedTuple

from jobsui.files.cells import Kind
from jobsui.files.xlsx.number_formats import number_text

DURATION = re.compile(
    r"PT(?:([0-9]{1,7})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9}(?:[.,][0-9]+)?)S)?"
)
MOMENT = re.compile(r"(\d{4,5}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(?:[.,](\d+))?)?")
ERROR = re.compile(r"#(N/A|DIV/0!|VALUE!|REF!|NAME\?|NUM!|NULL!)|Err:[0-9]{3}")
LEADING_ZERO = re.compile(r"-?0[0-9]+")


class Value(NamedTuple):
    text: str
    kind: Kind
    shown: str | None = None
    """What a spreadsheet shows, where it is not the text."""


def value_of(
    kind: str, stated: str, shown: str, *, is_formula: bool, is_error: bool
) -> Value:
    """`kind` and `stated` are the cell's value type and value, "" for none; `shown` is
    its paragraphs."""
    if is_error or (is_formula and ERROR.fullmatch(shown)):
        return Value(shown or "#VALUE!", Kind.ERROR)
    match kind:
        case "float" | "currency":
            return _number(stated, shown)
        case "percentage":
            number = _number(stated, shown)
            return Value(number.text, number.kind, shown or None)
        case "boolean":
            return Value(stated.lower(), Kind.BOOLEAN)
        case "date":
            return _moment(stated)
        case "time":
            return _duration(stated)
    text = shown or stated
    if is_formula and not kind and not text:
        return Value("", Kind.NO_RESULT)
    return Value(text, Kind.TEXT)


def _number(stated: str, shown: str) -> Value:
    try:
        text = number_text(stated)
    except (ArithmeticError, ValueError):
        return Value(shown or stated, Kind.TEXT)
    is_padded = LEADING_ZERO.fullmatch(shown) and shown != text
    return Value(text, Kind.NUMBER, shown if is_padded else None)


def _moment(stated: str) -> Value:
    """A date, with its time unless that is midnight, in whole milliseconds."""
    found = MOMENT.fullmatch(stated)
    if not found:
        return Value(stated, Kind.TEXT)
    day, time, fraction = found.groups()
    if time is None or (time == "00:00:00" and not (fraction or "").strip("0")):
        return Value(day, Kind.DATE)
    return Value(f"{day}T{time}{_milliseconds(fraction or '')}", Kind.DATE)


def _milliseconds(digits: str) -> str:
    """ ".123": what is left of a fraction of a second."""
    milliseconds = digits[:3].ljust(3, "0")
    return "" if milliseconds == "000" else f".{milliseconds}"


def _duration(stated: str) -> Value:
    found = DURATION.fullmatch(stated)
    if not found:
        return Value(stated, Kind.TEXT)
    hours, minutes, seconds = (part or "0" for part in found.groups())
    total = int(hours) * 3600 + int(minutes) * 60
    milliseconds = total * 1000 + round(Decimal(seconds.replace(",", ".")) * 1000)
    rest, fraction = divmod(milliseconds, 1000)
    rest, second = divmod(rest, 60)
    hour, minute = divmod(rest, 60)
    text = f"{hour:02}:{minute:02}:{second:02}"
    return Value(text + (f".{fraction:03}" if fraction else ""), Kind.DATE)
