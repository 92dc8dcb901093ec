"""The Authorization header of each request, and access tokens that are renewed before
they expire.

Zendesk's refresh tokens rotate: the old pair stops working when Zendesk issues a new
one. So only one process at a time renews a token, under a claim in the database. It
stores the new pair before it uses it.

A token of client credentials is first asked for with the scopes of custom objects alone.
Where Zendesk does not know them, or refuses a call with them, the next token has the
scopes read and write."""

import base64
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.connections import hosts, scopes
from jobsui.connections.encryption import SecretUnreadable, is_current
from jobsui.connections.errors import HostRefused
from jobsui.connections.models import (
    USE_NOTED,
    Connection,
    SignIn,
    longer_lists_tried_before,
)
from jobsui.zendesk import oauth
from jobsui.zendesk.client import MAX_LISTED, Client, sending_nothing
from jobsui.zendesk.errors import Forbidden, NotSent, Refused, Unauthorized
from jobsui.zendesk.payloads import Token
from jobsui.zendesk.transport import Transport

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

RENEW_BEFORE = timedelta(seconds=60)
"""A token that expires sooner is renewed before it is used."""
CLAIM_TIMEOUT = timedelta(seconds=45)
"""A renewal takes one request. An older claim was left by a process that died."""
CLAIM_POLL_SECONDS = 0.2
REQUIRED_SECRET = {
    SignIn.OAUTH_CLIENT: "client_secret",
    SignIn.OAUTH_TOKEN: "access_token",
    SignIn.API_TOKEN: "api_token",
}
MAX_RENEWALS = 2
"""How often one call is repeated with a new token. The second token may have expired
too by the time it is used."""
TOKEN_REQUEST_COLUMNS = (
    "host",
    "sign_in",
    "client_id",
    "sealed_client_secret",
    "sealed_refresh_token",
)
"""The columns that Jobs UI requests a token with."""
MAX_SCOPES = 1000
"""Characters that are stored."""
MOVED = "The connection was changed to another host, or removed."


@dataclass(frozen=True, slots=True)
class OauthCredentials:
    """Credentials with a token, before they are stored."""

    sign_in: SignIn
    client_id: str
    client_secret: str = field(repr=False)
    """"" for a public client."""
    token: Token
    granular_scopes: bool = True
    """Whether the next token of client credentials is asked for with the scopes of custom
    objects alone."""


