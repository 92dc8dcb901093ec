"""The witness: watches the requests to an account as they leave, and finds those that must
not. What it needs of the database it reads at that moment; everything else is judged
at the end (judge.py)."""

from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

from jobsui.jobs.enums import BatchState
from jobsui.jobs.models import Attempt, Lease
from jobsui.jobs.timing import Timing
from jobsui.zendesk.transport import Received
from tests.sim.account import Account
from tests.sim.hub import EPOCH, Hub, Process
from tests.sim.plan import Plan

REACTION_SECONDS = 2.0
"""A driver may send this long after a response that asks it to wait: other threads had
requests ready."""
FIRST_REQUESTS = 2
"""What a driver may send before it knows what an earlier one has sent."""
LATE_REQUESTS = 5
"""What a process may send too late, if it was frozen after it had taken the requests from the
minute's rate."""
MINUTE = 60.0


@dataclass(eq=False)
class InTransit:
    """A request with rows, from the last check before it is sent until it arrives."""

    tags: tuple[str, ...]
    sender: Process | None = None
    """The process in which it waits to be sent; None: it has been sent."""

    @property
    def can_arrive(self) -> bool:
        return self.sender is None or not self.sender.is_dead


@dataclass(frozen=True)
class Wait:
    """What a Retry-After asks of one process."""

    binds_from: float
    until: float


class Witness:
    def __init__(
        self,
        hub: Hub,
        plan: Plan,
        timing: Timing,
        account: Account,
        resent_by_persons: Counter[str],
        find: Callable[[str, str], None],
    ) -> None:
        """`resent_by_persons`: {tag: how often a person had the row sent again, whatever
        may have happened}."""
        self._hub = hub
        self._plan = plan
        self._timing = timing
        self._account = account
        self._lease_name = f"account:{account.host}"
        self._find = find
        self.in_transit: list[InTransit] = []
        self.job_ids: dict[str, list[int]] = {}
        """{tag of a row: the ids of the jobs that may send it}."""
        self.row_numbers: dict[str, int] = {}
        self._resent_by_persons = resent_by_persons
        self._sent_at: deque[float] = deque()
        self._waits: dict[tuple[str, str], Wait] = {}
        """{(process, kind of request): when it must not send}. Kind "" is all."""
        self.driver_starts: list[float] = []

    # Requests

    def leaves(self, process: Process, kind: str, tags: Collection[str]) -> None:
        """A request is about to be sent."""
        if not process.is_reader:
            self._require_lease(process, kind)
        self._require_wait(process, kind)
        self._require_rate(process)
        if tags:
            self._require_attempt(tags)
            self._require_no_other(set(tags))

    def responds(self, process: Process, kind: str, response: Received) -> None:
        """A process gets a response."""
        wait = response.headers.get("Retry-After")
        if wait is None or b"TooManyJobs" in response.body:
            return
        kinds = ("",) if response.status == 429 else _kinds_like(kind)
        known_at = self._hub.now + process.frozen_for
        for each in kinds:
            self._waits[process.name, each] = Wait(
                binds_from=known_at + REACTION_SECONDS, until=known_at + float(wait)
            )

    def _require_lease(self, process: Process, kind: str) -> None:
        """F: only the owner of a fresh lease sends. A driver that lost its lease to a jump
        of the database's clock may read until it renews."""
        if self._plan.weather.database_jumps_at is not None and kind != "post":
            return
        lease = Lease.objects.filter(owner=process.name, name=self._lease_name).first()
        if lease is None:
            self._find("F", f"{process.name} sends a {kind} without a lease")
            return
        if self._plan.weather.database_jumps_at is not None:
            return
        now = EPOCH + timedelta(seconds=self._hub.now)
        age = self._timing.lease_ttl - (lease.expires_at - now).total_seconds()
        if age > self._timing.lease_stale_after:
            self._find(
                "F", f"{process.name} sends a {kind}, its lease is {age:.0f} s old"
            )

    def _require_attempt(self, tags: Collection[str]) -> None:
        """F: a committed attempt of the present epoch says that the rows may be sent."""
        tag = min(tags)
        if tag not in self.row_numbers:
            # It was found by its batch, which is being sent.
            return
        row = self.row_numbers[tag]
        attempts = Attempt.objects.filter(
            batch__job__in=self.job_ids[tag],
            batch__first_row__lte=row,
            batch__last_row__gte=row,
            batch__state=BatchState.SENDING,
            result="",
        )
        epochs = attempts.values_list("epoch", flat=True)
        lease = Lease.objects.filter(name=self._lease_name, epoch__in=epochs)
        if not lease.exists():
            self._find("F", f"{tag} is sent without a committed attempt")

    def _require_no_other(self, tags: set[str]) -> None:
        """O: no earlier request with these rows may still take effect."""
        tags = tags - self._resent_by_persons.keys()
        for other in self.in_transit:
            if other.can_arrive:
                self._find_early(tags & set(other.tags), "is still on its way")
        for job in self._account.running:
            self._find_early(tags & set(job.tags), f"still runs as {job.id}")

    def _find_early(self, tags: Collection[str], why: str) -> None:
        if tags:
            names = " ".join(sorted(tags))
            self._find("O", f"{names} sent again while an earlier request {why}")

    # Limits

    def _require_wait(self, process: Process, kind: str) -> None:
        """R: nothing is sent before the account's Retry-After."""
        for each in ("", kind):
            wait = self._waits.get((process.name, each))
            if wait and wait.binds_from < self._hub.now < wait.until:
                left = wait.until - self._hub.now
                self._find(
                    "R", f"{process.name} sends a {kind}, {left:.0f} s too early"
                )

    def _require_rate(self, process: Process) -> None:
        """R: no minute has more requests than the account allows."""
        now = self._hub.now
        self._sent_at.append(now)
        while self._sent_at[0] <= now - MINUTE:
            self._sent_at.popleft()
        most = self._plan.weather.requests_per_minute
        most += FIRST_REQUESTS * self._count_starts(now - MINUTE)
        if now - process.frozen_until < MINUTE:
            most += LATE_REQUESTS
        if len(self._sent_at) > most:
            self._find("R", f"{len(self._sent_at)} requests in a minute")

    def _count_starts(self, since: float) -> int:
        return sum(at > since for at in self.driver_starts)

    def jobs_run(self) -> None:
        """R: the account has accepted a request."""
        limit = self._plan.weather.max_running_jobs
        running = [job for job in self._account.running if not job.oddity]
        if len(running) > limit:
            self._find("R", f"{len(running)} jobs run, {limit} are allowed")


def _kinds_like(kind: str) -> tuple[str, ...]:
    """The kinds of requests that rest together after a failure."""
    return ("post",) if kind == "post" else ("poll", "list", "read", "records")
