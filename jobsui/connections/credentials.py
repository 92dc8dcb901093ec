"""Signing in: the Authorization header of each request, and tokens that are renewed
before they end.

Zendesk's refresh tokens rotate: the old pair is worth nothing the moment a new one is
given. So one process at a time renews, under a claim in the database, and the new pair
is stored before anybody uses it."""

import base64
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.connections import hosts
from jobsui.connections.encryption import SecretUnreadable, is_current
from jobsui.connections.errors import HostRefused
from jobsui.connections.models import Connection, SignIn
from jobsui.zendesk import oauth
from jobsui.zendesk.client import Client, sending_nothing
from jobsui.zendesk.errors import NotSent, NotSignedIn
from jobsui.zendesk.payloads import Token

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

MARGIN = timedelta(seconds=60)
"""A token that ends sooner is renewed before it is used."""
CLAIM = timedelta(seconds=45)
"""A renewal takes one request; a claim older than this was left by a process that
died."""
NEEDS = {
    SignIn.OAUTH_CLIENT: ("client_secret",),
    SignIn.OAUTH_TOKEN: ("access_token",),
    SignIn.API_TOKEN: ("api_token",),
}
RENEWALS = 2
"""How often one call is repeated with a new token: the second may have ended as well by
the time it is used."""
BASIS = ("host", "sign_in", "client_id", "sealed_client_secret", "sealed_refresh_token")
"""What a token is fetched with."""