class SignedClient(Client):
    """A client that uses the credentials stored at the time of each request. Its calls
    raise Unauthorized when a token cannot be renewed or the host is no longer allowed.
    They raise NotSent when the connection now has another host, because its secrets are
    for that host only.

    `wait_for_turn` runs before each request and may take its time. `may_call` runs last;
    if it returns False, the call raises NotSent. Credentials are read again after
    `reuse_seconds`."""

    def __init__(
        self,
        connection: Connection,
        *,
        wait_for_turn: Callable[[], object] = lambda: None,
        may_call: Callable[[], bool] = lambda: True,
        reuse_seconds: float = 0.0,
        request_timeout: float = 35.0,
        clock: Clock = SYSTEM_CLOCK,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(
            hosts.address(connection.host),
            self._sign,
            request_timeout=request_timeout,
            clock=clock,
            transport=transport,
        )
        self._pk = connection.pk
        self._host = connection.host
        self._wait_for_turn = wait_for_turn
        self._may_call = may_call
        self._reuse_seconds = reuse_seconds
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._credentials = Authorization("", "")
        self._sent = threading.local()
        self._use_max_listed(connection)

    def renewing[T](self, call: Callable[[], T]) -> T:
        """Run `call`, which uses this client. When Zendesk rejects the token, or refuses
        a token that covers custom objects only, run it again with a new one: the
        rejected call did nothing.

        Raises what `call` raises; Unauthorized when the token cannot be renewed;
        NotSent and RateLimited when no new token is available at the moment."""
        for _ in range(MAX_RENEWALS):
            self._sent.token = ""
            try:
                return call()
            except (Unauthorized, Forbidden) as error:
                rejected_token: str = self._sent.token
                current = self._with_another_token(error, rejected_token)
                if current is None:
                    raise
            with sending_nothing():
                renew(current, rejected_token=rejected_token)
            self._read_at = float("-inf")
        return call()

    def _with_another_token(
        self, error: Refused, rejected_token: str
    ) -> Connection | None:
        """The connection, if another token of it may be accepted where this one was
        not."""
        if not rejected_token or error.status not in {401, 403}:
            return None
        current = Connection.objects.filter(pk=self._pk).first()
        if current is None:
            return None
        if isinstance(error, Forbidden):
            may_help = _ask_for_global_scopes(current, rejected_token)
        else:
            may_help = can_renew(current)
        return current if may_help else None

    def _sign(self) -> str:
        self._wait_for_turn()
        current = self._current()
        self._sent.token = current.sealed_token
        if not self._may_call():
            raise NotSent(
                "Not sent: the worker was stopping, or was delayed for too long.",
                code="withheld",
            )
        return current.header

    def _current(self) -> "Authorization":
        with self._lock:
            now = self._clock.monotonic()
            if now - self._read_at >= self._reuse_seconds:
                self._credentials = self._read()
                self._read_at = now
            return self._credentials

    def lower_max_listed(self, length: int) -> None:
        super().lower_max_listed(length)
        is_lower = Q(max_listed=None) | Q(max_listed__gt=length)
        is_outdated = Q(max_listed_at=None) | Q(
            max_listed_at__lte=longer_lists_tried_before()
        )
        own = Connection.objects.filter(pk=self._pk, host=self._host)
        own.filter(is_lower | is_outdated).update(
            max_listed=length, max_listed_at=timezone.now()
        )

    def _use_max_listed(self, connection: Connection) -> None:
        self._max_listed = connection.listed_length or MAX_LISTED

    def _read(self) -> "Authorization":
        try:
            hosts.require_allowed(self._host)
            current = Connection.objects.filter(pk=self._pk, host=self._host).first()
            if current is None:
                raise NotSent(MOVED)
            self._use_max_listed(current)
            _note_use(current)
            return Authorization(authorization(current), current.sealed_access_token)
        except HostRefused as refused:
            raise Unauthorized(str(refused), code="host") from None
        except DatabaseError:
            raise NotSent(
                "The credentials could not be read from the database.", code="database"
            ) from None


@dataclass(frozen=True, slots=True)
class Authorization:
    header: str = field(repr=False)
    """The value of the Authorization header."""
    sealed_token: str = field(repr=False)
    """The stored access token in it; "" for other authentication methods."""


def client_for(connection: Connection) -> SignedClient:
    """A client with this connection's credentials. Raises HostRefused."""
    hosts.require_allowed(connection.host)
    return SignedClient(connection)


def signed_in[T](connection: Connection, call: Callable[[Client], T]) -> T:
    """Run `call` with a client of this connection, as SignedClient.renewing does."""
    client = client_for(connection)
    return client.renewing(lambda: call(client))


def authorization(connection: Connection) -> str:
    """The value of the Authorization header. A token that is about to expire is renewed
    first."""
    if connection.sign_in == SignIn.API_TOKEN:
        pair = f"{connection.email}/token:{_decrypted(connection, 'api_token')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    if _must_renew(connection):
        token = renew(connection, rejected_token=connection.sealed_access_token)
    else:
        token = _decrypted(connection, "access_token")
    return f"Bearer {token}"


def _note_use(connection: Connection) -> None:
    now = timezone.now()
    last = connection.last_used_at
    if last is None or not last <= now < last + USE_NOTED:
        Connection.objects.filter(pk=connection.pk).update(last_used_at=now)


def can_renew(connection: Connection) -> bool:
    """Whether a new access token can be fetched without a person."""
    if connection.sign_in == SignIn.OAUTH_CLIENT:
        return bool(connection.sealed_client_secret)
    is_oauth_token = connection.sign_in == SignIn.OAUTH_TOKEN
    return is_oauth_token and bool(connection.sealed_refresh_token)


def renew(
    connection: Connection,
    *,
    rejected_token: str,
    timeout: timedelta = CLAIM_TIMEOUT,
) -> str:
    """Replace the access token stored as `rejected_token`. Returns the new one, or the
    one that another process has just stored. Raises Unauthorized when Zendesk refuses
    or the connection has nothing to renew with. Raises NotSent when another process
    renews the token during the whole `timeout`."""
    if not can_renew(connection):
        raise Unauthorized(
            "The access token is no longer valid, and there is no refresh token.",
            status=401,
        )
    host = connection.host
    deadline = time.monotonic() + timeout.total_seconds()
    while time.monotonic() < deadline:
        claimed = _claim(connection)
        # After the claim: from here on no other process changes the pair.
        connection.refresh_from_db()
        try:
            if connection.host != host:
                # The caller would send the new host's token to the old one.
                raise NotSent(MOVED)
            if connection.sealed_access_token not in {"", rejected_token}:
                return _decrypted(connection, "access_token")
            if claimed:
                return _fetch_and_store(connection)
        finally:
            if claimed:
                _release(connection)
        time.sleep(CLAIM_POLL_SECONDS)
    raise NotSent(
        "Another process is renewing the access token and takes too long. "
        "Try again in a minute."
    )


def save_secrets(
    connection: Connection, secrets: Mapping[str, str], *, by: "User | None"
) -> None:
    """Replace secrets of a saved connection, and delete what belonged to the old
    ones."""
    replaced = dict(secrets)
    if connection.sign_in == SignIn.OAUTH_CLIENT:
        replaced["access_token"] = ""
    elif "access_token" in replaced:
        # A stored refresh token belongs to the old pair.
        replaced.setdefault("refresh_token", "")
    for name, value in replaced.items():
        connection.set_secret(name, value)
    connection.access_token_expires_at = None
    connection.refresh_token_expires_at = None
    connection.last_used_at = None
    connection.scopes = ""
    connection.granular_scopes = True
    connection.tested_at = None
    connection.secret_set_at = timezone.now()
    connection.secret_set_by = by
    connection.save(
        update_fields=[
            *(f"sealed_{name}" for name in replaced),
            "access_token_expires_at",
            "refresh_token_expires_at",
            "last_used_at",
            "scopes",
            "granular_scopes",
            "tested_at",
            "secret_set_at",
            "secret_set_by",
        ]
    )


def replace_by_oauth(
    connection: Connection, oauth_credentials: "OauthCredentials", *, by: "User"
) -> None:
    """Delete all secrets, and store these with their token. In the caller's transaction."""
    connection.sign_in = oauth_credentials.sign_in
    connection.client_id = oauth_credentials.client_id
    connection.email = ""
    connection.save(update_fields=["sign_in", "client_id", "email"])
    secrets = dict.fromkeys(Connection.SECRETS, "")
    secrets["client_secret"] = oauth_credentials.client_secret
    save_secrets(connection, secrets, by=by)
    columns = _token_columns(connection, oauth_credentials.token)
    columns["granular_scopes"] = oauth_credentials.granular_scopes
    Connection.objects.filter(pk=connection.pk).update(**columns)
    connection.refresh_from_db()


def forget_secrets(connection: Connection) -> None:
    """Delete all secrets: a stored secret must never be sent to a host it was not given
    for."""
    save_secrets(connection, dict.fromkeys(Connection.SECRETS, ""), by=None)
    own = Connection.objects.filter(pk=connection.pk)
    own.update(secret_set_at=None, max_listed=None, max_listed_at=None)


def has_secret(connection: Connection) -> bool:
    name = REQUIRED_SECRET[SignIn(connection.sign_in)]
    return bool(getattr(connection, f"sealed_{name}"))


def reseal(connection: Connection) -> int:
    """Encrypt the connection's secrets under the newest key. Returns how many used an
    older key.

    A secret that was replaced in the meantime stays as it is, because it already uses
    the newest key. Waits while another process renews the token. Raises
    SecretUnreadable, and NotSent when the other process takes too long."""
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
    """Take the claim, then read the connection. Raises NotSent when another process
    keeps the claim."""
    deadline = time.monotonic() + 2 * CLAIM_TIMEOUT.total_seconds()
    while not _claim(connection):
        if time.monotonic() > deadline:
            raise NotSent(
                f"Another process is renewing the access token of {connection} and "
                "takes too long. Try again in a minute."
            )
        time.sleep(CLAIM_POLL_SECONDS)
    connection.refresh_from_db()


def _must_renew(connection: Connection) -> bool:
    if not connection.sealed_access_token:
        return True
    expires_at = connection.access_token_expires_at
    if expires_at is None or not can_renew(connection):
        return False
    return expires_at - timezone.now() < RENEW_BEFORE


def _decrypted(connection: Connection, name: str) -> str:
    try:
        return connection.secret(name)
    except SecretUnreadable as error:
        raise Unauthorized(
            f"The stored secret cannot be read: {error}", code="unreadable"
        ) from None


def _claim(connection: Connection) -> bool:
    free = Q(renewing_until=None) | Q(renewing_until__lt=Now())
    # Left by a process that died before the database's clock was set back.
    free |= Q(renewing_until__gt=Now() + 2 * CLAIM_TIMEOUT)
    claimable = Connection.objects.filter(free, pk=connection.pk)
    return bool(claimable.update(renewing_until=Now() + CLAIM_TIMEOUT))


def _release(connection: Connection) -> None:
    """Release our claim. If another process found it too old and took its own, that one
    stays."""
    ours = Connection.objects.filter(
        pk=connection.pk, renewing_until=connection.renewing_until
    )
    ours.update(renewing_until=None)


def _fetch_and_store(connection: Connection) -> str:
    """A new access token. Raises NotSent when the credentials were replaced in the
    meantime: a token of the old ones must not be sent to the host of the new ones."""
    inputs = {name: getattr(connection, name) for name in TOKEN_REQUEST_COLUMNS}
    token = _fetch(connection)
    columns = _token_columns(connection, token)
    unchanged = Connection.objects.filter(pk=connection.pk, **inputs)
    if not unchanged.update(**columns):
        raise NotSent("The credentials were replaced while a token was fetched.")
    return token.access_token


def _fetch(connection: Connection) -> Token:
    url = hosts.base_url(connection.host)
    client_secret = _decrypted(connection, "client_secret")
    if connection.sign_in == SignIn.OAUTH_CLIENT:
        return fetch_for_client(connection, url, client_secret)
    refresh_token = _decrypted(connection, "refresh_token")
    return oauth.refresh(url, connection.client_id, client_secret, refresh_token)


def fetch_for_client(connection: Connection, url: str, client_secret: str) -> Token:
    """A token with the preferred scopes, or with the others where Zendesk refuses the
    preferred ones or leaves some out."""
    preferred = oauth.GRANULAR_SCOPE
    other = oauth.GLOBAL_SCOPE
    if not connection.granular_scopes:
        preferred, other = other, preferred
    try:
        token = _client_token(connection, url, client_secret, preferred)
    except Unauthorized as error:
        if error.code != "invalid_scope":
            raise
    else:
        if token.has_scopes(preferred):
            return token
    return _client_token(connection, url, client_secret, other)


def _client_token(
    connection: Connection, url: str, client_secret: str, scope: str
) -> Token:
    token = oauth.client_credentials(url, connection.client_id, client_secret, scope)
    # A response without a scope means the scope that was asked for.
    return replace(token, scope=scope) if token.scope is None else token


def _ask_for_global_scopes(connection: Connection, rejected_token: str) -> bool:
    """Ask for the scopes read and write from now on, if the connection's token covers
    custom objects only. Returns whether a call that was refused with `rejected_token`
    may succeed with the token stored next."""
    if connection.sign_in != SignIn.OAUTH_CLIENT:
        return False
    if rejected_token != connection.sealed_access_token:
        # Another thread has replaced the token.
        return not connection.granular_scopes
    is_global = set(connection.scopes.split()) >= scopes.GLOBAL
    if is_global or not connection.granular_scopes:
        return False
    # Together with the token, so that no other call uses it until the next is stored.
    rejected = Connection.objects.filter(
        pk=connection.pk, sealed_access_token=rejected_token
    )
    rejected.update(granular_scopes=False, sealed_access_token="")
    return True


def _token_columns(connection: Connection, token: Token) -> dict[str, Any]:
    """The columns that store a new token, with their values."""
    connection.set_secret("access_token", token.access_token)
    columns: dict[str, Any] = {
        "sealed_access_token": connection.sealed_access_token,
        "access_token_expires_at": _moment_in(token.expires_in),
        "scopes": (token.scope or "")[:MAX_SCOPES],
    }
    if connection.sign_in == SignIn.OAUTH_TOKEN and token.refresh_token:
        connection.set_secret("refresh_token", token.refresh_token)
        columns["sealed_refresh_token"] = connection.sealed_refresh_token
        columns["refresh_token_expires_at"] = _moment_in(token.refresh_expires_in)
    return columns


def _moment_in(seconds: int | None) -> datetime | None:
    return None if seconds is None else timezone.now() + timedelta(seconds=seconds)
