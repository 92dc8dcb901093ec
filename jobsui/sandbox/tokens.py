"""Who may sign in: an API token, an OAuth client, and the access tokens given out to
it."""

import base64
import binascii
import hashlib
import secrets
import time
from dataclasses import dataclass, field

from jobsui.sandbox import ids
from jobsui.sandbox.errors import bad_bearer, not_authenticated, oauth_error
from jobsui.sandbox.protocol import Json

EMAIL = "admin@sandbox.example"
API_TOKEN = "sandbox-api-token"  # noqa: S105 - these are published, they open nothing but the sandbox
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105
BEARER = "sandbox-bearer-token"
REFRESH_TOKEN = "sandbox-refresh-token"  # noqa: S105

CODE_SECONDS = 120
DEFAULT_SECONDS = 1_800
DEFAULT_REFRESH_SECONDS = 2_592_000
RESOURCES = {
    "tickets",
    "users",
    "auditlogs",
    "organizations",
    "hc",
    "apps",
    "triggers",
    "automations",
    "targets",
    "webhooks",
    "macros",
    "requests",
    "satisfaction_ratings",
    "topics",
    "zis",
    "any_channel",
}


@dataclass(slots=True)
class Token:
    id: int
    access: str
    refresh: str | None
    scopes: list[str]
    created: float
    expires: float | None
    refresh_expires: float | None

    def is_valid(self) -> bool:
        return self.expires is None or time.time() < self.expires


@dataclass(slots=True)
class Code:
    """An authorization code, good once and for a short time."""

    redirect_uri: str
    scope: str
    challenge: str
    expires: float


@dataclass(slots=True)
class Tokens:
    by_access: dict[str, Token] = field(default_factory=dict)
    by_refresh: dict[str, Token] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    given: int = 0

    def __post_init__(self) -> None:
        self.add(["read", "write"], BEARER, REFRESH_TOKEN, None, None)

    def add(
        self,
        scopes: list[str],
        access: str,
        refresh: str | None,
        seconds: float | None,
        refresh_seconds: float | None,
    ) -> Token:
        now = time.time()
        self.given += 1
        expires = None if seconds is None else now + seconds
        refresh_expires = None if refresh_seconds is None else now + refresh_seconds
        token = Token(
            self.given, access, refresh, scopes, now, expires, refresh_expires
        )
        self.by_access[access] = token
        if refresh:
            self.by_refresh[refresh] = token
        return token

    def revoke(self, token: Token) -> None:
        self.by_access.pop(token.access, None)
        self.by_refresh.pop(token.refresh or "", None)

    def expire(self, token: Token) -> None:
        """End the access token before its time; it can still be refreshed."""
        self.by_access.pop(token.access, None)

    def signed_in(self, authorization: str) -> Token | None:
        """The token of a bearer, None for a valid API token; raises Refused."""
        kind, _, credentials = authorization.partition(" ")
        if kind.lower() == "basic":
            check_basic(credentials)
            return None
        token = (
            self.by_access.get(credentials.strip())
            if kind.lower() == "bearer"
            else None
        )
        if token is None or not token.is_valid():
            raise bad_bearer()
        return token

    def exchange(self, asked: dict[str, Json], token_seconds: float) -> dict[str, Json]:
        """Answer POST /oauth/tokens; raises Refused."""
        check_client(asked)
        grants = {
            "client_credentials": self._for_client,
            "authorization_code": self._for_code,
            "refresh_token": self._for_refresh_token,
        }
        grant = grants.get(str(asked.get("grant_type")))
        if grant is None:
            raise oauth_error(
                "unsupported_grant_type",
                "The authorization grant type is not supported.",
            )
        scopes, refreshable = grant(asked)
        seconds = token_seconds or lifetime(
            asked, "expires_in", DEFAULT_SECONDS, 300, 172_800
        )
        return shown_grant(self._give(scopes, seconds, asked if refreshable else None))

    def _give(
        self, scopes: list[str], seconds: float, refreshable: dict[str, Json] | None
    ) -> Token:
        if refreshable is None:
            return self.add(scopes, secrets.token_hex(32), None, seconds, None)
        life = lifetime(
            refreshable,
            "refresh_token_expires_in",
            DEFAULT_REFRESH_SECONDS,
            604_800,
            7_776_000,
        )
        return self.add(
            scopes, secrets.token_hex(32), secrets.token_hex(32), seconds, life
        )

    def _for_client(self, asked: dict[str, Json]) -> tuple[list[str], bool]:
        if asked.get("client_secret") != CLIENT_SECRET:
            raise wrong_client()
        return checked_scopes(asked.get("scope") or "read"), False

    def _for_code(self, asked: dict[str, Json]) -> tuple[list[str], bool]:
        code = self.codes.pop(str(asked.get("code")), None)
        if (
            code is None
            or time.time() > code.expires
            or asked.get("redirect_uri") != code.redirect_uri
        ):
            raise invalid_grant()
        proved = (
            challenge_of(str(asked.get("code_verifier", ""))) == code.challenge
            if code.challenge
            else False
        )
        if not proved and (
            code.challenge or asked.get("client_secret") != CLIENT_SECRET
        ):
            raise invalid_grant()
        return checked_scopes(asked.get("scope") or code.scope), True

    def _for_refresh_token(self, asked: dict[str, Json]) -> tuple[list[str], bool]:
        """The old pair is void from now on."""
        token = self.by_refresh.get(str(asked.get("refresh_token")))
        if token is None or (
            token.refresh_expires is not None and time.time() > token.refresh_expires
        ):
            raise invalid_grant()
        scopes = checked_scopes(asked.get("scope") or " ".join(token.scopes))
        self.revoke(token)
        return scopes, True

    def authorize(self, query: dict[str, str]) -> str:
        """A code for GET /oauth/authorizations/new; whoever asks is taken to have
        agreed. Raises Refused."""
        if query.get("client_id") != CLIENT_ID:
            raise wrong_client()
        if query.get("response_type") != "code" or not query.get(
            "redirect_uri", ""
        ).startswith(("http://", "https://")):
            raise oauth_error(
                "invalid_request",
                "response_type must be code, redirect_uri an http or https address.",
            )
        if query.get("code_challenge") and query.get("code_challenge_method") != "S256":
            raise oauth_error("invalid_request", "code_challenge_method must be S256.")
        scope = query.get("scope") or "read"
        checked_scopes(scope)
        code = secrets.token_hex(16)
        challenge = query.get("code_challenge", "")
        self.codes[code] = Code(
            query["redirect_uri"], scope, challenge, time.time() + CODE_SECONDS
        )
        return code


