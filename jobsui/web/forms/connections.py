from typing import Any

from django import forms

from jobsui.connections import credentials, hosts
from jobsui.connections.errors import HostRefused
from jobsui.connections.models import Connection, SignIn
from jobsui.web.forms.fields import DressedForm

SECRET_FIELDS = {
    SignIn.OAUTH_CLIENT: {"client_secret": "client_secret"},
    SignIn.OAUTH_TOKEN: {"access_token": "access_token", "refresh_token": "refresh_token",
                         "token_client_secret": "client_secret"},
    SignIn.API_TOKEN: {"api_token": "api_token"},
}  # fmt: skip
"""Which secret each input fills, by the way to sign in."""


def _secret(label: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False)
    return forms.CharField(label=label, required=False, widget=widget)


class ConnectionForm(DressedForm):
    """A connection as a person types it. Secrets are only ever written: left empty, what is stored stays."""

    COLUMNS = (
        "name", "host", "production", "sign_in", "client_id", "email", "requests_per_minute", "share",
        "max_running_jobs", "posts_ahead",
    )  # fmt: skip
    """What `apply` sets."""

    name = forms.CharField(max_length=80, help_text="What your team calls this account.")
    host = forms.CharField(
        label="Subdomain", max_length=255, help_text="acme, if you sign in to Zendesk at acme.zendesk.com."
    )
    production = forms.BooleanField(
        label="This is a production account", required=False, help_text="Marked PROD on every page that uses it."
    )
    sign_in = forms.ChoiceField(
        label="Sign in with", choices=SignIn.choices, widget=forms.Select(attrs={"data-switch": ""})
    )
    client_id = forms.CharField(label="Client ID (unique identifier)", required=False, max_length=255)
    client_secret = _secret("Client secret")
    access_token = _secret("Access token")
    refresh_token = _secret("Refresh token (optional)")
    token_client_id = forms.CharField(label="Client ID (for refreshing)", required=False, max_length=255)
    token_client_secret = _secret("Client secret (for refreshing)")
    email = forms.EmailField(label="E-mail of the agent", required=False)
    api_token = _secret("API token")
    requests_per_minute = forms.IntegerField(
        min_value=1, max_value=100_000, initial=400,
        help_text="By the plan: Team 200, Growth and Professional 400, Enterprise 700, Enterprise Plus 2,500.",
    )  # fmt: skip
    share = forms.IntegerField(
        label="Of these, Jobs UI uses at most (percent)", min_value=1, max_value=100, initial=80,
        help_text="The rest is left to people and other integrations.",
    )  # fmt: skip
    max_running_jobs = forms.IntegerField(
        label="Job window", min_value=1, max_value=30, initial=30,
        help_text="Zendesk runs 30 jobs at once. Take fewer to leave room for other integrations.",
    )  # fmt: skip
    posts_ahead = forms.BooleanField(
        label="Send a batch a moment before a slot is known to be free", required=False, initial=True,
        help_text="No slot stays empty until the next look. A request that comes a moment too early is refused (429) "
        "and sent again, which does no harm. Done only while slots are what limits the account.",
    )  # fmt: skip

    def __init__(self, *args: Any, connection: Connection | None = None, **kwargs: Any) -> None:
        self.connection = connection
        # As stored: `apply` changes the connection.
        self._stored = (connection.host, connection.sign_in) if connection else None
        if connection is not None:
            kwargs["initial"] = {
                name: getattr(connection, name)
                for name in self.COLUMNS
            } | {"host": connection.subdomain or connection.host, "token_client_id": connection.client_id}  # fmt: skip
        super().__init__(*args, **kwargs)
        if extra := hosts.extra_hosts():
            self.fields["host"].help_text += f" This server also allows: {', '.join(extra)}."

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        taken = Connection.objects.filter(name=name).exclude(pk=self.connection.pk if self.connection else 0)
        if taken.exists():
            raise forms.ValidationError("There is a connection of that name already.")
        return name

    def clean_host(self) -> str:
        try:
            return hosts.check_host(self.cleaned_data["host"])
        except HostRefused as error:
            raise forms.ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "sign_in" in data:
            self._require_sign_in(data)
        return data

    def secrets(self) -> dict[str, str]:
        """The secrets that were typed, by their names."""
        inputs = SECRET_FIELDS[SignIn(self.cleaned_data["sign_in"])]
        return {name: value for field, name in inputs.items() if (value := self.cleaned_data.get(field, "").strip())}

    def apply(self) -> tuple[Connection, dict[str, str]]:
        """The connection with everything but secrets set (not saved), and the secrets to set."""
        data = self.cleaned_data
        connection = self.connection or Connection()
        refreshed = data["sign_in"] == SignIn.OAUTH_TOKEN
        for name in self.COLUMNS:
            setattr(connection, name, data["token_client_id" if refreshed and name == "client_id" else name])
        return connection, self.secrets()

    @property
    def moves(self) -> bool:
        """Another host or another way to sign in: what is stored must not be used there."""
        return self._stored is not None and self._stored != (self.cleaned_data["host"], self.cleaned_data["sign_in"])

    def _require_sign_in(self, data: dict[str, Any]) -> None:
        way = SignIn(data["sign_in"])
        if way == SignIn.OAUTH_CLIENT and not data.get("client_id"):
            self.add_error("client_id", "Type the client's unique identifier.")
        if way == SignIn.API_TOKEN and not data.get("email") and "email" not in self.errors:
            self.add_error("email", "Type the e-mail address the token belongs to.")
        needed = credentials.NEEDS[way][0]
        stored = self.connection is not None and getattr(self.connection, f"sealed_{needed}")
        if data.get(needed) or "host" not in data:
            return
        if not stored:
            self.add_error(needed, "Type the secret; it is stored encrypted and never shown.")
        elif self.moves:
            self.add_error(needed, "Type the secret again: a stored one is never sent to another place.")
