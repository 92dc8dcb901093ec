"""From a cell's text to the JSON value its field wants (docs/zendesk.md, "Values").
Nothing is guessed: a value that could be read in two ways is a problem with a cure."""

import json
import re
import warnings
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jobsui.zendesk.payloads import Field

TRUE = {"true", "yes", "y", "1", "on"}
FALSE = {"false", "no", "n", "0", "off"}
INTEGER = re.compile(r"[+-]?\d+(\.0+)?", re.ASCII)
DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
ID = re.compile(r"[\w-]+", re.ASCII)
REFERENCE = re.compile(r"(external_id|name):\s*\S.*", re.DOTALL)
MOST_DIGITS = 18
"""Of a whole number that fits into 64 bits whatever its digits are."""
MOST_MATCHED = 1000
"""Longer texts are not held against a pattern: with some patterns the time grows with
the square of the length."""
SHOWN = 80
REMEMBERED = 1000


class ValueProblem(Exception):
    """A value its field cannot take: `code` for programs, `message` and `cure` for
    people. `kind` says the same of all such values, with this one as an example."""

    def __init__(self, code: str, message: str, fix: str, kind: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.fix, self.kind = (
            code,
            message,
            fix,
            kind or message,
        )


Parser = Callable[[str], Any]


def parser(field: Field) -> Parser:
    """A function that turns the text of a cell that is not blank into the field's
    value, or raises ValueProblem. Its values may be shared between cells and are not to
    be changed."""
    match field.type:
        case "integer":
            return _remembering(_integer)
        case "decimal" | "currency":
            return _decimal
        case "checkbox":
            return _remembering(_checkbox)
        case "date":
            return _remembering(_date)
        case "dropdown":
            return _remembering(_choice(field))
        case "multiselect":
            return _remembering(_choices(field))
        case "regexp":
            return _pattern(field)
        case "lookup" | "parent":
            return _reference
    return str


def _remembering(read: Parser) -> Parser:
    """What comes again and again in a column is read once."""
    return lru_cache(maxsize=REMEMBERED)(read)


def parse(field: Field, text: str) -> Any:
    return parser(field)(text)


def problem(code: str, text: str, what: str, fix: str) -> ValueProblem:
    """The problem that `text` has, `what` being the rest of a sentence that begins with
    it."""
    quoted = f"“{text[:SHOWN]}…”" if len(text) > SHOWN else f"“{text}”"
    return ValueProblem(
        code, f"{quoted} {what}.", fix, f"The value {what}, for example {quoted}."
    )


def _integer(text: str) -> int:
    plain = text.strip()
    if not INTEGER.fullmatch(plain):
        raise problem(
            "not_an_integer",
            text,
            "is not a whole number",
            "Write digits only, such as 1250.",
        )
    digits = plain.partition(".")[0]
    if len(digits.lstrip("+-0")) > MOST_DIGITS:
        fix = f"Write at most {MOST_DIGITS} digits, or use a text field: longer numbers change on their way."
        raise problem("too_many_digits", text, "has too many digits", fix)
    return int(digits)


def _decimal(text: str) -> int | float:
    plain = text.strip()
    if not DECIMAL.fullmatch(plain):
        fix = "Write digits with a point, such as 1250.50."
        if "," in plain:
            fix += " A comma could mean thousands or decimals, so it is not guessed."
        raise problem("not_a_number", text, "is not a number", fix)
    number = float(plain)
    if (len(plain) > 15 or "e" in plain.lower()) and Decimal(plain) != Decimal(
        repr(number)
    ):
        fix = "Write at most 15 digits, or use a text field: such numbers are rounded on their way."
        raise problem("too_many_digits", text, "has too many digits", fix)
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def _checkbox(text: str) -> bool:
    word = text.strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise problem(
        "not_a_checkbox",
        text,
        "is neither yes nor no",
        "Write true or false, yes or no, 1 or 0.",
    )


def _date(text: str) -> str:
    plain = text.strip()
    try:
        if DATE.fullmatch(plain):
            return date.fromisoformat(plain).isoformat()
        return _midnight(plain)
    except ValueError:
        fix = "Write year-month-day, such as 2026-08-03. Day and month in another order are not guessed."
        raise problem("not_a_date", text, "is not a date", fix) from None


def _midnight(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if not DATE.match(text) or moment.time() != time():
        raise ValueError(text)
    return moment.date().isoformat()


def _reference(text: str) -> str:
    """An id, or "external_id:" or "name:" with what is behind it; whether there is such
    a record, Zendesk knows."""
    plain = text.strip()
    if ID.fullmatch(plain) or REFERENCE.fullmatch(plain):
        return plain
    fix = "Write the id of the record, or external_id: or name: and its external ID or name."
    raise problem("not_a_reference", text, "does not say which record is meant", fix)


def _pattern(field: Field) -> Parser:
    """Zendesk's own dialect and anchoring are not published, so only what no reading of
    the pattern accepts is a problem."""
    compiled = _compiled(field.regexp)

    def read(text: str) -> str:
        if (
            compiled is not None
            and len(text) <= MOST_MATCHED
            and not compiled.search(text)
        ):
            what = f"does not match the pattern of {field.title}"
            raise problem(
                "no_match",
                text,
                what,
                f"It must match the field's pattern {field.regexp}",
            )
        return text

    return read


@lru_cache(maxsize=200)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """None when the pattern is empty, could run for hours, or is of a dialect we cannot
    read: then Zendesk alone judges."""
    if not pattern or _may_run_away(pattern):
        return None
    try:
        with warnings.catch_warnings(
            action="error", category=FutureWarning
        ):  # Sets in sets mean something else here.
            return re.compile(pattern.replace(r"\z", r"\Z"), re.MULTILINE)
    except (re.error, FutureWarning):
        return None


TOKENS = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?<?[:=!])?|\)(?:[*+]|\{\d*,\d*\})?|[*+?|]|\{\d*,\d*\}",
    re.DOTALL,
)


