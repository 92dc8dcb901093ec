"""Rules: how the texts of a column are rewritten before its target reads them. A person
chooses them for a target; nothing is rewritten without one. A rule never refuses a text: what
it cannot read stays as it is, and the target says what is wrong with it."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from jobsui.files.date_orders import DATE_ORDERS
from jobsui.files.kinds import Kind
from jobsui.jobs.errors import MappingRefused
from jobsui.jobs.mapping.repairs import Repair, repaired

type Case = Literal["", "upper", "lower"]
type DateOrder = Literal["", "ymd", "dmy", "mdy"]
type DecimalMark = Literal["", "point", "comma"]
type Reference = Literal["", "external_id", "name"]
type Blank = Literal["", "leave", "clear", "set"]

MAX_PAD = 255
MAX_VALUES = 10_000
MAX_JOINED = 20
ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"})
"""What spreadsheets write where a formula failed."""
UNJOINABLE = (Kind.ERROR, Kind.NESTED, Kind.NO_RESULT)
"""The kinds of cells that are never part of a joined text. The first of them is what the
joined cell is."""
REWRITTEN = frozenset({Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN, Kind.DATE})
"""The kinds of cells that rules apply to."""
DIGITS = re.compile("[0-9]+")
REFERENCED = re.compile("(?:external_id|name):")
"""Texts that say themselves what they refer to begin so."""
MIDNIGHT = r"(?:[ T]00:00(?::00(?:[.,]0+)?)?)?"


@dataclass(frozen=True, slots=True)
class Rule:
    """In the order in which they apply. A text of `values` is replaced, and no other rule
    behind it applies to it."""

    constant: str = ""
    """The text of every row, instead of a column. "": there is a column."""
    also: tuple[str, ...] = ()
    """Columns that are joined behind the mapped one."""
    joiner: str = " "
    """Between the columns that have a text."""
    repairs: tuple[Repair, ...] = ()
    """Damage of the texts that is put right."""
    trim: bool = False
    """Without spaces at the ends, those of joined texts too."""
    blank: Blank = ""
    """What a blank cell does: leave the field alone, empty it, or set it to `blank_value`.
    "": as for the whole job."""
    blank_value: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    """{text: text instead}. Spaces at the ends of the text do not matter. With a separator,
    the texts are also those of the parts of a list."""
    yes: tuple[str, ...] = ()
    """Words for true, in any case."""
    no: tuple[str, ...] = ()
    separator: str = ""
    """Between the options of a list."""
    case: Case = ""
    pad: int = 0
    """Digits with fewer characters get zeros in front. 0: they do not."""
    date_order: DateOrder = ""
    decimal_mark: DecimalMark = ""
    reference: Reference = ""
    """By what a text of a lookup field identifies the related record. "": by its ID, or as
    the text says."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Of stored members."""
        known = {name.name for name in fields(cls)}
        found = {name: value for name, value in data.items() if name in known}
        for name in ("also", "repairs", "yes", "no"):
            if name in found:
                found[name] = tuple(found[name])
        return cls(**found)

    def to_json(self) -> dict[str, Any]:
        """Only what is chosen."""
        defaults = asdict(NO_RULE)
        chosen = {
            name: value
            for name, value in asdict(self).items()
            if value != defaults[name]
        }
        return json.loads(json.dumps(chosen)) if chosen else {}

    def problems(self) -> list[str]:
        """Sentences about what cannot be meant."""
        found = []
        if self.constant and not self.constant.strip():
            found.append("The constant is blank.")
        if self.constant and self.also:
            found.append("A constant cannot be joined with columns.")
        if len(self.also) > MAX_JOINED:
            found.append(f"At most {MAX_JOINED} more columns can be joined.")
        if not 0 <= self.pad <= MAX_PAD:
            found.append(f"The width to pad to is between 1 and {MAX_PAD}.")
        if len(self.values) > MAX_VALUES:
            found.append(f"The table of values has more than {MAX_VALUES:,} entries.")
        if self.blank == "set" and not self.blank_value.strip():
            found.append("The value for blank cells is blank.")
        if both := set(self.words) and _folded(self.yes) & _folded(self.no):
            found.append(f"{sorted(both)[0]} means both yes and no.")
        return found

    @property
    def words(self) -> dict[str, str]:
        """{word in lower case: "true" or "false"}."""
        return dict.fromkeys(_folded(self.yes), "true") | dict.fromkeys(
            _folded(self.no), "false"
        )

    @property
    def table(self) -> dict[str, str]:
        """`values`, by texts without spaces at the ends."""
        return {text.strip(): value for text, value in self.values.items()}


