from datetime import date, datetime, time, timedelta

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from jobsui.web.forms.fields import DressedForm

SENSIBLE_DATES = [
    MinValueValidator(date(2000, 1, 1)),
    MaxValueValidator(date(2999, 12, 31)),
]


def _date_field() -> forms.DateField:
    return forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        validators=SENSIBLE_DATES,
    )


class PeriodForm(DressedForm):
    """A filter by days, in the time zone of the server."""

    since = _date_field()
    until = _date_field()

    def clean_since(self) -> datetime | None:
        day = self.cleaned_data["since"]
        return _midnight(day) if day else None

    def clean_until(self) -> datetime | None:
        """The beginning of the day after: the day itself is included."""
        day = self.cleaned_data["until"]
        return _midnight(day + timedelta(days=1)) if day else None


def _midnight(day: date) -> datetime:
    """When a day begins."""
    return timezone.make_aware(datetime.combine(day, time.min))
