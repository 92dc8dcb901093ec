"""Moving an account's jobs on: one thread owns the account by a lease and is the only one that writes; others talk to
Zendesk and hand back what they heard (calling.py).

Each round is one transaction: check the lease, write down what came back, commit the intent to send the next batches.
Only after that commit are they sent. So at any moment the database knows of everything that may be on its way.
"""

import logging
import threading
import time
from collections import Counter
from queue import Empty

from django.db import close_old_connections, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from jobsui.jobs.engine import claiming, leases, pacing, recording, sending, settling
from jobsui.jobs.engine.calling import LOOKERS, POSTERS, Calls, Flight, Heard, Polled, Verified
from jobsui.jobs.engine.reconciling import Doubt
from jobsui.jobs.engine.recording import DATABASE_AWAY, Ended, Halted, Looked, Lost
from jobsui.jobs.engine.sending import Posted, Shipment
from jobsui.jobs.enums import SENDABLE, Action, BatchState, HeldBy, Outcome
from jobsui.jobs.models import Attempt, Batch, Job, Lease
from jobsui.zendesk.client import retry_after
from jobsui.zendesk.errors import Forbidden, Limited, NotSent, NotSignedIn, Refused, TooManyJobs, ZendeskError
from jobsui.zendesk.payloads import JobStatus

logger = logging.getLogger(__name__)

MOST_ACCOUNTS = 8
STOCK_SECONDS = 1.0
"""How often the database is asked which jobs move, and which batches are in doubt."""
RENEW_SECONDS = 5.0
STALE_SECONDS = 15.0
"""Without a renewal for this long nothing more is sent: the lease may soon be somebody else's."""
CALL_SECONDS = 35.0
"""No call takes longer (Client.request)."""
STOP_SECONDS = 25.0
"""How long a driver asked to stop waits for the answers to what is in the air."""
ABSENT_SECONDS = 5.0
"""A fresh job's status may be missing under load although the job runs, so absence must last."""
CRASH_SECONDS = 10.0
AWAY_SECONDS = 1.0
DEFAULT_WAIT = 30.0


def drive_accounts(*, stopping: threading.Event) -> None:
    """Drive every account that has open work and no driver, each in a thread, until there is nothing left to drive."""
    threads: dict[str, threading.Thread] = {}
    while not stopping.is_set():
        threads = {host: thread for host, thread in threads.items() if thread.is_alive()}
        for host in _hosts_to_drive():
            if host not in threads and len(threads) < MOST_ACCOUNTS:
                threads[host] = threading.Thread(target=_drive_in_thread, args=(host, stopping), name=f"driver {host}")
                threads[host].start()
        if not threads:
            break
        next(iter(threads.values())).join(1.0)
    for thread in threads.values():
        thread.join()


def drive(host: str, *, stopping: threading.Event) -> None:
    """Own one account until none of its jobs moves any more or `stopping` is set; return at once if it is owned."""
    with leases.held(f"account:{host}") as lease:
        if lease is not None:
            Driver(host, lease, stopping).run()


def _drive_in_thread(host: str, stopping: threading.Event) -> None:
    try:
        drive(host, stopping=stopping)
    except leases.LeaseLost:
        logger.warning("Another driver took %s over.", host)
    except Exception:
        logger.exception("The driver of %s stopped; another is started soon.", host)
        stopping.wait(CRASH_SECONDS)
    finally:
        connection.close()


def _hosts_to_drive() -> list[str]:
    """Accounts with open work that nobody drives; none while the database is away."""
    try:
        close_old_connections()
        hosts = set(Job.objects.moving().values_list("connection__host", flat=True))
        owned = set(Lease.objects.live().values_list("name", flat=True))
    except DATABASE_AWAY as error:
        logger.warning("The database cannot be read, trying again: %s", error)
        return []
    return sorted(host for host in hosts if f"account:{host}" not in owned)


