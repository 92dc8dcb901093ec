"""Calls to Zendesk, made in threads of their own. Each call puts exactly one result
into the driver's inbox, even if it fails."""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from threading import Condition, Thread, current_thread
from typing import Literal, Protocol

from django.db import connection

from jobsui.clock import Clock
from jobsui.connections.credentials import SignedClient
from jobsui.connections.models import Connection
from jobsui.jobs.delivery import batch_request, prior_reads, reconciliation
from jobsui.jobs.delivery.batch_request import BatchRequest, PostResult
from jobsui.jobs.delivery.decision import ReconcileResult
from jobsui.jobs.delivery.finished_batches import BatchFinished
from jobsui.jobs.delivery.prior_reads import PriorRead
from jobsui.jobs.delivery.rate_limits import Budget
from jobsui.jobs.delivery.reconciliation import UnconfirmedBatch
from jobsui.jobs.timing import Timing
from jobsui.zendesk import custom_objects
from jobsui.zendesk.errors import NotSent, ZendeskError
from jobsui.zendesk.payloads import JobStatus
from jobsui.zendesk.transport import Transport

logger = logging.getLogger(__name__)

POST_THREADS = 8
READ_THREADS = 3
IDLE_THREAD_SECONDS = 10.0
OUT_OF_TURN = "Not sent yet: it is the turn of other accounts."
INTERNAL_ERROR = (
    "Something went wrong inside Jobs UI before this was sent. The log has the details."
)


_tokens = ContextVar("tokens", default=0)
"""How many requests of the current call are paid for."""


@dataclass(slots=True)
class RunningBatch:
    """A batch that Zendesk accepted and, as far as we know, has not finished. Times are
    those of Clock.monotonic()."""

    request: BatchRequest
    status_id: str
    started_at: float | None
    """When it was accepted; None when an earlier driver sent it, so that its duration
    is not known."""
    seen_at: float = 0.0
    """When it was last seen running."""
    polled_at: float = 0.0
    absent_since: float | None = None
    """Since when its job status is missing from the responses."""


