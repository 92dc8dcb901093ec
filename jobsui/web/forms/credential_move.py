from typing import Any

from django import forms

from jobsui.connections.models import Connection, SignIn
from jobsui.web.forms.fields import DressedForm

BROWSER = "browser"
CLIENT = "client"


class CredentialMoveForm(DressedForm):
    """The OAuth client to which a connection moves."""

    way = forms.ChoiceField(
        label="How",
        choices={
            BROWSER: "Sign in with Zendesk in this browser: jobs act as you",
            CLIENT: "Client credentials: jobs act as the client's user, without a sign-in",
        },
        initial=BROWSER,
        widget=forms.RadioSelect,
    )
    client_id = forms.CharField(
        label="Client ID (unique identifier)",
        max_length=255,
        help_text="In Zendesk: Admin Center, Apps and integrations, APIs, OAuth clients.",
    )
    client_secret = forms.CharField(
        label="Client secret",
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False),
        help_text="Leave it empty for a public client that signs in with Zendesk.",
    )
    read_write = forms.BooleanField(
        label="Ask for the scopes read and write",
        required=False,
        help_text=(
            "For a sign-in with Zendesk. Otherwise it asks for custom_objects:read and "
            "custom_objects:write only."
        ),
    )
    other_user = forms.BooleanField(
        label="Allow another user",
        required=False,
        help_text="Otherwise the new credentials must belong to the user of the old ones.",
    )

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:
        self._connection = connection
        if connection.sign_in != SignIn.API_TOKEN:
            kwargs["initial"] = {"client_id": connection.client_id}
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("way") == CLIENT and not data.get("client_secret"):
            self.add_error(
                "client_secret", "Client credentials need the client's secret."
            )
        return data
