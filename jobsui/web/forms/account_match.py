from dataclasses import asdict
from typing import Any

from django import forms

from jobsui.jobs.mapping.options import Match
from jobsui.web.forms.fields import DressedForm

MAX_RECORDS = 1_000_000_000


class MatchForm(DressedForm):
    """What is done with each kind of difference between a file and the account."""

    only_in_file = forms.ChoiceField(
        label="Only in the file",
        choices=[("create", "Create"), ("leave", "Leave alone")],
    )
    different = forms.ChoiceField(
        label="Different",
        choices=[("update", "Update"), ("leave", "Leave alone")],
    )
    only_in_account = forms.ChoiceField(
        label="Only in the account",
        choices=[("leave", "Leave alone"), ("delete", "Delete")],
    )
    max_percent = forms.FloatField(
        label="Most records to delete (percent)", min_value=0, max_value=100
    )
    max_records = forms.IntegerField(
        label="Most records to delete (number)", min_value=0, max_value=MAX_RECORDS
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.limits:
            field.field.widget.attrs["aria-label"] = field.label

    @property
    def limits(self) -> list[forms.BoundField]:
        return [self["max_percent"], self["max_records"]]

    def match(self) -> Match:
        return Match(**self.cleaned_data)

    @staticmethod
    def initial_of(match: Match | None) -> dict[str, Any]:
        initial = asdict(match or Match())
        return initial | {"max_percent": f"{initial['max_percent']:g}"}
