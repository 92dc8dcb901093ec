"""Zendesk's token endpoint (docs/zendesk.md)."""

from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import (
    Limited,
    NotFound,
    NotSignedIn,
    Refused,
    Unsure,
    ZendeskError,
)
from jobsui.zendesk.payloads import Json, Token

NO_ACCOUNT = "no_account"
"""Our code for a host without Zendesk's token endpoint."""
REASONS = {
    "invalid_client": "Zendesk does not know the OAuth client, or its secret is wrong.",
    "invalid_grant": "The refresh token has expired, was revoked or was used already.",
    "invalid_scope": "The OAuth client may not have the scopes read and write.",
    "unsupported_grant_type": "The OAuth client may not use this way to get a token.",
    "unauthorized_client": "The OAuth client may not use this way to get a token.",
}
LONGEST_LIFE = 366 * 24 * 3600
"""Seconds; Zendesk's own tokens live two days at most."""
SCOPE = "read write"
"""No granular scope covers custom objects (docs/zendesk.md)."""


def client_credentials(
    base_url: str, client_id: str, client_secret: str, scope: str = SCOPE
) -> Token:
    """A token for the client itself. Raises NotSignedIn when the client is unknown or
    its secret wrong."""
    return _token(
        base_url,
        {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "scope": scope,
        },
    )


def refresh(
    base_url: str, client_id: str, client_secret: str, refresh_token: str
) -> Token:
    """The next pair; the old one is worth nothing from now on. Raises NotSignedIn when
    the refresh token is spent."""
    grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return _token(
        base_url, grant | {"client_id": client_id, "client_secret": client_secret}
    )


def _token(base_url: str, grant: dict[str, str]) -> Token:
    try:
        data: Json = Client(base_url, None).call(
            "POST", "/oauth/tokens", json={k: v for k, v in grant.items() if v}
        )
    except (Refused, Limited, Unsure) as error:
        raise _plain(error) from None
    if not isinstance(data, dict) or not data.get("access_token"):
        raise Unsure("Zendesk's answer has no access token.")
    return Token(
        access_token=str(data["access_token"]),
        refresh_token=str(data.get("refresh_token") or ""),
        expires_in=_seconds(data.get("expires_in")),
        scope=str(data.get("scope") or ""),
    )


def _plain(error: ZendeskError) -> ZendeskError:
    """The error without a word of the answer: one about secrets may repeat them."""
    match error:
        case NotFound():
            return NotSignedIn(
                "There is no token endpoint at this address.",
                status=404,
                code=NO_ACCOUNT,
            )
        case Refused():
            code = error.code if error.code in REASONS else ""
            reason = REASONS.get(
                code, f"Zendesk refused to give an access token, with {error.status}."
            )
            return NotSignedIn(reason, status=error.status, code=code)
        case Limited():
            return Limited(
                "Zendesk asks us to slow down.",
                retry_after=error.retry_after,
                status=error.status,
            )
    sentence = (
        error.message
        if error.status is None
        else f"Zendesk's token endpoint answered with {error.status}."
    )
    return Unsure(
        sentence, status=error.status, code=error.code if error.status is None else ""
    )


def _seconds(value: Json) -> int | None:
    text = str(value).partition(".")[0]
    return min(int(text[:12]), LONGEST_LIFE) if text.isdecimal() else None