NO_RULE = Rule()


class Rewriter:
    """Rewrites single cells by a rule; `rule_kernels` does the same with columns."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._table = rule.table
        self._words = rule.words
        pattern = date_pattern(rule)
        self._date = re.compile(pattern) if pattern else None

    def rewrite(self, text: str, kind: int = Kind.TEXT) -> str:
        if kind not in REWRITTEN:
            return text
        rule = self.rule
        if rule.repairs:
            text = repaired(text, rule.repairs)
        if rule.trim:
            text = text.strip()
        if not text or text.isspace():
            return rule.blank_value if rule.blank == "set" else text
        if (value := self._table.get(text.strip())) is not None:
            return value
        if (word := self._words.get(lower(text.strip()))) is not None:
            return word
        if rule.separator:
            return listed(text, rule.separator, self._table)
        if rule.case:
            text = upper(text) if rule.case == "upper" else lower(text)
        if rule.pad and DIGITS.fullmatch(text):
            text = text.rjust(rule.pad, "0")
        if self._date and (date := self._date.fullmatch(text.strip())):
            text = f"{date['y']}-{date['m']:0>2}-{date['d']:0>2}"
        if rule.reference:
            text = referenced(text.strip(), rule.reference)
        return text


def rules_of(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Rule]:
    """{target key: rule}, of Job.rules."""
    return {target: Rule.from_json(rule) for target, rule in stored.items()}


def date_pattern(rule: Rule) -> str:
    """Of the dates in the order of the rule, also with the time of midnight behind them. ""
    when it has none."""
    order = DATE_ORDERS.get(rule.date_order)
    return f"{order}{MIDNIGHT}" if order else ""


def used_columns(mapping: Mapping[str, str], rules: Mapping[str, Rule]) -> set[str]:
    """The mapped columns and those joined behind them."""
    joined = {column for rule in rules.values() for column in rule.also}
    return {*mapping, *joined}


def joined(cells: Sequence[tuple[str, int]], rule: Rule) -> tuple[str, int]:
    """The cell that (text, kind) of the mapped column and of those joined behind it make
    together."""
    own_kinds = [Kind.ERROR if text.strip() in ERRORS else kind for text, kind in cells]
    for kind in UNJOINABLE:
        if kind in own_kinds:
            text, _ = cells[own_kinds.index(kind)]
            return text, kind
    parts = [
        text.strip() if rule.trim else text
        for text, kind in cells
        if kind in REWRITTEN and text and not text.isspace()
    ]
    return (rule.joiner.join(parts), Kind.TEXT) if parts else cells[0]


def require_possible(rules: Mapping[str, Rule], labels: Mapping[str, str]) -> None:
    """Raise MappingRefused with every reason why a rule cannot be meant. `labels`: those of
    the targets."""
    problems = [
        f"{labels.get(target, target)}: {problem}"
        for target, rule in rules.items()
        for problem in rule.problems()
    ]
    if problems:
        raise MappingRefused(problems)


def listed(text: str, separator: str, table: Mapping[str, str]) -> str:
    """The parts of a text as a JSON list. Those in the table are replaced."""
    parts = [part.strip() for part in text.split(separator)]
    found = [table.get(part, part) for part in parts if part]
    return json.dumps(found, ensure_ascii=False)


def referenced(text: str, reference: str) -> str:
    """A lookup's text with what it identifies the record by."""
    is_kept = REFERENCED.match(text) or text in ERRORS
    return text if is_kept else f"{reference}:{text}"


class _Letters(dict[int, str]):
    """For str.translate: the other case of each letter, unless it takes several letters."""

    def __init__(self, change: Callable[[str], str]) -> None:
        super().__init__()
        self._change = change

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        changed = self._change(letter)
        self[code] = changed if len(changed) == 1 else letter
        return self[code]


CAPITALS = _Letters(str.upper)
SMALL = _Letters(str.lower)


def upper(text: str) -> str:
    """In capital letters. A letter without one, such as ß, stays as it is."""
    return text.translate(CAPITALS)


def lower(text: str) -> str:
    """In small letters, each for itself: a sigma is the same everywhere in a word."""
    return text.translate(SMALL)


def _folded(words: tuple[str, ...]) -> set[str]:
    return {lower(word.strip()) for word in words}
