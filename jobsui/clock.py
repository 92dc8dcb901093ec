"""The clock that the engine reads. It is given to whatever needs the time, so a test or a
simulator can bring its own."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the engine reads the time. Leases run on the database's clock instead
    (jobs/leases.py): the difference between the two is what they protect from."""

    def monotonic(self) -> float:
        """Seconds that only ever grow. Their zero means nothing."""

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
