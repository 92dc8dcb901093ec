"""From a cell's text to the JSON value its field wants (docs/zendesk.md, "Values"). Nothing is guessed: a value that
could be read in two ways is a problem with a cure."""

import json
import re
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from jobsui.zendesk.payloads import Field

TRUE = {"true", "yes", "y", "1", "on"}
FALSE = {"false", "no", "n", "0", "off"}
INTEGER = re.compile(r"[+-]?\d+(\.0+)?")
DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


class ValueProblem(Exception):
    """A value its field cannot take: `code` for programs, `message` and `cure` for people."""

    def __init__(self, code: str, message: str, cure: str) -> None:
        super().__init__(message)
        self.code, self.message, self.cure = code, message, cure


Parser = Callable[[str], Any]


def parser(field: Field) -> Parser:
    """A function that turns the text of a cell that is not blank into the field's value, or raises ValueProblem."""
    match field.type:
        case "integer":
            return _integer
        case "decimal" | "currency":
            return _decimal
        case "checkbox":
            return _checkbox
        case "date":
            return _date
        case "dropdown":
            return _choice(field)
        case "multiselect":
            return _choices(field)
        case "regexp":
            return _pattern(field)
    return str


def parse(field: Field, text: str) -> Any:
    return parser(field)(text)


def _integer(text: str) -> int:
    plain = text.strip()
    if not INTEGER.fullmatch(plain):
        raise ValueProblem("not_an_integer", f"“{text}” is not a whole number.", "Write digits only, such as 1250.")
    return int(plain.partition(".")[0])


def _decimal(text: str) -> int | float:
    plain = text.strip()
    if not DECIMAL.fullmatch(plain):
        cure = "Write digits with a point, such as 1250.50."
        if "," in plain:
            cure += " A comma could mean thousands or decimals, so it is not guessed."
        raise ValueProblem("not_a_number", f"“{text}” is not a number.", cure)
    return int(plain) if plain.lstrip("+-").isdecimal() else float(plain)


def _checkbox(text: str) -> bool:
    word = text.strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise ValueProblem("not_a_checkbox", f"“{text}” is neither yes nor no.", "Write true or false, yes or no, 1 or 0.")


def _date(text: str) -> str:
    plain = text.strip()
    try:
        return date.fromisoformat(plain).isoformat() if len(plain) == 10 else _midnight(plain)
    except ValueError:
        cure = "Write year-month-day, such as 2026-08-03. Day and month in another order are not guessed."
        raise ValueProblem("not_a_date", f"“{text}” is not a date.", cure) from None


def _midnight(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if len(text) < 16 or (moment.hour, moment.minute, moment.second) != (0, 0, 0):
        raise ValueError(text)
    return moment.date().isoformat()


def _pattern(field: Field) -> Parser:
    compiled = _compiled(field.regexp)

    def read(text: str) -> str:
        if compiled is not None and not compiled.search(text):
            cure = f"It must match the field's pattern {field.regexp}"
            raise ValueProblem("no_match", f"“{text}” does not match the pattern of {field.title}.", cure)
        return text

    return read


@lru_cache(maxsize=200)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """None when the pattern is empty or of a dialect we cannot read: then Zendesk alone judges."""
    try:
        return re.compile(pattern.replace(r"\A", "^").replace(r"\z", r"\Z")) if pattern else None
    except re.error:
        return None


def _choice(field: Field) -> Parser:
    tags = {option.value for option in field.options}
    labels: dict[str, list[str]] = {}
    for option in field.options:
        labels.setdefault(option.name.strip().lower(), []).append(option.value)

    def read(text: str) -> str:
        plain = text.strip()
        if plain in tags:
            return plain
        found = labels.get(plain.lower(), [plain.lower()] if plain.lower() in tags else [])
        if len(found) == 1:
            return found[0]
        if found:
            message = f"“{text}” is the label of several options of {field.title}."
            raise ValueProblem("ambiguous_option", message, f"Write the tag: {' or '.join(found)}.")
        raise ValueProblem("unknown_option", f"“{text}” is not an option of {field.title}.", _options_cure(field))

    return read


def _choices(field: Field) -> Parser:
    one = _choice(field)

    def read(text: str) -> list[str]:
        return list(dict.fromkeys(map(one, _split(text, one))))

    return read


def _split(text: str, one: Parser) -> list[str]:
    """The choices in a cell: a JSON list, one label that itself holds a comma, or parts between ; or commas."""
    plain = text.strip()
    if plain.startswith("["):
        try:
            listed = json.loads(plain)
        except ValueError:
            listed = None
        if isinstance(listed, list):
            return [str(entry) for entry in listed]
    try:
        one(plain)
    except ValueProblem:
        separator = ";" if ";" in plain else ","
        return [part for part in plain.split(separator) if part.strip()]
    return [plain]


def _options_cure(field: Field) -> str:
    named = [option.value for option in field.options[:8]]
    more = f" and {len(field.options) - 8} more" if len(field.options) > 8 else ""
    return f"Its options are {', '.join(named)}{more}. Or add it in Zendesk, refresh the object and check again."
