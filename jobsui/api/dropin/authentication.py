"""Who is calling: an API token of ours, given as Zendesk's clients give theirs."""

import base64
import binascii
from dataclasses import dataclass

from django.http import HttpRequest

from jobsui.access import tokens
from jobsui.access.models import ApiToken, Scope
from jobsui.api.dropin.errors import (
    bad_bearer,
    forbidden,
    not_authenticated,
    too_many_wrong_tokens,
)
from jobsui.api.throttle import wrong_token
from jobsui.connections.models import Connection

AS_USER = "/token"
"""What the user name of Zendesk's basic authentication ends in:
somebody@example.com/token."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A program by its token, and the connection the token is bound to."""

    token: ApiToken
    connection: Connection


def caller(request: HttpRequest) -> Caller:
    """Who is calling. Raises Refused."""
    scheme, _, given = request.headers.get("Authorization", "").strip().partition(" ")
    bearer = scheme.lower() == "bearer"
    text = (
        given.strip()
        if bearer
        else _password(given)
        if scheme.lower() == "basic"
        else ""
    )
    if not text:
        raise not_authenticated()
    token = tokens.recognise(text)
    if token is None:
        if wait := wrong_token(request):
            raise too_many_wrong_tokens(wait)
        raise bad_bearer() if bearer else not_authenticated()
    if token.connection is None:
        raise forbidden(
            "This API token is bound to no connection, so nobody can say which Zendesk account is meant. Make one for "
            "a single connection: manage.py createtoken USERNAME --connection NAME."
        )
    return Caller(token, token.connection)


def require(caller: Caller, scope: Scope) -> None:
    """Raise Refused unless the token may do what needs this scope."""
    if not caller.token.may.includes(scope):
        raise forbidden(
            f"You are missing the following required scopes: {scope.value}. This API token may only "
            f"{caller.token.may.value}; make one of the scope {scope.value}."
        )


def _password(given: str) -> str:
    """The token of basic authentication, "" when it is not given as Zendesk's clients
    do."""
    try:
        user, _, password = (
            base64.b64decode(given.strip(), validate=True).decode().partition(":")
        )
    except (binascii.Error, ValueError):
        return ""
    return password if user.endswith(AS_USER) else ""
