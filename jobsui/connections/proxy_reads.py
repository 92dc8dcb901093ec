"""Reads that are passed on to Zendesk for programs, each in its turn, so that jobs and
people keep their share.

The turns of an account are in the database, where all processes share them: `next_at`
is when the next read may go, and each that takes a turn moves it on by one interval
(GCRA, a token bucket kept as one moment). Time is that of the database."""

import math
import threading
import time
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models.functions import Greatest, Now

from jobsui.connections import credentials
from jobsui.connections.errors import ConnectionsError
from jobsui.connections.models import Connection, ReadPace
from jobsui.zendesk.client import Client, raise_for, retry_after
from jobsui.zendesk.payloads import Answer as Answer

GATHER = 5
"""So many reads may go at once after a rest."""
LEAST_SHARE = 10
"""Percent of the account's requests that reads have beside a driver, whatever its
share."""
TIMEOUT = timedelta(seconds=5)
"""A read waits so long for its turn."""
UNDER_WAY = 4
"""So many reads a process has waiting or at Zendesk: its few threads serve people,
too."""
READ_SECONDS = 20.0
REST_SECONDS = 30.0
"""After a 429 that does not say."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_under_way = threading.BoundedSemaphore(UNDER_WAY)


class Busy(ConnectionsError):
    """No turn for this read soon; `retry_after` seconds later there may be one."""

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
) -> Answer:
    """Zendesk's answer to one read, whatever its status, but for a 401: that is about
    our credentials, and raised. `beside_driver`: jobs of the account are being driven,
    and reads get what they leave.

    Raises Busy, HostRefused and ZendeskError.
    """
    if not _under_way.acquire(blocking=False):
        raise Busy(1)
    interval = _interval(connection, beside_driver=beside_driver)
    try:
        time.sleep(_turn(connection.host, interval))
        answer = credentials.signed_in(
            connection, lambda client: _sent(client, method, path, body)
        )
    finally:
        _under_way.release()
    if answer.status == 429:
        told = retry_after(answer)
        _rest(
            connection.host,
            interval,
            timedelta(seconds=REST_SECONDS if told is None else told),
        )
    return answer


def _sent(client: Client, method: str, path: str, body: bytes | None) -> Answer:
    answer = client.request(method, path, body=body, deadline=READ_SECONDS)
    if answer.status == 401:
        raise_for(answer, what=f"{method} {path}")
    return answer


def _interval(connection: Connection, *, beside_driver: bool) -> timedelta:
    """From one read to the next."""
    share = (
        max(LEAST_SHARE, 100 - connection.share) if beside_driver else connection.share
    )
    return timedelta(minutes=1) / (connection.requests_per_minute * share / 100)


def _turn(host: str, interval: timedelta) -> float:
    """Take a turn; the seconds until it comes. Raises Busy when that is too long."""
    pace, gathered = ReadPace.objects.filter(host=host), _gathered(interval)
    while True:
        with transaction.atomic():
            soon = pace.filter(next_at__lte=Now() + gathered + TIMEOUT)
            taken = bool(soon.update(next_at=Greatest("next_at", Now()) + interval))
            found = pace.values_list("next_at", Now()).first()
        if found is None:
            ReadPace.objects.bulk_create(
                [ReadPace(host=host, next_at=LONG_AGO)], ignore_conflicts=True
            )
            continue
        ahead: timedelta = found[0] - found[1] - gathered
        if taken:
            return max(0.0, (ahead - interval).total_seconds())
        if ahead > TIMEOUT:
            raise Busy(math.ceil((ahead - TIMEOUT).total_seconds()))
        # Another read has made the row, or the turn came near, after ours had looked.


def _rest(host: str, interval: timedelta, wait: timedelta) -> None:
    """No read for so long, as Zendesk asked."""
    until = Greatest("next_at", Now() + wait + _gathered(interval))
    ReadPace.objects.filter(host=host).update(next_at=until)


def _gathered(interval: timedelta) -> timedelta:
    """So far may turns be ahead of their time."""
    return interval * (GATHER - 1)
