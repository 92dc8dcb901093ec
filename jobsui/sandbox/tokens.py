"""Credentials of the sandbox: an API token, an OAuth client and its access tokens."""

import base64
import binascii
import hashlib
import secrets
import time
from dataclasses import dataclass, field

from jobsui.sandbox import ids
from jobsui.sandbox.assumptions import Assumptions
from jobsui.sandbox.errors import (
    bad_bearer,
    not_authenticated,
    oauth_error,
    wrong_client,
)
from jobsui.sandbox.protocol import Json, JsonObject

# These are public: they give access to the sandbox only.
EMAIL = "admin@sandbox.example"
API_TOKEN = "sandbox-api-token"  # noqa: S105
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105
BEARER = "sandbox-bearer-token"
REFRESH_TOKEN = "sandbox-refresh-token"  # noqa: S105

CODE_SECONDS = 120
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
GRANULAR = {"custom_objects:read", "custom_objects:write"}


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

    def refresh_has_expired(self) -> bool:
        return self.refresh_expires is not None and time.time() > self.refresh_expires

    @property
    def lifetime(self) -> int | None:
        """Seconds; None: without limit."""
        return None if self.expires is None else round(self.expires - self.created)

    @property
    def refresh_lifetime(self) -> int | None:
        if self.refresh_expires is None:
            return None
        return round(self.refresh_expires - self.created)


@dataclass(slots=True)
class Code:
    """An authorization code, valid once and for a short time."""

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
        self.add(["read", "write"], BEARER, REFRESH_TOKEN)

    def add(
        self,
        scopes: list[str],
        access: str,
        refresh: str | None = None,
        seconds: float | None = None,
        refresh_seconds: float | None = None,
    ) -> Token:
        """Lifetimes in seconds; None: without limit."""
        now = time.time()
        self.given += 1
        token = Token(
            id=self.given,
            access=access,
            refresh=refresh,
            scopes=scopes,
            created=now,
            expires=None if seconds is None else now + seconds,
            refresh_expires=None if refresh_seconds is None else now + refresh_seconds,
        )
        self.by_access[access] = token
        if refresh:
            self.by_refresh[refresh] = token
        return token

    def revoke(self, token: Token) -> None:
        self.by_access.pop(token.access, None)
        self.by_refresh.pop(token.refresh or "", None)

    def expire(self, token: Token) -> None:
        """Expire the access token early. It can still be refreshed."""
        self.by_access.pop(token.access, None)

    def authenticate(self, authorization: str) -> Token | None:
        """The access token of a request, or None for a valid API token.

        Raises Refused.
        """
        kind, _, credentials = authorization.partition(" ")
        if kind.lower() == "basic":
            check_basic(credentials)
            return None
        if kind.lower() != "bearer":
            raise bad_bearer()
        token = self.by_access.get(credentials.strip())
        if token is None or not token.is_valid():
            raise bad_bearer()
        return token

    def exchange(
        self, form: JsonObject, token_seconds: float, assumptions: Assumptions
    ) -> JsonObject:
        """The body of the response to POST /oauth/tokens. Raises Refused."""
        check_client(form)
        grant_type = str(form.get("grant_type"))
        grants = {
            "client_credentials": self._grant_client,
            "authorization_code": self._grant_code,
            "refresh_token": self._grant_refresh_token,
        }
        if grant_type not in grants:
            raise oauth_error(
                "unsupported_grant_type",
                "The authorization grant type is not supported.",
            )
        scopes = checked_scopes(grants[grant_type](form), assumptions)
        if grant_type == "refresh_token":
            self.revoke(self.by_refresh[str(form["refresh_token"])])
        seconds = token_seconds or EXPIRES_IN.read(form)
        access = secrets.token_hex(32)
        if grant_type == "client_credentials":
            return grant_json(self.add(scopes, access, seconds=seconds))
        refresh_seconds = REFRESH_EXPIRES_IN.read(form)
        refresh = secrets.token_hex(32)
        return grant_json(self.add(scopes, access, refresh, seconds, refresh_seconds))

    def _grant_client(self, form: JsonObject) -> Json:
        """The scope that the token is for, as the other grants."""
        if form.get("client_secret") != CLIENT_SECRET:
            raise wrong_client()
        return form.get("scope") or "read"

    def _grant_code(self, form: JsonObject) -> Json:
        code = self.codes.pop(str(form.get("code")), None)
        if code is None or time.time() > code.expires:
            raise invalid_grant()
        if form.get("redirect_uri") != code.redirect_uri:
            raise invalid_grant()
        if code.challenge:
            verifier = str(form.get("code_verifier", ""))
            proved = challenge_of(verifier) == code.challenge
        else:
            proved = form.get("client_secret") == CLIENT_SECRET
        if not proved:
            raise invalid_grant()
        return form.get("scope") or code.scope

    def _grant_refresh_token(self, form: JsonObject) -> Json:
        token = self.by_refresh.get(str(form.get("refresh_token")))
        if token is None or token.refresh_has_expired():
            raise invalid_grant()
        return form.get("scope") or " ".join(token.scopes)

    def authorize(self, query: dict[str, str], assumptions: Assumptions) -> str:
        """A code for GET /oauth/authorizations/new, whose user has agreed. Raises
        Refused."""
        self.check_authorization(query, assumptions)
        code = secrets.token_hex(16)
        self.codes[code] = Code(
            query["redirect_uri"],
            query.get("scope") or "read",
            query.get("code_challenge", ""),
            time.time() + CODE_SECONDS,
        )
        return code

    def check_authorization(
        self, query: dict[str, str], assumptions: Assumptions
    ) -> None:
        """Raises Refused."""
        if query.get("client_id") != CLIENT_ID:
            raise wrong_client()
        redirect_uri = query.get("redirect_uri", "")
        is_address = redirect_uri.startswith(("http://", "https://"))
        if query.get("response_type") != "code" or not is_address:
            raise oauth_error(
                "invalid_request",
                "response_type must be code, redirect_uri an http or https address.",
            )
        challenge = query.get("code_challenge", "")
        if challenge and query.get("code_challenge_method") != "S256":
            raise oauth_error("invalid_request", "code_challenge_method must be S256.")
        checked_scopes(query.get("scope") or "read", assumptions)