class SignedClient(Client):
    """A client that signs in as a connection, with the secrets of the moment. Its calls
    raise NotSignedIn when a token cannot be renewed or the host may no longer be
    called, and NotSent when the connection has moved: its secrets are for the new host
    only.

    `may_call` is asked last of all before each request; False raises NotSent. Secrets
    that were read are used again for `reuse_seconds`."""

    def __init__(
        self,
        connection: Connection,
        *,
        may_call: Callable[[], bool] = lambda: True,
        reuse_seconds: float = 0.0,
        request_timeout: float = 35.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__(
            hosts.address(connection.host),
            self._sign,
            request_timeout=request_timeout,
            clock=clock,
        )
        self._pk = connection.pk
        self._host = connection.host
        self._may_call = may_call
        self._reuse_seconds = reuse_seconds
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._signature = Signature("", "")
        self._sent = threading.local()

    def renewing[T](self, call: Callable[[], T]) -> T:
        """`call`, which uses this client; again with a new token when Zendesk refuses
        the old one, for a refused call did nothing.

        Raises what `call` raises, NotSignedIn when there is nothing to renew with or
        Zendesk does not renew, NotSent and Limited when no new token can be had just
        now."""
        for _ in range(RENEWALS):
            self._sent.token = ""
            try:
                return call()
            except NotSignedIn as error:
                spent: str = self._sent.token
                current = Connection.objects.filter(pk=self._pk).first()
                if (
                    error.status != 401
                    or not spent
                    or current is None
                    or not can_renew(current)
                ):
                    raise
            with sending_nothing():
                renew(current, spent=spent)
            self._read_at = float("-inf")
        return call()

    def _sign(self) -> str:
        signature = self._fresh()
        self._sent.token = signature.token
        if not self._may_call():
            raise NotSent(
                "Not sent: the worker was stopping, or held up for too long.",
                code="withheld",
            )
        return signature.header

    def _fresh(self) -> "Signature":
        with self._lock:
            now = self._clock.monotonic()
            if now - self._read_at >= self._reuse_seconds:
                self._signature = self._read()
                self._read_at = now
            return self._signature

    def _read(self) -> "Signature":
        try:
            hosts.require_allowed(self._host)
            current = Connection.objects.filter(pk=self._pk, host=self._host).first()
            if current is None:
                raise NotSent("The connection was changed or removed meanwhile.")
            return Signature(authorization(current), current.sealed_access_token)
        except HostRefused as refused:
            raise NotSignedIn(str(refused), code="host") from None
        except DatabaseError:
            raise NotSent(
                "The credentials could not be read from the database.", code="database"
            ) from None


@dataclass(frozen=True, slots=True)
class Signature:
    """An Authorization header's value, and the stored form of the access token in it;
    "" for other sign-ins."""

    header: str = field(repr=False)
    token: str = field(repr=False)


def client_for(connection: Connection) -> SignedClient:
    """A client that signs in as this connection. Raises HostRefused."""
    hosts.require_allowed(connection.host)
    return SignedClient(connection)


def signed_in[T](connection: Connection, call: Callable[[Client], T]) -> T:
    """`call` with a client of this connection; see SignedClient.renewing."""
    client = client_for(connection)
    return client.renewing(lambda: call(client))


def authorization(connection: Connection) -> str:
    """The Authorization header's value, with a token renewed first when it is due."""
    if connection.sign_in == SignIn.API_TOKEN:
        pair = f"{connection.email}/token:{_opened(connection, 'api_token')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    if _is_due(connection):
        return f"Bearer {renew(connection, spent=connection.sealed_access_token)}"
    return f"Bearer {_opened(connection, 'access_token')}"


def can_renew(connection: Connection) -> bool:
    """Whether a new access token can be had without a person."""
    if connection.sign_in == SignIn.OAUTH_CLIENT:
        return bool(connection.sealed_client_secret)
    return connection.sign_in == SignIn.OAUTH_TOKEN and bool(
        connection.sealed_refresh_token
    )


def renew(connection: Connection, *, spent: str) -> str:
    """A new access token in place of the one whose stored form is `spent`, or the one
    that another process has just fetched. Raises NotSignedIn when Zendesk refuses, or
    nothing is there to renew with."""
    if not can_renew(connection):
        raise NotSignedIn(
            "The access token is no longer valid and there is none to renew it with.",
            status=401,
        )
    host = connection.host
    gives_up = time.monotonic() + CLAIM.total_seconds()
    while time.monotonic() < gives_up:
        claimed = _claim(connection)
        connection.refresh_from_db()  # After the claim: nobody else changes the pair from here on.
        try:
            if (
                connection.host != host
            ):  # Whoever asked would take the new host's token to the old one.
                raise NotSent("The connection was moved meanwhile.")
            if connection.sealed_access_token not in {"", spent}:
                return _opened(connection, "access_token")
            if claimed:
                return _fetched(connection)
        finally:
            if claimed:
                _release(connection)
        time.sleep(0.2)
    raise NotSent(
        "Another process is renewing the access token and does not come back."
    )


def save_secrets(
    connection: Connection, secrets: Mapping[str, str], *, by: "User | None"
) -> None:
    """Replace secrets of a saved connection and forget what belonged to the old
    ones."""
    replaced = dict(secrets)
    if connection.sign_in == SignIn.OAUTH_CLIENT:
        replaced["access_token"] = ""
    elif "access_token" in replaced:
        replaced.setdefault(
            "refresh_token", ""
        )  # The stored one belongs to the old pair.
    for name, value in replaced.items():
        connection.set_secret(name, value)
    connection.access_token_expires_at = connection.tested_at = None
    connection.secret_set_at, connection.secret_set_by = timezone.now(), by
    sealed = [f"sealed_{name}" for name in replaced]
    connection.save(
        update_fields=[
            *sealed,
            "access_token_expires_at",
            "tested_at",
            "secret_set_at",
            "secret_set_by",
        ]
    )


def forget_secrets(connection: Connection) -> None:
    """For another host: a stored secret must never be sent anywhere but where it was
    given for."""
    save_secrets(connection, dict.fromkeys(Connection.SECRETS, ""), by=None)
    Connection.objects.filter(pk=connection.pk).update(secret_set_at=None)


def has_secret(connection: Connection) -> bool:
    return all(
        getattr(connection, f"sealed_{name}")
        for name in NEEDS[SignIn(connection.sign_in)]
    )


def reseal(connection: Connection) -> int:
    """Encrypt the connection's secrets again that are not under the newest key; how
    many there were.

    A secret that was replaced meanwhile is left as it is: it is under the newest key
    already. While another process renews the token, waits for it to end. Raises
    SecretUnreadable, NotSent when the other does not come back."""
    _wait_for_claim(connection)
    try:
        return sum(_reseal(connection, name) for name in Connection.SECRETS)
    finally:
        _release(connection)


def _reseal(connection: Connection, name: str) -> int:
    column = f"sealed_{name}"
    old = getattr(connection, column)
    if not old or is_current(old):
        return 0
    connection.set_secret(name, connection.secret(name))
    unchanged = Connection.objects.filter(pk=connection.pk, **{column: old})
    return unchanged.update(**{column: getattr(connection, column)})


def _wait_for_claim(connection: Connection) -> None:
    """Take the claim and read the connection as it is under it. Raises NotSent when
    another process keeps it."""
    gives_up = time.monotonic() + 2 * CLAIM.total_seconds()
    while not _claim(connection):
        if time.monotonic() > gives_up:
            raise NotSent(
                f"Another process is renewing the access token of {connection} and does not come back."
            )
        time.sleep(0.2)
    connection.refresh_from_db()


def _is_due(connection: Connection) -> bool:
    ends = connection.access_token_expires_at
    ending = (
        ends is not None and ends - timezone.now() < MARGIN and can_renew(connection)
    )
    return ending or not connection.sealed_access_token


def _opened(connection: Connection, name: str) -> str:
    try:
        return connection.secret(name)
    except SecretUnreadable as error:
        raise NotSignedIn(
            f"The stored secret cannot be read: {error}", code="unreadable"
        ) from None


def _claim(connection: Connection) -> bool:
    free = Q(renewing_until=None) | Q(renewing_until__lt=Now())
    return bool(
        Connection.objects.filter(free, pk=connection.pk).update(
            renewing_until=Now() + CLAIM
        )
    )


def _release(connection: Connection) -> None:
    """Our claim, as it was read after it was taken; not that of a process that found
    ours too old."""
    mine = Connection.objects.filter(
        pk=connection.pk, renewing_until=connection.renewing_until
    )
    mine.update(renewing_until=None)


def _fetched(connection: Connection) -> str:
    """A new access token, stored before it is used. Raises NotSent when the credentials
    were replaced meanwhile: what was fetched with the old ones may not go where the new
    ones do."""
    basis = {name: getattr(connection, name) for name in BASIS}
    token = _fetch(connection)
    fields = _with_token(connection, token)
    if not Connection.objects.filter(pk=connection.pk, **basis).update(**fields):
        raise NotSent("The credentials were replaced while a token was fetched.")
    return token.access_token


def _fetch(connection: Connection) -> Token:
    url = hosts.base_url(connection.host)
    secret = _opened(connection, "client_secret")
    if connection.sign_in == SignIn.OAUTH_CLIENT:
        return oauth.client_credentials(url, connection.client_id, secret)
    return oauth.refresh(
        url, connection.client_id, secret, _opened(connection, "refresh_token")
    )


def _with_token(connection: Connection, token: Token) -> dict[str, Any]:
    connection.set_secret("access_token", token.access_token)
    lifetime = token.expires_in
    fields: dict[str, Any] = {
        "sealed_access_token": connection.sealed_access_token,
        "access_token_expires_at": None
        if lifetime is None
        else timezone.now() + timedelta(seconds=lifetime),
    }
    if connection.sign_in == SignIn.OAUTH_TOKEN and token.refresh_token:
        connection.set_secret("refresh_token", token.refresh_token)
        fields["sealed_refresh_token"] = connection.sealed_refresh_token
    return fields
