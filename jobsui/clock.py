"""The clock that the engine reads. Code that needs the time receives a clock, so a test
or a simulator can pass its own."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the engine reads the time. Leases use the database's clock instead
    (jobs/leases.py), because they protect against clocks that differ."""

    def monotonic(self) -> float:
        """Seconds that never decrease. Only differences between them have a meaning."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The clock of this machine."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


SYSTEM_CLOCK: Clock = SystemClock()
