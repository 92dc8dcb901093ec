"""Deletes history that is older than the retention settings (retention.py).

Each step is one short transaction, so that jobs can send in between: SQLite has one writer at
a time. First a job is marked, which is when pages begin to say that something was deleted.
Then the rows go, a few at a time. After an interruption the marked jobs are finished first.
Doing a step twice changes nothing."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from itertools import batched

from django.db import models, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.jobs import leases, retention
from jobsui.jobs.control import drafts
from jobsui.jobs.enums import OVER, FileState
from jobsui.jobs.models import (
    Attempt,
    Batch,
    BatchBlob,
    BatchImages,
    Cause,
    ColumnFacts,
    Correction,
    CorrectionUpload,
    File,
    Job,
    JobEvent,
    Lease,
    Overlap,
    ProblemRows,
    ReadPage,
    RecordKeys,
    RowError,
)
from jobsui.jobs.models.file import NO_CELLS
from jobsui.jobs.retention import MARKS, Kind, due_files, due_jobs, unused_files

LEASE = "prune"
"""Only one host prunes at a time."""
MAX_JOBS = 100
MAX_BATCHES = 100
MAX_FILES = 100
MAX_KEY_LISTS = 20
MAX_ROWS = 500
"""How much one transaction changes at most: jobs, batches, files, lists of keys or rows, other
rows of the database."""
MIN_PAUSE = 0.02
PAUSE_FACTOR = 4.0
"""The pause after a transaction: this many times its duration, so that the database has at
least four fifths of the time for others."""
type Step = tuple[str, int]
"""What one transaction deleted, as a singular noun, and how many."""
NOTHING: Step = ("", 0)
"""A transaction that only changed marks."""


class Pruner:
    """Deletes what is due, over any number of runs. Between two runs it remembers where it
    is in a large job."""

    def __init__(
        self, steps: Callable[[], Iterator[Step]], clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._new_steps = steps
        self._steps: Iterator[Step] | None = None
        self._clock = clock

    @property
    def is_finished(self) -> bool:
        """Whether the last run deleted everything that was due."""
        return self._steps is None

    def run(
        self, stopping: threading.Event, *, seconds: float | None = None
    ) -> Counter[str] | None:
        """Delete for this long (None: until nothing is left), or until asked to stop.
        Returns what was deleted; None: another process prunes at the moment."""
        started = self._clock.monotonic()
        deleted: Counter[str] = Counter()
        with leases.held(LEASE, clock=self._clock) as lease:
            if lease is None:
                return None
            while not stopping.is_set():
                before = self._clock.monotonic()
                step = self._next_step()
                if step is None:
                    break
                what, number = step
                deleted[what] += number
                now = self._clock.monotonic()
                if seconds is not None and now - started > seconds:
                    break
                if lease.age > lease.ttl.total_seconds() / 3 and not lease.renew():
                    break
                stopping.wait(max(MIN_PAUSE, PAUSE_FACTOR * (now - before)))
        return +deleted

    def _next_step(self) -> Step | None:
        """The result of the next step; None: nothing is left."""
        if self._steps is None:
            self._steps = self._new_steps()
        try:
            return next(self._steps)
        except StopIteration:
            self._steps = None
            return None
        except BaseException:
            # A generator that raised has ended.
            self._steps = None
            raise


def steps() -> Iterator[Step]:
    """Delete what is due, one short transaction for each step."""
    now = timezone.now()
    yield from _delete_marked(list(MARKS))
    for kind in MARKS:
        before = retention.cutoff(kind, now)
        while before and _mark(kind, before):
            yield NOTHING
            yield from _delete_marked([kind])
    while _mark_over_limit(now):
        yield NOTHING
        yield from _delete_marked([Kind.UNDO])
    if before := retention.cutoff(Kind.JOBS, now):
        yield from _delete_jobs(before)
    if before := retention.cutoff(Kind.FILES, now):
        yield from _delete_files(before)
    yield from _delete_unused_files(now)
    yield from _delete_leases()
    yield from _delete_order()


def ready_jobs(kind: Kind, before: datetime) -> QuerySet[Job]:
    """The jobs of which this kind is due and can be deleted next."""
    due = due_jobs(kind, before)
    match kind:
        case Kind.RESULTS:
            # Items first: both share a row of the database.
            return due.filter(bodies_pruned_at__isnull=False)
        case Kind.JOBS:
            unpruned = Q(is_pruning=True)
            for mark in MARKS.values():
                unpruned |= Q(**{mark: None})
            return due.exclude(unpruned)
    return due


def marked_jobs() -> QuerySet[Job]:
    """Jobs of which something is being deleted."""
    return Job.objects.filter(is_pruning=True).order_by("pk")


def _mark(kind: Kind, before: datetime) -> bool:
    """Say of the next jobs that this kind was deleted. False: no job is due."""
    ready = ready_jobs(kind, before)
    return _mark_jobs(kind, ready, list(ready.values_list("pk", flat=True)[:MAX_JOBS]))


def _mark_over_limit(now: datetime) -> bool:
    """The same of old values that take more than they may."""
    ids = retention.jobs_over_limit(now)[:MAX_JOBS]
    return _mark_jobs(Kind.UNDO, retention.undo_jobs(now), ids)


def _mark_jobs(kind: Kind, ready: QuerySet[Job], ids: Collection[int]) -> bool:
    if not ids:
        return False
    with transaction.atomic():
        _lock(ids)
        # Read again under the lock: a retry may have been created since.
        due = list(ready.filter(pk__in=ids).values_list("pk", flat=True))
        marked = Job.objects.filter(pk__in=due).update(
            is_pruning=True, version=F("version") + 1, **{MARKS[kind]: Now()}
        )
    return bool(marked)


def _lock(ids: Collection[int]) -> None:
    list(Job.objects.select_for_update().filter(pk__in=ids).order_by("pk").values("pk"))


def _delete_marked(kinds: Sequence[Kind]) -> Iterator[Step]:
    """Delete what the marked jobs are said to have lost."""
    while True:
        sizes = list(marked_jobs().values_list("pk", "batches_total")[:MAX_JOBS])
        if not sizes:
            return
        for batches in _pieces(sizes):
            for kind in kinds:
                yield from _delete_kind(kind, batches)
        ids = [pk for pk, _ in sizes]
        yield from _delete_rows("row error", _row_errors(ids))
        yield from _delete_rows("page of rows", _read_pages(ids), MAX_BATCHES)
        with transaction.atomic():
            pruned = Q(job__in=ids, job__results_pruned_at__isnull=False)
            Cause.objects.filter(pruned).update(sample_values=[], value_counts=[])
            Job.objects.filter(pk__in=ids).update(is_pruning=False)
        yield NOTHING


def _pieces(sizes: Sequence[tuple[int, int]]) -> Iterator[Q]:
    """The batches of these jobs, given as (id, number of batches), in pieces of at most
    MAX_BATCHES: several small jobs, or a part of a large one."""
    small: list[int] = []
    total = 0
    for pk, number in sizes:
        if number > MAX_BATCHES:
            for first in range(1, number + 1, MAX_BATCHES):
                last = first + MAX_BATCHES - 1
                yield Q(job=pk, seq__range=(first, last))
            continue
        if total + number > MAX_BATCHES:
            yield Q(job__in=small)
            small = []
            total = 0
        small.append(pk)
        total += number
    if small:
        yield Q(job__in=small)


def _delete_kind(kind: Kind, batches: Q) -> Iterator[Step]:
    """Delete one kind of these batches, of the jobs that are said to have lost it."""
    pruned = Q(**{f"job__{MARKS[kind]}__isnull": False})
    ids = Batch.objects.filter(batches, pruned).order_by().values("pk")
    blobs = BatchBlob.objects.filter(batch__in=list(ids.values_list("pk", flat=True)))
    match kind:
        case Kind.UNDO | Kind.UNDO_DELETES:
            before = BatchImages.objects.filter(batch__in=ids).order_by()
            yield from _delete_rows("batch of old values", before, MAX_BATCHES)
        case Kind.BODIES:
            yield from _delete_bodies(blobs.exclude(payload=b""))
        case Kind.ATTEMPTS:
            attempts = Attempt.objects.filter(batch__in=ids).order_by()
            yield from _delete_rows("attempt", attempts)
        case Kind.RESULTS:
            yield from _delete_rows("batch result", blobs)


def _delete_bodies(blobs: QuerySet[BatchBlob]) -> Iterator[Step]:
    ids = list(blobs.values_list("pk", flat=True))
    if not ids:
        return
    with transaction.atomic():
        kept = BatchBlob.objects.filter(pk__in=ids)
        kept.update(payload=b"", job_status_body=b"")
        attempts = Attempt.objects.filter(batch__in=ids)
        attempts.update(response_body=b"", response_headers={})
    yield "request", len(ids)


def _read_pages(job_ids: Collection[int]) -> QuerySet[ReadPage]:
    """The rows of comparisons and proofs."""
    pages = ReadPage.objects.filter(
        read__job__in=job_ids, read__job__undo_pruned_at__isnull=False
    )
    return pages.order_by("pk")


def _row_errors(job_ids: Collection[int]) -> QuerySet[RowError]:
    errors = RowError.objects.filter(
        job__in=job_ids, job__results_pruned_at__isnull=False
    )
    return errors.order_by("job", "row")


def _delete_rows(
    what: str, rows: QuerySet[models.Model], most: int = MAX_ROWS
) -> Iterator[Step]:
    """Delete rows that nothing refers to, at most `most` for each step."""
    while ids := list(rows.values_list("pk", flat=True)[:most]):
        yield what, _delete(rows.model._default_manager.filter(pk__in=ids))


def _delete(rows: QuerySet[models.Model]) -> int:
    number, _ = rows.delete()
    return number


def _delete_jobs(before: datetime) -> Iterator[Step]:
    """Delete whole jobs, whose other kinds are deleted already."""
    due = ready_jobs(Kind.JOBS, before)
    ids = list(due.values_list("pk", flat=True))
    for pk in ids:
        yield from _delete_rows("batch", Batch.objects.filter(job=pk).order_by("seq"))
        yield from _delete_rows("event", JobEvent.objects.filter(job=pk).order_by())
        with transaction.atomic():
            _lock([pk])
            job = due.filter(pk=pk).select_related("file").first()
            if job is None:
                continue
            job.delete()
            drafts.delete_unused_file(job.file)
        yield "job", 1


def _delete_files(before: datetime) -> Iterator[Step]:
    due = due_files(before)
    ids = list(due.values_list("pk", flat=True))
    for chunk in batched(ids, MAX_FILES):
        with transaction.atomic():
            files = File.objects.select_for_update().filter(pk__in=chunk).order_by("pk")
            locked = {file.pk: file for file in files}
            # Read again under the lock: a draft may use one of them since.
            found = set(due.filter(pk__in=chunk).values_list("pk", flat=True))
            unmarked = File.objects.filter(pk__in=found, content_pruned_at=None)
            unmarked.update(content_pruned_at=Now(), **NO_CELLS)
        # After the commit. If it is interrupted, the files are still due.
        corrections = Correction.objects.filter(job__file__in=found)
        yield from _delete_rows("correction", corrections.order_by())
        workbooks = CorrectionUpload.objects.filter(job__file__in=found)
        yield from _delete_rows("corrected workbook", workbooks.order_by())
        facts = ColumnFacts.objects.filter(file__in=found)
        yield from _delete_rows("column", facts.order_by())
        for pk in found:
            locked[pk].delete_content()
        File.objects.filter(pk__in=found).update(has_content=False)
        yield "file", len(found)


def _delete_unused_files(now: datetime) -> Iterator[Step]:
    """Files that no job has: those of drafts that another machine discarded, which could
    not delete them."""
    for file in unused_files(now):
        drafts.delete_unused_file(file)
        yield "file", 1


def _delete_leases() -> Iterator[Step]:
    """Delete the leases of work that is over or was deleted. Leases of accounts stay:
    their epochs must only grow (delivery/restore_guard.py)."""
    others = Lease.objects.exclude(name__startswith="account:").order_by("pk")
    last = 0
    while found := list(
        others.filter(pk__gt=last).values_list("pk", "name")[:MAX_ROWS]
    ):
        last = found[-1][0]
        unneeded = _unneeded_leases(found)
        if unneeded:
            # Epoch 0: a process is just acquiring it for the first time.
            free = Lease.objects.filter(pk__in=unneeded, expires_at__lte=Now())
            yield "lease", _delete(free.exclude(epoch=0))


def _delete_order() -> Iterator[Step]:
    """Delete what only drafts and open jobs need: their order (ledger/record_order.py) and
    which rows have problems."""
    overlaps = Overlap.objects.filter(earlier__state__in=OVER)
    keys = RecordKeys.objects.filter(job__state__in=OVER)
    problem_rows = ProblemRows.objects.filter(cause__job__state__in=OVER)
    yield from _delete_rows("overlap", overlaps.order_by())
    yield from _delete_rows("key list", keys.order_by(), MAX_KEY_LISTS)
    yield from _delete_rows("row list", problem_rows.order_by(), MAX_KEY_LISTS)


def _unneeded_leases(found: Sequence[tuple[int, str]]) -> list[int]:
    """Those of (id, name) that belong to no job or file with work left."""
    of_jobs: dict[int, int] = {}
    of_files: dict[int, int] = {}
    for pk, name in found:
        kind, _, number = name.partition(":")
        if kind in {"plan", "check", "advance"}:
            of_jobs[pk] = int(number)
        elif kind == "read":
            of_files[pk] = int(number)
    jobs = Job.objects.filter(pk__in=of_jobs.values()).exclude(state__in=OVER)
    files = File.objects.filter(pk__in=of_files.values(), state=FileState.READING)
    open_jobs = set(jobs.values_list("pk", flat=True))
    open_files = set(files.values_list("pk", flat=True))
    unneeded = [pk for pk, job in of_jobs.items() if job not in open_jobs]
    unneeded += [pk for pk, file in of_files.items() if file not in open_files]
    return unneeded