def check_basic(credentials: str) -> None:
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise not_authenticated() from None
    if decoded != f"{EMAIL}/token:{API_TOKEN}":
        raise not_authenticated()


def check_client(form: JsonObject) -> None:
    """A grant that needs no secret may leave it out, but a wrong one is refused."""
    secret = form.get("client_secret")
    if form.get("client_id") != CLIENT_ID:
        raise wrong_client()
    if secret is not None and secret != CLIENT_SECRET:
        raise wrong_client()


def checked_scopes(scope: Json, assumptions: Assumptions) -> list[str]:
    """The scopes of a token that was asked for with `scope`. Raises Refused."""
    scopes = scope.split() if isinstance(scope, str) else []
    if assumptions.granular_scopes == "dropped":
        return [each for each in scopes if each not in GRANULAR]
    refused = GRANULAR if assumptions.granular_scopes == "refused" else set()
    is_known = all(is_scope(each) and each not in refused for each in scopes)
    if not scopes or not is_known:
        raise oauth_error(
            "invalid_scope", "The requested scope is invalid, unknown, or malformed."
        )
    return scopes


def is_scope(scope: str) -> bool:
    if scope in GRANULAR:
        return True
    resource, _, right = scope.partition(":")
    if not right:
        return scope in {"read", "write", "impersonate"}
    return resource in RESOURCES and right in {"read", "write"}


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A lifetime in seconds that a request may choose."""

    name: str
    default: int
    shortest: int
    longest: int

    def read(self, form: JsonObject) -> int:
        """Raises Refused."""
        seconds = form.get(self.name)
        if seconds is None:
            return self.default
        is_number = isinstance(seconds, int) and not isinstance(seconds, bool)
        if is_number and self.shortest <= seconds <= self.longest:
            return int(seconds)
        raise oauth_error(
            "invalid_request",
            f"{self.name} must be from {self.shortest} to {self.longest} seconds.",
        )


EXPIRES_IN = Lifetime("expires_in", 1_800, 300, 172_800)
REFRESH_EXPIRES_IN = Lifetime("refresh_token_expires_in", 2_592_000, 604_800, 7_776_000)


def challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def invalid_grant() -> Exception:
    description = (
        "The provided authorization grant is invalid, expired, revoked, "
        "or was issued to another client."
    )
    return oauth_error("invalid_grant", description)


def grant_json(token: Token) -> JsonObject:
    shown: JsonObject = {
        "access_token": token.access,
        "token_type": "bearer",
        "scope": " ".join(token.scopes),
        "expires_in": token.lifetime,
    }
    if token.refresh:
        shown["refresh_token"] = token.refresh
        shown["refresh_token_expires_in"] = token.refresh_lifetime
    return shown


def token_json(token: Token, origin: str) -> JsonObject:
    """A token as its owner may see it, without its secrets."""
    shown: JsonObject = {
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
        expires = int(token.refresh_expires * 1000)
        shown["refresh_token_expires_at"] = ids.timestamp(expires)
    return shown
