"""Number formats: what a number in a workbook is, and how it is shown.

A date is stored as the number of days since the end of 1899, and only its format says
that it is one."""

import datetime as dt
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from jobsui.files.cells import Kind
from jobsui.files.xlsx.parts import Element


class Meaning(Enum):
    NUMBER = auto()
    DATE = auto()
    TIME = auto()
    MOMENT = auto()
    """A date with a time, or a format of which only a language decides."""
    DURATION = auto()
    PERCENT = auto()
    PADDED = auto()
    """With leading zeros."""


@dataclass(frozen=True, slots=True)
class NumberFormat:
    meaning: Meaning
    code: str = ""


class Value(NamedTuple):
    text: str
    kind: Kind
    shown: str | None = None
    """What a spreadsheet shows, where it is not `text`."""


MAX_CODE_LENGTH = 1000
"""Spreadsheets write at most 255 characters."""
GENERAL = NumberFormat(Meaning.NUMBER)
BUILT_IN = {
    9: NumberFormat(Meaning.PERCENT, "0%"),
    10: NumberFormat(Meaning.PERCENT, "0.00%"),
    **dict.fromkeys(range(14, 18), NumberFormat(Meaning.DATE)),
    **dict.fromkeys(range(18, 22), NumberFormat(Meaning.TIME)),
    22: NumberFormat(Meaning.MOMENT),
    # Dates or times, as the language of the workbook has it.
    **dict.fromkeys(range(27, 37), NumberFormat(Meaning.MOMENT)),
    45: NumberFormat(Meaning.TIME),
    46: NumberFormat(Meaning.DURATION),
    47: NumberFormat(Meaning.TIME),
    **dict.fromkeys(range(50, 59), NumberFormat(Meaning.MOMENT)),
}
"""Of the formats that styles name by a number only."""

