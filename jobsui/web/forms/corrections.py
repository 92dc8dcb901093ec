from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from jobsui.jobs.reports.problem_values import ProblemValue
from jobsui.web.forms.fields import DressedForm
from jobsui.web.forms.wizard import FileForm

MAX_TEXT = 100_000


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
        for index in range(len(values)):
            self.fields[f"value_{index}"] = _field(options)

    @property
    def lines(self) -> list[ValueLine]:
        return [
            ValueLine(value.text, value.count, self[f"value_{index}"])
            for index, value in enumerate(self._values)
        ]

    def replacements(self) -> Iterator[tuple[str, str]]:
        """(value, value instead) of those that are to change."""
        for index, value in enumerate(self._values):
            after = self.cleaned_data[f"value_{index}"]
            if after not in ("", value.text):
                yield value.text, after


def _field(options: Sequence[tuple[str, str]]) -> forms.Field:
    if options:
        choices = [("", "Keep it"), *options]
        select = forms.Select(attrs={"class": "form-select"})
        return forms.ChoiceField(choices=choices, required=False, widget=select)
    line = forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"})
    return forms.CharField(
        required=False, strip=False, max_length=MAX_TEXT, widget=line
    )