def _may_run_away(pattern: str) -> bool:
    """Whether a group that can match in several ways is itself repeated, as in (a+)+:
    such patterns can take longer than anybody lives. Says yes to some that are
    harmless."""
    several = [False]
    for token in TOKENS.findall(pattern):
        if token.startswith("("):
            several.append(False)
        elif token.startswith(")"):
            inner = len(several) > 1 and several.pop()
            if inner and len(token) > 1:
                return True
            several[-1] = several[-1] or inner or len(token) > 1
        elif token[0] in "*+?|{":
            several[-1] = True
    return False


def _choice(field: Field) -> Parser:
    tags = {option.value for option in field.options}
    labels: dict[str, list[str]] = {}
    for option in field.options:
        labels.setdefault(option.name.strip().lower(), []).append(option.value)

    def read(text: str) -> str:
        plain = text.strip()
        if plain in tags:
            return plain
        found = labels.get(
            plain.lower(), [plain.lower()] if plain.lower() in tags else []
        )
        if len(found) == 1:
            return found[0]
        if found:
            fix = f"Write the tag: {' or '.join(found)}."
            raise problem(
                "ambiguous_option",
                text,
                f"is the label of several options of {field.title}",
                fix,
            )
        raise problem(
            "unknown_option",
            text,
            f"is not an option of {field.title}",
            _options_cure(field),
        )

    return read


def _choices(field: Field) -> Parser:
    one = _choice(field)

    def read(text: str) -> list[str]:
        return list(dict.fromkeys(map(one, _split(text, one))))

    return read


def _split(text: str, one: Parser) -> list[str]:
    """The choices in a cell: a JSON list, one label that itself holds a comma, or parts
    between ; or commas."""
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
        parts = [part for part in plain.split(separator) if part.strip()]
        if not parts:
            raise
        return parts
    return [plain]


def _options_cure(field: Field) -> str:
    if not field.options:
        return "The field has no options yet. Add them in Zendesk, refresh the object and check again."
    named = [option.value for option in field.options[:8]]
    more = f" and {len(field.options) - 8} more" if len(field.options) > 8 else ""
    several = " Write ; between several." if field.type == "multiselect" else ""
    return (
        f"Its options are {', '.join(named)}{more}.{several} "
        "Or add it in Zendesk, refresh the object and check again."
    )
