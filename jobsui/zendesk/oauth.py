"""Zendesk's token endpoint (docs/zendesk.md)."""

from urllib.parse import urlencode

from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import (
    NotFound,
    RateLimited,
    Refused,
    Unauthorized,
    Unconfirmed,
    ZendeskError,
)
from jobsui.zendesk.masking import masked_text
from jobsui.zendesk.payloads import Json, Token

NO_TOKEN_ENDPOINT = "no_token_endpoint"  # noqa: S105  # our code for such a host
NO_GRANT = "Zendesk does not allow this OAuth client to get tokens in this way."
REASONS = {
    "invalid_client": "Zendesk does not know the OAuth client, or its secret is wrong.",
    "invalid_grant": "The refresh token has expired, was revoked or was already used.",
    "invalid_scope": (
        "The OAuth client has neither the scopes custom_objects:read and "
        "custom_objects:write nor read and write."
    ),
    "unsupported_grant_type": NO_GRANT,
    "unauthorized_client": NO_GRANT,
}
CODE_REFUSED = "code_refused"
"""Our code for an authorization code that Zendesk refuses."""
CODE_REFUSAL = "The sign-in took too long, or its code was already used."
SECRETS = ("client_secret", "refresh_token", "code", "code_verifier")
"""Of a grant."""
MAX_LIFETIME_SECONDS = 366 * 24 * 3600
"""Zendesk's own tokens live two days at most."""
GRANULAR_SCOPE = "custom_objects:read custom_objects:write"
"""What Jobs UI does needs no more, if Zendesk knows these scopes (docs/zendesk.md)."""
GLOBAL_SCOPE = "read write"
REFRESH_LIFETIME_SECONDS = 90 * 24 * 3600
"""The longest that Zendesk allows. A refresh that does not ask for a lifetime gives a
refresh token of 30 days."""


def client_credentials(
    base_url: str, client_id: str, client_secret: str, scope: str
) -> Token:
    """A token for the client itself. Raises Unauthorized when the client is unknown or
    its secret is wrong."""
    grant: dict[str, Json] = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
        "scope": scope,
    }
    return _token(base_url, grant)


def refresh(
    base_url: str, client_id: str, client_secret: str, refresh_token: str
) -> Token:
    """The next pair of tokens; the old pair no longer works. Raises Unauthorized when
    the refresh token was used before."""
    grant: dict[str, Json] = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "client_id": client_id,
        "client_secret": client_secret,
        "refresh_token_expires_in": REFRESH_LIFETIME_SECONDS,
    }
    return _token(base_url, grant)


def authorization_address(
    base_url: str,
    client_id: str,
    *,
    redirect_uri: str,
    scope: str,
    state: str,
    challenge: str,
) -> str:
    """Where a person allows the client to act for them. `challenge`: of PKCE, S256."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{base_url}/oauth/authorizations/new?{urlencode(query)}"


def authorization_code(
    base_url: str,
    client_id: str,
    client_secret: str,
    *,
    code: str,
    verifier: str,
    redirect_uri: str,
) -> Token:
    """The first pair of tokens. `client_secret`: "" for a public client. Raises
    Unauthorized."""
    grant: dict[str, Json] = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
        "redirect_uri": redirect_uri,
        "client_id": client_id,
        "client_secret": client_secret,
        "refresh_token_expires_in": REFRESH_LIFETIME_SECONDS,
    }
    try:
        return _token(base_url, grant)
    except Unauthorized as error:
        if error.code != "invalid_grant":
            raise
        raise Unauthorized(
            CODE_REFUSAL, status=error.status, code=CODE_REFUSED
        ) from None


def _token(base_url: str, grant: dict[str, Json]) -> Token:
    given = {name: value for name, value in grant.items() if value}
    try:
        data: Json = Client(base_url, None).call("POST", "/oauth/tokens", json=given)
    except (Refused, RateLimited, Unconfirmed) as error:
        raise _without_response(error) from None
    if not isinstance(data, dict) or not data.get("access_token"):
        raise Unconfirmed("Zendesk's response has no access token.")
    secrets = tuple(str(given[name]) for name in SECRETS if name in given)
    return Token(
        access_token=str(data["access_token"]),
        refresh_token=str(data.get("refresh_token") or ""),
        expires_in=_seconds(data.get("expires_in")),
        refresh_expires_in=_seconds(data.get("refresh_token_expires_in")),
        scope=_scope(data.get("scope"), secrets),
    )


def _without_response(error: ZendeskError) -> ZendeskError:
    """The error without any text of the response: it may repeat secrets."""
    status = error.status
    match error:
        case NotFound():
            return Unauthorized(
                "There is no token endpoint at this address.",
                status=status,
                code=NO_TOKEN_ENDPOINT,
            )
        case Refused():
            unknown = f"Zendesk refused to issue an access token, with {status}."
            reason = REASONS.get(error.code, unknown)
            code = error.code if error.code in REASONS else ""
            return Unauthorized(reason, status=status, code=code)
        case RateLimited():
            return RateLimited(
                "Zendesk asked to slow down.",
                retry_after=error.retry_after,
                status=status,
            )
    if status is None:
        return Unconfirmed(error.message, code=error.code, host=error.host)
    return Unconfirmed(
        f"Zendesk's token endpoint responded with {status}.", status=status
    )


def _scope(value: Json, secrets: tuple[str, ...]) -> str | None:
    """Scopes separated by spaces. They may come as a list."""
    if isinstance(value, list):
        value = " ".join(str(each) for each in value)
    return masked_text(value, secrets) if isinstance(value, str) else None


def _seconds(value: Json) -> int | None:
    whole = str(value).partition(".")[0]
    if not whole.isdecimal():
        return None
    return min(int(whole[:12]), MAX_LIFETIME_SECONDS)
