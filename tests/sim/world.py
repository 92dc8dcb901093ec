"""The world of a history: while it is played, the product has virtual time, greenlets for
threads, and the simulated network for sockets."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

import pytest
from django.test import override_settings
from django.utils import timezone

from jobsui.clock import SystemClock
from jobsui.connections.errors import HostRefused
from jobsui.connections.models import Connection
from jobsui.jobs import account_client, queueing
from jobsui.jobs.live import account_listing, plan, reader, sent_rows
from jobsui.jobs.preparation import pending_rows
from jobsui.jobs.timing import Timing
from jobsui.zendesk.transport import HttpTransport, Received, Request
from tests import failpoints
from tests.sim.hub import Process
from tests.sim.threads import Finished, SimThreads, wait_in

BATCH_SIZES = (
    (pending_rows, "MAX_BATCH_SIZE"),
    (plan, "MAX_BATCH_SIZE"),
    (sent_rows, "MAX_BATCH_SIZE"),
    (account_listing, "MAX_BATCH_SIZE"),
)
FEW = (
    (plan, "PAGES_PER_CHUNK", 2),
    (sent_rows, "BATCHES_PER_CHUNK", 2),
    (reader, "PAGES_PER_QUERY", 2),
    (account_listing, "PAGES_PER_QUERY", 2),
)
"""How much is done at a time. A history has few rows."""


class World(Protocol):
    timing: Timing

    def now(self) -> datetime:
        """The wall clock where the caller runs."""

    def monotonic(self) -> float: ...

    def current_process(self) -> Process | None: ...

    def exchange(self, request: Request, deadline: float) -> Received: ...

    def enqueue(self, task: str, ids: tuple[int, ...]) -> None: ...


@contextmanager
def inside(world: World) -> Iterator[None]:
    def process() -> Process:
        found = world.current_process()
        assert found
        return found

    def wait(
        futures: Collection[Future[Any]], timeout: float, _return_when: str = ""
    ) -> Finished:
        return wait_in(process(), futures, timeout)

    def exchange(_transport: object, request: Request, *, deadline: float) -> Received:
        return world.exchange(request, deadline)

    replaced: list[tuple[Any, str, Any]] = [
        (queueing, "backend", world.enqueue),
        (timezone, "now", world.now),
        (SystemClock, "now", lambda _clock: world.now()),
        (SystemClock, "monotonic", lambda _clock: world.monotonic()),
        (SystemClock, "sleep", lambda _clock, seconds: process().sleep(seconds)),
        (HttpTransport, "exchange", exchange),
        (account_client, "client_for", _refuse),
        (reader, "ThreadPoolExecutor", lambda _threads: SimThreads(process())),
        (reader, "wait", wait),
        *FEW,
    ]
    with (
        override_settings(TIMING=asdict(world.timing)),
        pytest.MonkeyPatch.context() as patch,
    ):
        failpoints.wrap_product()
        for owner, name, value in replaced:
            patch.setattr(owner, name, value)
        for owner, name in BATCH_SIZES:
            patch.setattr(owner, name, getattr(owner, name))
        yield


def set_batch_size(size: int) -> None:
    """Inside a world: how many rows a batch or page has at most."""
    for owner, name in BATCH_SIZES:
        setattr(owner, name, size)


def _refuse(_connection: Connection) -> Callable[[], None]:
    """A check reads no sample of the account."""
    raise HostRefused("This account does not exist.")
