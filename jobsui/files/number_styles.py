"""How the numbers of a column are written: 1,234.50 or 1.234,50. A single number can be
read in two ways (1.250), so the whole column decides, or a person."""

import re
from collections.abc import Mapping
from typing import Literal

type Mark = Literal[".", ",", "?", ""]
"""The decimal mark; "?": it can be either, "": there is none."""

SPACES = " \u00a0\u2009\u202f'\u2019"
"""What separates thousands and is never a decimal mark."""
GROUPED = re.compile(
    rf"[+-]?(?P<first>\d{{1,3}})(?P<mark>[.,{SPACES}])\d{{3}}(?P<more>(?P=mark)\d{{3}})*"
    r"(?P<decimals>[.,]\d*)?",
    re.ASCII,
)
UNGROUPED = re.compile(r"[+-]?\d*(?P<mark>[.,])\d*(?:[eE][+-]?\d+)?", re.ASCII)
MAX_LENGTH = 40
"""Longer texts are no numbers."""


class Ambiguous(Exception):
    """A number that can be read in two ways."""


def mark_of(text: str) -> Mark:
    """The decimal mark of a text, if it is a number."""
    number = text.strip()
    if len(number) > MAX_LENGTH:
        return ""
    grouped = GROUPED.fullmatch(number)
    if grouped is None:
        single = UNGROUPED.fullmatch(number)
        return _as_mark(single["mark"]) if single and _has_digit(number) else ""
    thousands = grouped["mark"]
    decimals = grouped["decimals"]
    if thousands in SPACES:
        return _as_mark(decimals[0]) if decimals else ""
    if decimals:
        return "" if decimals[0] == thousands else _as_mark(decimals[0])
    if grouped["more"]:
        return _other(thousands)
    # 0.125 has no thousands.
    return _as_mark(thousands) if grouped["first"].startswith("0") else "?"


def judge(counts: Mapping[str, int], *, has_numbers: bool = False) -> Mark:
    """The decimal mark of a column, by how many of its texts have which mark. "?": its
    ambiguous numbers cannot be read. `has_numbers`: the format has numbers of its own,
    which have a point, beside texts."""
    points = counts.get(".", 0)
    commas = counts.get(",", 0)
    if has_numbers:
        return "?" if commas else "."
    if points and not commas:
        return "."
    return "," if commas and not points else "?"


def plain(text: str, mark: Mark) -> str:
    """The number without thousands marks and with a decimal point, if the text is a number
    in which thousands or decimals are marked by `mark`; else the text without blanks at its
    ends. "?": numbers of both styles. Raises Ambiguous."""
    number = text.strip()
    own = mark_of(number)
    if own == "?":
        if mark not in {".", ","}:
            raise Ambiguous
        own = mark
    elif own and mark in {".", ","} and own != mark:
        return number
    if not own and not GROUPED.fullmatch(number):
        return number
    thousands = f"{SPACES}{',' if own == '.' else '.' if own == ',' else ''}"
    without = number.translate(dict.fromkeys(map(ord, thousands)))
    return without.replace(",", ".") if own == "," else without


def _as_mark(character: str) -> Mark:
    return "." if character == "." else ","


def _other(character: str) -> Mark:
    return "," if character == "." else "."


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)
