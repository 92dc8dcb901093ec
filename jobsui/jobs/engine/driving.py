"""Moving an account's jobs on: one thread owns the account by a lease and is the only one that writes; a few posters
and one poller talk to Zendesk and hand back what they heard.

Each round is one transaction: check the lease, write down what came back, commit the intent to send the next batches.
Only after that commit are they sent. So at any moment the database knows of everything that may be on its way.
"""

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue

from django.db import OperationalError, close_old_connections, connection, transaction
from django.db.models import F, Min
from django.utils import timezone

from jobsui.connections import credentials
from jobsui.connections.models import Connection
from jobsui.jobs.engine import leases, pacing, reconciling, sending, settling
from jobsui.jobs.engine.reconciling import Doubt, Finding
from jobsui.jobs.engine.sending import Posted, Shipment
from jobsui.jobs.enums import Action, BatchState, HeldBy, JobState, Outcome
from jobsui.jobs.models import Attempt, Batch, Job, Lease
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import Forbidden, Limited, NotFound, NotSent, NotSignedIn, Refused, TooManyJobs, ZendeskError
from jobsui.zendesk.payloads import JobStatus

logger = logging.getLogger(__name__)

MOST_ACCOUNTS = 8
POSTERS = 6
RENEW_SECONDS = 5.0
STALE_SECONDS = 15.0
"""Without a renewal for this long nothing more is sent: the lease may soon be somebody else's."""
CALL_SECONDS = 40.0
"""A request under way when its driver died has certainly ended after this long."""
LOOK_SECONDS = 2.0
LOST_SECONDS = 50 * 60
"""Older reports say that job statuses vanish after an hour; one this old is read back instead of awaited."""
DEFAULT_WAIT = 30.0


def drive_accounts(*, stopping: threading.Event) -> None:
    """Drive every account that has open work and no driver, each in a thread, until there is nothing left to drive."""
    threads: dict[str, threading.Thread] = {}
    while not stopping.is_set():
        threads = {host: thread for host, thread in threads.items() if thread.is_alive()}
        for host in _hosts_with_work():
            if host not in threads and len(threads) < MOST_ACCOUNTS and _is_free(host):
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
        logger.exception("The driver of %s stopped; the sweep will start another.", host)
    finally:
        connection.close()


def _hosts_with_work() -> list[str]:
    close_old_connections()
    return sorted(set(Job.objects.moving().values_list("connection__host", flat=True)))


def _is_free(host: str) -> bool:
    return not Lease.objects.live().filter(name=f"account:{host}").exists()


@dataclass(slots=True)
class Flight:
    """A batch Zendesk has accepted and not finished, as far as we know."""

    shipment: Shipment
    status_id: str
    accepted_at: float
    """time.monotonic(), reckoned back for batches found at the start."""
    absent: int = 0


