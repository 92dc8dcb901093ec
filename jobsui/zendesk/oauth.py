"""Zendesk's token endpoint (docs/zendesk.md)."""

from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import NotSignedIn, Refused, Unsure
from jobsui.zendesk.payloads import Json, Token

SCOPE = "read write"
"""No granular scope covers custom objects (docs/zendesk.md)."""


def client_credentials(base_url: str, client_id: str, client_secret: str, scope: str = SCOPE) -> Token:
    """A token for the client itself. Raises NotSignedIn when the client is unknown or its secret wrong."""
    return _token(
        base_url,
        {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret, "scope": scope},
    )


def refresh(base_url: str, client_id: str, client_secret: str, refresh_token: str) -> Token:
    """The next pair; the old one is worth nothing from now on. Raises NotSignedIn when the refresh token is spent."""
    grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return _token(base_url, grant | {"client_id": client_id, "client_secret": client_secret})


def _token(base_url: str, grant: dict[str, str]) -> Token:
    try:
        data: Json = Client(base_url, None).call("POST", "/oauth/tokens", json={k: v for k, v in grant.items() if v})
    except Refused as error:
        raise NotSignedIn(error.message, status=error.status, code=error.code, details=error.details) from None
    if not isinstance(data, dict) or not data.get("access_token"):
        raise Unsure("Zendesk's answer has no access token.")
    lifetime = data.get("expires_in")
    return Token(
        access_token=str(data["access_token"]),
        refresh_token=str(data.get("refresh_token") or ""),
        expires_in=lifetime if isinstance(lifetime, int) else None,
        scope=str(data.get("scope") or ""),
    )