def check_basic(credentials: str) -> None:
    try:
        user, _, secret = (
            base64.b64decode(credentials, validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError):
        raise not_authenticated() from None
    if user != f"{EMAIL}/token" or secret != API_TOKEN:
        raise not_authenticated()


def check_client(asked: dict[str, Json]) -> None:
    """A secret may be left out where a grant needs none, but not be wrong."""
    secret = asked.get("client_secret")
    if asked.get("client_id") != CLIENT_ID or (
        secret is not None and secret != CLIENT_SECRET
    ):
        raise wrong_client()


def checked_scopes(scope: Json) -> list[str]:
    scopes = scope.split() if isinstance(scope, str) else []
    if not scopes or not all(is_scope(each) for each in scopes):
        raise oauth_error(
            "invalid_scope", "The requested scope is invalid, unknown, or malformed."
        )
    return scopes


def is_scope(scope: str) -> bool:
    resource, _, right = scope.partition(":")
    if not right:
        return scope in {"read", "write", "impersonate"}
    return resource in RESOURCES and right in {"read", "write"}


def lifetime(
    asked: dict[str, Json], name: str, default: int, shortest: int, longest: int
) -> int:
    seconds = asked.get(name)
    if seconds is None:
        return default
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int)
        or not shortest <= seconds <= longest
    ):
        raise oauth_error(
            "invalid_request", f"{name} must be from {shortest} to {longest} seconds."
        )
    return seconds


def challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def wrong_client() -> Exception:
    return oauth_error(
        "invalid_client",
        "Client authentication failed due to unknown client or secret.",
        status=401,
    )


def invalid_grant() -> Exception:
    description = "The provided authorization grant is invalid, expired, revoked, or was issued to another client."
    return oauth_error("invalid_grant", description)


def shown_grant(token: Token) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "access_token": token.access,
        "token_type": "bearer",
        "scope": " ".join(token.scopes),
        "expires_in": None
        if token.expires is None
        else round(token.expires - token.created),
    }
    if token.refresh:
        life = (
            None
            if token.refresh_expires is None
            else round(token.refresh_expires - token.created)
        )
        shown |= {"refresh_token": token.refresh, "refresh_token_expires_in": life}
    return shown


def shown_token(token: Token, origin: str) -> dict[str, Json]:
    """A token as its owner may see it: without its secrets."""
    shown: dict[str, Json] = {
        "id": token.id,
        "client_id": 1,
        "user_id": 26000000000001,
        "token": token.access[:10],
        "scopes": token.scopes,
        "created_at": ids.timestamp(int(token.created * 1000)),
        "used_at": ids.timestamp(int(time.time() * 1000)),
        "url": f"{origin}/api/v2/oauth/tokens/{token.id}.json",
    }
    if token.refresh:
        shown["refresh_token"] = token.refresh[:10]
    if token.expires is not None:
        shown["expires_at"] = ids.timestamp(int(token.expires * 1000))
    if token.refresh_expires is not None:
        shown["refresh_token_expires_at"] = ids.timestamp(
            int(token.refresh_expires * 1000)
        )
    return shown
