"""Signing in: the Authorization header of each request, and tokens that are renewed before they end.

Zendesk's refresh tokens rotate: the old pair is worth nothing the moment a new one is given. So one process at a time
renews, under a claim in the database, and the new pair is stored before anybody uses it.
"""

import base64
import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from jobsui.connections import hosts
from jobsui.connections.models import Connection, SignIn
from jobsui.zendesk import oauth
from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import NotSent, NotSignedIn, ZendeskError
from jobsui.zendesk.payloads import Token

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

MARGIN = timedelta(seconds=60)
"""A token that ends sooner is renewed before it is used."""
CLAIM = timedelta(seconds=45)
"""A renewal takes one request; a claim older than this was left by a process that died."""
NEEDS = {
    SignIn.OAUTH_CLIENT: ("client_secret",),
    SignIn.OAUTH_TOKEN: ("access_token",),
    SignIn.API_TOKEN: ("api_token",),
}


def client_for(connection: Connection) -> Client:
    """A client that signs in as this connection. Its calls raise NotSignedIn when a token cannot be renewed."""
    pk = connection.pk
    return Client(hosts.base_url(connection.host), lambda: authorization(Connection.objects.get(pk=pk)))


def authorization(connection: Connection) -> str:
    """The Authorization header's value, with a token renewed first when it is due."""
    if connection.sign_in == SignIn.API_TOKEN:
        pair = f"{connection.email}/token:{connection.secret('api_token')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    token = connection.secret("access_token")
    ends = connection.access_token_expires_at
    if not token or (ends is not None and ends - timezone.now() < MARGIN and can_renew(connection)):
        token = renew(connection, spent=token)
    return f"Bearer {token}"


def can_renew(connection: Connection) -> bool:
    """Whether a new access token can be had without a person."""
    if connection.sign_in == SignIn.OAUTH_CLIENT:
        return bool(connection.sealed_client_secret)
    return connection.sign_in == SignIn.OAUTH_TOKEN and bool(connection.sealed_refresh_token)


def renew(connection: Connection, *, spent: str) -> str:
    """A new access token in place of `spent`, or the one another process has just fetched.

    Raises NotSignedIn when Zendesk refuses, or nothing is there to renew with.
    """
    if not can_renew(connection):
        raise NotSignedIn("The access token is no longer valid and there is none to renew it with.", status=401)
    ends = time.monotonic() + CLAIM.total_seconds()
    while time.monotonic() < ends:
        connection.refresh_from_db()
        if (current := connection.secret("access_token")) and current != spent:
            return current
        if _claim(connection):
            return _renew_claimed(connection)
        time.sleep(0.2)
    raise NotSent("Another process is renewing the access token and does not come back. Try again.")


def access_token(connection_id: int) -> str:
    """The stored access token, "" when there is none: to say later which one was `spent`."""
    return Connection.objects.get(pk=connection_id).secret("access_token")


def renewed(connection_id: int, spent: str) -> bool:
    """After a 401: whether a token newer than `spent` is there now. False: a person must sign in again, or Zendesk
    could not be asked."""
    try:
        return bool(renew(Connection.objects.get(pk=connection_id), spent=spent))
    except ZendeskError as error:
        logger.warning("Connection %s: its access token cannot be renewed: %s", connection_id, error)
        return False


def save_secrets(connection: Connection, secrets: Mapping[str, str], *, by: "User | None") -> None:
    """Replace secrets of a saved connection and forget what was derived from the old ones."""
    for name, value in secrets.items():
        connection.set_secret(name, value)
    if connection.sign_in == SignIn.OAUTH_CLIENT:
        connection.set_secret("access_token", "")
    connection.access_token_expires_at = None
    connection.secret_set_at, connection.secret_set_by = timezone.now(), by
    connection.tested_at = None
    connection.save()


def forget_secrets(connection: Connection) -> None:
    """For another host: a stored secret must never be sent anywhere but where it was given for."""
    save_secrets(connection, dict.fromkeys(Connection.SECRETS, ""), by=None)
    Connection.objects.filter(pk=connection.pk).update(secret_set_at=None)


def has_secret(connection: Connection) -> bool:
    return all(getattr(connection, f"sealed_{name}") for name in NEEDS[SignIn(connection.sign_in)])


def _claim(connection: Connection) -> bool:
    free = Q(renewing_until=None) | Q(renewing_until__lt=Now())
    return bool(Connection.objects.filter(free, pk=connection.pk).update(renewing_until=Now() + CLAIM))


def _renew_claimed(connection: Connection) -> str:
    try:
        token = _fetch(connection)
        _store(connection, token)
    finally:
        Connection.objects.filter(pk=connection.pk).update(renewing_until=None)
    return token.access_token


def _fetch(connection: Connection) -> Token:
    url = hosts.base_url(connection.host)
    if connection.sign_in == SignIn.OAUTH_CLIENT:
        return oauth.client_credentials(url, connection.client_id, connection.secret("client_secret"))
    return oauth.refresh(
        url, connection.client_id, connection.secret("client_secret"), connection.secret("refresh_token")
    )


def _store(connection: Connection, token: Token) -> None:
    connection.set_secret("access_token", token.access_token)
    fields = ["sealed_access_token", "access_token_expires_at"]
    if connection.sign_in == SignIn.OAUTH_TOKEN and token.refresh_token:
        connection.set_secret("refresh_token", token.refresh_token)
        fields.append("sealed_refresh_token")
    lifetime = token.expires_in
    connection.access_token_expires_at = None if lifetime is None else timezone.now() + timedelta(seconds=lifetime)
    connection.save(update_fields=fields)
