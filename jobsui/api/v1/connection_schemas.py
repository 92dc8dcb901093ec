"""A connection as programs give it and are told of it."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from ninja import Schema
from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from jobsui.api.v1.types import PLAIN, Body, Name
from jobsui.connections import credentials, hosts
from jobsui.connections.models import MOST_REQUESTS, WINDOW, Connection, SignIn

Called = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), PLAIN
]
Secret = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000), PLAIN
]
Rate = Annotated[int, Field(ge=1, le=MOST_REQUESTS)]
Window = Annotated[int, Field(ge=1, le=WINDOW)]
Share = Annotated[int, Field(ge=1, le=100)]
SECRETS = {
    "client_secret": "client_secret",
    "access_token": "access_token",
    "refresh_token": "refresh_token",
    "token": "api_token",
}
"""Which secret each member of `auth` is."""


class OAuthClientIn(Body):
    """An OAuth client with the client credentials grant; its tokens are fetched and
    renewed by Jobs UI."""

    method: Literal["oauth_client"] = "oauth_client"
    client_id: Name
    client_secret: Secret


class OAuthTokenIn(Body):
    """A token you already have; with a refresh token and its client it is renewed
    before it ends."""

    method: Literal["oauth_token"]
    access_token: Secret
    refresh_token: Secret | None = None
    client_id: Name | None = None
    client_secret: Secret | None = None


class ApiTokenIn(Body):
    """Legacy: Zendesk stops API tokens on 30 April 2027."""

    method: Literal["api_token"]
    email: Name
    token: Secret


def _method(auth: Any) -> Any:
    return (
        auth.get("method", "oauth_client")
        if isinstance(auth, dict)
        else getattr(auth, "method", None)
    )


AuthIn = Annotated[
    Annotated[OAuthClientIn, Tag("oauth_client")]
    | Annotated[OAuthTokenIn, Tag("oauth_token")]
    | Annotated[ApiTokenIn, Tag("api_token")],
    Discriminator(
        _method,
        custom_error_type="method",
        custom_error_message="must be an object whose method is oauth_client, oauth_token or api_token",
    ),
]


class ConnectionChange(Body):
    """Either `subdomain` ("acme" of acme.zendesk.com) or `base_url`, for hosts
    JOBSUI_API_HOSTS lists."""

    name: Called | None = None
    subdomain: Name | None = None
    base_url: Name | None = None
    auth: AuthIn | None = None
    production: bool | None = None
    """Marked PROD on every page that uses it."""
    requests_per_minute: Rate | None = None
    """The account's own limit."""
    share: Share | None = None
    """Percent of these requests that Jobs UI uses at most; the rest is left to other
    integrations."""
    max_running_jobs: Window | None = None
    early_send: bool | None = None
    """Send a batch a moment before a job slot is known to be free."""

    @model_validator(mode="after")
    def _one_host(self) -> Self:
        if self.subdomain and self.base_url:
            raise ValueError("send subdomain or base_url, not both")
        return self

    def values(self) -> dict[str, Any]:
        """As keeping.py takes them. Raises HostRefused."""
        values = self.dict(exclude={"subdomain", "base_url", "auth"}, exclude_none=True)
        if host := self.subdomain or (self.base_url and hosts.host_of(self.base_url)):
            values["host"] = host
        if self.auth:
            given = self.auth.dict(exclude_none=True)
            values["sign_in"] = SignIn(self.auth.method)
            values |= {name: given.get(name, "") for name in ("client_id", "email")}
        return values

    def secrets(self) -> dict[str, str]:
        """By their names, "" for those that are to be forgotten; none when the sign-in
        stays."""
        given = self.auth.dict() if self.auth else {}
        return {
            name: given[member] or ""
            for member, name in SECRETS.items()
            if member in given
        }


class ConnectionIn(ConnectionChange):
    name: Called
    auth: AuthIn

    @model_validator(mode="after")
    def _some_host(self) -> Self:
        if not self.subdomain and not self.base_url:
            raise ValueError(
                "send subdomain, or base_url for a host that JOBSUI_API_HOSTS lists"
            )
        return self


class TestOut(Schema):
    ok: bool
    status: int | None
    """HTTP status of Zendesk's answer; null when there was none."""
    latency_ms: int | None
    user: str
    """Whom the credentials act as."""
    role: str
    requests_per_minute: int | None
    """As Zendesk told it; null when it did not."""
    error: str
    """Why it does not work and what to do; empty when all is well."""


class AuthOut(Schema):
    """How it signs in, without the secrets."""

    method: SignIn
    client_id: str | None
    email: str | None
    has_secret: bool


class ConnectionOut(Schema):
    id: UUID
    name: str
    host: str
    base_url: str
    subdomain: str | None
    """Null for a host outside zendesk.com."""
    production: bool
    auth: AuthOut
    requests_per_minute: int
    share: int
    max_running_jobs: int
    early_send: bool
    tested_at: datetime | None
    """Null: not since its host or credentials changed."""
    test: TestOut | None
    created_at: datetime


def shown(connection: Connection) -> ConnectionOut:
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
        ),
        requests_per_minute=connection.requests_per_minute,
        share=connection.share,
        max_running_jobs=connection.max_running_jobs,
        early_send=connection.early_send,
        tested_at=connection.tested_at,
        test=TestOut(**connection.test_result) if connection.tested_at else None,
        created_at=connection.created_at,
    )
