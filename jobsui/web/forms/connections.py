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
"""{authentication: {input: the secret it fills}}."""


def _secret(label: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False)
    return forms.CharField(label=label, required=False, widget=widget)


class ConnectionForm(DressedForm):
    """A connection as a person enters it. Secrets are only written: an empty input keeps
    the stored one."""

    name = forms.CharField(
        max_length=80, help_text="What your team calls this account."
    )
    host = forms.CharField(
        label="Subdomain",
        max_length=255,
        help_text="For acme.zendesk.com, enter acme.",
    )
    production = forms.BooleanField(
        label="This is a production account",
        required=False,
        help_text="Pages that use it show a PROD badge.",
    )
    sign_in = forms.ChoiceField(
        label="Authentication",
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
        label="Client ID (to renew the token)", required=False, max_length=255
    )
    token_client_secret = _secret("Client secret (to renew the token)")
    email = forms.EmailField(label="Email of the agent", required=False)
    api_token = _secret("API token")
    requests_per_minute = forms.IntegerField(
        label="Rate limit (requests per minute)",
        min_value=1,
        max_value=MAX_REQUESTS_PER_MINUTE,
        initial=400,
        help_text=(
            "Depends on the Zendesk plan: Team 200, Growth and Professional 400, "
            "Enterprise 700, Enterprise Plus 2,500."
        ),
    )
    share = forms.IntegerField(
        label="Share Jobs UI may use (percent)",
        min_value=1,
        max_value=100,
        initial=80,
        help_text="The rest is reserved for other integrations.",
    )
    max_running_jobs = forms.IntegerField(
        label="Concurrent jobs",
        min_value=1,
        max_value=MAX_RUNNING_JOBS,
        initial=MAX_RUNNING_JOBS,
        help_text=(
            "Zendesk runs 30 jobs at a time. "
            "Use fewer to leave slots for other integrations."
        ),
    )
    early_send = forms.BooleanField(
        label="Send ahead of free slots",
        required=False,
        initial=True,
        help_text=(
            "Sends a batch just before a job slot is expected to become free. Zendesk rejects "
            "a request that comes too early (429), and Jobs UI sends it again."
        ),
    )

    def __init__(
        self, *args: Any, connection: Connection | None = None, **kwargs: Any
    ) -> None:
        if connection is not None:
            stored = {name: getattr(connection, name) for name in editing.COLUMNS}
            stored["host"] = connection.subdomain or connection.host
            stored["token_client_id"] = connection.client_id
            kwargs["initial"] = stored
        super().__init__(*args, **kwargs)
        if extra := hosts.extra_hosts():
            more = f" This server also allows: {', '.join(extra)}."
            self.fields["host"].help_text += more

    def values(self) -> dict[str, Any]:
        """All values except the secrets, for `editing`."""
        data = self.cleaned_data
        values = {name: data[name] for name in editing.COLUMNS}
        if data["sign_in"] == SignIn.OAUTH_TOKEN:
            values["client_id"] = data["token_client_id"]
        return values

    def secrets(self) -> dict[str, str]:
        """The secrets that were entered, by name."""
        inputs = SECRET_FIELDS[SignIn(self.cleaned_data["sign_in"])]
        entered = {}
        for field, name in inputs.items():
            value = self.cleaned_data.get(field, "").strip()
            if value:
                entered[name] = value
        return entered

    @property
    def signs_in_later(self) -> bool:
        """Whether the person will get the tokens by signing in with Zendesk."""
        is_oauth_token = self.cleaned_data["sign_in"] == SignIn.OAUTH_TOKEN
        return is_oauth_token and not self.secrets()

    def refuse(self, error: ConnectionsError) -> None:
        """Show the error at its field."""
        field = error.member if isinstance(error, ConnectionRefused) else None
        self.add_error(field, str(error))
