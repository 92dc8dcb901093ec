from django import forms

from jobsui.audit import search
from jobsui.audit.models import Action, EntryQuerySet
from jobsui.web.forms.period import PeriodForm


class AuditForm(PeriodForm):
    """Filters of the audit log. All of them are in the address."""

    person = forms.CharField(label="Who", required=False, max_length=150)
    action = forms.ChoiceField(
        label="What", choices=[("", "Anything"), *Action.choices], required=False
    )
    text = forms.CharField(label="On, or from", required=False, max_length=100)
    field_order = ("person", "action", "text", "since", "until")

    def found(self) -> EntryQuerySet:
        """The entries that match. A filter that is not valid narrows nothing."""
        self.full_clean()
        return search.found(**self.cleaned_data)