@dataclass(frozen=True, slots=True)
class PollResult:
    """The job statuses of running batches, or the error instead of them."""

    batches: tuple[RunningBatch, ...]
    at: float
    """When the response came, by Clock.monotonic()."""
    statuses: tuple[JobStatus, ...] = ()
    error: ZendeskError | None = None


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The failures of a batch that was sent again were compared with the records in
    Zendesk. `finished` has the results that are certain."""

    finished: BatchFinished
    error: ZendeskError | None = None
    """Zendesk could not be read, so no failure is certain."""


CallResult = PostResult | PollResult | VerifyResult | ReconcileResult | PriorRead
Call = Callable[[], CallResult]
CallQueue = Literal["posts", "polls", "reads"]
THREADS: Mapping[CallQueue, int] = {
    "posts": POST_THREADS,
    "polls": 1,
    "reads": READ_THREADS,
}
"""The most threads of one driver. It makes one poll at a time."""


class Executor(Protocol):
    """Runs the calls of one driver. The product uses threads."""

    def submit(self, queue: CallQueue, call: Call) -> None:
        """Run the call soon and put its result into the inbox. `call` never raises."""

    def get(self, timeout: float) -> CallResult:
        """The next result, within `timeout` seconds; 0 does not wait.

        Raises queue.Empty when there is none."""

    def close(self, *, wait: bool) -> None:
        """Run no more calls. `wait` until those that were submitted have ended."""


class ThreadExecutor:
    """Threads of their own for posts, polls and reads, so that none waits for another.

    They do not keep a process alive: a call in flight when the process ends leaves an
    unconfirmed batch, as a crash would."""

    def __init__(self, account: str) -> None:
        self._inbox: SimpleQueue[CallResult] = SimpleQueue()
        self._pools = {
            queue: _ThreadPool(f"{queue} {account}", number, self._inbox)
            for queue, number in THREADS.items()
        }

    def submit(self, queue: CallQueue, call: Call) -> None:
        self._pools[queue].submit(call)

    def get(self, timeout: float) -> CallResult:
        if timeout > 0:
            return self._inbox.get(timeout=timeout)
        return self._inbox.get_nowait()

    def close(self, *, wait: bool) -> None:
        for pool in self._pools.values():
            pool.close()
        if wait:
            for pool in self._pools.values():
                pool.join()


class _ThreadPool:
    """Starts a thread when a call finds none free, and ends it after a while without
    calls. So an account that waits has no threads."""

    def __init__(
        self, name: str, max_threads: int, results: SimpleQueue[CallResult]
    ) -> None:
        self._name = name
        self._max_threads = max_threads
        self._results = results
        self._calls: deque[Call] = deque()
        self._threads: set[Thread] = set()
        self._idle = 0
        self._is_closed = False
        self._changed = Condition()

    def submit(self, call: Call) -> None:
        with self._changed:
            self._calls.append(call)
            has_thread = len(self._calls) <= self._idle
            if has_thread or len(self._threads) >= self._max_threads:
                self._changed.notify()
                return
            thread = Thread(target=self._work, name=self._name, daemon=True)
            self._threads.add(thread)
        thread.start()

    def close(self) -> None:
        """End the threads after the calls that were submitted."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def join(self) -> None:
        for thread in list(self._threads):
            thread.join()

    def _work(self) -> None:
        while call := self._next():
            result = call()
            connection.close()
            self._results.put(result)

    def _next(self) -> Call | None:
        """The next call; None when this thread ends."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(
                lambda: self._calls or self._is_closed, IDLE_THREAD_SECONDS
            )
            self._idle -= 1
            if self._calls:
                return self._calls.popleft()
            self._threads.discard(current_thread())
            return None


class Calls:
    """The calls of one driver: what each does, and which result reports its failure."""

    def __init__(
        self,
        executor: Executor,
        may_call: Callable[[], bool],
        may_post: Callable[[], bool],
        *,
        budget: Budget,
        clock: Clock,
        timing: Timing,
        transport: Transport | None = None,
    ) -> None:
        """`may_call` runs in the thread, last before each request, `may_post` before a
        batch is sent. Each request takes a
        token of the `budget`. `transport` None: HTTP over sockets."""
        self._executor = executor
        self._budget = budget
        self._may_call = may_call
        self._may_post = may_post
        self._clock = clock
        self._timing = timing
        self._transport = transport
        self._clients: dict[int, SignedClient] = {}
        self.in_flight = 0
        """How many calls have no result yet."""

    def get(self, timeout: float) -> CallResult:
        """The next result. Raises queue.Empty when none comes within `timeout` seconds."""
        result = self._executor.get(timeout)
        self.in_flight -= 1
        return result

    def close(self, *, wait: bool) -> None:
        self._executor.close(wait=wait)

    def client(self, conn: Connection) -> SignedClient:
        if conn.pk not in self._clients:
            self._clients[conn.pk] = SignedClient(
                conn,
                wait_for_turn=self._wait_for_token,
                may_call=self._may_call,
                reuse_seconds=self._timing.credentials_reuse,
                request_timeout=self._timing.request_timeout,
                clock=self._clock,
                transport=self._transport,
            )
        return self._clients[conn.pk]

    def post(self, request: BatchRequest) -> None:
        """Send a batch. The driver has taken the token of one request."""
        self._submit(
            "posts",
            request,
            partial(self._post, request),
            lambda error: PostResult(
                request,
                error=error,
                response=error.response,
                at=self._clock.monotonic(),
            ),
        )

    def read_first(self, request: BatchRequest) -> None:
        """Read the records of a batch that is sent next. The driver has taken the token of
        one request. It waits among the posts, because it is one half of a batch's way."""
        self._submit(
            "posts",
            request,
            partial(self._read_first, request),
            lambda error: PriorRead(request, error=error),
        )

    def poll(self, batches: tuple[RunningBatch, ...]) -> None:
        """Read the job statuses of at most 100 batches of one connection. The driver has
        taken the token of one request."""
        self._submit(
            "polls",
            batches[0].request,
            partial(self._poll, batches),
            lambda error: PollResult(batches, self._clock.monotonic(), error=error),
        )

    def reconcile(self, batch: UnconfirmedBatch, *, next_in: float) -> None:
        """Read from Zendesk whether an unconfirmed batch was applied. `next_in`: seconds
        until the next reading, if one is needed. The driver has taken the token of one
        request."""
        result = partial(ReconcileResult, batch, next_in=next_in)
        self._submit(
            "reads",
            batch.request,
            lambda: result(reconciliation.reconcile(batch)),
            lambda error: result(error=error),
        )

    def verify(self, finished: BatchFinished) -> None:
        """Compare the failures of a finished batch with the records in Zendesk."""
        self._submit(
            "reads",
            finished.request,
            partial(_verify, finished),
            lambda error: VerifyResult(finished.without_failures(), error),
            tokens=0,
        )

    def _submit(
        self,
        queue: CallQueue,
        request: BatchRequest,
        call: Call,
        failed: Callable[[ZendeskError], CallResult],
        *,
        tokens: int = 1,
    ) -> None:
        """`tokens`: how many requests of the call the driver has paid for."""
        result = partial(self._result_of, request, call, failed, tokens)
        self.in_flight += 1
        self._executor.submit(queue, result)

    def _result_of(
        self,
        request: BatchRequest,
        call: Call,
        failed: Callable[[ZendeskError], CallResult],
        tokens: int,
    ) -> CallResult:
        """Make the call, in a thread. `failed` makes a result of the error."""
        _tokens.set(tokens)
        try:
            return self._clients[request.connection_id].renewing(call)
        except ZendeskError as error:
            return failed(error)
        except Exception:
            # Each call has a result. A fault while a batch is posted does not come here:
            # batch_request.send makes it Unconfirmed.
            logger.exception("A call about batch %s failed.", request.batch_id)
            return failed(NotSent(INTERNAL_ERROR))
        finally:
            # Some reconciliations need no request.
            self._budget.give_back(_tokens.get())

    def _wait_for_token(self) -> None:
        """Before each request, in the thread of its call: one token for one request. The
        wait ends early if the request may not be sent any more."""
        tokens = _tokens.get()
        if tokens:
            _tokens.set(tokens - 1)
            return
        while self._may_call() and not self._budget.take_for_read():
            self._clock.sleep(self._budget.read_wait)

    def _post(self, request: BatchRequest) -> PostResult:
        if not self._may_post():
            raise NotSent(OUT_OF_TURN, code="withheld")
        status, response = batch_request.send(request)
        now = self._clock.monotonic()
        return PostResult(request, status=status, response=response, at=now)

    def _read_first(self, request: BatchRequest) -> PriorRead:
        if not self._may_post():
            raise NotSent(OUT_OF_TURN, code="withheld")
        return PriorRead(request, prior_reads.read(request))

    def _poll(self, batches: tuple[RunningBatch, ...]) -> PollResult:
        client = batches[0].request.client
        statuses = custom_objects.job_statuses(
            client, [batch.status_id for batch in batches]
        )
        return PollResult(batches, self._clock.monotonic(), tuple(statuses))


def _verify(finished: BatchFinished) -> VerifyResult:
    results = reconciliation.verify(finished.request, finished.results)
    return VerifyResult(replace(finished, results=results))