TOKENS = re.compile(
    r"""
    "(?P<quoted>[^"]*)"? | \\(?P<escaped>.?) | (?P<space>[_*].?)
    | \[(?P<bracket>[^\]]*)\]? | (?P<half>am/pm|a/p) | (?P<general>general)
    | (?P<exponent>e[+-]) | (?P<plain>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)

MAX_SERIAL = 2_958_466
"""The day after 9999-12-31."""
DAY_MS = 86_400_000
DAYS_1904 = 1462
FALSE_LEAP_DAY = 60
"""1900-02-29, which spreadsheets have and the calendar has not."""
MAX_EXACT = 10**15
"""From here on a spreadsheet's numbers are rounded."""
WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")


def formats_of(styles: list[Element]) -> list[NumberFormat]:
    """The number format of each cell style."""
    codes: dict[int, str] = {}
    formats = []
    section = ""
    for name, attributes in styles:
        if name in {"numFmts", "cellStyleXfs", "cellXfs", "cellStyles", "dxfs"}:
            section = name
        number = attributes.get("numFmtId", "")
        number_id = int(number) if number.isdecimal() else 0
        if name == "numFmt" and section == "numFmts":
            codes[number_id] = attributes.get("formatCode", "")
        elif name == "xf" and section == "cellXfs":
            code = codes.get(number_id)
            is_built_in = code is None
            formats.append(
                BUILT_IN.get(number_id, GENERAL) if is_built_in else parse(code or "")
            )
    return formats


@lru_cache(maxsize=1000)
def parse(code: str) -> NumberFormat:
    """The meaning of a format's code, by its first section: that of positive numbers."""
    if len(code) > MAX_CODE_LENGTH:
        return GENERAL
    letters = []
    zeros = 0
    is_padding = True
    for match in TOKENS.finditer(code):
        kind = match.lastgroup
        text = match[0].lower()
        if text == ";" and kind == "plain":
            break
        if kind == "bracket" and ELAPSED.fullmatch(match["bracket"]):
            return NumberFormat(Meaning.DURATION, code)
        if kind == "half":
            letters.append("h")
        elif kind == "plain":
            letters.append(text)
            zeros += text == "0"
            is_padding = is_padding and text in "0#- /()"
        elif kind in {"general", "exponent"}:
            is_padding = False
    return NumberFormat(_meaning("".join(letters), zeros, is_padding), code)


def _meaning(letters: str, zeros: int, is_padding: bool) -> Meaning:
    has_time = bool(re.search("[hs]", letters))
    has_date = bool(re.search("[ydgeb]" if has_time else "[ymdgeb]", letters))
    if has_date:
        return Meaning.MOMENT if has_time else Meaning.DATE
    if has_time:
        return Meaning.TIME
    if "%" in letters:
        return Meaning.PERCENT
    return Meaning.PADDED if zeros > 1 and is_padding else Meaning.NUMBER


def value_of(text: str, form: NumberFormat, *, is_1904: bool) -> Value:
    """The cell with this number, in ISO 8601 for a date."""
    try:
        number = float(text)
        plain = number_text(text)
    except (ArithmeticError, ValueError):
        return Value(text, Kind.TEXT)
    match form.meaning:
        case Meaning.NUMBER:
            return Value(plain, Kind.NUMBER)
        case Meaning.PERCENT:
            return Value(plain, Kind.NUMBER, _percent(plain, form.code))
        case Meaning.PADDED:
            padded = _padded(plain, form.code)
            return Value(plain, Kind.NUMBER, padded if padded != plain else None)
        case Meaning.DURATION:
            duration = _duration(number)
            kind = Kind.DATE if duration else Kind.NUMBER
            return Value(duration or plain, kind)
    moment = _moment(number, form.meaning, is_1904=is_1904)
    # A spreadsheet shows ##### for days before its first and behind its last one.
    return moment or Value(plain, Kind.NUMBER)


def number_text(text: str) -> str:
    """A number without the noise behind its 15th digit, which no spreadsheet shows.
    Rounded ones keep their exponent, so that they are not mistaken for IDs."""
    if WHOLE_NUMBER.fullmatch(text):
        return text
    number = float(text)
    if abs(number) >= MAX_EXACT:
        return text.upper() if "e" in text.lower() else text
    digits = format(Decimal(f"{number:.15G}"), "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return digits


def _percent(plain: str, code: str) -> str:
    decimals = re.search(r"\.([0#?]+)", code)
    places = len(decimals[1]) if decimals else 0
    percent = Decimal(plain) * 100
    step = Decimal(1).scaleb(-places)
    return f"{percent.quantize(step, ROUND_HALF_UP):f}%"


def _padded(plain: str, code: str) -> str:
    """The number in the places of its format: 42 in 000-000 is 000-042."""
    digits = plain.removeprefix("-")
    if not digits.isdecimal():
        return plain
    places = _first_section(code)
    zeros = sum(place == "0" for is_literal, place in places if not is_literal)
    rest = digits.zfill(zeros)
    shown: list[str] = []
    for is_literal, place in reversed(places):
        if is_literal or place not in "0#":
            shown.append(place)
        elif rest:
            shown.append(rest[-1])
            rest = rest[:-1]
    sign = "-" if plain.startswith("-") else ""
    return sign + rest + "".join(reversed(shown))


def _first_section(code: str) -> list[tuple[bool, str]]:
    """(whether it stands for itself, character)."""
    places: list[tuple[bool, str]] = []
    for match in TOKENS.finditer(code):
        kind = match.lastgroup
        if kind == "plain":
            if match[0] == ";":
                break
            places.append((False, match[0]))
        elif kind in {"quoted", "escaped"}:
            places += [(True, character) for character in match[kind]]
    return places


def _duration(days: float) -> str:
    """ "30:15:00"; "" for one that a spreadsheet does not show."""
    if not 0 <= days < MAX_SERIAL:
        return ""
    seconds, milliseconds = divmod(round(days * DAY_MS), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{milliseconds:03}" if milliseconds else ""
    return f"{hours:02}:{minutes:02}:{seconds:02}{fraction}"


def _moment(serial: float, meaning: Meaning, *, is_1904: bool) -> Value | None:
    """None for a day that spreadsheets do not have."""
    if not 0 <= serial < MAX_SERIAL:
        return None
    # Times are stored as fractions that are some microseconds off.
    days, milliseconds = divmod(round(serial * DAY_MS), DAY_MS)
    time = _time(milliseconds)
    is_time_of_day = not days and (not is_1904 or meaning == Meaning.TIME)
    if is_time_of_day:
        return Value(time.isoformat(), Kind.DATE)
    day = _day(days + (DAYS_1904 if is_1904 else 0))
    if not day:
        return None
    whole = f"{day}T{time.isoformat()}" if milliseconds else day
    if meaning == Meaning.TIME:
        return Value(whole, Kind.DATE, time.isoformat())
    if meaning == Meaning.DATE and milliseconds:
        return Value(whole, Kind.DATE, day)
    return Value(whole, Kind.DATE)


def _time(milliseconds: int) -> dt.time:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return dt.time(hours, minutes, seconds, milliseconds * 1000)


def _day(days: int) -> str:
    """The ISO date; "" beyond the last one."""
    if days == FALSE_LEAP_DAY:
        return "1900-02-29"
    first = dt.date(1899, 12, 30)
    if days < FALSE_LEAP_DAY:
        first = dt.date(1899, 12, 31)
    if days >= MAX_SERIAL:
        return ""
    return (first + dt.timedelta(days=days)).isoformat()
