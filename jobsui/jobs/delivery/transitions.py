"""Applies transitions: the only module that writes the results of sent batches.

Everything here runs inside the caller's transaction. A transition is applied only while
its batch is in the state the transition expects, so applying it twice changes nothing.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from jobsui.jobs.delivery import batch_request
from jobsui.jobs.delivery.batch_request import PostResult
from jobsui.jobs.delivery.decision import (
    DeliveryResult,
    Pause,
    ReconcileResult,
    Transition,
    decide,
    interrupted,
    not_sent,
    unconfirmed,
)
from jobsui.jobs.delivery.finished_batches import BatchFinished
from jobsui.jobs.enums import IN_FLIGHT, SENDABLE, AttemptResult, BatchState, Component
from jobsui.jobs.errors import DATABASE_AWAY
from jobsui.jobs.ledger import api_warnings, lifecycle, settlement
from jobsui.jobs.ledger.settlement import JobCounters, ReportedResults
from jobsui.jobs.models import Attempt, Batch, Job
from jobsui.jobs.sql import by_id, known_status_ids, update_rows
from jobsui.jobs.timing import Timing

logger = logging.getLogger(__name__)

BATCH_FIELDS = (
    *settlement.SETTLED_FIELDS,
    "status_id",
    "accepted_at",
    "split_size",
    "reconcile_count",
    "temporary_failures",
)
"""The columns of a batch that a transition may change."""
NOT_STORED = "Its result could not be stored."
OUR_FAULT = (
    "Jobs UI failed while it stored a response from Zendesk. The log has the details."
)


def write(results: Sequence[DeliveryResult], timing: Timing, now: datetime) -> None:
    """Decide and apply what these results mean. If a result cannot be stored, its batch
    becomes unconfirmed and its job pauses. The other results are stored all the
    same."""
    if not results:
        return
    counters = JobCounters()
    try:
        with transaction.atomic():
            _write(results, counters, timing, now)
    except DATABASE_AWAY:
        raise
    except Exception:
        logger.exception("Results cannot be stored together; storing them one by one.")
        counters = JobCounters()
        for result in results:
            counters.include(_write_alone(result, timing, now))
    counters.write()


def apply(
    transitions: Sequence[Transition],
    counters: JobCounters,
    timing: Timing,
    now: datetime,
) -> None:
    """Apply transitions, in their order, by a few statements for all of them. `now` is
    the time they are given."""
    batches = by_id(Batch, {transition.batch_id for transition in transitions})
    applied: list[Transition] = []
    reported: list[ReportedResults] = []
    pauses: list[Pause | None] = []
    for transition in transitions:
        counters.touch(transition.job_id)
        if transition.expected is None:
            pauses.append(transition.pause)
            continue
        batch = batches[transition.batch_id]
        if batch.state != transition.expected:
            continue
        applied.append(transition)
        pauses.append(transition.pause)
        if batch.status_id and transition.status_id is not None:
            _keep_status_id(batch, transition)
        _move(batch, transition, now)
        if transition.temporary_failures:
            number = transition.temporary_failures
            batch.temporary_failures += number
            counters.add(batch.job_id, "temporary_failures", number)
        if transition.results or transition.job_status_body is not None:
            reported.append(
                ReportedResults(batch, transition.results, transition.job_status_body)
            )
    if reported:
        settlement.settle_all(reported, counters, now)
    moved = dict.fromkeys(each.batch_id for each in applied)
    _save_batches([batches[pk] for pk in moved])
    _schedule_reconciliation(applied, batches, timing)
    _save_attempts(applied)
    api_warnings.record(
        (each.job_id, each.response) for each in applied if each.response is not None
    )
    for pause in dict.fromkeys(filter(None, pauses)):
        _pause(pause)


def interrupt(batches: Sequence[Batch], timing: Timing, now: datetime) -> None:
    """An earlier driver stopped while it was sending these batches: they become
    unconfirmed."""
    last = Attempt.objects.filter(batch__in=batches, number=F("batch__attempts_made"))
    attempt_ids = dict(last.values_list("batch", "pk"))
    transitions = [interrupted(each, attempt_ids[each.pk]) for each in batches]
    _apply_and_count(transitions, timing, now)


def put_back_unsent(attempts: Sequence[Attempt], timing: Timing, now: datetime) -> None:
    """These attempts, read with their batches, were committed and never sent."""
    transitions = [not_sent(each.batch, each.pk) for each in attempts]
    _apply_and_count(transitions, timing, now)


def pause_job(job_id: int, reason: str) -> None:
    """Pause one job, if it sends: it waits for a person, who reads this reason."""
    _pause_all(Job.objects.filter(pk=job_id, state__in=SENDABLE), reason)


def _apply_and_count(
    transitions: Sequence[Transition], timing: Timing, now: datetime
) -> None:
    counters = JobCounters()
    apply(transitions, counters, timing, now)
    counters.write()


def _write(
    results: Sequence[DeliveryResult],
    counters: JobCounters,
    timing: Timing,
    now: datetime,
) -> None:
    known = _known_status_ids(results)
    transitions = []
    for result in sorted(results, key=_order):
        transition = decide(result, known)
        transitions.append(transition)
        if transition.status_id:
            known.add(transition.status_id)
    apply(transitions, counters, timing, now)


def _order(result: DeliveryResult) -> int:
    """The order in which the results of one batch can follow each other."""
    match result:
        case PostResult():
            return 0
        case BatchFinished():
            return 1
        case _:
            return 2


def _known_status_ids(results: Sequence[DeliveryResult]) -> set[str]:
    """Of the job statuses that these results would give to batches: those that others
    have."""
    posted: list[str] = []
    known: set[str] = set()
    for result in results:
        match result:
            case PostResult(status=status) if status:
                posted.append(status.id)
            case ReconcileResult(finding=finding) if finding and finding.status_id:
                batch_id = result.request.batch_id
                known |= known_status_ids([finding.status_id], searching=batch_id)
            case _:
                pass
    return known | known_status_ids(posted)


def _write_alone(result: DeliveryResult, timing: Timing, now: datetime) -> JobCounters:
    counters = JobCounters()
    try:
        with transaction.atomic():
            _write([result], counters, timing, now)
    except DATABASE_AWAY:
        raise
    except Exception:
        logger.exception(
            "A result of batch %s cannot be stored.", result.request.batch_id
        )
        counters = JobCounters()
        _set_aside(result, counters, timing, now)
    return counters


def _set_aside(
    result: DeliveryResult, counters: JobCounters, timing: Timing, now: datetime
) -> None:
    """An error of Jobs UI prevented storing the result. The batch becomes unconfirmed,
    so nothing is lost or repeated, and its job waits for a person."""
    request = result.request
    counters.touch(request.job_id)
    batch = Batch.objects.filter(pk=request.batch_id, state__in=IN_FLIGHT).first()
    if batch is not None:
        state = BatchState(batch.state)
        kept = unconfirmed(request, state, AttemptResult.UNCONFIRMED, NOT_STORED)
        apply([kept], counters, timing, now)
    pause_job(request.job_id, OUR_FAULT)


def _move(batch: Batch, transition: Transition, now: datetime) -> None:
    """Change the batch in memory."""
    if transition.state is not None:
        batch.state = transition.state
    if transition.state == BatchState.ACCEPTED:
        batch.accepted_at = now
    if transition.state == BatchState.PLANNED:
        batch.reconcile_at = None
    if transition.status_id is not None:
        batch.status_id = transition.status_id
    if transition.split_size is not None:
        batch.split_size = transition.split_size or None
    if transition.reconcile_count is not None:
        batch.reconcile_count = transition.reconcile_count


def _keep_status_id(batch: Batch, transition: Transition) -> None:
    """The batch gets another job status, or none: its attempt keeps the old one."""
    attempts = Attempt.objects.filter(batch=batch)
    if transition.expected == BatchState.ACCEPTED:
        last = attempts.filter(pk=transition.attempt_id)
    else:
        # It was split, and the old one is that of the items that were accepted before.
        accepted = attempts.filter(result=AttemptResult.ACCEPTED, status_id="")
        last = accepted.exclude(pk=transition.attempt_id).order_by("-number")[:1]
    attempts.filter(pk__in=last.values("pk")).update(status_id=batch.status_id)


def _save_batches(batches: Collection[Batch]) -> None:
    rows = [
        (batch.pk, *(getattr(batch, name) for name in BATCH_FIELDS))
        for batch in batches
    ]
    update_rows(Batch, BATCH_FIELDS, rows)


def _schedule_reconciliation(
    transitions: Iterable[Transition], batches: Mapping[int, Batch], timing: Timing
) -> None:
    """By the database's clock, which all hosts share."""
    for transition in transitions:
        if batches[transition.batch_id].state != BatchState.UNCONFIRMED:
            continue
        seconds = transition.reconcile_in or timing.reconcile_interval
        Batch.objects.filter(pk=transition.batch_id).update(
            reconcile_at=_from_now(seconds)
        )