class Driver:
    """The one loop that owns an account. Every method runs in its thread, except those that say otherwise."""

    def __init__(self, host: str, lease: leases.Held, stopping: threading.Event) -> None:
        self.host, self.lease, self.stopping = host, lease, stopping
        self.calls = Calls(host, self._may_call)
        self.unwritten: list[recording.Event] = []
        self.jobs: dict[int, Job] = {}
        self.sending: dict[int, Shipment] = {}
        self.flights: dict[int, Flight] = {}
        self.doubts: dict[int, float] = {}
        """Batches in doubt, and time.monotonic() since when nothing of them can have been on its way any more."""
        self.looking: set[int] = set()
        self.served: Counter[int] = Counter()
        self.durations = pacing.Durations()
        self.budget = pacing.Budget(1)
        self.window = pacing.Window(1)
        self.limits = (0, 0)
        self.posts, self.asks = pacing.Backoff(), pacing.Backoff()
        self.held_by: HeldBy | None = None
        self.is_new, self.is_torn, self.is_polling = True, False, False
        self.polled_at = self.refreshed_at = self.looked_at = 0.0

    def run(self) -> None:
        """Until nothing moves or we are asked to stop; what is in the air then is still written down."""
        try:
            while not self.stopping.is_set() and (self.is_new or self.jobs or self.sending or self.unwritten):
                self._round()
            self._land()
        finally:
            self.calls.close(wait=not self.stopping.is_set())

    def _land(self) -> None:
        """Wait for the answers to what is in the air, within reason. What stays `sending` the next driver doubts."""
        ends = time.monotonic() + STOP_SECONDS
        while (self.sending or self.unwritten) and time.monotonic() < ends:
            self._round()

    def _round(self) -> None:
        """Wait for something to do, do it in one transaction, then act on what was committed."""
        self._collect()
        try:
            self._keep_lease()
            self._take_stock()
            shipments = self._commit()
            self._send(shipments)
            if not self.stopping.is_set():
                self._poll_if_due()
                self._look_if_due()
        except DATABASE_AWAY as error:
            # What was not committed is not sent; what we heard is written when the database is back, if we still own
            # the account then. A commit whose answer was lost may have succeeded all the same: see _mend.
            logger.warning("The database cannot be used, trying again: %s", error)
            self.is_torn, self.held_by = True, None
            connection.close()
            time.sleep(AWAY_SECONDS)

    def _collect(self) -> None:
        pause = 0.0 if self.unwritten or self.is_new else 0.1 if self.flights or self.sending else 0.2
        try:
            self._hear(self.calls.heard.get(timeout=pause))
            time.sleep(0.02)  # Let what belongs together come together: one commit for all of it.
            while True:
                self._hear(self.calls.heard.get_nowait())
        except Empty:
            pass

    def _keep_lease(self) -> None:
        if self.lease.age > RENEW_SECONDS and not self.lease.renew():
            raise leases.LeaseLost(self.lease.name)

    def _commit(self) -> list[Shipment]:
        """The one transaction of a round. Nothing of what it does is kept in memory before it is committed."""
        with transaction.atomic():
            leases.fence(self.lease)
            recording.write(self.unwritten)
            shipments = self._claim()
        if self.unwritten and not (self.flights or self.sending or shipments):
            self.refreshed_at = 0.0  # Probably all is done: see at once whether there is more.
        self.unwritten.clear()
        return shipments

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
        return Batch.objects.filter(job__connection__host=self.host, state=state)

    def _recover(self) -> None:
        """Take over what an earlier driver left: accepted batches are polled on, those being sent are in doubt."""
        with transaction.atomic():
            leases.fence(self.lease)
            # A driver that still lives sent its last batch within STALE_SECONDS of its last renewal, and lost its
            # lease a TTL after that.
            landed = time.monotonic() + STALE_SECONDS + CALL_SECONDS - Lease.TTL.total_seconds()
            for batch in self._batches(BatchState.SENDING):
                recording.doubt(batch, "The driver ended while this was being sent.")
                self.doubts[batch.pk] = landed
            for batch in self._batches(BatchState.ACCEPTED).select_related("job__connection", "blob"):
                self.flights[batch.pk] = Flight(self._shipment(batch), batch.status_id, None)

    def _mend(self) -> None:
        """After trouble with the database: batches that were claimed without our learning of it were not sent."""
        answered = {event.shipment.attempt_id for event in self.unwritten if isinstance(event, Posted)}
        known = answered | {shipment.attempt_id for shipment in self.sending.values()}
        with transaction.atomic():
            leases.fence(self.lease)
            mine = Attempt.objects.filter(
                batch__in=self._batches(BatchState.SENDING), epoch=self.lease.epoch, result=""
            )
            for attempt in mine.exclude(pk__in=known).select_related("batch"):
                recording.put_back(attempt.batch)
                note = "Not sent: the database did not tell whether this had been written down."
                Attempt.objects.filter(pk=attempt.pk).update(result="not_sent", note=note)

    def _refresh(self) -> None:
        """Read again which jobs move and what the account allows."""
        jobs = {job.pk: job for job in Job.objects.on_host(self.host).moving().select_related("connection")}
        if jobs.keys() != self.jobs.keys():
            self.held_by = None
        self.jobs, self.refreshed_at = jobs, time.monotonic()
        least = min(self.served.values(), default=0)
        self.served = Counter({pk: self.served.get(pk, least) for pk in jobs})
        connections = [job.connection for job in jobs.values()]
        limits = (
            min((c.requests_per_minute for c in connections), default=self.limits[0]),
            min((c.max_running_jobs for c in connections), default=self.limits[1]),
        )
        if limits != self.limits:
            self.limits = limits
            self.budget, self.window = pacing.Budget(limits[0]), pacing.Window(limits[1])
        self._settle_idle_jobs()

    def _settle_idle_jobs(self) -> None:
        """Jobs that wait for no event: pausing or cancelling with nothing in flight, planned to the end, ..."""
        flying = {flight.shipment.job_id for flight in self.flights.values()}
        flying |= {shipment.job_id for shipment in self.sending.values()}
        for job in self.jobs.values():
            if job.pk not in flying and (job.state not in SENDABLE or job.planned_at):
                with transaction.atomic():
                    leases.fence(self.lease)
                    settling.finish_if_over(job.pk)

    # Sending

    def _claim(self) -> list[Shipment]:
        """Commit the intent to send the next batches, as many as window, rate and posters have room for."""
        if self.stopping.is_set():
            return []
        self.window.grow(self.durations.typical)
        wanted = self._fair_share(0 if self.posts.left else self._room())
        claimed = [claiming.claim(pk, number, epoch=self.lease.epoch) for pk, number in wanted.items()]
        shipments = [self._shipment(batch) for batches in claimed for batch in batches]
        self._say_what_holds(bool(wanted) or not self._has_planned())
        return shipments

    def _room(self) -> int:
        # Those in doubt may be running as well; and so there are never more in doubt than the window is wide.
        in_flight = len(self.flights) + len(self.sending) + len(self.doubts)
        return min(self.window.free(in_flight), 2 * POSTERS - len(self.sending))

    def _fair_share(self, room: int) -> Counter[int]:
        """How many batches of which job to send now: always of the job served least so far."""
        waiting = claiming.waiting_jobs(self.jobs) if room > 0 else set()
        served, wanted = self.served.copy(), Counter[int]()
        while room > 0 and waiting and self.budget.take(reserve=1.0):
            chosen = min(waiting, key=lambda pk: (served[pk], pk))
            served[chosen] += 1
            wanted[chosen] += 1
            room -= 1
        return wanted

    def _shipment(self, batch: Batch) -> Shipment:
        return claiming.shipment_of(batch, self.calls.client(batch.job.connection))

    def _may_call(self) -> bool:
        """In any thread, just before a request goes out."""
        return self.lease.age < STALE_SECONDS and not self.stopping.is_set()

    def _send(self, shipments: list[Shipment]) -> None:
        for shipment in shipments:
            self.served[shipment.job_id] += 1
            self.sending[shipment.batch_id] = shipment
            self.calls.post(shipment)

    def _say_what_holds(self, nothing: bool) -> None:
        if nothing:
            holds = HeldBy.NOTHING
        elif self.posts.failures or self.asks.failures:
            holds = HeldBy.UNREACHABLE
        elif self.budget.blocked_for:
            holds = HeldBy.BLOCKED
        elif self.posts.left or self._room() <= 0:
            holds = HeldBy.WINDOW
        else:
            holds = HeldBy.RATE
        if holds != self.held_by:
            self.held_by = holds
            Job.objects.filter(pk__in=self.jobs).update(held_by=holds, version=F("version") + 1)

    def _has_planned(self) -> bool:
        return Batch.objects.filter(job__in=self.jobs, state=BatchState.PLANNED).exists()

    # Asking

    def _poll_if_due(self) -> None:
        due = self.polled_at + pacing.poll_interval(self.durations.shown, self.window.size, self.budget.rate)
        if self.is_polling or not self.flights or time.monotonic() < due or self.asks.left or not self.budget.take():
            return
        self.is_polling, self.polled_at = True, time.monotonic()
        by_age = sorted(self.flights.values(), key=lambda flight: flight.asked_at)
        first = by_age[0].shipment
        flights = tuple(flight for flight in by_age if flight.shipment.connection_id == first.connection_id)[:100]
        for flight in flights:
            flight.asked_at = self.polled_at
        self.calls.poll(flights)

    def _look_if_due(self) -> None:
        if time.monotonic() - self.looked_at < STOCK_SECONDS:
            return
        self.looked_at = time.monotonic()
        unsure = self._batches(BatchState.UNSURE)
        self.doubts = {pk: self.doubts.get(pk, self.looked_at) for pk in unsure.values_list("pk", flat=True)}
        due = unsure.filter(look_at__lte=Now()).exclude(pk__in=self.looking).select_related("job__connection", "blob")
        for batch in due[: max(0, LOOKERS - len(self.looking))]:
            if not self.asks.left and self.budget.take(reserve=1.0):
                self.looking.add(batch.pk)
                self.calls.look(self._doubt_of(batch), next_look=max(recording.LOOK_SECONDS, self.durations.typical))

    def _doubt_of(self, batch: Batch) -> Doubt:
        unsure = Attempt.objects.filter(batch=batch, result__in=Attempt.IN_DOUBT).count()
        waited = time.monotonic() - self.doubts[batch.pk]
        return Doubt(self._shipment(batch), batch.looks, unsure, waited, self.durations.long, _known_status_ids)

    # Hearing

    def _hear(self, heard: Heard) -> None:
        """Take in what a thread has heard, and keep what is to be written down."""
        match heard:
            case Posted():
                self._posted(heard)
            case Polled():
                self._polled(heard)
            case Verified():
                self._verified(heard)
            case Looked():
                self.looking.discard(heard.shipment.batch_id)
                self._pace(self.asks, heard.error)
                self.unwritten.append(heard)

    def _posted(self, posted: Posted) -> None:
        del self.sending[posted.shipment.batch_id]
        if posted.answer is not None:
            self.budget.learn(posted.answer.headers)
        if posted.status is not None:
            self.flights[posted.shipment.batch_id] = Flight(posted.shipment, posted.status.id, time.monotonic())
        elif not isinstance(posted.error, Limited | NotSent | Refused):
            self.doubts[posted.shipment.batch_id] = time.monotonic()
        self._pace(self.posts, posted.error)
        self.unwritten.append(posted)

    def _polled(self, polled: Polled) -> None:
        self.is_polling = False
        self._pace(self.asks, polled.error)
        if isinstance(polled.error, NotSignedIn | Forbidden):
            self.unwritten.append(Halted(polled.flights[0].shipment, polled.error))
        elif polled.error is None:
            statuses = {status.id: status for status in polled.statuses}
            for flight in polled.flights:
                self._follow(flight, statuses.get(flight.status_id))

    def _follow(self, flight: Flight, status: JobStatus | None) -> None:
        now = time.monotonic()
        if status is not None:
            flight.absent_since = None
            if status.is_over:
                self._finish(flight, status)
        elif flight.absent_since is None:
            flight.absent_since = now
        elif now - flight.absent_since >= ABSENT_SECONDS:
            del self.flights[flight.shipment.batch_id]
            self.unwritten.append(Lost(flight.shipment))

    def _finish(self, flight: Flight, status: JobStatus) -> None:
        shipment = flight.shipment
        del self.flights[shipment.batch_id]
        if flight.accepted_at is not None:
            self.durations.add(time.monotonic() - flight.accepted_at)
        ended = Ended(shipment, status, sending.ends_of(shipment, status))
        failed = any(entry[0] == Outcome.FAILED for entry in ended.ends.values())
        if failed and shipment.resent and shipment.action is Action.CREATE:
            self.calls.verify(flight, ended)
        else:
            self.unwritten.append(ended)

    def _verified(self, verified: Verified) -> None:
        self._pace(self.asks, verified.error)
        if verified.error is None:
            self.unwritten.append(verified.ended)
        else:
            self.flights[verified.flight.shipment.batch_id] = verified.flight  # It is polled, and verified, once more.

    def _pace(self, calls: pacing.Backoff, error: ZendeskError | None) -> None:
        """Hold back as the error asks, or go on at full pace after a call that was answered."""
        match error:
            case TooManyJobs():
                self.window.refuse(len(self.flights), self.durations.typical)
                calls.rest(1.5 * self.durations.typical / self.window.cap if self.flights else self.durations.typical)
            case Limited():
                self.budget.block(DEFAULT_WAIT if error.retry_after is None else error.retry_after)
            case None:
                calls.succeeded()
            case Refused(status=status) if status in {400, 413, 422}:
                calls.succeeded()
            case _:
                calls.failed(retry_after(error.answer) if error.answer else None)


def _known_status_ids(ids: list[str]) -> set[str]:
    return set(Batch.objects.filter(status_id__in=ids).values_list("status_id", flat=True))
