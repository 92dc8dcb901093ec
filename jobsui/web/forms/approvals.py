from typing import Any

from django import forms

from jobsui.jobs.control.approvals import MAX_TEXT
from jobsui.jobs.models import ApprovalRules
from jobsui.web.forms.fields import DressedForm

MAX_NUMBER = 1_000_000_000


class DecisionForm(DressedForm):
    """About the approval that the page showed: the job may have another one meanwhile."""

    approval = forms.IntegerField(widget=forms.HiddenInput)
    comment = forms.CharField(
        label="Comment",
        required=False,
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Required to reject.",
    )


class ApprovalRulesForm(DressedForm):
    """Which jobs of a connection need approval."""

    every_job = forms.BooleanField(label="Every job", required=False)
    deletes = forms.BooleanField(label="Jobs that delete records", required=False)
    max_rows = forms.IntegerField(
        label="More than this many rows are sent",
        required=False,
        min_value=0,
        max_value=MAX_NUMBER,
    )
    max_percent = forms.FloatField(
        label="More than this percentage of the object's records is changed or deleted",
        required=False,
        min_value=0,
        max_value=100,
        help_text=(
            "Of the records that the object had when it was last refreshed. Without a "
            "comparison, each row that can change a record counts."
        ),
    )
    max_blanked = forms.IntegerField(
        label="More than this many cells of records become blank",
        required=False,
        min_value=0,
        max_value=MAX_NUMBER,
        help_text="Without a comparison, each empty cell that would be sent counts.",
    )

    @property
    def rules(self) -> dict[str, Any]:
        """{name of a rule: what was chosen}."""
        return {name: self.cleaned_data[name] for name in ApprovalRules.NAMES}
