"""The calls of one driver, each in a greenlet: as many at a time as the product has
threads."""

from collections import deque
from queue import Empty

from greenlet import getcurrent, greenlet

from jobsui.jobs.delivery.call_threads import THREADS, Call, CallQueue, CallResult
from tests.sim.hub import Process


class SimExecutor:
    def __init__(self, process: Process) -> None:
        self._process = process
        self._inbox: deque[CallResult] = deque()
        self._waiting: greenlet | None = None
        """The driver's greenlet, while it waits for a result."""
        self._waits = 0
        self._calls: dict[CallQueue, deque[Call]] = {name: deque() for name in THREADS}
        self._running: dict[CallQueue, int] = dict.fromkeys(THREADS, 0)
        self._is_closed = False

    def submit(self, queue: CallQueue, call: Call) -> None:
        self._calls[queue].append(call)
        if self._running[queue] < THREADS[queue]:
            self._running[queue] += 1
            self._process.start(lambda: self._work(queue))

    def get(self, timeout: float) -> CallResult:
        if not self._inbox and timeout > 0:
            self._wait(timeout)
        if not self._inbox:
            raise Empty
        return self._inbox.popleft()

    def close(self, *, wait: bool) -> None:
        self._is_closed = True
        while wait and any(self._running.values()):
            self._process.sleep(0.1)

    def _work(self, queue: CallQueue) -> None:
        calls = self._calls[queue]
        while calls and not self._is_closed:
            call = calls.popleft()
            self._inbox.append(call())
            self._wake()
        self._running[queue] -= 1

    def _wait(self, timeout: float) -> None:
        self._waiting = getcurrent()
        self._waits += 1
        this_wait = self._waits

        def give_up() -> None:
            if self._waits == this_wait:
                self._wake()

        self._process.hub.after(timeout, give_up)
        self._process.hub.park()

    def _wake(self) -> None:
        waiting = self._waiting
        if waiting is not None:
            self._waiting = None
            self._process.hub.after(0.0, lambda: self._process.wake(waiting))
