"""Moving an account's jobs on: one thread owns the account by a lease and is the only
one that writes; others talk to Zendesk and hand back what they heard (calling.py).

Each round is one transaction: check the lease, write down what came back, commit the
intent to send the next batches. Only after that commit are they sent. So at any moment
the database knows of everything that may be on its way."""

import logging
import threading
import time
from collections import Counter
from datetime import timedelta
from queue import Empty

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from jobsui.jobs import leases
from jobsui.jobs.delivery import batch_request, claims, transitions
from jobsui.jobs.delivery.account_limits import AccountLimits
from jobsui.jobs.delivery.auto_pause import FailureWindow
from jobsui.jobs.delivery.batch_request import BatchRequest, PostResult
from jobsui.jobs.delivery.call_threads import (
    POST_THREADS,
    READ_THREADS,
    CallResult,
    Calls,
    PollResult,
    RunningBatch,
    VerifyResult,
)
from jobsui.jobs.delivery.claims import LockedKeys
from jobsui.jobs.delivery.reconciliation import UnconfirmedBatch
from jobsui.jobs.delivery.transitions import (
    DATABASE_AWAY,
    AccessRefused,
    BatchFinished,
    ReconcileResult,
    StatusLost,
)
from jobsui.jobs.enums import SENDABLE, Action, BatchState, LimitedBy, Outcome
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.models import Attempt, Batch, Job, Lease
from jobsui.jobs.sql import known_status_ids, waiting_jobs
from jobsui.zendesk.errors import (
    Forbidden,
    Limited,
    NotSent,
    NotSignedIn,
    Refused,
    TooManyJobs,
)
from jobsui.zendesk.payloads import JobStatus

logger = logging.getLogger(__name__)

STOCK_SECONDS = 1.0
"""How often the database is asked which jobs move, and which batches are in doubt."""
RENEW_SECONDS = 5.0
STALE_SECONDS = 15.0
"""Without a renewal for this long nothing more is sent: the lease may soon be somebody
else's."""
CALL_SECONDS = 35.0
"""No call takes longer (Client.request)."""
STOP_SECONDS = 25.0
"""How long a driver asked to stop waits for the answers to what is in the air."""
ABSENT_SECONDS = 5.0
"""A fresh job's status may be missing under load although the job runs, so absence must
last."""
AWAY_SECONDS = 1.0
TOGETHER_SECONDS = 0.1
"""Answers of so short a while are written down in one commit, unless one of them tells
that slots are free."""
TICK_SECONDS, NAP_SECONDS = 0.1, 0.2
"""How long a driver sleeps at least that waits for room or for a request to spend, and
how long at most."""


