"""Virtual time: greenlets that wait, and a heap of what happens next.

Everything runs in one thread. The hub takes the earliest entry of its heap, moves the
time there and calls it; a call may wake a greenlet, which runs until it waits again."""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from threading import Event

from greenlet import GreenletExit, getcurrent, greenlet

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The true time at the start of a history."""


class Runaway(Exception):
    """A history takes far more steps than its time allows."""


class Hub:
    MAX_STEPS = 150_000

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the start of the history."""
        self.steps = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._greenlet = getcurrent()

    def at(self, time: float, act: Callable[[], None]) -> None:
        """Call `act` at this time, or now if it has passed. What is due at the same time
        is called in the order in which it was added."""
        heapq.heappush(self._heap, (max(time, self.now), next(self._numbers), act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self.at(self.now + seconds, act)

    def run(self, is_over: Callable[[], bool]) -> None:
        """Run what is due, until the history is over."""
        while self._heap and not is_over():
            time, _, act = heapq.heappop(self._heap)
            self.now = time
            self.steps += 1
            if self.steps > self.MAX_STEPS:
                raise Runaway(f"{self.steps} steps in {self.now:.0f} s")
            act()

    def park(self) -> object:
        """Switch from the current greenlet to the hub, until somebody wakes it."""
        return self._greenlet.switch()

    def start(self, run: Callable[[], None]) -> greenlet:
        return greenlet(run, parent=self._greenlet)


class Process:
    """A process of the product. Its greenlets wake only while it lives and is not
    frozen. A killed process never runs again: nothing is unwound, as with kill -9."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self.name = name
        self.started_at = hub.now
        self.stopping = Stopping(self)
        self.is_dead = False
        self.is_over = False
        self.fault = ""
        """What happens to the commit that it is making."""
        self.wall_ahead = 0.0
        """Seconds by which its wall clock is wrong."""
        self.frozen_until = float("-inf")
        self._kept: list[greenlet] = []
        """Collecting a parked greenlet would throw into it."""

    def start(self, run: Callable[[], None]) -> "ProcessThread":
        thread = ProcessThread(self, run)
        self._kept.append(thread.greenlet)
        self.hub.after(0.0, lambda: self.wake(thread.greenlet))
        return thread

    def wake(self, waiting: greenlet) -> None:
        if self.is_dead or waiting.dead:
            return
        if self.hub.now < self.frozen_until:
            self.hub.at(self.frozen_until, lambda: self.wake(waiting))
            return
        waiting.switch()

    def sleep(self, seconds: float) -> None:
        """In a greenlet of this process."""
        if self.is_over:
            raise GreenletExit
        waiting = getcurrent()
        self.hub.after(seconds, lambda: self.wake(waiting))
        self.hub.park()

    def freeze(self, seconds: float) -> None:
        self.frozen_until = self.hub.now + seconds

    @property
    def frozen_for(self) -> float:
        """Seconds until it runs again."""
        return max(0.0, self.frozen_until - self.hub.now)

    def kill(self) -> None:
        self.is_dead = True

    def end(self) -> None:
        """At the end of a history: unwind what still waits."""
        self.is_over = True
        self.is_dead = True
        for waiting in self._kept:
            if not waiting.dead:
                waiting.throw(GreenletExit)

    @property
    def is_reader(self) -> bool:
        """Whether it reads live records, and sends nothing."""
        return self.name.startswith(("reader", "watcher"))

    @property
    def is_running(self) -> bool:
        return not self.is_dead and not all(each.dead for each in self._kept)

    def runs(self, current: greenlet) -> bool:
        return current in self._kept


class Stopping(Event):
    """The event that asks a process to stop."""

    def __init__(self, process: "Process") -> None:
        super().__init__()
        self._process = process

    def wait(self, timeout: float | None = None) -> bool:
        """Lasts the whole time. A request to stop is noticed at its end."""
        if not self.is_set():
            self._process.sleep(timeout or 0.0)
        return self.is_set()


class ProcessThread:
    """What threading.Thread is in a real process."""

    def __init__(self, process: Process, run: Callable[[], None]) -> None:
        self._process = process
        self._run = run
        self._joins: list[greenlet] = []
        """What waits for its end."""
        self.greenlet = process.hub.start(self._run_to_end)

    def is_alive(self) -> bool:
        return not self.greenlet.dead

    def join(self, timeout: float | None = None) -> None:
        if not self.is_alive():
            return
        waiting = getcurrent()
        self._joins.append(waiting)
        if timeout is not None:
            self._process.hub.after(timeout, lambda: self._return(waiting))
        self._process.hub.park()

    def _run_to_end(self) -> None:
        self._run()
        for waiting in self._joins:
            self._process.hub.after(0.0, partial(self._return, waiting))

    def _return(self, waiting: greenlet) -> None:
        if waiting in self._joins:
            self._joins.remove(waiting)
            self._process.wake(waiting)


class SimClock:
    """The clock of one process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def monotonic(self) -> float:
        return self._process.hub.now

    def now(self) -> datetime:
        seconds = self._process.hub.now + self._process.wall_ahead
        return EPOCH + timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        self._process.sleep(seconds)
