"""Clients for requests that are no job's: they wait for their turn among those of people and
programs."""

import threading
from collections.abc import Callable

from jobsui.clock import SYSTEM_CLOCK
from jobsui.connections import hosts, proxy_reads
from jobsui.connections.credentials import SignedClient
from jobsui.connections.models import Connection
from jobsui.jobs.models import Lease
from jobsui.zendesk.client import retry_after
from jobsui.zendesk.errors import RateLimited, ZendeskError

REQUEST_SECONDS = 10.0
MAX_WAIT = 1.0
"""Seconds after which a long read asks for its turn again."""
REUSE_SECONDS = 1.0
"""For how long a long read uses what it has read from the database: its turns, its
credentials, and whether there is a driver."""


def client_for(connection: Connection) -> SignedClient:
    """For a few requests that a person or program waits for: they raise Busy if they would have
    to wait too long for their turn. Raises HostRefused."""

    def wait_for_turn() -> None:
        proxy_reads.wait_for_turn(connection, beside_driver=_has_driver(connection))

    return _client(connection, wait_for_turn)


def patient_client_for(
    connection: Connection, may_call: Callable[[], bool]
) -> SignedClient:
    """For thousands of requests: each waits until no other request of people or programs waits
    for a turn, or until `may_call` returns False. Raises HostRefused."""
    turns = _Turns(connection)

    def wait_for_turn() -> None:
        while may_call():
            seconds = turns.take()
            if not seconds:
                return
            SYSTEM_CLOCK.sleep(min(seconds, MAX_WAIT))

    return _client(connection, wait_for_turn, may_call, reuse_seconds=REUSE_SECONDS)


class _Turns:
    """Of one long read, whose threads share them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._left = 0
        self._taken_at = 0.0
        self._has_driver = False
        self._looked_at = float("-inf")

    def take(self) -> float:
        """Returns 0.0 if there was a turn, else the seconds until there may be one."""
        with self._lock:
            now = SYSTEM_CLOCK.monotonic()
            if self._left and now - self._taken_at < REUSE_SECONDS:
                self._left -= 1
                return 0.0
            if now - self._looked_at >= REUSE_SECONDS:
                self._has_driver = _has_driver(self._connection)
                self._looked_at = now
            number, seconds = proxy_reads.take_free_turns(
                self._connection, beside_driver=self._has_driver
            )
            self._left = max(0, number - 1)
            self._taken_at = now
            return seconds


def postpone(connection: Connection, error: ZendeskError) -> None:
    """Let other reads of the account wait as long as Zendesk asks for, if it does. A 429
    always does."""
    seconds = retry_after(error.response) if error.response else None
    if isinstance(error, RateLimited):
        asked = error.retry_after
        seconds = proxy_reads.DEFAULT_RETRY_AFTER if asked is None else asked
    if seconds is not None:
        has_driver = _has_driver(connection)
        proxy_reads.postpone(connection, seconds, beside_driver=has_driver)


def _client(
    connection: Connection,
    wait_for_turn: Callable[[], None],
    may_call: Callable[[], bool] = lambda: True,
    *,
    reuse_seconds: float = 0.0,
) -> SignedClient:
    hosts.require_allowed(connection.host)
    return SignedClient(
        connection,
        wait_for_turn=wait_for_turn,
        may_call=may_call,
        reuse_seconds=reuse_seconds,
        request_timeout=REQUEST_SECONDS,
    )


def _has_driver(connection: Connection) -> bool:
    return Lease.objects.live().filter(name=f"account:{connection.host}").exists()