class Driver:
    """The one loop that owns an account. Every method runs in its thread, except those
    that say otherwise."""

    def __init__(
        self, host: str, lease: leases.Held, stopping: threading.Event
    ) -> None:
        self.host, self.lease, self.stopping = host, lease, stopping
        self.calls = Calls(host, self._may_call)
        self.limits = AccountLimits()
        self.unwritten: list[transitions.Event] = []
        self.jobs: dict[int, Job] = {}
        self.failure_windows: dict[int, FailureWindow] = {}
        self.sending: dict[int, BatchRequest] = {}
        self.flights: dict[int, RunningBatch] = {}
        self.doubts: dict[int, float] = {}
        """Batches in doubt, and time.monotonic() since when nothing of them can have
        been on its way any more."""
        self.locked_keys: dict[int, LockedKeys] = {}
        """Of batches that are in doubt, or were and have no end yet."""
        self.looking: set[int] = set()
        self.waiting: set[int] | None = None
        """Jobs with batches to send; None: to be asked."""
        self.served: dict[int, float] = {}
        """Batches sent of each job, but those the account had no room for, divided by
        its weight."""
        self.has_room = False
        """Whether window and posters had room for more than what was sent last."""
        self.held = Counter[LimitedBy]()
        """In how many rounds since the last stock more could have been sent but for
        this."""
        self.is_new, self.is_torn, self.is_polling = True, False, False
        self.polled_at = self.refreshed_at = self.looked_at = 0.0

    def run(self) -> None:
        """Until nothing moves or we are asked to stop; what is in the air then is still
        written down."""
        try:
            while not self.stopping.is_set() and (
                self.is_new or self.jobs or self.sending or self.unwritten
            ):
                self._round()
            self._land()
        finally:
            self.calls.close(wait=not self.stopping.is_set())

    def _land(self) -> None:
        """Wait for the answers to what is in the air, within reason. What stays
        `sending` the next driver doubts."""
        ends = time.monotonic() + STOP_SECONDS
        while (self.sending or self.unwritten) and time.monotonic() < ends:
            self._round()

    def _round(self) -> None:
        """Wait for something to do, do it in one transaction, then act on what was
        committed."""
        self._collect()
        try:
            self._keep_lease()
            self._take_stock()
            if (
                not self.stopping.is_set()
            ):  # First, or posts would leave nothing of the rate to them.
                self._poll_if_due()
                self._look_if_due()
            self._send(self._commit())
            if self.waiting:
                self.held[self._holds()] += 1
        except DATABASE_AWAY as error:
            # What was not committed is not sent; what we heard is written when the
            # database is back, if we still own the account then. A commit whose answer
            # was lost may have succeeded all the same: see _mend.
            logger.warning("The database cannot be used, trying again: %s", error)
            self.is_torn = True
            connection.close()
            time.sleep(AWAY_SECONDS)

    def _collect(self) -> None:
        ends, pause = float("inf"), self._nap()
        try:
            while pause >= 0:
                heard = self.calls.heard.get(timeout=pause)
                self._hear(heard)
                if isinstance(heard, PollResult):
                    break
                ends = min(ends, time.monotonic() + TOGETHER_SECONDS)
                pause = ends - time.monotonic()
            while True:
                self._hear(self.calls.heard.get_nowait())
        except Empty:
            pass

    def _nap(self) -> float:
        """How long there is nothing to do, unless something is heard."""
        if self.unwritten or self.is_new:
            return 0.0
        nap = (
            max(TICK_SECONDS, min(self.limits.gap / 2, NAP_SECONDS))
            if self.waiting
            else NAP_SECONDS
        )
        look = (
            self._next_look - time.monotonic()
            if self.flights and not self.is_polling
            else nap
        )
        return (
            min(look, nap) if look > 0 else nap
        )  # A look that is due waits for a request to spend.

    def _keep_lease(self) -> None:
        if self.lease.age > RENEW_SECONDS and not self.lease.renew():
            raise leases.LeaseLost(self.lease.name)

    def _commit(self) -> list[BatchRequest]:
        """The one transaction of a round, when there is something to write down or to
        send. Nothing of what it writes is relied on before it is committed."""
        wanted = self._wanted()
        if not (wanted or self.unwritten):
            return []
        with transaction.atomic():
            leases.fence(self.lease)
            transitions.write(self.unwritten)
            tripped = self._trip()
            requests = self._claim(wanted)
        self.failure_windows |= {pk: FailureWindow() for pk in tripped}
        if self.unwritten and not (self.flights or self.sending or requests):
            self.refreshed_at = (
                0.0  # Probably all is done: see at once whether there is more.
            )
        if any(map(_brings_more, self.unwritten)):
            self.waiting = None
        self.unwritten.clear()
        return requests

    # What there is to do

    def _take_stock(self) -> None:
        if self.is_new:
            self._recover()
            self.is_new = False
        if self.is_torn:
            self._mend()
            self.is_torn = False
        if time.monotonic() - self.refreshed_at > STOCK_SECONDS:
            self._refresh()

    def _batches(self, state: BatchState) -> QuerySet[Batch]:
        """Unsettled ones of jobs that move: of others none is in flight."""
        jobs = Job.objects.on_account(self.host).moving().order_by()
        return Batch.objects.unsettled().filter(job__in=jobs, state=state)

    def _recover(self) -> None:
        """Take over what an earlier driver left: accepted batches are polled on, those
        being sent are in doubt."""
        with transaction.atomic():
            leases.fence(self.lease)
            # A driver that still lives sent its last batch within STALE_SECONDS of its
            # last renewal, and lost its lease a TTL after that.
            landed = (
                time.monotonic()
                + STALE_SECONDS
                + CALL_SECONDS
                - Lease.TTL.total_seconds()
            )
            for batch in self._batches(BatchState.SENDING):
                transitions.doubt(batch, "The driver ended while this was being sent.")
                self.doubts[batch.pk] = landed
            accepted = list(
                self._batches(BatchState.ACCEPTED).select_related(
                    "job__connection", "blob"
                )
            )
            for batch, request in zip(
                accepted,
                claims.requests_of(accepted, self.calls.client),
                strict=True,
            ):
                self.flights[batch.pk] = RunningBatch(
                    request, batch.status_id, None, time.monotonic()
                )
            self._forbid(
                self._batches(BatchState.PLANNED)
                .filter(attempts__result__in=Attempt.IN_DOUBT)
                .distinct()
            )

    def _mend(self) -> None:
        """After trouble with the database: batches that were claimed without our
        learning of it were not sent."""
        answered = {
            event.request.attempt_id
            for event in self.unwritten
            if isinstance(event, PostResult)
        }
        known = answered | {request.attempt_id for request in self.sending.values()}
        with transaction.atomic():
            leases.fence(self.lease)
            mine = Attempt.objects.filter(
                batch__in=self._batches(BatchState.SENDING),
                epoch=self.lease.epoch,
                result="",
            )
            for attempt in mine.exclude(pk__in=known).select_related("batch"):
                transitions.put_back(attempt.batch)
                note = "Not sent: the database did not tell whether this had been written down."
                Attempt.objects.filter(pk=attempt.pk).update(
                    result="not_sent", note=note
                )
        self.waiting = None

    def _refresh(self) -> None:
        """Read again which jobs move and what the account allows."""
        jobs = {
            job.pk: job
            for job in Job.objects.on_account(self.host)
            .moving()
            .select_related("connection")
        }
        self.jobs, self.refreshed_at = jobs, time.monotonic()
        if self.waiting != jobs.keys():  # Those that had none may have some now.
            self.waiting = None
        least = min(self.served.values(), default=0.0)
        self.served = {pk: self.served.get(pk, least) for pk in jobs}
        self.failure_windows = {
            pk: self.failure_windows.get(pk, FailureWindow()) for pk in jobs
        }
        self.limits.agree([job.connection for job in jobs.values()])
        if self.locked_keys:
            open_still = Batch.objects.filter(
                pk__in=self.locked_keys, job__in=jobs
            ).unsettled()
            self.locked_keys = {
                pk: self.locked_keys[pk]
                for pk in open_still.values_list("pk", flat=True)
            }
        for job in jobs.values():
            settlement.sample_pace(job)
        self._say_what_holds()
        self._settle_idle_jobs()

    def _settle_idle_jobs(self) -> None:
        """Jobs that wait for no event: pausing or cancelling with nothing in flight,
        planned to the end, ..."""
        flying = {flight.request.job_id for flight in self.flights.values()}
        flying |= {request.job_id for request in self.sending.values()}
        for job in self.jobs.values():
            if job.pk not in flying and (
                job.state not in SENDABLE
                or job.planned_at
                or job.hold_after_first_batch
            ):
                with transaction.atomic():
                    leases.fence(self.lease)
                    lifecycle.finish_if_over(job.pk)

    # Sending

    def _wanted(self) -> Counter[int]:
        """How many batches of which job to send now, as window, rate and posters have
        room for: always of the job that was served least for its weight."""
        wanted = Counter[int]()
        if self.stopping.is_set() or not self.jobs:
            return wanted
        if self.waiting is None:
            self.waiting = waiting_jobs(self.jobs)
        room = self._room() if self.waiting else 0
        served = self.served.copy()
        while room > 0 and self.waiting and self.limits.budget.take():
            chosen = min(self.waiting, key=lambda pk: (served[pk], pk))
            served[chosen] += 1 / self.jobs[chosen].weight
            wanted[chosen] += 1
            room -= 1
        self.has_room = room > 0
        return wanted

    def _room(self) -> int:
        # Those in doubt may be running as well; and so there are never more in doubt
        # than the window is wide.
        room = self.limits.room(
            self.flights.values(), len(self.sending) + len(self.doubts)
        )
        return min(room, 2 * POST_THREADS - len(self.sending))

    def _holds(self) -> LimitedBy:
        """Why no more was sent, although more waits."""
        if len(self.sending) >= 2 * POST_THREADS:
            return LimitedBy.WORKERS
        running = len(self.flights) + len(self.sending) + len(self.doubts)
        return self.limits.holds(running, has_room=self.has_room)

    def _claim(self, wanted: Counter[int]) -> list[BatchRequest]:
        """Commit the intent to send these batches."""
        if not wanted:
            return []
        locked_keys = self._locked_keys() if len(self.jobs) > 1 else {}
        requests = claims.claim(
            wanted,
            self.jobs,
            self.calls.client,
            epoch=self.lease.epoch,
            locked_keys=locked_keys,
        )
        self.limits.budget.give_back(wanted.total() - len(requests))
        if self.waiting is not None:
            self.waiting -= {
                pk
                for pk in wanted
                if wanted[pk] > sum(each.job_id == pk for each in requests)
            }
        if locked_keys and not requests:
            self.held[LimitedBy.DOUBT] += 1
        return requests

    def _locked_keys(self) -> claims.LocksByBatch:
        """What may not be touched by other jobs."""
        if fresh := self.doubts.keys() - self.locked_keys.keys():
            self._forbid(Batch.objects.filter(pk__in=fresh))
        return self.locked_keys

    def _forbid(self, batches: QuerySet[Batch]) -> None:
        for batch in batches.select_related("job", "blob"):
            self.locked_keys[batch.pk] = LockedKeys.of(batch.job, batch.blob.open_items)

    def _may_call(self) -> bool:
        """In any thread, just before a request goes out."""
        return self.lease.age < STALE_SECONDS and not self.stopping.is_set()

    def _send(self, requests: list[BatchRequest]) -> None:
        for request in requests:
            self.served[request.job_id] += 1 / self.jobs[request.job_id].weight
            self.sending[request.batch_id] = request
            self.calls.post(request)

    def _trip(self) -> list[int]:
        """Stop jobs in which too much fails, those that have more to send."""
        tripped = []
        for pk, job in self.jobs.items():
            has_more = not job.planned_at or self.waiting is None or pk in self.waiting
            if has_more and (reason := self.failure_windows[pk].reason(job)):
                transitions.stop_job(pk, reason)
                tripped.append(pk)
        return tripped

    def _say_what_holds(self) -> None:
        """Of what held us back since the last time, the most; it holds back every job
        that could be sent."""
        most = self.held.most_common(1)
        limited_by = most[0][0] if most else LimitedBy.NOTHING
        self.held.clear()
        for job in self.jobs.values():
            if job.state in SENDABLE:
                Job.objects.hold(job, limited_by)

    # Asking

    @property
    def _next_look(self) -> float:
        """time.monotonic() of the next look at what is running."""
        return self.polled_at + (
            self.limits.poll_interval if self.waiting else self.limits.tail_interval
        )

    def _poll_if_due(self) -> None:
        if (
            self.is_polling
            or not self.flights
            or time.monotonic() < self._next_look
            or self.limits.asks.left
        ):
            return
        if not self.limits.budget.take():
            return
        self.is_polling, self.polled_at = True, time.monotonic()
        by_age = sorted(self.flights.values(), key=lambda flight: flight.asked_at)
        first = by_age[0].request
        flights = tuple(
            flight
            for flight in by_age
            if flight.request.connection_id == first.connection_id
        )[:100]
        for flight in flights:
            flight.asked_at = self.polled_at
        self.calls.poll(flights)

    def _look_if_due(self) -> None:
        if time.monotonic() - self.looked_at < STOCK_SECONDS:
            return
        self.looked_at = time.monotonic()
        unsure = self._batches(BatchState.UNCONFIRMED)
        self.doubts = {
            pk: self.doubts.get(pk, self.looked_at)
            for pk in unsure.values_list("pk", flat=True)
        }
        next_look = max(transitions.LOOK_SECONDS, self.limits.durations.typical)
        # None is put off for longer: what seems to be was, before the clock was set
        # back.
        put_off = Q(
            reconcile_at__gt=Now(),
            reconcile_at__lte=Now() + timedelta(seconds=next_look),
        )
        due = unsure.exclude(put_off | Q(pk__in=self.looking)).select_related(
            "job__connection", "blob"
        )
        batches = (
            list(due[: max(0, READ_THREADS - len(self.looking))]) if self.doubts else []
        )
        for batch, request in zip(
            batches, claims.requests_of(batches, self.calls.client), strict=True
        ):
            if not self.limits.asks.left and self.limits.budget.take():
                self.looking.add(batch.pk)
                self.calls.look(self._doubt_of(batch, request), next_look=next_look)

    def _doubt_of(self, batch: Batch, request: BatchRequest) -> UnconfirmedBatch:
        unsure = Attempt.objects.filter(
            batch=batch, result__in=Attempt.IN_DOUBT
        ).count()
        waited = time.monotonic() - self.doubts[batch.pk]
        return UnconfirmedBatch(
            request,
            batch.reconcile_count,
            unsure,
            waited,
            self.limits.durations.long,
            known_status_ids,
        )

    # Hearing

    def _hear(self, heard: CallResult) -> None:
        """Take in what a thread has heard, and keep what is to be written down."""
        match heard:
            case PostResult():
                self._posted(heard)
            case PollResult():
                self._polled(heard)
            case VerifyResult():
                self._verified(heard)
            case ReconcileResult():
                self.looking.discard(heard.request.batch_id)
                self.limits.heard_of_look(heard.error)
                self.unwritten.append(heard)

    def _posted(self, posted: PostResult) -> None:
        request = posted.request
        self.limits.heard_of_post(posted, len(self.flights), len(self.sending))
        del self.sending[request.batch_id]
        if posted.status is not None:
            self.flights[request.batch_id] = RunningBatch(
                request, posted.status.id, posted.at, posted.at
            )
            self._failure_window(request).accepted()
        elif isinstance(posted.error, TooManyJobs):
            if request.job_id in self.served:
                self.served[request.job_id] -= 1 / self.jobs[request.job_id].weight
        elif not isinstance(posted.error, Limited | NotSent | Refused):
            self.doubts[request.batch_id] = time.monotonic()
        elif isinstance(posted.error, Refused) and transitions.blames_items(
            posted.error
        ):
            self._failure_window(request).refused()
        self.unwritten.append(posted)

    def _polled(self, polled: PollResult) -> None:
        self.is_polling = False
        self.limits.heard_of_look(polled.error)
        if isinstance(polled.error, NotSignedIn | Forbidden):
            self.unwritten.append(
                AccessRefused(polled.flights[0].request, polled.error)
            )
        elif polled.error is None:
            statuses = {status.id: status for status in polled.statuses}
            for flight in polled.flights:
                self._follow(flight, statuses.get(flight.status_id), polled.at)

    def _follow(
        self, flight: RunningBatch, status: JobStatus | None, at: float
    ) -> None:
        if status is not None:
            flight.absent_since = None
            if status.is_over:
                self._finish(flight, status, at)
            else:
                flight.seen = at
        elif flight.absent_since is None:
            flight.absent_since = at
        elif at - flight.absent_since >= ABSENT_SECONDS:
            del self.flights[flight.request.batch_id]
            self.unwritten.append(StatusLost(flight.request))

    def _finish(self, flight: RunningBatch, status: JobStatus, at: float) -> None:
        request = flight.request
        del self.flights[request.batch_id]
        self.limits.heard_of_end(flight, at)
        ended = BatchFinished(request, status, batch_request.ends_of(request, status))
        failed = sum(entry[0] == Outcome.FAILED for entry in ended.ends.values())
        self._failure_window(request).ended(len(ended.ends), failed)
        if failed and request.resent and request.action is Action.CREATE:
            self.calls.verify(flight, ended)
        else:
            self.unwritten.append(ended)

    def _verified(self, verified: VerifyResult) -> None:
        self.limits.heard_of_look(verified.error)
        if verified.error is None:
            self.unwritten.append(verified.ended)
        else:
            self.flights[verified.flight.request.batch_id] = (
                verified.flight
            )  # It is polled, and verified, once more.

    def _failure_window(self, request: BatchRequest) -> FailureWindow:
        """Of the shipment's job; one that nobody looks at when the job moves no
        more."""
        return self.failure_windows.get(request.job_id) or FailureWindow()


def _brings_more(event: transitions.Event) -> bool:
    """Whether something of its batch may be to be sent yet."""
    match event:
        case PostResult():
            return event.error is not None
        case BatchFinished():
            return event.request.is_part
        case _:
            return True
