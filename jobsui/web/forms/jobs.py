from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q, QuerySet
from django.utils import timezone

from jobsui.connections.models import Connection
from jobsui.jobs.enums import UNLAUNCHED, Action, JobState, Weight
from jobsui.jobs.models import Job, RunSettings
from jobsui.web.forms.fields import DressedForm

LAUNCHED = [(state.value, state.label) for state in JobState if state not in UNLAUNCHED]
COLUMNS = {
    "connection": "connection",
    "object": "object_key__icontains",
    "action": "action",
    "by": "created_by",
    "since": "created_at__gte",
    "until": "created_at__lt",
    "q": "file__name__icontains",
}

SENSIBLE = [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2999, 12, 31))]


class HistoryForm(DressedForm):
    """Filters of the history; every one narrows, all of them live in the address."""

    state = forms.ChoiceField(
        choices=[("", "any"), ("failures", "With failures"), *LAUNCHED],
        required=False,
    )
    connection = forms.ModelChoiceField(
        Connection.objects.none(),
        to_field_name="code",
        required=False,
        empty_label="any",
    )
    object = forms.CharField(required=False, max_length=255)
    action = forms.ChoiceField(choices=[("", "any"), *Action.choices], required=False)
    by = forms.ModelChoiceField(
        User.objects.none(), required=False, empty_label="anybody"
    )
    since = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        validators=SENSIBLE,
    )
    until = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        validators=SENSIBLE,
    )
    q = forms.CharField(label="File name", required=False, max_length=255)

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

    def clean_since(self) -> datetime | None:
        return _midnight(self.cleaned_data["since"])

    def clean_until(self) -> datetime | None:
        """The day itself is in."""
        day = self.cleaned_data["until"]
        return _midnight(day and day + timedelta(days=1))

    def narrowed(self, jobs: QuerySet[Job]) -> QuerySet[Job]:
        """The jobs that match; what is not a sensible value narrows nothing."""
        self.full_clean()
        data = {name: value for name, value in self.cleaned_data.items() if value}
        state = data.pop("state", "")
        if state == "failures":
            jobs = jobs.filter(Q(failed__gt=0) | Q(invalid__gt=0) | Q(uncertain__gt=0))
        elif state:
            jobs = jobs.filter(state=state)
        return jobs.filter(**{COLUMNS[name]: value for name, value in data.items()})

    @property
    def is_narrowing(self) -> bool:
        return any(self.data.get(name) for name in self.fields)


def _limit(label: str, most: int) -> forms.IntegerField:
    """A number within a sentence, so that its label is for those who do not see the
    sentence."""
    widget = forms.NumberInput(attrs={"aria-label": label})
    return forms.IntegerField(
        label=label, min_value=1, max_value=most, required=False, widget=widget
    )


class RulesForm(DressedForm):
    """How a launched job runs. A limit left empty never stops it."""

    weight = forms.TypedChoiceField(
        label="Share of the account",
        choices=Weight.choices,
        coerce=lambda value: Weight(int(value)),
        required=False,
        empty_value=None,
        help_text="Beside other jobs of this account. Alone, a job takes all there is.",
    )
    stop_percent = _limit("Percent of rows that fail", 100)
    stop_rows = _limit("Of so many last rows", 1_000_000)
    stop_refusals = _limit("Refused requests in a row", 1000)

    def rules(self) -> RunSettings:
        data = {
            name: value
            for name, value in self.cleaned_data.items()
            if value and name in RunSettings.__slots__
        }
        return RunSettings(**data)


def _midnight(day: date | None) -> datetime | None:
    """When a day begins here: compared as it is, so that the index on the time
    serves."""
    return timezone.make_aware(datetime.combine(day, time.min)) if day else None
