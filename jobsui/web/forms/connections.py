from typing import Any

from django import forms

from jobsui.connections import editing, hosts
from jobsui.connections.errors import ConnectionRefused, ConnectionsError
from jobsui.connections.models import (
    MAX_REQUESTS_PER_MINUTE,
    MAX_RUNNING_JOBS,
    Connection,
    SignIn,
)
from jobsui.web.forms.fields import DressedForm

SECRET_FIELDS = {
    SignIn.OAUTH_CLIENT: {"client_secret": "client_secret"},
    SignIn.OAUTH_TOKEN: {
        "access_token": "access_token",
        "refresh_token": "refresh_token",
        "token_client_secret": "client_secret",
    },
    SignIn.API_TOKEN: {"api_token": "api_token"},
}
"""Which secret each input fills, by the way to sign in."""


def _secret(label: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False)
    return forms.CharField(label=label, required=False, widget=widget)


class ConnectionForm(DressedForm):
    """A connection as a person types it. Secrets are only ever written: left empty,
    what is stored stays."""

    name = forms.CharField(
        max_length=80, help_text="What your team calls this account."
    )
    host = forms.CharField(
        label="Subdomain",
        max_length=255,
        help_text="acme, if you sign in to Zendesk at acme.zendesk.com.",
    )
    production = forms.BooleanField(
        label="This is a production account",
        required=False,
        help_text="Marked PROD on every page that uses it.",
    )
    sign_in = forms.ChoiceField(
        label="Sign in with",
        choices=SignIn.choices,
        widget=forms.Select(attrs={"data-switch": ""}),
    )
    client_id = forms.CharField(
        label="Client ID (unique identifier)", required=False, max_length=255
    )
    client_secret = _secret("Client secret")
    access_token = _secret("Access token")
    refresh_token = _secret("Refresh token (optional)")
    token_client_id = forms.CharField(
        label="Client ID (for refreshing)", required=False, max_length=255
    )
    token_client_secret = _secret("Client secret (for refreshing)")
    email = forms.EmailField(label="E-mail of the agent", required=False)
    api_token = _secret("API token")
    requests_per_minute = forms.IntegerField(
        min_value=1,
        max_value=MAX_REQUESTS_PER_MINUTE,
        initial=400,
        help_text="By the plan: Team 200, Growth and Professional 400, Enterprise 700, Enterprise Plus 2,500.",
    )
    share = forms.IntegerField(
        label="Of these, Jobs UI uses at most (percent)",
        min_value=1,
        max_value=100,
        initial=80,
        help_text="The rest is left to people and other integrations.",
    )
    max_running_jobs = forms.IntegerField(
        label="Job window",
        min_value=1,
        max_value=MAX_RUNNING_JOBS,
        initial=MAX_RUNNING_JOBS,
        help_text="Zendesk runs 30 jobs at once. Take fewer to leave room for other integrations.",
    )
    early_send = forms.BooleanField(
        label="Send a batch a moment before a slot is known to be free",
        required=False,
        initial=True,
        help_text="No slot stays empty until the next look. A request that comes a moment too early is refused (429) "
        "and sent again, which does no harm. Done only while slots are what limits the account.",
    )

    def __init__(
        self, *args: Any, connection: Connection | None = None, **kwargs: Any
    ) -> None:
        if connection is not None:
            kwargs["initial"] = {
                name: getattr(connection, name) for name in editing.COLUMNS
            } | {
                "host": connection.subdomain or connection.host,
                "token_client_id": connection.client_id,
            }
        super().__init__(*args, **kwargs)
        if extra := hosts.extra_hosts():
            self.fields[
                "host"
            ].help_text += f" This server also allows: {', '.join(extra)}."

    def values(self) -> dict[str, Any]:
        """All but the secrets, as keeping.py takes them."""
        data = self.cleaned_data
        client = (
            "token_client_id" if data["sign_in"] == SignIn.OAUTH_TOKEN else "client_id"
        )
        return {
            name: data[client if name == "client_id" else name]
            for name in editing.COLUMNS
        }

    def secrets(self) -> dict[str, str]:
        """The secrets that were typed, by their names."""
        inputs = SECRET_FIELDS[SignIn(self.cleaned_data["sign_in"])]
        return {
            name: value
            for field, name in inputs.items()
            if (value := self.cleaned_data.get(field, "").strip())
        }

    def refuse(self, error: ConnectionsError) -> None:
        """Say it where it belongs."""
        self.add_error(
            error.member if isinstance(error, ConnectionRefused) else None, str(error)
        )
