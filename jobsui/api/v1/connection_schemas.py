"""Request and response bodies about connections."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from jobsui.api.schema import Schema
from jobsui.api.v1.types import STORABLE, Body, Name
from jobsui.connections import credentials, hosts
from jobsui.connections.credential_facts import facts_of
from jobsui.connections.models import (
    MAX_REQUESTS_PER_MINUTE,
    MAX_RUNNING_JOBS,
    Connection,
    SignIn,
)

ConnectionName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
    STORABLE,
]
Secret = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=4000),
    STORABLE,
]
RequestsPerMinute = Annotated[int, Field(ge=1, le=MAX_REQUESTS_PER_MINUTE)]
RunningJobs = Annotated[int, Field(ge=1, le=MAX_RUNNING_JOBS)]
Percent = Annotated[int, Field(ge=1, le=100)]
SECRETS = {
    "client_secret": "client_secret",
    "access_token": "access_token",
    "refresh_token": "refresh_token",
    "token": "api_token",
}
"""{member of `auth`: name of the secret}."""
UNKNOWN_METHOD = (
    "must be an object whose method is oauth_client, oauth_token or api_token"
)


class OAuthClientIn(Body):
    """An OAuth client with the client credentials grant. Jobs UI requests and renews its
    tokens."""

    method: Literal["oauth_client"] = "oauth_client"
    client_id: Name
    client_secret: Secret


class OAuthTokenIn(Body):
    """An access token you already have. With a refresh token and its client, Jobs UI
    renews it before it expires."""

    method: Literal["oauth_token"]
    access_token: Secret
    refresh_token: Secret | None = None
    client_id: Name | None = None
    client_secret: Secret | None = None


class ApiTokenIn(Body):
    """Legacy. Zendesk stops accepting API tokens on 30 April 2027."""

    method: Literal["api_token"]
    email: Name
    token: Secret


def _method(auth: Any) -> Any:
    if isinstance(auth, dict):
        return auth.get("method", "oauth_client")
    return getattr(auth, "method", None)


AuthIn = Annotated[
    Annotated[OAuthClientIn, Tag("oauth_client")]
    | Annotated[OAuthTokenIn, Tag("oauth_token")]
    | Annotated[ApiTokenIn, Tag("api_token")],
    Discriminator(
        _method,
        custom_error_type="method",
        custom_error_message=UNKNOWN_METHOD,
    ),
]


class ConnectionChange(Body):
    """The account is either a `subdomain` (`acme` for acme.zendesk.com) or a `base_url`,
    whose host must be in JOBSUI_API_HOSTS."""

    name: ConnectionName | None = None
    subdomain: Name | None = None
    base_url: Name | None = None
    auth: AuthIn | None = None
    production: bool | None = None
    """Pages mark the connection as PROD."""
    requests_per_minute: RequestsPerMinute | None = None
    """The rate limit of the account."""
    share: Percent | None = None
    """Percentage of the rate limit that Jobs UI may use. The rest is reserved for other
    integrations."""
    max_running_jobs: RunningJobs | None = None
    """Concurrent jobs in Zendesk."""
    early_send: bool | None = None
    """Send a batch shortly before a job slot is known to be free."""

    @model_validator(mode="after")
    def _one_host(self) -> Self:
        if self.subdomain and self.base_url:
            raise ValueError("send subdomain or base_url, not both")
        return self

    def values(self) -> dict[str, Any]:
        """Values for connections.editing. Raises HostRefused."""
        values = self.dict(exclude={"subdomain", "base_url", "auth"}, exclude_none=True)
        if self.subdomain:
            values["host"] = self.subdomain
        elif self.base_url:
            values["host"] = hosts.host_of(self.base_url)
        if self.auth:
            auth = self.auth.dict(exclude_none=True)
            values["sign_in"] = SignIn(self.auth.method)
            values["client_id"] = auth.get("client_id", "")
            values["email"] = auth.get("email", "")
        return values

    def secrets(self) -> dict[str, str]:
        """{name: secret}, "" for secrets to delete. Empty without `auth`."""
        auth = self.auth.dict() if self.auth else {}
        return {
            name: auth[member] or ""
            for member, name in SECRETS.items()
            if member in auth
        }


class ConnectionIn(ConnectionChange):
    name: ConnectionName
    auth: AuthIn

    @model_validator(mode="after")
    def _some_host(self) -> Self:
        if not self.subdomain and not self.base_url:
            raise ValueError(
                "send subdomain, or base_url for a host in JOBSUI_API_HOSTS"
            )
        return self


class TestOut(Schema):
    ok: bool
    status: int | None
    """HTTP status of Zendesk's response; null without a response."""
    latency_ms: int | None
    user: str
    """Whom the connection authenticates as."""
    role: str
    requests_per_minute: int | None
    """The rate limit that Zendesk reports; null if it reports none."""
    error: str
    """Why the connection does not work, and what to do; empty if it works."""


class AuthOut(Schema):
    """Authentication, without the secrets."""

    method: SignIn
    client_id: str | None
    email: str | None
    has_secret: bool
    scopes: list[str]
    """Scopes of the access token; empty if they are not known, or for other methods."""
    scope_limits: list[str]
    """What these scopes do not allow, in sentences."""


class CredentialOut(Schema):
    """What is known of the credentials, without the secrets."""

    kind: SignIn
    scopes: list[str]
    """Empty if they are not known, or for API tokens."""
    authenticated_as: str | None
    """Null if the last test did not show it."""
    last_used_at: datetime | None
    """Up to five minutes too early; null if they were not used since they were set."""
    expires_at: datetime | None
    """When a person must have replaced them; null if they do not end, or if it is not
    known. API tokens end on 30 April 2027."""


class ConnectionOut(Schema):
    id: UUID
    name: str
    host: str
    base_url: str
    subdomain: str | None
    """Null if the host is not below zendesk.com."""
    production: bool
    auth: AuthOut
    credential: CredentialOut
    requests_per_minute: int
    share: int
    max_running_jobs: int
    early_send: bool
    tested_at: datetime | None
    """Null if the connection was not tested since its host or credentials changed."""
    test: TestOut | None
    created_at: datetime


def serialize(connection: Connection) -> ConnectionOut:
    return ConnectionOut(
        id=connection.code,
        name=connection.name,
        host=connection.host,
        base_url=hosts.address(connection.host),
        subdomain=connection.subdomain or None,
        production=connection.production,
        auth=AuthOut(
            method=SignIn(connection.sign_in),
            client_id=connection.client_id or None,
            email=connection.email or None,
            has_secret=credentials.has_secret(connection),
            scopes=connection.scopes.split(),
            scope_limits=connection.scope_limits,
        ),
        credential=_credential(connection),
        requests_per_minute=connection.requests_per_minute,
        share=connection.share,
        max_running_jobs=connection.max_running_jobs,
        early_send=connection.early_send,
        tested_at=connection.tested_at,
        test=TestOut(**connection.test_result) if connection.tested_at else None,
        created_at=connection.created_at,
    )


def _credential(connection: Connection) -> CredentialOut:
    facts = facts_of(connection)
    return CredentialOut(
        kind=facts.kind,
        scopes=facts.scopes,
        authenticated_as=facts.authenticated_as or None,
        last_used_at=facts.last_used_at,
        expires_at=facts.expires_at,
    )
