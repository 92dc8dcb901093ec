"""The table that says which option each text of a column becomes."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from jobsui.jobs.mapping import types
from jobsui.jobs.mapping.rule_preview import Subject
from jobsui.jobs.mapping.rules import Rule, lower
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.web.forms.mapping import MAX_CHOICES, Labels, one_line

TABLED = frozenset({"dropdown", "multiselect", "checkbox"})
YES_AND_NO = (("true", "Yes"), ("false", "No"))
NO_TEXT = "A blank cell"
"""The choice that makes a text mean the same as a blank cell."""


@dataclass(frozen=True, slots=True)
class ValueRow:
    index: int
    text: str
    count: int | None
    """None: not counted."""
    chosen: str
    """The label of what it becomes, "" for nothing."""
    is_own: bool
    """The field knows the text itself."""
    is_wrong: bool = False
    """What was entered is no option."""

    @property
    def input_name(self) -> str:
        return f"becomes_{self.index}"


class ValueTable:
    """Those of a target's column, the texts without an option first."""

    def __init__(self, subject: Subject, rule: Rule) -> None:
        """`rule`: decides what the texts become until a person chooses, and its separator
        what the texts are."""
        self._subject = subject
        self._rule = rule
        self._type = types.of_field(subject.field) if subject.field else None
        self._separator = rule.separator or _own_separator(subject)
        counts = self._counts()
        known = {text: self._value_of(text) for text in counts}
        texts = sorted(counts, key=lambda text: known[text] is not None)
        self._counted = {text: counts[text] for text in texts}
        self.labels = Labels([*self._choices(), *self._odd_choices(known.values())])

    def __len__(self) -> int:
        return len(self._counted)

    @property
    def has_unmatched(self) -> bool:
        """Whether a text becomes no option. Then the first one does."""
        return self._value_of(next(iter(self._counted))) is None

    @property
    def digest(self) -> str:
        """Of the texts, to notice that a form was about others."""
        texts = "\n".join(self._counted)
        return hashlib.blake2b(texts.encode(), digest_size=8).hexdigest()

    @property
    def lists_once(self) -> bool:
        """Whether the options are listed once, for all texts together."""
        return len(self.labels) * len(self._counted) > MAX_CHOICES

    @property
    def separator(self) -> str:
        """What texts are split at; "" when they are not."""
        return self._separator

    def rows(self, data: Mapping[str, str] | None = None) -> Iterator[ValueRow]:
        """`data`: what a person has entered."""
        for index, (text, count) in enumerate(self._counted.items()):
            value = self._value_of(text)
            label = "" if value is None else self.labels.label(value)
            is_wrong = False
            if data is not None:
                label = one_line(data.get(f"becomes_{index}", label))
                is_wrong = bool(label) and self.labels.value(label) is None
            is_own = self._own_value(text) is not None
            yield ValueRow(index, text, count, label, is_own, is_wrong)

    def entries(self, data: Mapping[str, str]) -> dict[str, str]:
        """{text: what it becomes}, without those that the field itself knows so."""
        found = {}
        for row in self.rows(data):
            value = self.labels.value(row.chosen)
            if value is not None and value != self._own_value(row.text):
                found[row.text.strip()] = value
        return found

    def other_entries(self) -> dict[str, str]:
        """Those of the rule whose texts are not in the table."""
        listed = {text.strip() for text in self._counted}
        return {
            text: value
            for text, value in self._rule.table.items()
            if text not in listed
        }

    def _counts(self) -> dict[str, int | None]:
        """{text or part of a list: how often}."""
        texts = self._subject.texts
        if not self._separator:
            return {text.strip(): count for text, count in texts}
        found: Counter[str] = Counter()
        for text, count in texts:
            for part in text.split(self._separator):
                if part.strip():
                    found[part.strip()] += count or 0
        return {text: count or None for text, count in found.most_common()}

    def _value_of(self, text: str) -> str | None:
        """What a text becomes by the rule or the field; None for nothing."""
        entry = self._rule.table.get(text.strip())
        if entry is None:
            entry = self._rule.words.get(lower(text.strip()))
        return self._own_value(text) if entry is None else entry

    def _own_value(self, text: str) -> str | None:
        """What the field makes of the text itself."""
        try:
            value = self._type.parse(text) if self._type else None
        except ValueProblem:
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            return str(value[0]) if len(value) == 1 else None
        return value

    def _choices(self) -> list[tuple[str, str]]:
        """(value, label)."""
        field = self._subject.field
        options = [
            (option.value, option.name) for option in (field.options if field else ())
        ]
        if self._subject.target.type == "checkbox":
            options = [*YES_AND_NO]
        return [*options, ("", NO_TEXT)]

    def _odd_choices(self, values: Iterable[str | None]) -> list[tuple[str, str]]:
        """What texts become by a rule though it is no option."""
        usual = {value for value, _ in self._choices()}
        odd = dict.fromkeys(values)
        return [(each, each) for each in odd if each is not None and each not in usual]


def _own_separator(subject: Subject) -> str:
    """What lists are separated by without a rule."""
    if subject.target.type != "multiselect":
        return ""
    texts = [text for text, _ in subject.texts]
    marks = (mark for mark in (";", ",") if any(mark in text for text in texts))
    return next(marks, "")
