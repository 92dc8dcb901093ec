"""Calls to Zendesk, made in threads beside the driver. Whatever happens to a call, exactly one thing is heard of it."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from queue import SimpleQueue

from django.db import connection

from jobsui.connections import credentials
from jobsui.connections.errors import HostRefused
from jobsui.connections.models import Connection
from jobsui.jobs.engine import reconciling, sending
from jobsui.jobs.engine.reconciling import Doubt
from jobsui.jobs.engine.recording import Ended, Looked
from jobsui.jobs.engine.sending import Posted, Shipment
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import NotFound, NotSent, NotSignedIn, ZendeskError
from jobsui.zendesk.payloads import JobStatus

logger = logging.getLogger(__name__)

POSTERS = 6
LOOKERS = 3


@dataclass(slots=True)
class Flight:
    """A batch Zendesk has accepted and not finished, as far as we know."""

    shipment: Shipment
    status_id: str
    accepted_at: float | None
    """time.monotonic(); None for batches found at the start: how long they took would tell nothing."""
    asked_at: float = 0.0
    absent_since: float | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    flights: tuple[Flight, ...]
    statuses: tuple[JobStatus, ...] = ()
    error: ZendeskError | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """The failures of a repeated `create` were looked into, or could not be."""

    flight: Flight
    ended: Ended
    error: ZendeskError | None = None


Heard = Posted | Polled | Verified | Looked


class Calls:
    """The threads of one driver, and what they have heard."""

    def __init__(self, host: str, may_call: Callable[[], bool]) -> None:
        """`may_call` is asked in the thread, last of all before each request."""
        self.heard: SimpleQueue[Heard] = SimpleQueue()
        self._may_call = may_call
        self._clients: dict[tuple[int, datetime | None], Client] = {}
        self._posters = ThreadPoolExecutor(POSTERS, thread_name_prefix=f"posts {host}")
        # One more than there are looks, so that the poll never waits for one.
        self._askers = ThreadPoolExecutor(LOOKERS + 1, thread_name_prefix=f"asks {host}")

    def close(self, *, wait: bool) -> None:
        for pool in (self._posters, self._askers):
            pool.shutdown(wait=wait)

    def client(self, conn: Connection) -> Client:
        """A connection's client; of a host that may not be called any more, one that is refused everything."""
        key = (conn.pk, conn.secret_set_at)
        if key not in self._clients:
            try:
                self._clients[key] = credentials.client_for(conn, may_call=self._may_call)
            except HostRefused as refused:
                self._clients[key] = Client(f"https://{conn.host}", partial(_refuse, str(refused)))
        return self._clients[key]

    def post(self, shipment: Shipment) -> None:
        self._posters.submit(self._go, shipment, partial(sending.send, shipment), partial(_not_posted, shipment))

    def poll(self, flights: tuple[Flight, ...]) -> None:
        """Of one connection, at most 100."""
        self._ask(flights[0].shipment, partial(_poll, flights), lambda error: Polled(flights, error=error))

    def look(self, doubt: Doubt, *, next_look: float) -> None:
        looked = partial(Looked, doubt, next_look=next_look)
        self._ask(doubt.shipment, lambda: looked(reconciling.look(doubt)), lambda error: looked(error=error))

    def verify(self, flight: Flight, ended: Ended) -> None:
        self._ask(ended.shipment, partial(_verify, flight, ended), lambda error: Verified(flight, ended, error))

    def _ask(
        self, shipment: Shipment, call: Callable[[], Heard], failed: Callable[[ZendeskError], Heard]
    ) -> None:  # fmt: skip
        self._askers.submit(self._go, shipment, call, failed)

    def _go(self, shipment: Shipment, call: Callable[[], Heard], failed: Callable[[ZendeskError], Heard]) -> None:
        """In a thread."""
        try:
            heard = credentials.renewing(shipment.connection_id, call)
        except ZendeskError as error:
            heard = failed(error)
        except Exception:  # The promise of this module; `sending.send` itself never ends like this.
            logger.exception("A call about batch %s failed before it was made.", shipment.batch_id)
            heard = failed(NotSent("Something went wrong inside Jobs UI before this was sent; the log tells what."))
        self.heard.put(heard)
        connection.close()


def _poll(flights: tuple[Flight, ...]) -> Polled:
    try:
        statuses = custom_objects.job_statuses(flights[0].shipment.client, [flight.status_id for flight in flights])
    except NotFound:  # None of them, then.
        statuses = []
    return Polled(flights, tuple(statuses))


def _verify(flight: Flight, ended: Ended) -> Verified:
    ends = reconciling.verify(ended.shipment, ended.ends)
    return Verified(flight, Ended(ended.shipment, ended.status, ends))


def _not_posted(shipment: Shipment, error: ZendeskError) -> Posted:
    return Posted(shipment, error=error, answer=error.answer)


def _refuse(reason: str) -> str:
    raise NotSignedIn(reason, code="host")
