from typing import Any

from django import forms
from django.core.validators import validate_email
from django.db.models import QuerySet

from jobsui.connections.models import Connection
from jobsui.notifications import targets
from jobsui.notifications.errors import TargetRefused
from jobsui.notifications.models import (
    CHOSEN_KINDS,
    Channel,
    Delivery,
    DeliveryState,
    Kind,
    Target,
)
from jobsui.web.forms.fields import DressedForm

USUAL_KINDS = [
    Kind.ROWS_FAILED,
    Kind.JOB_FAILED,
    Kind.JOB_PAUSED,
    Kind.DECISION_NEEDED,
    Kind.APPROVAL_REQUESTED,
]


class ChannelForm(DressedForm):
    """A channel as a person enters it. The URL is only written: an empty input keeps the
    stored one."""

    name = forms.CharField(max_length=80, help_text="Such as #operations.")
    target = forms.ChoiceField(label="Sends to", choices=Target)
    connection = forms.ModelChoiceField(
        Connection.objects.none(), to_field_name="code", required=False
    )
    addresses = forms.CharField(
        label="Mail addresses",
        max_length=1000,
        required=False,
        help_text="Separated by commas. Only for mail.",
    )
    url = forms.CharField(
        label="URL of the webhook",
        max_length=2000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    kinds = forms.MultipleChoiceField(
        label="Messages about",
        choices=CHOSEN_KINDS,
        widget=forms.CheckboxSelectMultiple,
        initial=USUAL_KINDS,
    )
    max_failed_percent = forms.IntegerField(
        label="Too many failed rows: more than this percentage",
        min_value=0,
        max_value=99,
        initial=5,
    )

    def __init__(
        self,
        *args: Any,
        channel: Channel | None = None,
        connections: QuerySet[Connection],
        may_choose_all: bool,
        **kwargs: Any,
    ) -> None:
        """`connections`: those that may be chosen. `may_choose_all`: also all connections."""
        self.channel = channel
        super().__init__(*args, initial=_initial(channel), **kwargs)
        connection: Any = self.fields["connection"]
        connection.queryset = connections
        connection.required = not may_choose_all
        connection.empty_label = "All connections" if may_choose_all else "Choose one"
        self.fields[
            "url"
        ].help_text = "Everyone who knows it can write there. It is stored encrypted and not shown."
        if channel and channel.sealed_url:
            self.fields["url"].help_text += " Leave it empty to keep the stored one."

    def clean_addresses(self) -> str:
        entered = self.cleaned_data["addresses"].split(",")
        addresses = [address.strip() for address in entered if address.strip()]
        for address in addresses:
            validate_email(address)
        return ",".join(addresses)

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        if url:
            try:
                targets.parse(url)
            except TargetRefused as refusal:
                raise forms.ValidationError(str(refusal)) from None
        return url

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        is_mail = values.get("target") == Target.MAIL
        if is_mail and not values.get("addresses") and "addresses" not in self.errors:
            self.add_error("addresses", "Enter at least one address.")
        has_url = values.get("url") or (self.channel and self.channel.sealed_url)
        if not is_mail and not has_url and "url" not in self.errors:
            self.add_error("url", "Enter the URL.")
        return values


class MessageFilterForm(DressedForm):
    channel = forms.ModelChoiceField(
        Channel.objects.none(), required=False, empty_label="Any channel"
    )
    state = forms.ChoiceField(
        choices=[("", "Any state"), *DeliveryState.choices], required=False
    )

    def __init__(self, *args: Any, channels: QuerySet[Channel], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["channel"].queryset = channels  # type: ignore[attr-defined]

    def found(self, messages: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Those that match. A filter that is not valid narrows nothing."""
        self.full_clean()
        chosen = {name: value for name, value in self.cleaned_data.items() if value}
        return messages.filter(**chosen)


def _initial(channel: Channel | None) -> dict[str, Any]:
    if channel is None:
        return {}
    names = ("name", "target", "addresses", "kinds", "max_failed_percent")
    code = channel.connection.code if channel.connection else None
    return {name: getattr(channel, name) for name in names} | {"connection": code}
