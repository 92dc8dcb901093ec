"""Reads that Jobs UI forwards to Zendesk for programs. Each read waits for its turn, so
that jobs and people keep their share of the account's requests.

The turns of an account are stored in the database, which all processes share. `next_at`
is when the next read may be sent. Each read that takes a turn adds one interval to it
(GCRA, a token bucket stored as one time). The time is the database's."""

import math
import time
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Greatest, Now

from jobsui import waits
from jobsui.connections import credentials
from jobsui.connections.errors import ConnectionsError
from jobsui.connections.models import Connection, ReadPace
from jobsui.zendesk.client import Client, raise_for, retry_after
from jobsui.zendesk.errors import Forbidden
from jobsui.zendesk.payloads import Response as Response

BURST = 5
"""Reads that may be sent at once after an idle time."""
MIN_SHARE = 10
"""Percentage of the account's requests that reads get while a driver runs, whatever
share the driver has."""
TIMEOUT = timedelta(seconds=5)
"""How long a read waits for its turn."""
READ_SECONDS = 20.0
DEFAULT_RETRY_AFTER = 30.0
"""Seconds, after a 429 without Retry-After."""
MIN_WAIT = 0.01
"""Seconds."""
MAX_TAKEN = 20
MAX_TAKEN_AHEAD = timedelta(seconds=0.1)
"""How many turns long work takes at a time, and how long they may take."""
CLOCK_STEP = timedelta(seconds=5)
"""The database's clock may be corrected by this much."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Busy(ConnectionsError):
    """No turn for this read is near. Try again after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("Number of allowed API requests per minute exceeded")
        self.retry_after = retry_after


def read(
    connection: Connection,
    path: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    beside_driver: bool,
) -> Response:
    """Zendesk's response to one read, whatever its status. Only a 401 is raised,
    because it concerns our credentials alone. `beside_driver`: a driver sends jobs of the
    account, and reads get the rest of its rate.

    Raises Busy, HostRefused and ZendeskError.
    """
    with waits.place() as is_held:
        if not is_held:
            raise Busy(1)
        wait_for_turn(connection, beside_driver=beside_driver)
        response = _response(connection, method, path, body)
    wait = retry_after(response) if response.status in {429, 503} else None
    if wait is None and response.status == 429:
        wait = DEFAULT_RETRY_AFTER
    if wait is not None:
        postpone(connection, wait, beside_driver=beside_driver)
    return response


def wait_for_turn(connection: Connection, *, beside_driver: bool) -> None:
    """Wait until the account may receive another request that is not a job's. Raises
    Busy when that takes too long."""
    interval = _interval(connection, beside_driver=beside_driver)
    time.sleep(_take_turn(connection.host, interval))


def take_free_turns(
    connection: Connection, *, beside_driver: bool
) -> tuple[int, float]:
    """Take turns for long work, which gives way to people: only if no other read waits for one.
    Takes as many as delay others by MAX_TAKEN_AHEAD, but at least one. Returns (how many
    turns were taken, seconds until a turn may be free)."""
    interval = _interval(connection, beside_driver=beside_driver)
    number = max(1, min(MAX_TAKEN, MAX_TAKEN_AHEAD // interval))
    pace = ReadPace.objects.filter(host=connection.host)
    next_at = Greatest("next_at", Now()) + interval * number
    if pace.filter(next_at__lte=Now()).update(next_at=next_at, set_at=Now()):
        return number, 0.0
    times = pace.values_list("next_at", Now()).first()
    if times is None:
        new = ReadPace(host=connection.host, next_at=LONG_AGO)
        ReadPace.objects.bulk_create([new], ignore_conflicts=True)
        return 0, MIN_WAIT
    ahead: timedelta = times[0] - times[1]
    if ahead > CLOCK_STEP and _forget_future(pace):
        return 0, MIN_WAIT
    return 0, max(ahead.total_seconds(), MIN_WAIT)


def postpone(connection: Connection, seconds: float, *, beside_driver: bool) -> None:
    """Let no such request of the account go for this long."""
    burst = _burst(_interval(connection, beside_driver=beside_driver))
    until = Greatest("next_at", Now() + timedelta(seconds=seconds) + burst)
    ReadPace.objects.filter(host=connection.host).update(next_at=until)


def _response(
    connection: Connection, method: str, path: str, body: bytes | None
) -> Response:
    try:
        return credentials.signed_in(
            connection, lambda client: _send(client, method, path, body)
        )
    except Forbidden as error:
        if error.response is None:
            raise
        return error.response


def _send(client: Client, method: str, path: str, body: bytes | None) -> Response:
    """Raises Unauthorized and Forbidden: another token may be accepted."""
    response = client.request(method, path, body=body, deadline=READ_SECONDS)
    if response.status in {401, 403}:
        raise_for(response, what=f"{method} {path}")
    return response


def _interval(connection: Connection, *, beside_driver: bool) -> timedelta:
    """The time between two reads."""
    share = connection.share
    if beside_driver:
        share = max(MIN_SHARE, 100 - connection.share)
    return timedelta(minutes=1) / (connection.requests_per_minute * share / 100)


def _take_turn(host: str, interval: timedelta) -> float:
    """Returns the seconds until the turn comes. Raises Busy when that is too long."""
    pace = ReadPace.objects.filter(host=host)
    burst = _burst(interval)
    while True:
        with transaction.atomic():
            within_timeout = pace.filter(next_at__lte=Now() + burst + TIMEOUT)
            next_at = Greatest("next_at", Now()) + interval
            has_turn = bool(within_timeout.update(next_at=next_at, set_at=Now()))
            times = pace.values_list("next_at", Now()).first()
        if times is None:
            new = ReadPace(host=host, next_at=LONG_AGO)
            ReadPace.objects.bulk_create([new], ignore_conflicts=True)
            continue
        ahead: timedelta = times[0] - times[1] - burst
        if has_turn:
            return max(0.0, (ahead - interval).total_seconds())
        if ahead > TIMEOUT and not _forget_future(pace):
            raise Busy(math.ceil((ahead - TIMEOUT).total_seconds()))
        # Since our update, another read has created the row, or the turn has come near
        # enough.


def _forget_future(pace: QuerySet[ReadPace]) -> bool:
    """Start again if the clock was set back since the last turn."""
    future = pace.filter(set_at__gt=Now() + CLOCK_STEP)
    return bool(future.update(next_at=LONG_AGO, set_at=None))


def _burst(interval: timedelta) -> timedelta:
    """How far turns may be ahead of their time."""
    return interval * (BURST - 1)
