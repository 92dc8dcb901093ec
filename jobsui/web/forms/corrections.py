import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from jobsui.jobs.reports.problem_values import ProblemValue
from jobsui.web.forms.fields import DressedForm
from jobsui.web.forms.mapping import MAX_CHOICES
from jobsui.web.forms.wizard import FileForm

MAX_TEXT = 100_000
KEEP = "Keep it"


class CellForm(forms.Form):
    """The new text of one cell."""

    row = forms.IntegerField(min_value=1)
    column = forms.IntegerField(min_value=0)
    text = forms.CharField(
        required=False, strip=False, max_length=MAX_TEXT, empty_value=""
    )


@dataclass(frozen=True, slots=True)
class ValueLine:
    value: str
    count: int | None
    field: forms.BoundField


class WorkbookForm(FileForm):
    """The corrected problems.xlsx."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label="Corrected workbook", **kwargs)
        self.auto_id = "workbook_%s"
        self.fields["file"].help_text = "problems.xlsx after you have corrected it."
        self.fields["file"].widget.attrs["accept"] = ".xlsx"


class ValuesForm(DressedForm):
    """For each value with a problem, the value instead."""

    def __init__(
        self,
        *args: Any,
        values: Sequence[ProblemValue],
        options: Sequence[tuple[str, str]],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._values = values
        is_long = len(values) * len(options) > MAX_CHOICES
        self.listed = options if is_long else ()
        """The options when they are listed once, for all values together."""
        for value in values:
            self.fields[_name_of(value)] = _field(options, lists_once=is_long)

    @property
    def lines(self) -> list[ValueLine]:
        return [
            ValueLine(value.text, value.count, self[_name_of(value)])
            for value in self._values
        ]

    def replacements(self) -> dict[str, str]:
        """{value: value instead} of those that are to change."""
        texts = {
            value.text: self.cleaned_data[_name_of(value)] for value in self._values
        }
        return {
            before: after
            for before, after in texts.items()
            if after not in ("", before)
        }


def _name_of(value: ProblemValue) -> str:
    """The name of its field. Other corrections may change the list while the page is open."""
    return f"value_{hashlib.sha256(value.text.encode()).hexdigest()[:16]}"


def _field(options: Sequence[tuple[str, str]], *, lists_once: bool) -> forms.Field:
    line = forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"})
    if not options:
        return forms.CharField(
            required=False, strip=False, max_length=MAX_TEXT, widget=line
        )
    line.attrs |= {"list": "options", "placeholder": KEEP}
    select = forms.Select(attrs={"class": "form-select"})
    return forms.ChoiceField(
        choices=[("", KEEP), *options],
        required=False,
        widget=line if lists_once else select,
        error_messages={"invalid_choice": "Choose a listed option."},
    )
