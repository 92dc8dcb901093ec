"""How long Zendesk asked an account to wait, beyond the life of a driver."""

from jobsui.clock import Clock
from jobsui.jobs.delivery.account_limits import AccountLimits
from jobsui.jobs.models import AccountWait

MIN_CHANGE = 1.0
"""Seconds. A wait is saved again only if it ends later by more than this."""


class KeptWait:
    """Keeps the wait of an account in the database, for the next driver and for people."""

    def __init__(self, account: str, limits: AccountLimits, clock: Clock) -> None:
        self._account = account
        self._limits = limits
        self._clock = clock
        self._saved_until = float("-inf")
        """The end of the wait that is in the database, by Clock.monotonic()."""

    def resume(self) -> None:
        """Wait as long as Zendesk asked an earlier driver to."""
        seconds = AccountWait.objects.seconds_left(self._account)
        if seconds:
            self._limits.budget.block(seconds)
            self._saved_until = self._clock.monotonic() + seconds

    def save(self) -> None:
        seconds = self._limits.waits
        until = self._clock.monotonic() + seconds
        if seconds and until > self._saved_until + MIN_CHANGE:
            AccountWait.objects.ask(self._account, seconds)
            self._saved_until = until
