"""From a cell's text to the JSON value its field takes (docs/zendesk.md, "Values").
Nothing is guessed: a text that could be read in two ways is a problem with a fix."""

import json
import re
import warnings
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jobsui.files.number_styles import Ambiguous, Mark, plain
from jobsui.zendesk.payloads import Field

TRUE = {"true", "yes", "y", "1", "on"}
FALSE = {"false", "no", "n", "0", "off"}
INTEGER = re.compile(r"[+-]?\d+(\.0+)?", re.ASCII)
DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
ID = re.compile(r"[\w-]+", re.ASCII)
ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
ROUNDED = re.compile(r"[+-]?\d+([.,]\d+[eE]\+?|[eE]\+)\d+", re.ASCII)
"""What spreadsheets make of long numbers: 4.01E+12, 4,01E12, 4E+12. A plain 12E5 may be an
ID."""
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
"""Characters that nobody sees: control characters, soft hyphens, zero-width spaces and
joiners, marks of direction, byte order marks."""
REFERENCE = re.compile(r"(external_id|name):\s*\S.*", re.DOTALL)
CUSTOM_OBJECT = "zen:custom_object:"
MAX_INTEGER_DIGITS = 18
"""An integer with this many digits fits into 64 bits, whatever the digits are."""
MAX_DECIMAL_DIGITS = 15
MAX_WHOLE_FLOAT = 1e15
"""Up to here a whole float is sent as an integer."""
MAX_MATCHED = 1000
"""Longer texts are not matched against a pattern: with some patterns the time grows
with the square of the length."""
MAX_QUOTED = 80
MAX_OPTIONS_NAMED = 8
CACHED_VALUES = 1000
CACHED_PATTERNS = 200

Parser = Callable[[str], Any]
"""From the text of a cell that is not blank to the field's value. Raises
ValueProblem."""


