"""The forms of the mapping: which column fills which target, and how cells are read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django import forms

from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.field_targets import Target
from jobsui.jobs.mapping.options import Options
from jobsui.web.forms.fields import DressedForm

SOURCE = "source_"
SUGGESTED = "suggested_"
"""What the names of the inputs of a target begin with."""
MAX_LABEL = 100
MAX_CHOICES = 2_000
"""With more choices on a page, the choices are listed once, for all inputs together."""


class Labels:
    """Choices as people see and enter them: in one line, of limited length, each label
    once."""

    def __init__(self, choices: Iterable[tuple[str, str]], thing: str = "") -> None:
        """`choices`: (value, text) of each. Of two with the same text, one is told apart by
        its position as a `thing`, or by its value."""
        self._value_by_label: dict[str, str] = {}
        for position, (value, text) in enumerate(choices, 1):
            label = one_line(text)
            if len(label) > MAX_LABEL or label in self._value_by_label or not label:
                note = f"{thing} {position}" if thing else value
                label = f"{label[:MAX_LABEL]} ({note})".strip()
            self._value_by_label[label] = value
        self._labels = {value: label for label, value in self._value_by_label.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._value_by_label)

    def __len__(self) -> int:
        return len(self._value_by_label)

    def label(self, value: str) -> str:
        """ "" for a value that is no choice."""
        return self._labels.get(value, "")

    def value(self, label: str) -> str | None:
        return self._value_by_label.get(one_line(label))


def column_labels(columns: Iterable[str]) -> Labels:
    return Labels(((column, column) for column in columns), thing="column")


def one_line(text: str) -> str:
    return " ".join(text.split())


class ColumnField(forms.Field):
    """A column of the file by its label, or "" for none. Its value is the column."""

    def __init__(self, labels: Labels) -> None:
        super().__init__(required=False)
        self._labels = labels

    def to_python(self, value: Any) -> str:
        label = one_line(value or "")
        if not label:
            return ""
        column = self._labels.value(label)
        if column is None:
            raise forms.ValidationError(f"The file has no column “{label}”.")
        return column


class MappingForm(DressedForm):
    """The column for each target, and how the cells of all columns are read."""

    blank = forms.ChoiceField(
        label="Empty cells",
        choices=[("skip", "Leave the field unchanged"), ("clear", "Clear the field")],
    )
    decimal_mark = forms.ChoiceField(
        label="Decimal mark of numbers",
        required=False,
        choices=[
            ("auto", "As each column shows it"),
            ("point", "Point, such as 1,234.5"),
            ("comma", "Comma, such as 1.234,5"),
        ],
    )
    generate_external_ids = forms.BooleanField(
        label="Generate external IDs",
        required=False,
        help_text=(
            "For rows that have none. If the connection breaks, Jobs UI finds these rows "
            "in Zendesk again. Otherwise they may become uncertain or be created twice."
        ),
    )

    only_existing = forms.BooleanField(
        label="Only update records that exist",
        required=False,
        help_text=(
            "Rows whose external ID no record has are reported and not sent. The rows are "
            "compared with Zendesk first."
        ),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        columns: Sequence[str],
        targets: Sequence[Target],
        action: Action,
        mapping: Mapping[str, str],
        options: Options,
    ) -> None:
        """`mapping`: {column: target key} that is shown until a person chooses. `options`:
        those of the draft."""
        self._options = options
        self.labels = column_labels(columns)
        self.targets = targets
        column_of = {key: column for column, key in mapping.items()}
        sources = {
            SOURCE + target.key: self.labels.label(column_of.get(target.key, ""))
            for target in targets
        }
        super().__init__(data, initial=options.to_json() | sources)
        for target in targets:
            self.fields[SOURCE + target.key] = ColumnField(self.labels)
        if action is not Action.CREATE:
            del self.fields["generate_external_ids"]
        if action is not Action.UPSERT_BY_EXTERNAL_ID:
            del self.fields["only_existing"]
        if action.deletes:
            del self.fields["blank"]
            del self.fields["decimal_mark"]

    @property
    def lists_once(self) -> bool:
        """Whether the columns are listed once, for all targets together."""
        return len(self.labels) * len(self.targets) > MAX_CHOICES

    def source(self, target: Target) -> forms.BoundField:
        return self[SOURCE + target.key]

    def chosen(self, target: Target) -> str:
        """The column for a target in the present state of the form, "" for none."""
        return self.labels.value(self.source(target).value() or "") or ""

    def present_mapping(self) -> dict[str, str]:
        """{column: target key} in the present state of the form."""
        return {
            column: target.key
            for target in self.targets
            if (column := self.chosen(target))
        }

    def uses_suggestion(self, target: Target) -> bool:
        """Whether the box beside the suggested rule is ticked, for the chosen column."""
        column = one_line(self.data.get(SUGGESTED + target.key, ""))
        return bool(column) and column == one_line(self.source(target).value() or "")

    def clean_decimal_mark(self) -> str:
        return self.cleaned_data["decimal_mark"] or "auto"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for column, targets in self._targets_by_column(cleaned).items():
            if len(targets) > 1:
                labels = [target.label for target in targets]
                both = f"{', '.join(labels[:-1])} and {labels[-1]}"
                message = f"“{column}” is chosen for {both}. A column fills one field."
                for target in targets:
                    self.add_error(SOURCE + target.key, message)
        return cleaned

    def _targets_by_column(self, cleaned: Mapping[str, Any]) -> dict[str, list[Target]]:
        found: dict[str, list[Target]] = {}
        for target in self.targets:
            if column := cleaned.get(SOURCE + target.key):
                found.setdefault(column, []).append(target)
        return found

    def problems(self) -> list[str]:
        """Why the form cannot be saved, each reason once."""
        found = [
            str(error)
            for name, errors in self.errors.items()
            if name.startswith(SOURCE)
            for error in errors
        ]
        return list(dict.fromkeys(found))

    def mapping(self) -> dict[str, str]:
        """{column: target key} of the columns that are imported."""
        return {
            column: target.key
            for target in self.targets
            if (column := self.cleaned_data[SOURCE + target.key])
        }

    def options(self) -> Options:
        """Those of the draft, with what was chosen here."""
        chosen = {
            name: self.cleaned_data[name]
            for name in (
                "blank",
                "decimal_mark",
                "generate_external_ids",
                "only_existing",
            )
            if name in self.fields
        }
        return replace(self._options, **chosen)
