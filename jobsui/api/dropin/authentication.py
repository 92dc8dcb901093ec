"""Authentication with an API token of Jobs UI, sent as Zendesk's clients send theirs."""

import base64
import binascii
from dataclasses import dataclass

from django.http import HttpRequest

from jobsui.access import policy, tokens
from jobsui.access.models import ApiToken, Scope
from jobsui.access.policy import Act
from jobsui.api.dropin.errors import (
    forbidden,
    invalid_bearer,
    not_authenticated,
    too_many_invalid_tokens,
)
from jobsui.api.throttle import count_rejected_token
from jobsui.connections.models import Connection

TOKEN_SUFFIX = "/token"  # noqa: S105
"""Ends the user name of Zendesk's basic authentication: somebody@example.com/token."""
NOT_BOUND = (
    "This API token is not bound to a connection, so the Zendesk account is unknown. "
    "Create a token for one connection: "
    "manage.py createtoken USERNAME --connection NAME."
)

NO_ROLE = (
    "The owner of this API token has no role for its connection. Ask an administrator."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """A program, by its token, and the connection of the token."""

    token: ApiToken
    connection: Connection


def authenticate(request: HttpRequest) -> Caller:
    """Raises DropinError."""
    scheme, _, credentials = (
        request.headers.get("Authorization", "").strip().partition(" ")
    )
    is_bearer = scheme.lower() == "bearer"
    text = ""
    if is_bearer:
        text = credentials.strip()
    elif scheme.lower() == "basic":
        text = _password(credentials)
    if not text:
        raise not_authenticated()
    token = tokens.authenticate(text)
    if token is None:
        if wait := count_rejected_token(request):
            raise too_many_invalid_tokens(wait)
        raise invalid_bearer() if is_bearer else not_authenticated()
    if token.connection is None:
        raise forbidden(NOT_BOUND)
    if not policy.allows(token, Act.VIEW, token.connection.pk):
        raise forbidden(NO_ROLE)
    return Caller(token, token.connection)


def require_scope(caller: Caller, scope: Scope) -> None:
    """Raise DropinError unless the token has this scope."""
    if why := policy.scope_refusal(caller.token, scope):
        missing = f"You are missing the following required scopes: {scope.value}."
        raise forbidden(f"{missing} {why}")


def _password(credentials: str) -> str:
    """The password of basic authentication; "" if it does not have Zendesk's form."""
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    user, _, password = decoded.partition(":")
    return password if user.endswith(TOKEN_SUFFIX) else ""
