from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet

from jobsui.access import tokens
from jobsui.access.models import Scope
from jobsui.connections.models import Connection
from jobsui.web.forms.fields import DressedForm

EXPIRIES = (
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("365", "In 365 days"),
    ("", "Never"),
)


class TokenForm(DressedForm):
    """The arguments of `tokens.create`."""

    name = forms.CharField(
        max_length=80, help_text="What uses it, such as nightly import."
    )
    scope = forms.TypedChoiceField(coerce=Scope, initial=Scope.RUN)
    connection = forms.ModelChoiceField(
        Connection.objects.none(),
        to_field_name="code",
        required=False,
        empty_label="All connections",
        help_text=(
            "A token for one connection cannot see the others. "
            "The Zendesk-compatible endpoint needs such a token."
        ),
    )
    days = forms.TypedChoiceField(
        label="Expires",
        choices=EXPIRIES,
        coerce=int,
        empty_value=None,
        required=False,
        initial="90",
    )

    def __init__(
        self, *args: Any, by: User, connections: QuerySet[Connection], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        choices = [(scope, scope.label) for scope in tokens.scopes(by)]
        self.fields["scope"].choices = choices  # type: ignore[attr-defined]
        self.fields["connection"].queryset = connections  # type: ignore[attr-defined]
