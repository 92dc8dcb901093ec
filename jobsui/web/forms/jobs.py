from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from jobsui.connections.models import Connection
from jobsui.jobs.enums import UNLAUNCHED, Action, JobState, Weight
from jobsui.jobs.models import Job, RunSettings
from jobsui.web.forms.fields import DressedForm
from jobsui.web.forms.period import PeriodForm

FAILURES = "failures"
STATES = [(state.value, state.label) for state in JobState if state not in UNLAUNCHED]
LOOKUPS = {
    "connection": "connection",
    "object": "object_key__icontains",
    "action": "action",
    "by": "created_by",
    "since": "created_at__gte",
    "until": "created_at__lt",
    "q": "file__name__icontains",
}
"""{filter: the lookup on jobs that it stands for}."""
MAX_STOP_ROWS = 1_000_000
MAX_STOP_REFUSALS = 1000


class HistoryForm(PeriodForm):
    """Filters of the history. Each one narrows it, and all of them are in the
    address."""

    state = forms.ChoiceField(
        choices=[("", "Any"), (FAILURES, "With failures"), *STATES], required=False
    )
    connection = forms.ModelChoiceField(
        Connection.objects.none(),
        to_field_name="code",
        required=False,
        empty_label="Any",
    )
    object = forms.CharField(required=False, max_length=255)
    action = forms.ChoiceField(choices=[("", "Any"), *Action.choices], required=False)
    by = forms.ModelChoiceField(
        User.objects.none(), required=False, empty_label="Anyone"
    )
    q = forms.CharField(label="File name", required=False, max_length=255)
    field_order = (
        "state",
        "connection",
        "object",
        "action",
        "by",
        "since",
        "until",
        "q",
    )

    def __init__(
        self,
        *args: Any,
        connections: QuerySet[Connection],
        people: QuerySet[User],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["connection"].queryset = connections  # type: ignore[attr-defined]
        self.fields["by"].queryset = people  # type: ignore[attr-defined]

    def narrowed(self, jobs: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs that match. A filter that is not valid narrows nothing."""
        self.full_clean()
        chosen = {name: value for name, value in self.cleaned_data.items() if value}
        state = chosen.pop("state", "")
        if state == FAILURES:
            has_failures = Q(failed__gt=0) | Q(invalid__gt=0) | Q(uncertain__gt=0)
            jobs = jobs.filter(has_failures)
        elif state:
            jobs = jobs.filter(state=state)
        return jobs.filter(**{LOOKUPS[name]: value for name, value in chosen.items()})

    @property
    def is_narrowing(self) -> bool:
        return any(self.data.get(name) for name in self.fields)


def _limit_field(label: str, max_value: int) -> forms.IntegerField:
    """A number within a sentence. Screen readers get its label instead."""
    widget = forms.NumberInput(attrs={"aria-label": label})
    return forms.IntegerField(
        label=label,
        min_value=1,
        max_value=max_value,
        required=False,
        widget=widget,
    )


class RunSettingsForm(DressedForm):
    """How a launched job runs. A limit left empty never pauses it."""

    LIMITS = ("stop_percent", "stop_rows", "stop_refusals")

    weight = forms.TypedChoiceField(
        label="Priority",
        choices=Weight.choices,
        coerce=lambda value: Weight(int(value)),
        required=False,
        empty_value=None,
        help_text="Among the jobs that run on this account at the same time.",
    )
    stop_percent = _limit_field("Percent of rows that fail", 100)
    stop_rows = _limit_field("Number of last rows", MAX_STOP_ROWS)
    stop_refusals = _limit_field("Refused requests in a row", MAX_STOP_REFUSALS)

    @property
    def limits(self) -> Iterator[forms.BoundField]:
        """The fields of the sentence about pausing."""
        return (self[name] for name in self.LIMITS)

    def run_settings(self) -> RunSettings:
        chosen = {
            name: value
            for name, value in self.cleaned_data.items()
            if value and name in RunSettings.__slots__
        }
        return RunSettings(**chosen)
