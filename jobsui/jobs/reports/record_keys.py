"""The keys by which people know the records of a job's rows."""

from collections.abc import Collection
from functools import reduce
from operator import or_

from django.db.models import Q

from jobsui.jobs.enums import Action, ParentRows, Purpose, ReadState
from jobsui.jobs.ledger.unreadable import stored_items
from jobsui.jobs.live import read_rows, reads
from jobsui.jobs.models import BatchBlob, Job, ReadPageBlob, RecordRead
from jobsui.zendesk.payloads import Json

type Keys = dict[int, str]
"""{row: key}; "" for a row without one."""


def of_rows(job: Job, rows: Collection[int]) -> Keys:
    """Of the rows whose items are still stored, and of others beside them. At most a few hundred
    rows. The rows of an undo are those of the job that it undoes."""
    while job.parent is not None and job.parent_rows == ParentRows.UNDONE:
        job = job.parent
    comparison = _comparison(job)
    keys = _compared(comparison, rows) if comparison and rows else {}
    others = [row for row in rows if row not in keys]
    return keys | _sent(job, others) if others else keys


def of_item(item: Json, action: Action) -> str:
    """The key in an item; "" if it has none but a record ID."""
    if item is None or action.key == "id":
        return ""
    if not isinstance(item, dict):
        return str(item)
    if action.key:
        return str(item.get(action.key) or "")
    return str(item.get("external_id") or item.get("name") or "")


def _comparison(job: Job) -> RecordRead | None:
    read = reads.latest(job, Purpose.COMPARE)
    if read is None or read.state != ReadState.DONE:
        return None
    return read if read.fingerprint == reads.fingerprint_of(job) else None


def _compared(comparison: RecordRead, rows: Collection[int]) -> Keys:
    """After a comparison, batches name existing records by ID only."""
    action = Action(comparison.job.action)
    pages = ReadPageBlob.objects.filter(_having("page", rows), page__read=comparison)
    return {
        each.number: of_item(each.content, action)
        for page in pages
        for each in read_rows.of_page(page)
    }


def _sent(job: Job, rows: Collection[int]) -> Keys:
    blobs = BatchBlob.objects.filter(_having("batch", rows), batch__job=job)
    return {
        number: of_item(item, blob.batch.action)
        for blob in blobs.select_related("batch__job")
        for number, item in stored_items(blob)
    }


def _having(owner: str, rows: Collection[int]) -> Q:
    """Pages or batches that may have one of the rows."""
    first = f"{owner}__first_row__lte"
    last = f"{owner}__last_row__gte"
    return reduce(or_, [Q((first, row), (last, row)) for row in rows])
