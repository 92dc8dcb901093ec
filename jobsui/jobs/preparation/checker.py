"""The check: reads every row of a draft before anything is sent, and groups its problems
by cause."""

import hashlib
import json
import math
import threading
from dataclasses import astuple
from functools import partial

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobsui.files.errors import FileRefused
from jobsui.jobs import leases
from jobsui.jobs.enums import Action, Component, EventKind, JobState
from jobsui.jobs.errors import MappingRefused, NotPossibleNow
from jobsui.jobs.ledger import lifecycle, record_order
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.mapping.field_targets import schema_of
from jobsui.jobs.mapping.mapping_check import check_mapping
from jobsui.jobs.mapping.rules import rules_of
from jobsui.jobs.models import AccountFacts, Job, RepeatedKeys
from jobsui.jobs.preparation import file_reading, job_rows
from jobsui.jobs.preparation.corrected_cells import changes_of
from jobsui.jobs.preparation.file_reading import PROGRESS_SECONDS, Stopped
from jobsui.jobs.preparation.found_causes import FoundCauses
from jobsui.jobs.queueing import enqueue

CHOSEN_AFTERWARDS = (
    "invalid",
    "warnings",
    "compare",
    "keep_undo",
    "refuse_changed",
    "match",
)
"""Options that change nothing about the check."""
CANCELLED = "The check was cancelled."


def start(job: Job, *, by: Actor) -> None:
    """Queue the check of a draft. Raises NotPossibleNow, and MappingRefused when its
    mapping cannot work."""
    require_mapping(job)
    is_started = lifecycle.move(
        job,
        JobState.CHECKING,
        by=by,
        event=EventKind.CHECK_STARTED,
        reason="",
        rows_checked=0,
    )
    if not is_started:
        raise NotPossibleNow("This job is being checked, or was already launched.")
    leases.forget_tries(_lease_name(job))
    enqueue("check_job", job.pk)


def cancel(job: Job, *, by: Actor) -> None:
    """Stop the check of a draft, which stays as it is. Raises NotPossibleNow unless it is
    being checked."""
    is_cancelled = lifecycle.move(
        job,
        JobState.DRAFT,
        by=by,
        event=EventKind.CHECK_CANCELLED,
        expected=(JobState.CHECKING,),
        reason=CANCELLED,
        auto_target="",
    )
    if not is_cancelled:
        raise NotPossibleNow("This job is no longer being checked.")


def check(job: Job, *, stopping: threading.Event) -> None:
    """Check all rows of a job whose check was started. If `stopping` is set during the
    check, the next task checks them from the beginning."""
    with leases.tried(_lease_name(job), partial(_give_up, job)) as lease:
        job.refresh_from_db()
        if lease is None or job.state != JobState.CHECKING:
            return
        try:
            _check(job, lease, stopping)
        except (FileRefused, MappingRefused) as refusal:
            _fail(job, str(refusal))
        except (Stopped, leases.LeaseLost):
            pass
    is_unchecked = Job.objects.filter(pk=job.pk, state=JobState.CHECKING).exists()
    if is_unchecked and not stopping.is_set():
        # The draft has changed during the check: check it again as it is now.
        enqueue("check_job", job.pk)
    elif job.auto_target:
        enqueue("advance_job", job.pk)


def require_mapping(job: Job) -> None:
    """Raise MappingRefused unless the job's mapping can work. Raw items need none."""
    if job.file.is_raw_items:
        return
    check_mapping(
        job.mapping,
        job.file.columns,
        Action(job.action),
        schema_of(job),
        rules_of(job.rules),
    )


