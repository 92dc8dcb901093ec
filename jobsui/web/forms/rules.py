"""The form of a rule: how the texts of a column are rewritten for their target."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from typing import Any

from django import forms

from jobsui.jobs.mapping.field_targets import FIELD, Target
from jobsui.jobs.mapping.repairs import OF_DATES, OF_KEYS
from jobsui.jobs.mapping.rule_preview import Subject
from jobsui.jobs.mapping.rule_words import REPAIRS
from jobsui.jobs.mapping.rules import MAX_PAD, NO_RULE, Rewriter, Rule, lower
from jobsui.jobs.mapping.suggested_rules import judge_dates
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.web.forms.fields import DressedForm
from jobsui.web.forms.mapping import MAX_CHOICES, ColumnField, column_labels
from jobsui.web.value_table import TABLED, YES_AND_NO, ValueTable

TEXTS = frozenset({"text", "textarea", "regexp"})
NUMBERS = frozenset({"integer", "decimal", "currency"})
LOOKUPS = frozenset({"lookup", "parent"})
MIN_JOINED = 2
"""How many inputs for further columns there are at least."""
SEPARATORS = {
    "semicolon": (";", "Semicolon ;"),
    "comma": (",", "Comma ,"),
    "bar": ("|", "Vertical bar |"),
    "slash": ("/", "Slash /"),
    "plus": ("+", "Plus +"),
    "and": ("&", "Ampersand &"),
    "line": ("\n", "Line break"),
}
JOINERS = {
    "space": (" ", "A space"),
    "comma": (", ", "A comma and a space"),
    "dash": ("-", "A hyphen -"),
    "underscore": ("_", "An underscore _"),
    "slash": ("/", "A slash /"),
    "line": ("\n", "A line break"),
    "nothing": ("", "Nothing"),
}
"""{name in the form: (text, label)}. Browsers change line breaks in values."""
OTHER = "other"
MEMBERS = tuple(member.name for member in fields(Rule))


class NamedTextField(forms.ChoiceField):
    """One of a few texts, by names. A text that is none of them stays a choice."""

    def __init__(
        self,
        named: Mapping[str, tuple[str, str]],
        present: str,
        *,
        none: str = "",
        **options: Any,
    ) -> None:
        """`none`: the label of no text at all."""
        self._texts = {name: text for name, (text, _) in named.items()}
        choices = [(name, label) for name, (_, label) in named.items()]
        if none:
            self._texts = {"": ""} | self._texts
            choices = [("", none), *choices]
        if present not in self._texts.values():
            self._texts[OTHER] = present
            choices.append((OTHER, present))
        name_of = {text: name for name, text in self._texts.items()}
        super().__init__(
            choices=choices, initial=name_of[present], required=False, **options
        )

    def clean(self, value: Any) -> str:
        return self._texts[super().clean(value)]


class WordsField(forms.CharField):
    """Words between commas."""

    def clean(self, value: Any) -> tuple[str, ...]:
        words = (word.strip() for word in (super().clean(value) or "").split(","))
        return tuple(dict.fromkeys(word for word in words if word))


class RuleForm(DressedForm):
    """Has the inputs that make sense for the type of the target."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        subject: Subject,
        rule: Rule,
        can_be_constant: bool,
    ) -> None:
        """`rule`: what is shown until a person chooses. Members without an input stay."""
        super().__init__(data)
        self.subject = subject
        self.initial_rule = rule
        self._is_tabled = subject.target.type in TABLED and bool(subject.column)
        self.labels = column_labels(self._further_columns())
        if subject.column:
            self._add_rewriting()
            self._add_blank()
        elif can_be_constant:
            self.fields["constant"] = _constant_field(subject, rule)
        self.dress()
        self.table = self._table()

    def _table(self) -> ValueTable | None:
        if not self._is_tabled:
            return None
        separator = self.initial_rule.separator
        if self.is_bound and "separator" in self.fields:
            self.full_clean()
            separator = self.cleaned_data.get("separator", separator)
        return ValueTable(self.subject, replace(self.initial_rule, separator=separator))

    def _add_rewriting(self) -> None:
        target = self.subject.target
        rule = self.initial_rule
        self._add_repairs()
        if _is_text(target):
            self._add_text_members()
        if target.type == "date":
            self.fields["date_order"] = forms.ChoiceField(
                label="Order of dates",
                choices=_date_orders(self.subject),
                initial=rule.date_order,
                required=False,
            )
        if target.type in NUMBERS:
            self.fields["decimal_mark"] = forms.ChoiceField(
                label="Decimal mark",
                choices=[
                    ("", "As the column shows it, or as chosen for the whole job"),
                    ("point", "Point, such as 1,234.5"),
                    ("comma", "Comma, such as 1.234,5"),
                ],
                initial=rule.decimal_mark,
                required=False,
            )
        if target.type in LOOKUPS:
            self.fields["reference"] = forms.ChoiceField(
                label="The cells have",
                choices=[
                    ("", "Zendesk IDs, or external_id: or name: and a value"),
                    ("external_id", "External IDs of the related records"),
                    ("name", "Names of the related records"),
                ],
                initial=rule.reference,
                required=False,
            )
        if target.type == "multiselect":
            self.fields["separator"] = NamedTextField(
                SEPARATORS,
                rule.separator,
                none="Semicolon or comma",
                label="Between the options of a cell",
            )
        if target.type == "checkbox":
            self._add_words("yes", "Further words for yes", rule.yes)
            self._add_words("no", "Further words for no", rule.no)

    def _add_repairs(self) -> None:
        """A checkbox for each that makes sense for the target, or is chosen already."""
        is_key = self.subject.target.key == "external_id"
        is_date = self.subject.target.type == "date"
        if is_date or _is_text(self.subject.target):
            for repair, words in REPAIRS.items():
                is_chosen = repair in self.initial_rule.repairs
                if repair in OF_KEYS and not is_key and not is_chosen:
                    continue
                if (repair in OF_DATES) == is_date:
                    self.fields[f"repair_{repair}"] = forms.BooleanField(
                        label=words[0].upper() + words[1:],
                        initial=is_chosen,
                        required=False,
                    )

    def _add_text_members(self) -> None:
        rule = self.initial_rule
        self.fields["trim"] = forms.BooleanField(
            label="Remove spaces at the ends", initial=rule.trim, required=False
        )
        self.fields["case"] = forms.ChoiceField(
            label="Letters",
            choices=[
                ("", "As they are"),
                ("upper", "Upper case"),
                ("lower", "Lower case"),
            ],
            initial=rule.case,
            required=False,
        )
        self.fields["pad"] = forms.IntegerField(
            label="Pad with zeros to this many digits",
            help_text="Applies to cells of digits only: with 8, 1234 becomes 00001234.",
            initial=rule.pad or None,
            min_value=1,
            max_value=MAX_PAD,
            required=False,
        )
        for index in range(len(rule.also) + MIN_JOINED):
            name = rule.also[index] if index < len(rule.also) else ""
            self.fields[f"also_{index}"] = ColumnField(self.labels)
            self.fields[f"also_{index}"].initial = self.labels.label(name)
        self.fields["joiner"] = NamedTextField(
            JOINERS, rule.joiner, label="Between joined columns"
        )

    def _add_words(self, name: str, label: str, words: Sequence[str]) -> None:
        listed = {lower(text.strip()) for text, _ in self.subject.texts}
        others = [word for word in words if lower(word.strip()) not in listed]
        self.fields[name] = WordsField(
            label=label,
            help_text="Separate words with commas. Case does not matter.",
            initial=", ".join(others),
            required=False,
        )

    def _add_blank(self) -> None:
        choices = _blank_choices(self.subject)
        if self.initial_rule.blank not in dict(choices):
            choices.append((self.initial_rule.blank, self.initial_rule.blank))
        self.fields["blank"] = forms.ChoiceField(
            label="Blank cells",
            choices=choices,
            widget=forms.Select(attrs={"data-switch": ""}),
            initial=self.initial_rule.blank,
            required=False,
        )
        self.fields["blank_value"] = forms.CharField(
            label="Value for blank cells",
            help_text="As it would be written in a cell.",
            initial=self.initial_rule.blank_value,
            required=False,
        )

    def _further_columns(self) -> list[str]:
        columns: list[str] = self.subject.job.file.columns
        return [column for column in columns if column != self.subject.column]

    @property
    def lists_once(self) -> bool:
        """Whether the columns are listed once, for all inputs together."""
        return len(self.labels) * len(self.joined()) > MAX_CHOICES

    def joined(self) -> list[forms.BoundField]:
        """The inputs of further columns."""
        return [self[name] for name in self.fields if name.startswith("also_")]

    def simple(self) -> list[forms.BoundField]:
        """The inputs that stand alone, without those of blank cells."""
        return [
            self[name]
            for name in self.fields
            if name not in {"blank", "blank_value", "joiner"}
            and not name.startswith("also_")
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("blank") == "set":
            self._require_readable("blank_value", cleaned.get("blank_value", ""))
        if constant := cleaned.get("constant"):
            self._require_readable("constant", constant)
        return cleaned

    def _require_readable(self, name: str, text: str) -> None:
        if not text.strip():
            self.add_error(name, "Enter a value.")
            return
        try:
            self.subject.reader(NO_RULE).read(text)
        except ValueProblem as problem:
            self.add_error(name, f"{problem.message} {problem.fix}")

    @property
    def is_table_outdated(self) -> bool:
        """Whether the form was filled in for other texts than those of the table."""
        if not self.is_bound or not self.table:
            return False
        return self.data.get("texts") != self.table.digest

    def rule(self) -> Rule:
        """The one that the valid inputs make; of the others, what it was."""
        cleaned = self.cleaned_data
        members: dict[str, Any] = {
            name: cleaned[name]
            for name in MEMBERS
            if name in self.fields and name in cleaned
        }
        if "pad" in self.fields:
            members["pad"] = cleaned.get("pad") or 0
        if members.get("blank", "set") != "set":
            members["blank_value"] = ""
        if repairs := [name for name in self.fields if name.startswith("repair_")]:
            chosen = [name for name in repairs if cleaned.get(name)]
            members["repairs"] = tuple(name.removeprefix("repair_") for name in chosen)
        if self.joined():
            also = [cleaned.get(field.name, "") for field in self.joined()]
            members["also"] = tuple(dict.fromkeys(column for column in also if column))
        if self.table and not self.is_table_outdated:
            members |= self._tabled_members(self.table, cleaned)
        return replace(self.initial_rule, **members)

    def _tabled_members(
        self, table: ValueTable, cleaned: Mapping[str, Any]
    ) -> dict[str, Any]:
        entries = table.entries(self.data)
        if self.subject.target.type == "checkbox":
            yes = [text for text, value in entries.items() if value == "true"]
            no = [text for text, value in entries.items() if value == "false"]
            others = {
                text: value
                for text, value in entries.items()
                if value not in dict(YES_AND_NO)
            }
            return {
                "yes": (*yes, *cleaned.get("yes", ())),
                "no": (*no, *cleaned.get("no", ())),
                "values": table.other_entries() | others,
            }
        members: dict[str, Any] = {"values": table.other_entries() | entries}
        if entries and table.separator:
            # Without one, only whole cells are replaced.
            members["separator"] = table.separator
        return members

    def table_rows(self) -> list[Any]:
        if not self.table:
            return []
        is_filled_in = self.is_bound and not self.is_table_outdated
        return list(self.table.rows(self.data if is_filled_in else None))


def _is_text(target: Target) -> bool:
    is_named = target.key in {"name", "external_id"}
    return is_named or (target.key.startswith(FIELD) and target.type in TEXTS)


def _constant_field(subject: Subject, rule: Rule) -> forms.Field:
    label = "The same value in every row"
    field = subject.field
    choices = [(option.value, option.name) for option in field.options] if field else []
    if subject.target.type == "checkbox":
        choices = [*YES_AND_NO]
    if choices and subject.target.type != "multiselect":
        if rule.constant and rule.constant not in dict(choices):
            choices.append((rule.constant, rule.constant))
        return forms.ChoiceField(
            label=label,
            choices=[("", "None"), *choices],
            initial=rule.constant,
            required=False,
        )
    return forms.CharField(
        label=label,
        help_text="As it would be written in a cell.",
        initial=rule.constant,
        required=False,
    )


def _date_orders(subject: Subject) -> list[tuple[str, str]]:
    judgement = judge_dates(subject.facts.date_orders) if subject.facts else ""
    is_open = judgement in {"ambiguous", "contradictory"}
    none = "Not chosen" if is_open else "Only dates such as 2026-08-03"
    text, day_first, month_first = _example(subject)
    return [
        ("", none),
        ("dmy", f"Day, month, year: {text} is {day_first}"),
        ("mdy", f"Month, day, year: {text} is {month_first}"),
        ("ymd", "Year, month, day: 2026/8/3 is 3 August 2026"),
    ]


def _example(subject: Subject) -> tuple[str, str, str]:
    """A date of the column that can be read in two orders, and as what."""
    readings = [Rewriter(Rule(date_order=order)) for order in ("dmy", "mdy")]
    for text, _ in subject.texts:
        found = [_written_out(reading.rewrite(text)) for reading in readings]
        if all(found) and found[0] != found[1]:
            return text.strip(), found[0], found[1]
    return "03/08/2026", "3 August 2026", "8 March 2026"


def _written_out(text: str) -> str:
    """ "3 August 2026" for 2026-08-03; "" for what is no date."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return ""
    return f"{day.day} {day:%B} {day.year}"


def _blank_choices(subject: Subject) -> list[tuple[str, str]]:
    target = subject.target
    if target.required:
        return [("", "Report a problem"), ("set", "Set to a value")]
    if not target.key.startswith(FIELD):
        return [("", "Leave unchanged"), ("set", "Set to a value")]
    of_job = "clear" if subject.options.blank == "clear" else "leave unchanged"
    return [
        ("", f"As chosen for the whole job: {of_job}"),
        ("leave", "Leave the field unchanged"),
        ("clear", "Clear the field"),
        ("set", "Set to a value"),
    ]