class ValueProblem(Exception):
    """A value that its field cannot take."""

    def __init__(self, code: str, message: str, fix: str, kind: str = "") -> None:
        """`code`: for programs. `kind`: the message for all such values, with this one
        as an example."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.kind = kind or message


def parser(field: Field, decimal_mark: Mark = ".") -> Parser:
    """The parser of a field. Its values may be shared between cells and must not be
    changed. `decimal_mark` is that of the column."""
    match field.type:
        case "integer":
            return _cached(_number_parser(_integer, decimal_mark))
        case "decimal" | "currency":
            return _number_parser(_decimal, decimal_mark)
        case "checkbox":
            return _cached(_checkbox)
        case "date":
            return _cached(_date)
        case "dropdown":
            return _cached(_option_parser(field))
        case "multiselect":
            return _cached(_options_parser(field))
        case "regexp":
            return _pattern_parser(field)
        case "lookup" | "parent":
            return _reference_parser(field)
    return str


def parse(field: Field, text: str) -> Any:
    return parser(field)(text)


def record_id(text: str) -> str:
    """The Zendesk ID of a record, in the capital letters that Zendesk shows."""
    return checked_record_id(text.strip().upper())


def checked_record_id(text: str) -> str:
    """Raises ValueProblem for what is no record ID as Zendesk shows it. Zendesk may
    refuse a whole batch because of one."""
    if ULID.fullmatch(text):
        return text
    raise problem(
        "not_a_record_id",
        text,
        "is not a record ID of Zendesk",
        "Write the ID as Zendesk shows it: 26 digits and capital letters, without I, L, "
        "O and U. If it is your own ID, choose an action that uses the external ID.",
    )


def external_id(text: str) -> str:
    """A key of the person's own. Raises ValueProblem for one that an export has probably
    ruined: it would create a second record instead of changing the first, or change
    another one."""
    key = text.strip()
    if ROUNDED.fullmatch(key):
        raise problem(
            "rounded",
            key,
            "is a rounded number: its last digits are lost",
            "Format the column as text before it is exported, and upload the file again.",
        )
    if hidden := INVISIBLE.search(key):
        raise problem(
            "invisible_character",
            INVISIBLE.sub("�", key),
            f"has an invisible character (U+{ord(hidden[0]):04X})",
            "Type the ID again, or remove the character in the file.",
        )
    return key


def problem(code: str, text: str, what: str, fix: str) -> ValueProblem:
    """The problem of `text`. `what` completes a sentence that begins with the text."""
    shown = f"{text[:MAX_QUOTED]}…" if len(text) > MAX_QUOTED else text
    return ValueProblem(
        code,
        message=f"“{shown}” {what}.",
        fix=fix,
        kind=f"The value {what}, for example “{shown}”.",
    )


def _cached(parse_text: Parser) -> Parser:
    """Values that repeat in a column are parsed once."""
    return lru_cache(maxsize=CACHED_VALUES)(parse_text)


def _number_parser(parse_plain: Parser, mark: Mark) -> Parser:
    def parse_number(text: str) -> Any:
        try:
            number = plain(text, mark)
        except Ambiguous:
            raise problem(
                "ambiguous_number",
                text,
                "can be read in two ways, and the other numbers of its column do not decide",
                "Choose the decimal mark where columns are mapped, or write the number "
                "without marks for thousands.",
            ) from None
        return parse_plain(number)

    return parse_number


def _integer(text: str) -> int:
    number = text.strip()
    if not INTEGER.fullmatch(number):
        raise problem(
            "not_an_integer",
            text,
            "is not a whole number",
            "Write digits only, such as 1250.",
        )
    digits = number.partition(".")[0]
    if len(digits.lstrip("+-0")) > MAX_INTEGER_DIGITS:
        raise problem(
            "too_many_digits",
            text,
            "has too many digits",
            f"Write at most {MAX_INTEGER_DIGITS} digits, or use a text field: longer "
            "numbers change when they are sent.",
        )
    return int(digits)


def _decimal(text: str) -> int | float:
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
    may_be_rounded = len(written) > MAX_DECIMAL_DIGITS or "e" in written.lower()
    if may_be_rounded and Decimal(written) != Decimal(repr(number)):
        raise problem(
            "too_many_digits",
            text,
            "has too many digits",
            f"Write at most {MAX_DECIMAL_DIGITS} digits, or use a text field: such "
            "numbers are rounded when they are sent.",
        )
    if number.is_integer() and abs(number) < MAX_WHOLE_FLOAT:
        return int(number)
    return number


def _checkbox(text: str) -> bool:
    word = text.strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
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
        return _date_at_midnight(plain)
    except ValueError:
        raise problem(
            "not_a_date",
            text,
            "is not a date",
            "Write year-month-day, such as 2026-08-03. Jobs UI does not guess the order "
            "of day and month.",
        ) from None


def _date_at_midnight(text: str) -> str:
    """The date of "2026-08-03T00:00:00". Raises ValueError for any other time."""
    moment = datetime.fromisoformat(text)
    if not DATE.match(text) or moment.time() != time():
        raise ValueError(text)
    return moment.date().isoformat()


def _reference_parser(field: Field) -> Parser:
    """An ID, or "external_id:" or "name:" with a value. Only Zendesk knows whether
    there is such a record. Records of custom objects have ULIDs, users and the like have
    numbers."""
    is_custom_object = field.target_type.startswith(CUSTOM_OBJECT)

    def parse_text(text: str) -> str:
        plain = text.strip()
        if REFERENCE.fullmatch(plain):
            return plain
        if is_custom_object and ULID.fullmatch(plain.upper()):
            return plain.upper()
        if not is_custom_object and ID.fullmatch(plain):
            return plain
        raise problem(
            "not_a_reference",
            text,
            "does not identify a record",
            "Write the Zendesk ID of the record, or external_id: or name: and its "
            "external ID or name.",
        )

    return parse_text


def _pattern_parser(field: Field) -> Parser:
    """Zendesk does not publish its dialect and anchoring, so a text is a problem only
    when no reading of the pattern accepts it."""
    pattern = _compiled(field.regexp)

    def parse_text(text: str) -> str:
        if pattern is None or len(text) > MAX_MATCHED:
            return text
        if not pattern.search(text):
            raise problem(
                "no_match",
                text,
                f"does not match the pattern of {field.title}",
                f"It must match the field's pattern {field.regexp}",
            )
        return text

    return parse_text


@lru_cache(maxsize=CACHED_PATTERNS)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """None when the pattern is empty, could run for hours, or is of a dialect that
    Python does not read. Then only Zendesk validates the text."""
    if not pattern or _may_run_away(pattern):
        return None
    try:
        # Python warns of sets within sets, because they have another meaning in other
        # dialects.
        with warnings.catch_warnings(action="error", category=FutureWarning):
            return re.compile(pattern.replace(r"\z", r"\Z"), re.MULTILINE)
    except (re.error, FutureWarning):
        return None


TOKENS = re.compile(
    r"\\."
    r"|\[\^?\]?(?:\\.|[^\]\\])*\]"
    r"|\((?:\?<?[:=!])?"
    r"|\)(?:[*+]|\{\d*,\d*\})?"
    r"|[*+?|]"
    r"|\{\d*,\d*\}",
    re.DOTALL,
)


def _may_run_away(pattern: str) -> bool:
    """Whether a group that can match in several ways is itself repeated, as in (a+)+:
    such patterns can run for years. Says yes to some harmless ones too."""
    matches_in_several_ways = [False]  # For each open group, the innermost last.
    for token in TOKENS.findall(pattern):
        if token.startswith("("):
            matches_in_several_ways.append(False)
        elif token.startswith(")"):
            is_repeated = len(token) > 1
            is_ambiguous = False
            if len(matches_in_several_ways) > 1:
                is_ambiguous = matches_in_several_ways.pop()
            if is_ambiguous and is_repeated:
                return True
            if is_ambiguous or is_repeated:
                matches_in_several_ways[-1] = True
        elif token[0] in "*+?|{":
            matches_in_several_ways[-1] = True
    return False


def _option_parser(field: Field) -> Parser:
    """One tag, found by the tag or by its label."""
    tags = {option.value for option in field.options}
    tags_by_label: dict[str, list[str]] = {}
    for option in field.options:
        label = option.name.strip().lower()
        tags_by_label.setdefault(label, []).append(option.value)

    def parse_text(text: str) -> str:
        plain = text.strip()
        if plain in tags:
            return plain
        lower = plain.lower()
        found = tags_by_label.get(lower, [])
        if not found and lower in tags:
            found = [lower]
        if not found:
            raise problem(
                "unknown_option",
                text,
                f"is not an option of {field.title}",
                _options_fix(field),
            )
        if len(found) > 1:
            raise problem(
                "ambiguous_option",
                text,
                f"is the label of several options of {field.title}",
                f"Write the tag: {' or '.join(found)}.",
            )
        return found[0]

    return parse_text


def _options_parser(field: Field) -> Parser:
    """Several tags, each once."""
    parse_option = _option_parser(field)

    def parse_text(text: str) -> list[str]:
        tags = [parse_option(part) for part in _split(text, parse_option)]
        return list(dict.fromkeys(tags))

    return parse_text


def _split(text: str, parse_option: Parser) -> list[str]:
    """The options in a cell: a JSON list, one label that itself contains a comma, or
    parts between semicolons or commas."""
    plain = text.strip()
    if plain.startswith("["):
        try:
            listed = json.loads(plain)
        except ValueError:
            listed = None
        if isinstance(listed, list):
            return [str(entry) for entry in listed]
    try:
        parse_option(plain)
    except ValueProblem:
        separator = ";" if ";" in plain else ","
        parts = [part for part in plain.split(separator) if part.strip()]
        if not parts:
            raise
        return parts
    return [plain]


def _options_fix(field: Field) -> str:
    if not field.options:
        return (
            "The field has no options yet. "
            "Add them in Zendesk, refresh the object and check again."
        )
    tags = [option.value for option in field.options]
    named = ", ".join(tags[:MAX_OPTIONS_NAMED])
    more = len(tags) - MAX_OPTIONS_NAMED
    if more > 0:
        named += f" and {more} more"
    several = " Write ; between several." if field.type == "multiselect" else ""
    return (
        f"Its options are {named}.{several} "
        "Or add it in Zendesk, refresh the object and check again."
    )
