"""Reads the records of a batch right before it is sent, to keep what they hold, or to leave out
rows whose records have changed since the comparison.

Nothing here touches the database, so it may run in any thread."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from jobsui.jobs.delivery import batch_request
from jobsui.jobs.delivery.batch_request import BatchRequest
from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.ledger.settlement import uncertain
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Batch, Job, RowResult
from jobsui.jobs.models.record_rows import is_record_row
from jobsui.jobs.records import keyed_reads
from jobsui.jobs.records.before_images import before_again, before_image, changed_since
from jobsui.jobs.records.compare import Image, label_of
from jobsui.zendesk.errors import ZendeskError
from jobsui.zendesk.payloads import Json, Record, Schema

CHANGED_SINCE = "ChangedSince"
"""The code of rows that are not sent because their records have changed."""
COMPARE_AGAIN = (
    "The row was not sent. Compare the rows again to see what the record holds now."
)
NOT_DELETED = "It was not deleted. Compare again to see what the account holds now."
GONE = f"The record was deleted after the comparison. {COMPARE_AGAIN}"
CHANGED_MEANWHILE = (
    "Zendesk gave no clear response to an earlier request with this row, and the record now "
    "holds other values. It is not sent again. "
    "Compare the record in Zendesk with your file, then decide."
)


@dataclass(frozen=True, slots=True)
class PriorRead:
    """What the records of a batch held right before it is sent, or the error instead."""

    request: BatchRequest
    """The request whose items were read. The items are sent by a later request."""
    records: Mapping[int, Record | None] = field(default_factory=dict)
    """{index in the batch: record, or None if there is none}. Items for which this is unknown are
    left out."""
    error: ZendeskError | None = None


@dataclass(frozen=True, slots=True)
class EarlierRequests:
    """What earlier requests of a batch may have applied."""

    last_arrived: int = -1
    """The index of the last item in a request that may have reached Zendesk."""
    last_unconfirmed: int = -1
    """The index of the last item in a request without a clear response."""


@dataclass(frozen=True, slots=True)
class Before:
    """What follows from a read."""

    results: Mapping[int, RowResult]
    """{index in the batch: result} of the items that are not sent."""
    images: Mapping[int, Image | None]
    """{index in the batch: image} of all items whose records were read, now or before an earlier
    request."""


def has_any(job: Job) -> bool:
    """Whether records are read before batches of a job are sent."""
    return job.records_to_delete > 0 or _is_chosen(job) or is_watched(job)


def is_needed(job: Job, batch: Batch) -> bool:
    """Whether the records of a batch are read before it is sent. A watched job reads those of its
    file only if one may have changed (`watched_changes.py`). New records hold nothing, and
    Zendesk refuses to create one whose key has a record meanwhile."""
    if is_of_records(job, batch):
        return True
    action = Action(batch.own_action or job.action)
    if action is Action.CREATE:
        return False
    return _is_chosen(job) or (is_watched(job) and bool(batch.own_action))


def is_watched(job: Job) -> bool:
    """Whether a batch of rows of the file needs no read if none of its records has changed since
    the comparison."""
    options = Options.from_json(job.options)
    return options.refuse_changed == "watched" and not options.keep_undo


def refuses_changed(job: Job, batch: Batch) -> bool:
    """Whether rows of a batch are not sent if their records have changed since the comparison.
    Batches without an action of their own have rows that were not compared."""
    if is_of_records(job, batch):
        return True
    is_chosen = Options.from_json(job.options).refuse_changed != "off"
    return is_chosen and bool(batch.own_action)


def is_of_records(job: Job, batch: Batch) -> bool:
    """Whether a batch deletes records that only the account has. None of them may have been
    changed in any way since the comparison."""
    return job.records_to_delete > 0 and is_record_row(batch.first_row)


def _is_chosen(job: Job) -> bool:
    options = Options.from_json(job.options)
    return options.keep_undo or options.refuse_changed == "strict"


def read(request: BatchRequest) -> dict[int, Record | None]:
    """The records of the items, as in PriorRead. Raises ZendeskError."""
    key = request.action.key
    keys = batch_request.keys(request.items, key)
    found = keyed_reads.read(
        request.client, request.object_key, key, list(keys.values())
    )
    records: dict[int, Record | None] = {}
    for index, value in keys.items():
        having = found.records.get(value, ())
        if len(having) == 1:
            records[index] = having[0]
        elif not having and value not in found.unknown:
            records[index] = None
    return records


def before(
    prior: PriorRead,
    schema: Schema,
    stored: Mapping[int, Image | None],
    earlier: EarlierRequests,
    *,
    refuses: bool,
    is_of_records: bool = False,
) -> Before:
    """`stored`: the images of the comparison, or of the read before an earlier request.
    `refuses`: the first are those of the comparison, and rows whose records have changed are
    not sent. `is_of_records`: as the function."""
    action = prior.request.action
    images = dict(stored)
    results: dict[int, RowResult] = {}
    for index, line in prior.request.items:
        if index not in prior.records:
            continue
        item = json.loads(line)
        record = prior.records[index]
        may_be_ours = index <= earlier.last_arrived
        compared = stored.get(index)
        if refuses and compared is not None:
            is_unclear = index <= earlier.last_unconfirmed
            if is_of_records:
                result = _refused_deletion(
                    schema, record, compared, may_be_ours, is_unclear
                )
            else:
                result = _refusal(
                    item, action, schema, record, compared, may_be_ours, is_unclear
                )
            if result is not None:
                results[index] = result
                continue
        if may_be_ours and index in stored:
            images[index] = before_again(item, action, schema, record, compared)
        else:
            images[index] = before_image(item, action, schema, record)
    return Before(results, images)


def _refusal(
    item: Json,
    action: Action,
    schema: Schema,
    record: Record | None,
    compared: Image,
    may_be_ours: bool,
    is_unclear: bool,
) -> RowResult | None:
    """The result of an item that is not sent because of its record; None: it is sent."""
    if record is None:
        if may_be_ours:
            # The response to the next request settles the row.
            return None
        if action.deletes:
            return RowResult(Outcome.UNCHANGED, compared.record_id)
        return RowResult(Outcome.FAILED, compared.record_id, CHANGED_SINCE, GONE)
    changed = changed_since(compared, item, schema, record, may_be_ours=may_be_ours)
    if not changed:
        return None
    if is_unclear:
        return uncertain(CHANGED_MEANWHILE)._replace(record_id=record.id)
    message = f"{_changed(changed, record, schema)} {COMPARE_AGAIN}"
    return RowResult(Outcome.FAILED, record.id, CHANGED_SINCE, message)


def _refused_deletion(
    schema: Schema,
    record: Record | None,
    compared: Image,
    may_be_ours: bool,
    is_unclear: bool,
) -> RowResult | None:
    """As `_refusal`, of a record that only the account has."""
    if record is None:
        done = RowResult(Outcome.UNCHANGED, compared.record_id)
        return None if may_be_ours else done
    changed = changed_since(compared, None, schema, record, may_be_ours=False)
    # The time alone does not show a second change within the same second.
    if record.updated_at == compared.updated_at and not changed:
        return None
    if is_unclear:
        return uncertain(CHANGED_MEANWHILE)._replace(record_id=record.id)
    message = f"{_changed(changed, record, schema)} {NOT_DELETED}"
    return RowResult(Outcome.FAILED, record.id, CHANGED_SINCE, message)


def _changed(names: Collection[str], record: Record, schema: Schema) -> str:
    labels = ", ".join(label_of(name, schema) for name in names)
    listed = f": {labels}" if names else ""
    who = f" by user {record.updated_by}" if record.updated_by else ""
    return f"The record was changed{who} after the comparison{listed}."
