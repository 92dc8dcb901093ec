"""Clocks and timings that make waiting tests quick."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from jobsui.clock import SystemClock
from jobsui.jobs.timing import Timing

FAST = Timing(
    lease_ttl=8.0,
    lease_renew_interval=0.3,
    lease_stale_after=3.0,
    request_timeout=5.5,
    refresh_interval=0.1,
    limit_interval=0.1,
    coalesce_interval=0.02,
    min_idle_wait=0.02,
    max_idle_wait=0.02,
    database_retry_interval=0.01,
    crash_retry_interval=0.1,
    pool_interval=0.1,
    min_turn=0.3,
    max_turn=1.0,
    rate_limit_wait=0.3,
    max_backoff=0.5,
    min_poll_interval=0.04,
    max_poll_interval=0.04,
    min_tail_interval=0.04,
    poll_interval_reuse=0.0,
    status_absent_timeout=0.2,
    status_refused_timeout=0.4,
    first_job_duration=0.1,
    reconcile_interval=0.1,
    quiet_time=0.2,
    watch_interval=0.3,
    watch_page_interval=0.1,
)
"""For a driver in the test's own process, with a sandbox that answers at once."""

KILLED = replace(
    FAST,
    lease_ttl=1.5,
    lease_renew_interval=0.2,
    lease_stale_after=0.8,
    request_timeout=2.0,
    first_job_duration=0.2,
    quiet_time=0.5,
)
"""For drivers in processes that are killed or frozen: another one takes over soon."""

WORKER = Timing(
    lease_ttl=3.0,
    lease_renew_interval=0.3,
    lease_stale_after=2.0,
    request_timeout=1.5,
    refresh_interval=0.2,
    limit_interval=0.2,
    database_retry_interval=0.2,
    stop_timeout=5.0,
    sweep_interval=0.5,
    crash_retry_interval=0.5,
    rate_limit_wait=0.5,
    max_backoff=1.0,
    min_tail_interval=0.2,
    status_absent_timeout=0.5,
    status_refused_timeout=1.0,
    first_job_duration=0.3,
    reconcile_interval=0.3,
    quiet_time=0.7,
)
"""For whole worker processes (tests/acceptance). On a busy machine a driver may not get to
renew its lease for more than a second."""


def as_setting(timing: Timing) -> dict[str, float]:
    """The value of settings.TIMING."""
    return asdict(timing)


class AdvanceableClock(SystemClock):
    """The system's clock, which can be put forward."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


@dataclass
class FakeClock:
    """A clock that stands still until it is moved."""

    time: float = 1_000.0

    def monotonic(self) -> float:
        return self.time

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.time)

    def sleep(self, seconds: float) -> None:
        self.time += seconds