def fingerprint(job: Job) -> str:
    """Changes with everything the check depends on: the file and its settings, corrections,
    mapping, options, fields, rows. What is chosen after the check is not part of it: what
    happens to invalid rows and to those with warnings, whether to compare, how the account is
    made to match, and what is read before batches are sent."""
    file = job.file
    options = {
        name: value
        for name, value in job.options.items()
        if name not in CHOSEN_AFTERWARDS
    }
    facts = [
        file.sha256,
        astuple(file_reading.layout_of(file)),
        job.connection_id,
        job.object_key,
        job.action,
        job.mapping,
        options,
        schema_of(job).fingerprint,
        job.parent_id,
        job.cause_id,
        sorted(job_rows.causes_of_other_retries(job)),
    ]
    if job.rules:
        facts.append(job.rules)
    if changes := changes_of(job):
        facts.append([astuple(change) for change in changes])
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _check(job: Job, lease: leases.Held, stopping: threading.Event) -> None:
    # Web processes import this module, and blocks need pyarrow, which takes 46 MB.
    from jobsui.jobs.preparation import warned_rows  # noqa: PLC0415
    from jobsui.jobs.preparation.checked_rows import CheckedRows  # noqa: PLC0415
    from jobsui.jobs.preparation.row_sample import RowSample  # noqa: PLC0415

    require_mapping(job)
    before = fingerprint(job)
    found = FoundCauses(job)
    progress = _Progress(job, before, lease, stopping)
    sample = None if job.file.is_raw_items else RowSample(job)
    checked = CheckedRows(job, found.add, sample.add if sample else None)
    checked.run(progress)
    warned = warned_rows.find(job, checked, sample, found.add_warning, progress)
    # While the job is discarded, its keys cannot be stored.
    _require_same(job, before)
    record_order.save_keys(job, checked.record_keys(), partial(leases.fence, lease))
    with transaction.atomic():
        leases.fence(lease)
        _require_same(job, before)
        RepeatedKeys.objects.filter(job=job).delete()
        is_ready = lifecycle.move(
            job,
            JobState.READY,
            by=Component.CHECK,
            event=EventKind.CHECKED,
            facts={
                "rows": checked.rows,
                "invalid": checked.invalid,
                "warned": warned.rows,
            },
            rows=checked.rows,
            rows_checked=checked.rows,
            rows_invalid=checked.invalid,
            largest_item=checked.largest_item,
            rows_warned=warned.rows,
            checked_fingerprint=before,
            checked_at=timezone.now(),
            reason="",
        )
        if is_ready:
            found.save()
            repeats = checked.repeats
            stored = RepeatedKeys.packed(job, repeats.rows, repeats.sharing)
            stored.save(force_insert=True)
            AccountFacts.objects.filter(job=job).delete()
            warned.facts.save(force_insert=True)


def _lease_name(job: Job) -> str:
    return f"check:{job.pk}"


def _give_up(job: Job, _lease: leases.Held, reason: str) -> None:
    _fail(job, f"{reason} {file_reading.SMALLER_FILE}")


def _fail(job: Job, reason: str) -> None:
    lifecycle.move(
        job,
        JobState.DRAFT,
        by=Component.CHECK,
        event=EventKind.CHECK_FAILED,
        expected=(JobState.CHECKING,),
        facts={"reason": reason},
        reason=reason,
        auto_target="",
    )


class _Progress:
    """Called with how many rows are checked. Stores it now and then, and raises Stopped when
    the check must end."""

    def __init__(
        self, job: Job, before: str, lease: leases.Held, stopping: threading.Event
    ) -> None:
        self._job = job
        self._before = before
        self._lease = lease
        self._stopping = stopping
        self._shown_at = -math.inf

    def __call__(self, rows: int) -> None:
        if self._stopping.is_set():
            raise Stopped
        now = self._lease.clock.monotonic()
        if now - self._shown_at < PROGRESS_SECONDS:
            return
        self._shown_at = now
        if not self._lease.renew():
            raise Stopped
        _require_same(self._job, self._before)
        Job.objects.filter(pk=self._job.pk).update(
            rows_checked=rows, version=F("version") + 1
        )


def _require_same(job: Job, before: str) -> None:
    """Raise Stopped when the draft was discarded or changed during the check."""
    now = Job.objects.filter(pk=job.pk, state=JobState.CHECKING).first()
    if now is None or fingerprint(now) != before:
        raise Stopped