def _save_attempts(transitions: Iterable[Transition]) -> None:
    posts: list[tuple[Any, ...]] = []
    for transition in transitions:
        if transition.expected == BatchState.SENDING:
            kept = batch_request.kept_response(transition.response)
            posts.append(
                (
                    transition.attempt_id,
                    transition.attempt_result,
                    transition.attempt_note,
                    *(kept[name] for name in batch_request.RESPONSE_FIELDS),
                )
            )
            continue
        changes: dict[str, str] = {}
        if transition.attempt_result is not None:
            changes["result"] = transition.attempt_result
        if transition.attempt_note is not None:
            changes["note"] = transition.attempt_note
        if changes:
            Attempt.objects.filter(pk=transition.attempt_id).update(**changes)
    columns = ("result", "note", *batch_request.RESPONSE_FIELDS)
    update_rows(Attempt, columns, posts)


def _pause(pause: Pause) -> None:
    jobs = Job.objects.filter(state__in=SENDABLE)
    if pause.job_id is not None:
        jobs = jobs.filter(pk=pause.job_id)
    if pause.connection_id is not None:
        jobs = jobs.filter(connection=pause.connection_id)
    if pause.object_key:
        jobs = jobs.filter(object_key=pause.object_key)
    _pause_all(jobs, pause.reason)


def _pause_all(jobs: Iterable[Job], reason: str) -> None:
    for job in jobs:
        lifecycle.pause_automatically(job, reason, by=Component.DRIVER)


def _from_now(seconds: float) -> Combinable:
    return Now() + timedelta(seconds=seconds)
