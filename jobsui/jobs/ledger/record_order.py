"""The order of jobs that change the same records. Requests overtake each other, so a job
that is launched while another one is open waits for the rows that both have: the job
launched later wins.

The check stores the keys of a job's rows as hashes. The launch compares them with those
of the open jobs on the same object, and records an Overlap for each. From then on the
overlaps are the order (sql.blocked_rows)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import batched

from django.db import transaction

from jobsui.connections.models import Connection
from jobsui.jobs.enums import Action, ParentRows
from jobsui.jobs.ledger import problem_rows
from jobsui.jobs.ledger.row_sets import Membership
from jobsui.jobs.models import Batch, Job, Overlap, RecordKeys

KEYS_PER_PART = 4_096
PARTS_PER_COMMIT = 16
LAST_ROW = 2**63 - 1
"""Higher than any row number."""

type HashedKeys = tuple[Sequence[int], Sequence[int]]
"""The hashes of some keys, ascending, and the number of the row of each."""
type KeyRows = list[tuple[int, int]]
"""(hash, row number)."""


def save_keys(
    job: Job, parts: Iterable[HashedKeys], fence: Callable[[], None] = lambda: None
) -> None:
    """Replace the stored keys of a job by these. The parts ascend, and have at most
    KEYS_PER_PART keys. `fence` is called in each
    of the short transactions."""
    with transaction.atomic():
        fence()
        RecordKeys.objects.filter(job=job).delete()
    for group in batched(parts, PARTS_PER_COMMIT):
        with transaction.atomic():
            fence()
            RecordKeys.objects.bulk_create(
                RecordKeys.packed(job, hashes, rows) for hashes, rows in group
            )


def change_keys(job: Job, removed: KeyRows, added: KeyRows) -> None:
    """Change single stored keys of a job."""
    for key_hash, row in removed:
        candidates = job.record_keys.filter(first__lte=key_hash, last__gte=key_hash)
        for found in candidates:
            left = [pair for pair in found.rows_by_hash if pair != (key_hash, row)]
            _replace(found, left)
    for key_hash, row in added:
        below = job.record_keys.filter(first__lte=key_hash).order_by("-first")
        part = below.first() or job.record_keys.order_by("first").first()
        pairs = list(part.rows_by_hash) if part else []
        _replace(part or RecordKeys(job=job), sorted([*pairs, (key_hash, row)]))


def _replace(part: RecordKeys, pairs: KeyRows) -> None:
    """Store other keys in a part."""
    if not pairs:
        part.delete()
        return
    hashes, rows = zip(*pairs, strict=True)
    changed = RecordKeys.packed(part.job, hashes, rows)
    changed.pk = part.pk
    changed.save()


def overlaps_of(job: Job) -> list[Overlap]:
    """The overlaps of a checked job with the jobs that are open now, not saved."""
    same_object = Job.objects.on_account(job.connection.host).filter(
        object_key=job.object_key
    )
    overlaps = []
    open_jobs = same_object.open().exclude(pk=job.pk).select_related("file")
    for earlier in open_jobs.order_by("created_at", "pk"):
        if overlap := _overlap(earlier, job):
            overlaps.append(overlap)
    return overlaps


def record_overlaps(job: Job) -> list[Overlap]:
    """Call in the transaction that launches a job: it waits for all jobs that are open
    now. Of two launches on one account at a time, the second sees the first."""
    connections = Connection.objects.filter(host=job.connection.host)
    list(connections.select_for_update().order_by("pk"))
    return Overlap.objects.bulk_create(overlaps_of(job))


def is_overtaken(batch: Batch) -> bool:
    """Whether a job launched later has sent rows that this batch may share. Possible
    only for rows that had a result and were opened again."""
    overlaps = Overlap.objects.filter(
        earlier=batch.job_id, earlier_row__gte=batch.first_row
    )
    return any(
        Batch.objects.filter(
            job=overlap.later_id,
            attempts_made__gt=0,
            first_row__lte=overlap.last_row,
            last_row__gte=overlap.first_row,
        ).exists()
        for overlap in overlaps
    )


def _overlap(earlier: Job, later: Job) -> Overlap | None:
    """None when the two jobs change no common record."""
    if ParentRows.UNDONE in {earlier.parent_rows, later.parent_rows}:
        return _unknown_overlap(earlier, later)
    if earlier.records_to_delete or later.records_to_delete:
        # Their keys are not those of its rows.
        return _unknown_overlap(earlier, later)
    keys = {Action(job.action).key_of_records for job in (earlier, later)}
    if len(keys) > 1:
        # The id of a record that a job creates is unknown before.
        is_apart = "id" in keys and Action.CREATE in (earlier.action, later.action)
        return None if is_apart else _unknown_overlap(earlier, later)
    rows = 0
    first_row = LAST_ROW
    last_row = 0
    earlier_row = 0
    for row_of_earlier, row_of_later in _common_rows(earlier, later):
        rows += 1
        first_row = min(first_row, row_of_later)
        last_row = max(last_row, row_of_later)
        earlier_row = max(earlier_row, row_of_earlier)
    if not rows:
        return None
    return Overlap(
        earlier=earlier,
        later=later,
        rows=rows,
        first_row=first_row,
        last_row=last_row,
        earlier_row=earlier_row,
    )


def _unknown_overlap(earlier: Job, later: Job) -> Overlap:
    return Overlap(
        earlier=earlier,
        later=later,
        rows=None,
        first_row=0,
        last_row=LAST_ROW,
        earlier_row=LAST_ROW,
    )


def _common_rows(earlier: Job, later: Job) -> Iterator[tuple[int, int]]:
    """(row of the earlier job, row of the later one) of each common key. Rows that are not
    sent, because they have problems, do not count."""
    sent = _Sent(earlier, later)
    for pk in later.record_keys.order_by("first").values_list("pk", flat=True):
        own = RecordKeys.objects.get(pk=pk)
        own_hashes = set(own.hashes)
        for other in earlier.record_keys.filter(
            first__lte=own.last, last__gte=own.first
        ):
            common = own_hashes.intersection(other.hashes)
            if common:
                own_rows = sent.rows_of(own, common)
                other_rows = sent.rows_of(other, common)
                for key in own_rows.keys() & other_rows.keys():
                    yield other_rows[key], own_rows[key]


class _Sent:
    """Which rows of jobs are sent, as far as their checks say."""

    def __init__(self, *jobs: Job) -> None:
        self._jobs = {job.pk: job for job in jobs}

    def rows_of(self, keys: RecordKeys, hashes: set[int]) -> dict[int, int]:
        """{hash: row} of these hashes."""
        invalid = self._invalid[keys.job_id]
        return {
            each: row
            for each, row in keys.rows_by_hash
            if each in hashes and row not in invalid
        }

    @cached_property
    def _invalid(self) -> dict[int, Membership]:
        return {
            pk: problem_rows.invalid_rows(job).contains()
            for pk, job in self._jobs.items()
        }
