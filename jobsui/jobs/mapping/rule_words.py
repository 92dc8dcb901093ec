"""Rules in words, for people."""

from collections.abc import Iterator, Mapping

from jobsui.jobs.mapping.repairs import Repair
from jobsui.jobs.mapping.rules import Rule
from jobsui.text import counted

MAX_NAMED = 3
MAX_QUOTED = 40
DATE_ORDERS: Mapping[str, str] = {
    "ymd": "year, month, day",
    "dmy": "day, month, year",
    "mdy": "month, day, year",
}
MARKS: Mapping[str, str] = {"point": "1,234.5", "comma": "1.234,5"}
CASES: Mapping[str, str] = {"upper": "upper case", "lower": "lower case"}
REFERENCES: Mapping[str, str] = {
    "external_id": "records are found by external ID",
    "name": "records are found by name",
}
REPAIRS: Mapping[Repair, str] = {
    "garbled": "restore garbled letters",
    "invisible": "remove invisible characters",
    "composed": "compose letters and their accents",
    "quotes": "remove quotation marks at the ends",
    "dashes": "replace dashes by hyphens",
    "grouping": "remove separators between thousands",
    "point_zero": "remove .0 behind digits",
    "leading_zeros": "remove zeros in front of digits",
    "serial_dates": "numbers are dates of a spreadsheet",
    "swapped_dates": "swap day and month of dates with the year first",
}
BLANKS: Mapping[str, str] = {
    "leave": "blank cells leave the field alone",
    "clear": "blank cells clear the field",
}


def rules_in_words(rule: Rule) -> str:
    """ "Trim, pad to 8 digits, 3 values replaced". "" for a rule that changes nothing."""
    words = ", ".join(_parts(rule))
    return words[:1].upper() + words[1:]


def _parts(rule: Rule) -> Iterator[str]:
    """In the order in which they apply."""
    if rule.constant:
        yield f"always {_quoted(rule.constant)}"
    if rule.also:
        yield f"joined with {_listed(rule.also)}"
    for repair in rule.repairs:
        yield REPAIRS[repair]
    if rule.trim:
        yield "trim"
    if rule.blank == "set":
        yield f"blank cells become {_quoted(rule.blank_value)}"
    elif rule.blank:
        yield BLANKS[rule.blank]
    if rule.values:
        yield f"{counted(len(rule.values), 'value')} replaced"
    if rule.yes:
        yield f"yes is {_listed(rule.yes)}"
    if rule.no:
        yield f"no is {_listed(rule.no)}"
    if rule.separator:
        yield f"list separated by {_quoted(rule.separator)}"
    if rule.case:
        yield CASES[rule.case]
    if rule.pad:
        yield f"pad to {counted(rule.pad, 'digit')}"
    if rule.date_order:
        yield f"dates are {DATE_ORDERS[rule.date_order]}"
    if rule.decimal_mark:
        yield f"numbers are like {MARKS[rule.decimal_mark]}"
    if rule.reference:
        yield REFERENCES[rule.reference]


def _listed(texts: tuple[str, ...]) -> str:
    named = ", ".join(map(_quoted, texts[:MAX_NAMED]))
    more = len(texts) - MAX_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _quoted(text: str) -> str:
    shown = f"{text[:MAX_QUOTED]}…" if len(text) > MAX_QUOTED else text
    return f"“{shown}”"
