"""Calls to Zendesk, made in threads beside the driver. Whatever happens to a call,
exactly one thing is heard of it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from threading import Thread

from django.db import connection

from jobsui.connections.credentials import SignedClient
from jobsui.connections.models import Connection
from jobsui.jobs.delivery import batch_request, reconciliation
from jobsui.jobs.delivery.batch_request import BatchRequest, PostResult
from jobsui.jobs.delivery.reconciliation import UnconfirmedBatch
from jobsui.jobs.delivery.transitions import BatchFinished, ReconcileResult
from jobsui.zendesk import custom_objects
from jobsui.zendesk.errors import NotFound, NotSent, ZendeskError
from jobsui.zendesk.payloads import JobStatus

logger = logging.getLogger(__name__)

POST_THREADS = 8
READ_THREADS = 3
KEEPS_SECONDS = 1.0
"""For so long a secret that was read is used again: thirty calls a second need not read
it each."""


@dataclass(slots=True)
class RunningBatch:
    """A batch Zendesk has accepted and not finished, as far as we know. All times are
    of time.monotonic()."""

    request: BatchRequest
    status_id: str
    started: float | None
    """None for batches found at the start: how long they took would tell nothing."""
    seen: float = 0.0
    """When it was last seen running."""
    asked_at: float = 0.0
    absent_since: float | None = None


@dataclass(frozen=True, slots=True)
class PollResult:
    flights: tuple[RunningBatch, ...]
    statuses: tuple[JobStatus, ...] = ()
    error: ZendeskError | None = None
    at: float = field(default_factory=time.monotonic)
    """When the answer came."""


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The failures of a repeated `create` were looked into, or could not be."""

    flight: RunningBatch
    ended: BatchFinished
    error: ZendeskError | None = None


CallResult = PostResult | PollResult | VerifyResult | ReconcileResult


class Calls:
    """The threads of one driver, and what they have heard. They are no reason for a
    process to stay: a call that is still on its way when it ends leaves a batch in
    doubt, as a crash would."""

    def __init__(self, host: str, may_call: Callable[[], bool]) -> None:
        """`may_call` is asked in the thread, last of all before each request."""
        self.heard: SimpleQueue[CallResult] = SimpleQueue()
        self._may_call = may_call
        self._clients: dict[int, SignedClient] = {}
        self._posts: SimpleQueue[Task | None] = SimpleQueue()
        self._asks: SimpleQueue[Task | None] = SimpleQueue()
        # Of those who ask one more than there are looks, so that the poll never waits
        # for one.
        workers = [(f"posts {host}", self._posts)] * POST_THREADS + [
            (f"asks {host}", self._asks)
        ] * (READ_THREADS + 1)
        self._threads = [
            Thread(target=_work, args=(tasks,), name=name, daemon=True)
            for name, tasks in workers
        ]
        for thread in self._threads:
            thread.start()

    def close(self, *, wait: bool) -> None:
        """Let the threads end with what they are doing."""
        for _ in range(POST_THREADS):
            self._posts.put(None)
        for _ in range(READ_THREADS + 1):
            self._asks.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def client(self, conn: Connection) -> SignedClient:
        if conn.pk not in self._clients:
            self._clients[conn.pk] = SignedClient(
                conn, may_call=self._may_call, keeps=KEEPS_SECONDS
            )
        return self._clients[conn.pk]

    def post(self, request: BatchRequest) -> None:
        self._posts.put(
            partial(
                self._go,
                request,
                partial(batch_request.send, request),
                partial(_not_posted, request),
            )
        )

    def poll(self, flights: tuple[RunningBatch, ...]) -> None:
        """Of one connection, at most 100."""
        self._ask(
            flights[0].request,
            partial(_poll, flights),
            lambda error: PollResult(flights, error=error),
        )

    def look(self, doubt: UnconfirmedBatch, *, next_look: float) -> None:
        looked = partial(ReconcileResult, doubt, next_look=next_look)
        self._ask(
            doubt.request,
            lambda: looked(reconciliation.look(doubt)),
            lambda error: looked(error=error),
        )

    def verify(self, flight: RunningBatch, ended: BatchFinished) -> None:
        self._ask(
            ended.request,
            partial(_verify, flight, ended),
            lambda error: VerifyResult(flight, ended, error),
        )

    def _ask(
        self,
        request: BatchRequest,
        call: Callable[[], CallResult],
        failed: Callable[[ZendeskError], CallResult],
    ) -> None:
        self._asks.put(partial(self._go, request, call, failed))

    def _go(
        self,
        request: BatchRequest,
        call: Callable[[], CallResult],
        failed: Callable[[ZendeskError], CallResult],
    ) -> None:
        """In a thread."""
        try:
            heard = self._clients[request.connection_id].renewing(call)
        except ZendeskError as error:
            heard = failed(error)
        except (
            Exception
        ):  # The promise of this module; `sending.send` itself never ends like this.
            logger.exception(
                "A call about batch %s failed before it was made.", request.batch_id
            )
            heard = failed(
                NotSent(
                    "Something went wrong inside Jobs UI before this was sent; the log tells what."
                )
            )
        finally:
            connection.close()
        self.heard.put(heard)


Task = Callable[[], None]


def _work(tasks: "SimpleQueue[Task | None]") -> None:
    while task := tasks.get():
        task()


def _poll(flights: tuple[RunningBatch, ...]) -> PollResult:
    try:
        statuses = custom_objects.job_statuses(
            flights[0].request.client, [flight.status_id for flight in flights]
        )
    except NotFound:  # None of them, then.
        statuses = []
    return PollResult(flights, tuple(statuses))


def _verify(flight: RunningBatch, ended: BatchFinished) -> VerifyResult:
    ends = reconciliation.verify(ended.request, ended.ends)
    return VerifyResult(flight, BatchFinished(ended.request, ended.status, ends))


def _not_posted(request: BatchRequest, error: ZendeskError) -> PostResult:
    return PostResult(request, error=error, answer=error.answer)
