"""The driver: the loop that owns one account by a lease and sends its jobs' batches.

Only the driver's thread writes to the database. Calls to Zendesk are made in other
threads, which return results (call_threads.py). In each round the driver checks its
lease, writes the results and claims the next batches, all in one transaction. It sends
them only after the commit. So the database always knows every request that may be in
flight."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from queue import Empty

from django.db import connection, transaction

from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.jobs import leases
from jobsui.jobs.delivery import claims, decision, prior_reads, recovery, transitions
from jobsui.jobs.delivery.account_jobs import AccountJobs
from jobsui.jobs.delivery.batch_reads import BatchReads
from jobsui.jobs.delivery.batch_request import BatchRequest, PostResult
from jobsui.jobs.delivery.call_threads import (
    POST_THREADS,
    CallResult,
    Calls,
    Executor,
    PollResult,
    RunningBatch,
    ThreadExecutor,
    VerifyResult,
)
from jobsui.jobs.delivery.decision import (
    AccessRefused,
    DeliveryResult,
    ReadRefused,
    ReconcileResult,
    StatusLost,
)
from jobsui.jobs.delivery.fair_share import FairShare
from jobsui.jobs.delivery.finished_batches import BatchFinished, finished_batch
from jobsui.jobs.delivery.kept_wait import KeptWait
from jobsui.jobs.delivery.limit_log import LimitLog
from jobsui.jobs.delivery.prior_reads import PriorRead
from jobsui.jobs.delivery.reconciliation import UnconfirmedBatch
from jobsui.jobs.delivery.turns import Turn
from jobsui.jobs.delivery.watched_changes import WatchedChanges
from jobsui.jobs.enums import AttemptResult, LimitedBy
from jobsui.jobs.errors import DATABASE_AWAY
from jobsui.jobs.ledger import record_order
from jobsui.jobs.models import Attempt, Batch
from jobsui.jobs.sql import known_status_ids, unconfirmed_batches, waiting_jobs
from jobsui.jobs.timing import Timing
from jobsui.zendesk.errors import (
    Forbidden,
    NotSent,
    RateLimited,
    Refused,
    TooManyJobs,
    Unauthorized,
)
from jobsui.zendesk.payloads import JobStatus
from jobsui.zendesk.transport import Transport

logger = logging.getLogger(__name__)

MAX_POSTING = 2 * POST_THREADS
"""Maximum number of batches being posted: one in each thread, and one waiting for
it."""

IDLE_SHARE = 0.25
"""How long the driver waits for a result, as a share of the time in which nothing has
happened."""
MIN_WAIT = 0.001
"""Seconds. A shorter wait could end before the time it waits for, and be repeated."""


class Driver:
    """The driver of one account. Its methods run in its thread, except `may_call` and
    `may_post`."""

    def __init__(
        self,
        account: str,
        lease: leases.Held,
        stopping: threading.Event,
        *,
        timing: Timing,
        clock: Clock = SYSTEM_CLOCK,
        executor: Executor | None = None,
        transport: Transport | None = None,
        turn: Turn | None = None,
    ) -> None:
        """`account` is a host. Without an `executor`, calls are made in threads; without
        a `transport`, by HTTP over sockets; without a `turn`, the driver gives way to no
        other account."""
        self.account = account
        self.lease = lease
        self.stopping = stopping
        self.timing = timing
        self.clock = clock
        self.turn = turn or Turn(clock, timing)
        self.limits = self.turn.limits
        self.calls = Calls(
            executor or ThreadExecutor(account),
            self.may_call,
            self.may_post,
            budget=self.limits.budget,
            clock=clock,
            timing=timing,
            transport=transport,
        )
        self.jobs = AccountJobs(account, lease)
        self.share = FairShare()
        self.changes = WatchedChanges(timing.watch_max_age)
        self.unconfirmed = self.turn.observed.unconfirmed
        self.failures = self.turn.observed.failures
        self.objects = self.turn.observed.objects
        self.running = self.turn.observed.running
        self.posting: dict[int, BatchRequest] = {}
        """Requests without a response yet, by batch."""
        self.reads = BatchReads(self.calls, self.limits.budget, self.share)
        self.unwritten: list[DeliveryResult] = []
        """Results that are not written to the database yet."""
        self.has_room = False
        """Whether more could have been sent than was sent last."""
        self.blocked: frozenset[int] = frozenset()
        """The jobs whose next batches wait for earlier jobs with the same records."""
        self.limit_log = LimitLog(timing.limit_interval)
        self.is_new = True
        self.needs_resync = False
        """A commit failed, so the driver does not know what it claimed."""
        self.may_have_unconfirmed = True
        """Jobs have changed since unconfirmed batches were last read."""
        self.wait = KeptWait(account, self.limits, clock)
        self.refresh_at = float("-inf")
        """When to read the database for changes."""
        self.reconcile_at = float("-inf")
        self.active_at = clock.monotonic()
        """When something last happened: a result arrived, a batch was sent, a job
        changed."""

    # The loop

    def run(self) -> None:
        """Run until no job moves, the turn is over or `stopping` is set. Responses to
        batches that are posted by then are still written."""
        try:
            while self.has_work and not self.is_ending:
                self.round(self._collect())
            self._finish_calls()
            self.turn.waits_for_change = not self._has_open_calls
            self.turn.has_ended_in_order = not self.stopping.is_set()
        finally:
            self.calls.close(wait=not self.stopping.is_set())

    @property
    def has_work(self) -> bool:
        is_moving = self.is_new or self.jobs.by_id
        return bool(is_moving or self.calls.in_flight or self.unwritten)

    @property
    def _has_open_calls(self) -> bool:
        """Whether something is left to send, to poll or to reconcile."""
        may_send = self.share.waiting or self.share.unknown
        return bool(may_send or self.running or self.unconfirmed)

    @property
    def is_ending(self) -> bool:
        """Nothing new begins: no post, no poll, no reconciliation."""
        return self.stopping.is_set() or self.turn.leaving.is_set()

    def round(self, results: Iterable[CallResult]) -> None:
        """Take in what the calls returned, write it and claim the next batches in one
        transaction, then send what was committed."""
        for result in results:
            self.active_at = self.clock.monotonic()
            self._take_in(result)
        try:
            self._renew_lease()
            self._recover()
            self.wait.save()
            self._refresh_if_due()
            if not self.is_ending:
                # Before posts, which would use up the rate.
                self._poll_if_due()
                self._reconcile_if_due()
            self._post(self._commit())
            if self.reads.begin():
                self._note_sending()
            self._note_limit()
        except DATABASE_AWAY as error:
            # What was not committed is not sent. Results are kept and written once the
            # database is back, if the lease is still ours then. A commit that failed
            # may still have taken effect (recovery.put_back_unsent).
            logger.warning("The database cannot be used, trying again: %s", error)
            self.needs_resync = True
            self.reads.roll_back()
            connection.close()
            self.clock.sleep(self.timing.database_retry_interval)

    def _finish_calls(self) -> None:
        """Write the results of the calls that have begun, so that the next driver finds no
        batch without a response. If this process stops, wait only for posts, up to
        `stop_timeout`; the next driver marks batches without a response as unconfirmed."""
        ends_at = float("inf")
        while self.posting or self.unwritten or self.calls.in_flight:
            if self.stopping.is_set():
                now = self.clock.monotonic()
                ends_at = min(ends_at, now + self.timing.stop_timeout)
                has_posts = self.posting or self.unwritten
                if not has_posts or now >= ends_at:
                    return
            self.round(self._collect())

    @property
    def idle_wait(self) -> float:
        """Seconds until there is something to do, unless a result arrives earlier. It
        grows with the time in which nothing has happened."""
        if self.unwritten or self.is_new:
            return 0.0
        now = self.clock.monotonic()
        wait = self.timing.max_idle_wait
        if self.share.waiting:
            wait = min(wait, self.limits.send_interval / 2)
            wait = max(wait, self.timing.min_idle_wait)
        wait = max(wait, IDLE_SHARE * (now - self.active_at))
        due = [self.refresh_at]
        if self.unconfirmed or self.may_have_unconfirmed:
            due.append(self.reconcile_at)
        if self.running and not self.running.is_polling:
            due.append(self._next_poll_at)
        for at in due:
            # What is due already waits for a request to spend, or for the end of a rest.
            if at > now:
                wait = min(wait, at - now)
        return max(wait, MIN_WAIT)

    def _collect(self) -> list[CallResult]:
        """Wait for results. Results that come close together are written in one round.
        Job statuses are handled without this wait, because they report free slots."""
        results: list[CallResult] = []
        wait = self.idle_wait
        ends_at = float("inf")
        with suppress(Empty):
            while wait >= 0:
                results.append(self.calls.get(wait))
                if isinstance(results[-1], PollResult):
                    break
                now = self.clock.monotonic()
                ends_at = min(ends_at, now + self.timing.coalesce_interval)
                wait = ends_at - now
            while True:
                results.append(self.calls.get(0.0))
        return results

    def _renew_lease(self) -> None:
        if self.lease.age <= self.timing.lease_renew_interval:
            return
        if not self.lease.renew():
            raise leases.LeaseLost(self.lease.name)

    def _commit(self) -> list[BatchRequest]:
        """The transaction of a round, if there is anything to write or to send. The driver
        relies on nothing in it before it is committed."""
        if self.is_ending or self.limits.waits:
            self.reads.drop_results()
        chosen = self._choose()
        if not (chosen or self.unwritten or self.reads.have_results):
            return []
        with transaction.atomic():
            leases.fence(self.lease)
            transitions.write(self.unwritten, self.timing, self.clock.now())
            paused = self._pause_failing_jobs()
            of_read_batches = self._claim_read()
            requests = self._claim(chosen)
        self.failures.restart(paused)
        requests = [*of_read_batches, *requests]
        self.reads.drop_results({request.batch_id for request in requests})
        # Earlier drivers may have crashed; this one gets on.
        self.lease.tries = 0
        is_sending = self.posting or self.reads.batch_ids or requests
        if self.unwritten and not (self.running or is_sending):
            # Probably everything is sent: refresh at once to see whether there is more.
            self.refresh_at = float("-inf")
        with_more = {
            event.request.job_id for event in self.unwritten if _may_leave_more(event)
        }
        if with_more:
            self.share.recheck(with_more)
        self.unwritten.clear()
        return requests

    # What the database says

    def _recover(self) -> None:
        if self.is_new:
            running = recovery.take_over(
                self.lease,
                self.account,
                self.calls.client,
                self.unconfirmed,
                self.timing,
            )
            self.running.replace(running)
            self.wait.resume()
            self.is_new = False
        if self.needs_resync:
            recovery.put_back_unsent(
                self.lease, self.account, set(self._known_attempts()), self.timing
            )
            self.share.recheck(self.jobs.by_id)
            self.jobs.forget_versions()
            self.refresh_at = float("-inf")
            self.needs_resync = False

    def _known_attempts(self) -> Iterator[int]:
        """The attempts that were sent and have no result in the database yet."""
        for request in self.posting.values():
            yield request.attempt_id
        for event in self.unwritten:
            if isinstance(event, PostResult):
                yield event.request.attempt_id

    def _refresh_if_due(self) -> None:
        """Read which jobs move and what the account allows."""
        now = self.clock.monotonic()
        if now < self.refresh_at:
            return
        changed = self.jobs.refresh()
        self.refresh_at = now + self.timing.refresh_interval
        if changed:
            jobs = self.jobs.by_id
            self.active_at = now
            self.share.set_jobs(jobs)
            self.share.recheck(changed)
            self.failures.keep(jobs)
            self.changes.keep(jobs)
            self.limits.apply_settings(self.jobs.connections)
            self.may_have_unconfirmed = True
            self.reconcile_at = min(self.reconcile_at, now)
        posting = {request.job_id for request in self.posting.values()}
        self.jobs.save(
            self.limit_log.decide(now, has_more=bool(self.share.waiting)),
            blocked=self.blocked,
            deadlocked=self.objects.limited,
            in_flight=self.running.job_ids() | posting,
            now=self.clock.now(),
        )

    # Sending

    def _choose(self) -> Counter[int]:
        """{id of a job: how many of its batches to send now}."""
        if self.is_ending or not self.jobs.by_id:
            return Counter()
        if self.share.unknown:
            self.share.set_waiting(waiting_jobs(self.share.unknown))
        room = self._room() if self.share.waiting else 0
        chosen = self.share.choose(
            room,
            self.limits.budget.take,
            self.objects.room(self._in_flight()),
            without=self._waiting_for_reads(),
        )
        self.has_room = room > chosen.total()
        return chosen

    def _room(self) -> int:
        """How many more batches fit into the job slots and the threads."""
        # Unconfirmed batches may be running too. So their number never exceeds the
        # window.
        sending = len(self.posting) + len(self.reads)
        unknown = sending + len(self.unconfirmed)
        room = self.limits.room(self.running.all(), unknown)
        return min(room, MAX_POSTING - sending)

    def _waiting_for_reads(self) -> list[int]:
        """The jobs that send nothing now because records cannot be read."""
        if not self.limits.reads.left:
            return []
        return [pk for pk, job in self.jobs.by_id.items() if prior_reads.has_any(job)]

    def _in_flight(self) -> Iterator[BatchRequest]:
        for batch in self.running.all():
            yield batch.request
        yield from self.reads
        yield from self.posting.values()

    def _claim(self, chosen: Counter[int]) -> list[BatchRequest]:
        """Write the intent to send these batches, or note that their records are read first.
        Jobs that have fewer leave their room to others."""
        requests: list[BatchRequest] = []
        while chosen:
            claimed = claims.claim(
                chosen,
                self.jobs.by_id,
                self.calls.client,
                epoch=self.lease.epoch,
                now=self.clock.now(),
                changes=self.changes,
                reading=self.reads.batch_ids,
            )
            requests += claimed.requests
            self.reads.chosen += claimed.to_read
            self.blocked = self.blocked - chosen.keys() | claimed.blocked
            found = [*claimed.requests, *claimed.to_read]
            numbers = Counter(request.job_id for request in found)
            self.share.remove_exhausted(chosen, numbers)
            missing = chosen.total() - len(found)
            self.limits.budget.give_back(missing)
            so_far = Counter(
                request.job_id for request in [*requests, *self.reads.chosen]
            )
            chosen = self.share.choose(
                missing,
                self.limits.budget.take,
                self.objects.room(self._in_flight()),
                so_far,
                without=self._waiting_for_reads(),
            )
        return requests

    def _claim_read(self) -> list[BatchRequest]:
        """Write the intent to send the batches whose records were read."""
        if not self.reads.have_results:
            return []
        claimed = self.reads.claim(
            self.jobs.by_id, epoch=self.lease.epoch, now=self.clock.now()
        )
        for job_id, refused in claimed.refused.items():
            self.failures.of(job_id).add_rows(refused, refused)
        return claimed.requests

    def _post(self, requests: Iterable[BatchRequest]) -> None:
        for request in requests:
            self._note_sending()
            if not self.reads.sent(request.batch_id):
                self.share.sent(request.job_id)
            self.posting[request.batch_id] = request
            self.unconfirmed.forget(request.batch_id)
            self.calls.post(request)

    def _note_sending(self) -> None:
        self.active_at = self.clock.monotonic()
        self.turn.sent_at = self.active_at

    def may_call(self) -> bool:
        """Called in any thread, just before a request leaves."""
        is_fresh = self.lease.age < self.timing.lease_stale_after
        return is_fresh and not self.stopping.is_set()

    def may_post(self) -> bool:
        """Called in any thread, before a batch is sent that waited for a thread."""
        return not self.turn.leaving.is_set()

    def _pause_failing_jobs(self) -> list[int]:
        """Pause the jobs in which too much fails, if they have more to send."""
        may_wait = self.share.waiting | self.share.unknown
        paused = []
        for pk, job in self.jobs.by_id.items():
            has_more = not job.planned_at or pk in may_wait
            if has_more and (reason := self.failures.of(pk).reason_to_pause(job)):
                transitions.pause_job(pk, reason)
                paused.append(pk)
        return paused

    # What limits the speed

    def _note_limit(self) -> None:
        """Count what limited sending in this round."""
        if not self.share.waiting:
            return
        sending = len(self.posting) + len(self.reads)
        if sending >= MAX_POSTING:
            self.limit_log.note(LimitedBy.WORKER)
            return
        running = len(self.running) + sending + len(self.unconfirmed)
        limited_by = self.limits.limited_by(running, has_room=self.has_room)
        self.limit_log.note(limited_by)

    # Reading from Zendesk

    @property
    def _next_poll_at(self) -> float:
        if self.share.waiting:
            return self.running.polled_at + self.limits.poll_interval
        return self.running.polled_at + self.limits.tail_interval

    def _poll_if_due(self) -> None:
        if self.running.is_polling or not self.running or self.limits.reads.left:
            return
        now = self.clock.monotonic()
        if now >= self._next_poll_at and self.limits.budget.take():
            self.calls.poll(self.running.start_poll(now))

    def _reconcile_if_due(self) -> None:
        now = self.clock.monotonic()
        if now < self.reconcile_at:
            return
        self.reconcile_at = now + self.timing.refresh_interval
        if not (self.unconfirmed or self.may_have_unconfirmed):
            return
        self.may_have_unconfirmed = False
        waits = unconfirmed_batches(self.account)
        self.unconfirmed.replace(
            waits,
            now,
            unwritten={event.request.batch_id for event in self.unwritten},
        )
        interval = max(self.timing.reconcile_interval, self.limits.durations.typical)
        due = self.unconfirmed.due(waits, interval)
        if not due:
            self._postpone_reconciliation(waits, now)
            return
        read = Batch.objects.select_related("job__connection", "blob").in_bulk(due)
        batches, unreadable = claims.split_unreadable(read.values())
        if unreadable:
            with transaction.atomic():
                leases.fence(self.lease)
                claims.settle_unreadable(unreadable)
        requests = claims.requests_of(batches, self.calls.client)
        for batch, request in zip(batches, requests, strict=True):
            if not self.limits.reads.left and self.limits.budget.take():
                self.unconfirmed.reconciliation_started(batch.pk)
                self.calls.reconcile(
                    self._unconfirmed_batch(batch, request), next_in=interval
                )

    def _postpone_reconciliation(self, waits: Mapping[int, float], now: float) -> None:
        """Until the first batch is due, or a job changes."""
        left = [seconds for seconds in waits.values() if seconds > 0]
        if len(left) == len(waits) and left:
            self.reconcile_at = max(self.reconcile_at, now + min(left))

    def _unconfirmed_batch(
        self, batch: Batch, request: BatchRequest
    ) -> UnconfirmedBatch:
        attempts = Attempt.objects.filter(batch=batch, result__in=Attempt.UNCONFIRMED)
        results = list(attempts.order_by("number").values_list("result", flat=True))
        return UnconfirmedBatch(
            request,
            reconcile_count=batch.reconcile_count,
            unconfirmed_attempts=len(results),
            waited=self.unconfirmed.waited(batch.pk, self.clock.monotonic()),
            quiet_time=max(self.timing.quiet_time, 2 * self.limits.durations.long),
            known_status_ids=partial(known_status_ids, searching=batch.pk),
            is_status_lost=results[-1:] == [AttemptResult.LOST],
            is_overtaken=record_order.is_overtaken(batch),
            status_id=claims.status_id_of(batch, request),
        )

    # Results of calls

    def _take_in(self, result: CallResult) -> None:
        """Learn from a result, and keep it for the next transaction."""
        match result:
            case PostResult():
                self._take_in_post(result)
            case PollResult():
                self._take_in_poll(result)
            case VerifyResult():
                self._take_in_verification(result)
            case PriorRead():
                self._take_in_prior_read(result)
            case ReconcileResult():
                self.limits.note_read(result.error)
                self.unconfirmed.reconciliation_ended(result.request.batch_id)
                self.unwritten.append(result)

    def _take_in_post(self, result: PostResult) -> None:
        request = result.request
        batch_id = request.batch_id
        self.limits.note_post(result, len(self.running), len(self.posting))
        del self.posting[batch_id]
        self.unwritten.append(result)
        match result.error:
            case None if result.status is not None:
                self.running.add(
                    RunningBatch(request, result.status.id, result.at, result.at)
                )
                self.failures.of(request.job_id).request_accepted()
            case TooManyJobs():
                self.share.not_sent(request.job_id)
            case RateLimited() | NotSent():
                pass
            case Refused() as error:
                if decision.blames_items(error):
                    self.failures.of(request.job_id).request_refused()
            case _:
                self.unconfirmed.add(batch_id, self.clock.monotonic())

    def _take_in_prior_read(self, result: PriorRead) -> None:
        self.limits.note_read(result.error)
        if result.error is None:
            self.reads.keep(result)
            return
        self.reads.drop(result.request)
        if isinstance(result.error, Refused) and not result.error.is_temporary:
            if decision.blames_items(result.error):
                self.failures.of(result.request.job_id).request_refused()
            self.unwritten.append(ReadRefused(result.request, result.error))

    def _take_in_poll(self, result: PollResult) -> None:
        self.limits.note_read(result.error)
        in_flight = Counter(request.object_key for request in self._in_flight())
        polled = self.running.end_poll(result)
        for batch, status in polled.finished:
            on_object = in_flight[batch.request.object_key]
            self._finish(batch, status, result.at, on_object)
        for batch in polled.lost:
            self.unconfirmed.add(batch.request.batch_id, result.at)
            self.unwritten.append(StatusLost(batch.request))
        if isinstance(result.error, Unauthorized | Forbidden):
            by_job = {batch.request.job_id: batch.request for batch in result.batches}
            for job_id, request in by_job.items():
                # The others pause already, or send nothing more.
                if self.jobs.may_send(job_id):
                    self.unwritten.append(AccessRefused(request, result.error))

    def _finish(
        self, batch: RunningBatch, status: JobStatus, at: float, on_object: int
    ) -> None:
        """A batch is over. `on_object`: how many batches were in flight on its object."""
        request = batch.request
        self.limits.note_job_end(batch, at)
        finished = finished_batch(request, status)
        self.objects.finished(
            request,
            finished.failures_from_load,
            in_flight=on_object,
            limit=self.limits.window.cap,
        )
        rows = len(finished.results)
        self.failures.of(request.job_id).add_rows(rows, finished.failures)
        if finished.failures and request.resent:
            self.calls.verify(finished)
        else:
            self._take_in_finished(finished)

    def _take_in_verification(self, result: VerifyResult) -> None:
        self.limits.note_read(result.error)
        self._take_in_finished(result.finished)

    def _take_in_finished(self, finished: BatchFinished) -> None:
        if not finished.is_complete:
            now = self.clock.monotonic()
            self.unconfirmed.add(finished.request.batch_id, now)
        self.unwritten.append(finished)


def _may_leave_more(event: DeliveryResult) -> bool:
    """Whether its batch may have items to send after it."""
    match event:
        case PostResult():
            return event.error is not None
        case BatchFinished():
            return event.request.is_part or bool(event.send_again)
        case _:
            return True
