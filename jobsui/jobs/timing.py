"""Intervals and timeouts of sending."""

from dataclasses import dataclass

from django.conf import settings
from django.utils.module_loading import import_string

from jobsui.clock import Clock


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Every interval and timeout of the sending side, in seconds."""

    # Leases

    lease_ttl: float = 30.0
    """How long a lease lasts without renewal."""
    lease_renew_interval: float = 5.0
    """How often the driver renews its lease."""
    lease_stale_after: float = 15.0
    """Without a renewal for this long the driver sends nothing more, because another driver may
    own the account soon."""

    # The driver's loop

    refresh_interval: float = 1.0
    """How often the driver reads which jobs move and which batches are unconfirmed."""
    limit_interval: float = 5.0
    """How long what limits the jobs is shown at least, before something else is."""
    coalesce_interval: float = 0.1
    """Responses that arrive this close together are written in one transaction."""
    min_idle_wait: float = 0.1
    """The shortest wait for a response while batches wait for a slot or a request."""
    max_idle_wait: float = 0.2
    """The longest wait for a response while results arrive. It grows up to
    `refresh_interval` while nothing happens."""
    database_retry_interval: float = 1.0
    """The pause after a statement that failed because the database was away."""
    stop_timeout: float = 25.0
    """How long a driver that was asked to stop waits for the responses to its posts."""
    crash_retry_interval: float = 10.0
    """The pause after a driver crashed, before another one starts."""
    pool_interval: float = 1.0
    """How often the pool looks for accounts without a driver."""
    min_turn: float = 5.0
    """How long an account sends nothing before it gives way, if other accounts wait."""
    max_turn: float = 60.0
    """How long an account sends, or waits for unconfirmed batches, before it gives way, if other
    accounts wait."""
    max_rest: float = 600.0
    """How long an account whose jobs wait and do not change has no driver, if other
    accounts need one."""

    sweep_interval: float = 15.0
    """How often the sweep looks for work that no worker was asked to do."""

    # Requests

    request_timeout: float = 35.0
    """The longest time a request may take, from connecting to the last byte of its response."""
    credentials_reuse: float = 1.0
    """How long credentials are reused before they are read again."""
    rate_limit_wait: float = 30.0
    """The wait after a 429 response without a Retry-After header."""
    max_backoff: float = 30.0
    """The longest rest after requests that failed."""

    # Watched records

    watch_interval: float = 30.0
    """How often the incremental export is read for a job that watches its records."""
    watch_page_interval: float = 8.0
    """The pause between two pages of an export. Zendesk allows an account ten a minute."""
    watch_max_age: float = 60.0
    """How long ago an export was read at most, if the batches whose records it does not show
    are sent without reading them first."""

    # Job statuses

    min_poll_interval: float = 0.25
    """The shortest interval between two polls, out of courtesy to Zendesk."""
    max_poll_interval: float = 10.0
    """The longest interval between two polls, so that people see progress."""
    min_tail_interval: float = 1.0
    """The shortest interval between two polls when no batch waits to be sent."""
    poll_interval_reuse: float = 0.5
    """How long a calculated poll interval is reused."""
    status_absent_timeout: float = 5.0
    """How long a job status must be missing before it counts as lost: under load Zendesk shows
    a new job's status late."""
    status_refused_timeout: float = 60.0
    """How long Zendesk may refuse to show a job status before it counts as lost."""
    first_job_duration: float = 10.0
    """How long a job is expected to take before any has finished."""

    # Unconfirmed batches

    reconcile_interval: float = 2.0
    """The shortest interval between two reconciliations of a batch."""
    quiet_time: float = 10.0
    """How long a record must be absent before its absence proves anything. Twice the duration
    of a long job, if that is longer."""


def timing_from_settings() -> Timing:
    """The defaults, with what `settings.TIMING` changes."""
    return Timing(**settings.TIMING)


def clock_from_settings() -> Clock:
    clock: Clock = import_string(settings.CLOCK)
    return clock