@dataclass(frozen=True, slots=True)
class Polled:
    statuses: tuple[JobStatus, ...] = ()
    asked: tuple[int, ...] = ()
    error: ZendeskError | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    doubt: Doubt
    finding: Finding | None = None
    error: ZendeskError | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished job status of ours, its failures verified where that was needed."""

    flight: Flight
    status: JobStatus
    ends: dict[int, list[str]]


Event = Posted | Polled | Looked | Ended


class Driver:
    """The one loop that owns an account. Every method runs in its thread, except those named `_go_*`."""

    def __init__(self, host: str, lease: leases.Held, stopping: threading.Event) -> None:
        self.host, self.lease, self.stopping = host, lease, stopping
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.unwritten: list[Event] = []
        self.flights: dict[int, Flight] = {}
        self.sending: dict[int, Shipment] = {}
        self.looking: set[int] = set()
        self.jobs: dict[int, Job] = {}
        self.clients: dict[tuple[int, datetime | None], Client] = {}
        self.served: Counter[int] = Counter()
        self.durations = pacing.Durations()
        self.budget = pacing.Budget(1)
        self.window = pacing.Window(1)
        self.limits = (0, 0)
        self.held_by = HeldBy.NOTHING
        self.hold_until = 0.0
        self.polling = False
        self.polled_at = self.refreshed_at = self.looked_at = 0.0
        self.failures = 0

    def run(self) -> None:
        """Until nothing moves or we are asked to stop; what is in the air then is still written down."""
        with ThreadPoolExecutor(POSTERS + 2, thread_name_prefix=f"calls {self.host}") as self.pool:
            self._recover()
            while self._has_work():
                self._round()
            while self.sending or not self.events.empty() or self.unwritten:
                self._round()

    def _has_work(self) -> bool:
        if self.stopping.is_set():
            return False
        if time.monotonic() - self.refreshed_at > 1.0:
            self._refresh()
        return bool(self.jobs or self.flights or self.sending)

    def _round(self) -> None:
        """Wait for something to do, do it in one transaction, then act on what was committed."""
        self._collect()
        if time.monotonic() - self.refreshed_at > 1.0:
            self._refresh()
        try:
            with transaction.atomic():
                self._keep_lease()
                after = self._write_events()
                shipments = self._claim()
        except OperationalError as error:
            # The database is away: nothing was committed, so nothing is sent; what we heard is written when it is back.
            logger.warning("The database cannot be written, trying again: %s", error)
            connection.close()
            self.stopping.wait(1.0)
            return
        self.unwritten.clear()
        for act in after:
            act()
        if self.stopping.is_set():
            return
        for shipment in shipments:
            self.sending[shipment.batch_id] = shipment
            self.pool.submit(self._go_send, shipment)
        if after and not (self.flights or self.sending or self.unwritten):
            self.refreshed_at = 0.0  # Probably all is done: see at once whether there is more.
        self._poll_if_due()
        self._look_if_due()

    def _collect(self) -> None:
        try:
            self.unwritten.append(self.events.get(timeout=self._pause()))
            time.sleep(0.02)  # Let what belongs together come together: one commit for all of it.
            while True:
                self.unwritten.append(self.events.get_nowait())
        except Empty:
            pass

    def _pause(self) -> float:
        if self.unwritten:
            return 0.0
        return 0.1 if self.flights or self.sending else 0.2

    def _keep_lease(self) -> None:
        if self.lease.age > RENEW_SECONDS:
            if not self.lease.renew():
                raise leases.LeaseLost(self.lease.name)
        else:
            leases.fence(self.lease)

    # What moves

    def _recover(self) -> None:
        """Take over what an earlier driver left: accepted batches are polled on, those being sent are in doubt."""
        mine = Batch.objects.filter(job__connection__host=self.host)
        with transaction.atomic():
            leases.fence(self.lease)
            for batch in mine.filter(state=BatchState.SENDING):
                self._doubt(batch, "The driver ended while this was being sent.", first_look=CALL_SECONDS)
        for batch in mine.filter(state=BatchState.ACCEPTED).select_related("job__connection", "blob"):
            age = (timezone.now() - batch.accepted_at).total_seconds() if batch.accepted_at else 0.0
            self.flights[batch.pk] = Flight(self._shipment(batch), batch.status_id, time.monotonic() - age)

    def _refresh(self) -> None:
        """Read again which jobs move and what the account allows."""
        self.refreshed_at = time.monotonic()
        jobs = Job.objects.on_host(self.host).moving().select_related("connection")
        self.jobs = {job.pk: job for job in jobs}
        least = min(self.served.values(), default=0)
        self.served = Counter({pk: self.served.get(pk, least) for pk in self.jobs})
        connections = [job.connection for job in self.jobs.values()]
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
            if job.pk not in flying and (job.state in {JobState.PAUSING, JobState.CANCELLING} or job.planned_at):
                with transaction.atomic():
                    leases.fence(self.lease)
                    settling.finish_if_over(job.pk)

    # Sending

    def _claim(self) -> list[Shipment]:
        """Commit the intent to send the next batches, as many as window, rate and posters have room for."""
        if self.stopping.is_set() or time.monotonic() < self.hold_until:
            return []
        self.window.grow(self.durations.typical)
        in_flight = len(self.flights) + len(self.sending) + len(self.looking)
        room = min(self.window.free(in_flight), 2 * POSTERS - len(self.sending))
        wanted = self._fair_share(room)
        shipments = [shipment for pk, number in wanted.items() for shipment in self._take(self.jobs[pk], number)]
        self._say_what_holds(bool(wanted) or not self._has_planned())
        return shipments

    def _fair_share(self, room: int) -> Counter[int]:
        """How many batches of which job to send now: always of the job served least so far."""
        running = [job for job in self.jobs.values() if job.state in {JobState.QUEUED, JobState.RUNNING}]
        waiting = dict(
            Batch.objects.filter(job__in=running, state=BatchState.PLANNED)
            .values_list("job").annotate(first=Min("seq")).values_list("job", "first")
        ) if running and room > 0 else {}  # fmt: skip
        wanted: Counter[int] = Counter()
        while room > 0 and waiting and self.budget.take(reserve=1.0):
            chosen = min(waiting, key=lambda pk: (self.served[pk], pk))
            wanted[chosen] += 1
            self.served[chosen] += 1
            room -= 1
        return wanted

    def _take(self, job: Job, number: int) -> list[Shipment]:
        batches = list(
            Batch.objects.filter(job=job, state=BatchState.PLANNED).select_related("blob").order_by("seq")[:number]
        )
        now = timezone.now()
        attempts = []
        for batch in batches:
            batch.job = job
            batch.attempts_made += 1
            batch.sent_at = now
            open_items = batch.blob.ends.count(None)
            attempts.append(Attempt(batch=batch, number=batch.attempts_made, epoch=self.lease.epoch, at=now,
                                    items=open_items))  # fmt: skip
            Batch.objects.filter(pk=batch.pk, state=BatchState.PLANNED).update(
                state=BatchState.SENDING, attempts_made=batch.attempts_made, epoch=self.lease.epoch, sent_at=now,
                look_at=None, looks=0,
            )  # fmt: skip
        Attempt.objects.bulk_create(attempts)
        if batches and job.state == JobState.QUEUED:
            Job.objects.change(job, expected=(JobState.QUEUED,), state=JobState.RUNNING, started_at=now, reason="")
        return [self._shipment(batch, attempt) for batch, attempt in zip(batches, attempts, strict=True)]

    def _shipment(self, batch: Batch, attempt: Attempt | None = None) -> Shipment:
        job = batch.job
        attempts = list(Attempt.objects.filter(batch=batch).order_by("number").values_list("pk", "at", "result"))
        ends = batch.blob.ends
        return Shipment(
            batch_id=batch.pk,
            job_id=job.pk,
            attempt_id=attempt.pk if attempt else attempts[-1][0],
            action=Action(job.action),
            object_key=job.object_key,
            client=self._client(job.connection),
            connection_id=job.connection_id,
            items=tuple((i, line) for i, line in enumerate(batch.blob.lines) if ends[i] is None),
            first_sent_at=attempts[0][1],
            resent=any(result in {"unsure", "lost"} for _, _, result in attempts),
        )

    def _client(self, conn: Connection) -> Client:
        key = (conn.pk, conn.secret_set_at)
        if key not in self.clients:
            self.clients[key] = credentials.client_for(conn)
        return self.clients[key]

    def _go_send(self, shipment: Shipment) -> None:
        if self.lease.age > STALE_SECONDS:
            posted = Posted(shipment, error=NotSent("Not sent: the driver was held up for too long.", code="stale"))
        else:
            spent = credentials.access_token(shipment.connection_id)
            posted = sending.send(shipment)
            if isinstance(posted.error, NotSignedIn) and credentials.renewed(shipment.connection_id, spent):
                posted = Posted(shipment, error=NotSent("The access token had ended. It was renewed.", code="renewed"))
        self.events.put(posted)

    def _say_what_holds(self, nothing: bool) -> None:
        if nothing:
            holds = HeldBy.NOTHING
        elif self.failures:
            holds = HeldBy.UNREACHABLE
        elif self.budget.blocked_for:
            holds = HeldBy.BLOCKED
        elif not self.window.free(len(self.flights) + len(self.sending) + len(self.looking)):
            holds = HeldBy.WINDOW
        else:
            holds = HeldBy.RATE
        if holds != self.held_by:
            self.held_by = holds
            Job.objects.filter(pk__in=self.jobs).update(held_by=holds, version=F("version") + 1)

    def _has_planned(self) -> bool:
        return Batch.objects.filter(job__in=self.jobs, state=BatchState.PLANNED).exists()

    # Writing down what came back

    def _write_events(self) -> list[Callable[[], None]]:
        """Write all that was heard; return what to do once it is committed."""
        if not self.unwritten:
            return []
        ledger = settling.Ledger()
        after: list[Callable[[], None]] = []
        for event in self.unwritten:
            match event:
                case Posted():
                    after.append(self._posted(event, ledger))
                case Polled():
                    after.append(self._polled(event, ledger))
                case Ended():
                    after.append(self._ended(event, ledger))
                case Looked():
                    after.append(self._looked(event, ledger))
        ledger.write()
        for job_id in ledger.touched:
            settling.finish_if_over(job_id)
        return after

    def _posted(self, posted: Posted, ledger: settling.Ledger) -> Callable[[], None]:
        shipment, error = posted.shipment, posted.error
        batch = Batch.objects.get(pk=shipment.batch_id)
        ledger.touch(shipment.job_id)
        result, note = "accepted", ""
        if posted.status is not None:
            Batch.objects.filter(pk=batch.pk, state=BatchState.SENDING).update(
                state=BatchState.ACCEPTED, status_id=posted.status.id, accepted_at=timezone.now()
            )
        elif isinstance(error, Limited | NotSent):
            result, note = ("limited" if isinstance(error, Limited) else "not_sent"), error.message
            self._put_back(batch)
        elif isinstance(error, NotSignedIn | Forbidden | NotFound):
            result, note = "refused", error.message
            self._put_back(batch)
            self._stop_jobs(shipment, error)
        elif isinstance(error, Refused) and error.status != 409:
            result, note = "refused", error.message
            refused = settling.end(Outcome.FAILED, code=error.code or str(error.status), error=error.message)
            settling.settle(batch, {place: refused for place, _ in shipment.items}, ledger)
        elif error is not None and error.status == 409:
            result, note = "refused", error.message
            self._put_back(batch)
        else:
            result, note = "unsure", error.message if error else ""
            self._doubt(batch, note, result=result)
        Attempt.objects.filter(pk=shipment.attempt_id).update(
            result=result, note=note, **sending.kept_answer(posted.answer)
        )  # fmt: skip
        return lambda: self._after_posted(posted)

    def _after_posted(self, posted: Posted) -> None:
        shipment, error = posted.shipment, posted.error
        self.sending.pop(shipment.batch_id, None)
        if posted.answer is not None:
            self.budget.learn(posted.answer.headers)
        if posted.status is not None:
            self.flights[shipment.batch_id] = Flight(shipment, posted.status.id, time.monotonic())
        self._slow_down(error)

    def _slow_down(self, error: ZendeskError | None) -> None:
        """Hold back as the error asks, or go on at full pace after a call that went well."""
        if isinstance(error, TooManyJobs):
            self.window.refuse(len(self.flights), self.durations.typical)
            self._hold(1.5 * self.durations.typical / self.window.cap if self.flights else self.durations.typical)
        elif isinstance(error, Limited):
            self.budget.block(DEFAULT_WAIT if error.retry_after is None else error.retry_after)
        elif isinstance(error, NotSent) or (error is not None and error.status in {409, 503}):
            self.failures += 1
            self._hold(getattr(error, "retry_after", None) or min(30.0, 0.5 * 2**self.failures))
        else:
            self.failures = 0

    def _hold(self, seconds: float) -> None:
        self.hold_until = max(self.hold_until, time.monotonic() + seconds)

    def _put_back(self, batch: Batch) -> None:
        """Certainly not acted on: it is as if it had not been sent."""
        Batch.objects.filter(pk=batch.pk).update(state=BatchState.PLANNED, look_at=None)

    def _doubt(self, batch: Batch, note: str, *, result: str = "unsure", first_look: float = 0.0) -> None:
        sent_at = batch.sent_at or timezone.now()
        look_at = max(sent_at + timedelta(seconds=first_look), timezone.now() + timedelta(seconds=LOOK_SECONDS))
        Batch.objects.filter(pk=batch.pk).update(state=BatchState.UNSURE, status_id="", look_at=look_at, looks=0)
        Attempt.objects.filter(batch=batch, number=batch.attempts_made).update(result=result, note=note)

    def _stop_jobs(self, shipment: Shipment, error: Refused) -> None:
        """The account or the object refuses: no fault of the rows. The jobs concerned wait for a person."""
        jobs = Job.objects.filter(connection_id=shipment.connection_id).moving()
        if isinstance(error, NotFound):
            jobs = jobs.filter(object_key=shipment.object_key)
        reason = f"Zendesk refused: {error.message}"
        for job in jobs.filter(state__in=[JobState.QUEUED, JobState.RUNNING]):
            if Job.objects.change(job, expected=(job.state,), state=JobState.PAUSING, reason=reason):
                job.add_event(f"Pausing. {reason}")
        self.refreshed_at = 0.0

    # Following what was accepted

    def _poll_if_due(self) -> None:
        rate, size = self.budget.rate, self.window.size
        due = self.polled_at + pacing.poll_interval(self.durations.shown, size, rate)
        if self.polling or not self.flights or time.monotonic() < due or not self.budget.take():
            return
        self.polling, self.polled_at = True, time.monotonic()
        by_connection: defaultdict[int, list[Flight]] = defaultdict(list)
        for flight in self.flights.values():
            by_connection[flight.shipment.connection_id].append(flight)
        chosen = max(by_connection.values(), key=len)
        self.pool.submit(self._go_poll, chosen[:100])

    def _go_poll(self, flights: list[Flight]) -> None:
        shipment = flights[0].shipment
        asked = tuple(flight.shipment.batch_id for flight in flights)
        spent = credentials.access_token(shipment.connection_id)
        try:
            statuses = custom_objects.job_statuses(shipment.client, [flight.status_id for flight in flights])
        except NotSignedIn as error:
            renewed = credentials.renewed(shipment.connection_id, spent)
            self.events.put(Polled(asked=asked, error=NotSent(error.message) if renewed else error))
        except ZendeskError as error:
            self.events.put(Polled(asked=asked, error=error))
        else:
            self.events.put(Polled(tuple(statuses), asked))

    def _polled(self, polled: Polled, ledger: settling.Ledger) -> Callable[[], None]:
        if polled.error is not None:
            if isinstance(polled.error, NotSignedIn | Forbidden):
                self._stop_jobs(self.flights[polled.asked[0]].shipment, polled.error)
            return lambda: self._after_poll(polled)
        seen = {status.id: status for status in polled.statuses}
        lost = []
        for batch_id in polled.asked:
            flight = self.flights.get(batch_id)
            if flight is not None and self._is_lost(flight, present=flight.status_id in seen):
                lost.append(batch_id)
                self._doubt(Batch.objects.get(pk=batch_id), "Zendesk no longer knows its job status.", result="lost")
                ledger.touch(flight.shipment.job_id)
        return lambda: self._after_poll(polled, lost)

    def _is_lost(self, flight: Flight, *, present: bool) -> bool:
        flight.absent = 0 if present else flight.absent + 1
        old = time.monotonic() - flight.accepted_at
        # A fresh job's status may be missing under load although the job runs, so absence must last.
        return (flight.absent >= 2 and old > 2 * LOOK_SECONDS) or old > LOST_SECONDS

    def _after_poll(self, polled: Polled, lost: list[int] | None = None) -> None:
        self.polling = False
        self._slow_down(polled.error)
        for batch_id in lost or []:
            self.flights.pop(batch_id, None)
        by_id = {flight.status_id: flight for flight in self.flights.values()}
        for status in polled.statuses:
            flight = by_id.get(status.id)
            if flight is not None and status.is_over:
                self._finish(flight, status)

    def _finish(self, flight: Flight, status: JobStatus) -> None:
        del self.flights[flight.shipment.batch_id]
        self.durations.add(time.monotonic() - flight.accepted_at)
        ends = sending.ends_of(flight.shipment, status)
        ended = Ended(flight, status, ends)
        failed = any(entry[0] == Outcome.FAILED for entry in ends.values())
        if failed and flight.shipment.resent and flight.shipment.action is Action.CREATE:
            self.looking.add(flight.shipment.batch_id)
            self.pool.submit(self._go_verify, ended)
        else:
            self.unwritten.append(ended)

    def _go_verify(self, ended: Ended) -> None:
        while not self.stopping.is_set():
            try:
                ends = reconciling.verify(ended.flight.shipment, ended.ends)
            except ZendeskError as error:
                logger.warning("Cannot verify batch %s yet: %s", ended.flight.shipment.batch_id, error)
                self.stopping.wait(LOOK_SECONDS)
            else:
                self.events.put(Ended(ended.flight, ended.status, ends))
                return

    def _ended(self, ended: Ended, ledger: settling.Ledger) -> Callable[[], None]:
        shipment = ended.flight.shipment
        batch = Batch.objects.get(pk=shipment.batch_id)
        if not settling.settle(batch, ended.ends, ledger, reply=ended.status.raw):
            self._doubt(batch, f"Its job {ended.status.status} without telling of every row.", result="unsure")
        return lambda: self.looking.discard(shipment.batch_id)

    # Batches in doubt

    def _look_if_due(self) -> None:
        if time.monotonic() - self.looked_at < 1.0:
            return
        self.looked_at = time.monotonic()
        due = Batch.objects.filter(
            job__connection__host=self.host, job__in=self.jobs, state=BatchState.UNSURE, look_at__lte=timezone.now()
        )
        for batch in due.exclude(pk__in=self.looking).select_related("job__connection", "blob")[:POSTERS]:
            if self.budget.take(reserve=1.0):
                self.looking.add(batch.pk)
                self.pool.submit(self._go_look, self._doubt_of(batch))

    def _doubt_of(self, batch: Batch) -> Doubt:
        unsure = Attempt.objects.filter(batch=batch, result__in=("unsure", "lost")).count()
        quiet = max(reconciling.QUIET, 2 * self.durations.long)
        sent_at = batch.sent_at or datetime.now(UTC)
        return Doubt(self._shipment(batch), sent_at, batch.looks, unsure, quiet, _known_status_ids)

    def _go_look(self, doubt: Doubt) -> None:
        try:
            self.events.put(Looked(doubt, finding=reconciling.look(doubt)))
        except ZendeskError as error:
            self.events.put(Looked(doubt, error=error))
        finally:
            connection.close()

    def _looked(self, looked: Looked, ledger: settling.Ledger) -> Callable[[], None]:
        doubt, finding = looked.doubt, looked.finding
        batch = Batch.objects.get(pk=doubt.shipment.batch_id)
        ledger.touch(batch.job_id)
        if finding is None:
            self._look_later(batch, doubt.looks)
        else:
            settled = settling.settle(batch, finding.ends, ledger)
            Attempt.objects.filter(pk=doubt.shipment.attempt_id).update(note=finding.note)
            if finding.rest == "again":
                self._look_later(batch, doubt.looks + 1)
            elif finding.rest == "resend" and not settled:
                self._put_back(batch)
            elif finding.rest == "uncertain" and not settled:
                settling.give_up(batch, finding.note, ledger)
        return lambda: self._after_look(looked)

    def _look_later(self, batch: Batch, looks: int) -> None:
        wait = max(LOOK_SECONDS, self.durations.typical)
        Batch.objects.filter(pk=batch.pk).update(look_at=timezone.now() + timedelta(seconds=wait), looks=looks)

    def _after_look(self, looked: Looked) -> None:
        self.looking.discard(looked.doubt.shipment.batch_id)
        self._slow_down(looked.error)


def _known_status_ids(ids: list[str]) -> set[str]:
    return set(Batch.objects.filter(status_id__in=ids).values_list("status_id", flat=True))
