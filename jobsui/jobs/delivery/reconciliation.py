"""Settles unconfirmed batches by reading Zendesk. A batch is unconfirmed when it was sent
and no clear response arrived, or when its job status was lost.

- Items with an external or record id are settled by reading their records, and comparing
  content. A record that holds what was sent has it. A record that holds something else
  and has not changed since the first request shows that the request was not applied:
  after the quiet time the item is sent again. A record that has changed since, and holds
  something else, was changed by somebody else: the row is uncertain, and nothing
  overwrites that change.
- Records cannot be listed by name. Upserts by name are settled by the records that
  recent jobs of the account saved. The others are sent again as soon as nothing of the
  first request can still be running.
- Create without external ids is settled when exactly one job status in the account
  matches: it is over, has the same number of items, belongs to no other batch, and the
  records it made are, item by item, what was sent. Otherwise the rows are uncertain.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from jobsui.jobs.delivery import batch_request
from jobsui.jobs.delivery.batch_request import BatchRequest
from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.ledger.settlement import uncertain
from jobsui.jobs.mapping.comparison import holds
from jobsui.jobs.models import RowResult
from jobsui.zendesk import custom_objects
from jobsui.zendesk.payloads import JobStatus, Json, Record, time_of
from jobsui.zendesk.temporary_failures import temporary_failure

MAX_QUIET_TIMES = 4
"""How many quiet times to wait for an unknown running job that may be ours."""
CLOCK_TOLERANCE = timedelta(seconds=60)
CLOCK_PRECISION = timedelta(seconds=2)
"""Zendesk reports times in whole seconds."""
CHANGED_SINCE = (
    "Zendesk gave no clear response to the request with this row, and the record now holds "
    "other values. Another program or person may have changed it. "
    "Compare the record in Zendesk with your file, then decide."
)
GONE = (
    "Zendesk gave no clear response to the request with this row, and the record no longer "
    "exists. It may have been updated before it was deleted."
)
MAX_CANDIDATES = 5
"""How many recent jobs are searched for the records of upserts by name."""
MAX_UNCONFIRMED_ATTEMPTS = 5
"""After this many attempts without a clear response, a person decides about a batch."""
OVERTAKEN = (
    "Zendesk gave no clear response to the request with this row. It is not sent again, "
    "because a job that was launched later may have saved the same record."
)
NO_ANSWER = (
    "Zendesk gave no clear response to the request with this row. Without an external ID, "
    "Jobs UI cannot find out whether the row was saved. "
    "Look for the record in Zendesk, then decide."
)
STATUS_LOST = (
    "Zendesk accepted the request with this row, but no longer shows its job status. "
    "Without an external ID, Jobs UI cannot find out whether the row was saved. "
    "Look for the record in Zendesk, then decide."
)


@dataclass(frozen=True, slots=True)
class UnconfirmedBatch:
    """An unconfirmed batch, with what is needed to reconcile it. Times are in seconds."""

    request: BatchRequest
    reconcile_count: int
    unconfirmed_attempts: int
    waited: float
    """Since the request can no longer be in flight."""
    quiet_time: float
    """How long a record must be absent before its absence proves anything."""
    known_status_ids: Callable[[list[str]], set[str]]
    """Which of these job status ids belong to other batches, or to other items of this
    one."""
    is_status_lost: bool = False
    """Zendesk accepted the request and no longer shows its job status."""
    is_overtaken: bool = False
    """A job that was launched later may have saved the same records since."""
    status_id: str = ""
    """The job status of exactly these items, if a person stopped waiting for it; "" if it
    is unknown."""

    @property
    def is_fresh(self) -> bool:
        """Missing records may still appear."""
        return self.waited < self.quiet_time

    @property
    def is_stale(self) -> bool:
        """Reconciliation no longer waits for jobs that still run."""
        return self.waited >= MAX_QUIET_TIMES * self.quiet_time

    @property
    def size(self) -> int:
        """How many items the request carried."""
        return len(self.request.items)


class Rest(StrEnum):
    """What happens to items that a finding gives no result."""

    SETTLED = "settled"
    """Nothing: every item that was sent has a result."""
    RECONCILE_AGAIN = "again"
    RESEND = "resend"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a reconciliation established."""

    results: Mapping[int, RowResult] = field(default_factory=dict)
    """By index in the batch."""
    rest: Rest = Rest.SETTLED
    note: str = ""
    status_id: str = ""
    """The job status that turned out to be the batch's own; "" for none."""


def reconcile(batch: UnconfirmedBatch) -> Finding:
    """Read Zendesk to settle a batch. Raises ZendeskError when Zendesk cannot be read."""
    if not batch.request.items:
        return Finding()
    if batch.status_id and (finding := _by_job_status(batch)):
        return finding
    action = batch.request.action
    if action is Action.CREATE and batch.is_overtaken:
        # A record with the same content may be that of the later job.
        return Finding(rest=Rest.UNCERTAIN, note=OVERTAKEN)
    keyed = _keyed(batch.request)
    if action is Action.CREATE and len(keyed) < batch.size:
        return _match_job(batch)
    # A record can be created once, but changed at any time as long as the request may
    # arrive.
    if action is not Action.CREATE and (batch.is_fresh or _may_be_running(batch)):
        note = "Waiting until this request can no longer be running in Zendesk."
        return Finding(rest=Rest.RECONCILE_AGAIN, note=note)
    if action is Action.UPSERT_BY_NAME:
        return _match_names(batch)
    if len(keyed) < batch.size:
        note = "Sent again: repeating the request leads to the same records."
        return _resend(batch, note)
    return _read_back(batch, keyed)


def _by_job_status(batch: UnconfirmedBatch) -> Finding | None:
    """What the batch's own job status says; None if Zendesk no longer shows it, or if some
    items have no clear result in it."""
    found = custom_objects.job_statuses(batch.request.client, [batch.status_id])
    if not found:
        return None
    if not found[0].is_over:
        return Finding(rest=Rest.RECONCILE_AGAIN, note="Its job is still running.")
    results = batch_request.row_results(batch.request, found[0])
    if len(results) < batch.size:
        return None
    if batch.request.resent:
        results = verify(batch.request, results)
    lasting = {
        index: result
        for index, result in results.items()
        if result.outcome != Outcome.FAILED
        or temporary_failure(result.code, result.message) is None
    }
    rest = Rest.SETTLED if len(lasting) == batch.size else Rest.RESEND
    return Finding(lasting, rest, "Its job status shows the results.")


def verify(
    request: BatchRequest, results: Mapping[int, RowResult]
) -> dict[int, RowResult]:
    """Check the failures of a batch that was sent again, by reading records: the first
    request may have been applied late. Failures that only a record explains which cannot
    be seen yet are left out. Raises ZendeskError."""
    keyed = _keyed(request)
    failed = {
        index: keyed[index]
        for index, result in results.items()
        if result.outcome == Outcome.FAILED and index in keyed
    }
    if not failed or request.action is Action.UPSERT_BY_NAME:
        return dict(results)
    verified = dict(results)
    for index, found in _compare(request, failed).items():
        match found.match:
            case Match.SAME | Match.OLDER | Match.CHANGED:
                verified[index] = found.result
            case Match.ABSENT if _says_taken(results[index]):
                del verified[index]
            case Match.ABSENT if request.action is Action.UPDATE:
                verified[index] = uncertain(GONE)
            case _:
                pass
    return verified


class Match(StrEnum):
    """How a record compares with the item that was sent."""

    SAME = "same"
    """It holds what was sent; or it is gone, as it should be."""
    ABSENT = "absent"
    """There is no such record."""
    UNTOUCHED = "untouched"
    """It holds something else and has not changed since the first request."""
    CHANGED = "changed"
    """It holds something else and has changed since the first request."""
    OLDER = "older"
    """It was there before, so it cannot be created."""


@dataclass(frozen=True, slots=True)
class Compared:
    match: Match
    result: RowResult
    """The row's result if nothing else happens; only of SAME, CHANGED and OLDER."""


NO_RESULT = RowResult(Outcome.PENDING)


def _keyed(request: BatchRequest) -> dict[int, str]:
    """The external or record id of each item that has one, by its index."""
    keys = batch_request.keys(request.items, request.action.key_of_records)
    return {index: key for index, key in keys.items() if key}


def _read_back(batch: UnconfirmedBatch, keyed: Mapping[int, str]) -> Finding:
    compared = _compare(batch.request, keyed)
    results = {
        index: found.result
        for index, found in compared.items()
        if found.match in {Match.SAME, Match.OLDER}
    }
    confirmed = len(results)
    if confirmed == len(keyed):
        note = f"All {confirmed} records hold what was sent."
        return Finding(results, note=note)
    is_first_find = confirmed > 0 and batch.reconcile_count == 0
    if batch.is_fresh or is_first_find or _may_be_running(batch):
        note = f"{confirmed} of {len(keyed)} records hold what was sent so far."
        return Finding(results, Rest.RECONCILE_AGAIN, note)
    changed = {
        index: found.result
        for index, found in compared.items()
        if found.match is Match.CHANGED
    }
    missing = len(keyed) - confirmed - len(changed)
    if not missing:
        note = f"{len(changed)} of {len(keyed)} records were changed by somebody else."
        return Finding(results | changed, note=note)
    note = f"{missing} of {len(keyed)} rows were not applied and are sent again."
    rest = _resend(batch, note)
    return Finding(results | changed, rest.rest, rest.note)


def _compare(request: BatchRequest, keyed: Mapping[int, str]) -> dict[int, Compared]:
    """Read the records of these items, and compare them with what was sent."""
    records = _records(request, keyed)
    items = {index: json.loads(line) for index, line in request.items}
    return {
        index: _compared(request, index, items[index], records.get(index))
        for index in keyed
    }


def _compared(
    request: BatchRequest, index: int, item: Json, record: Record | None
) -> Compared:
    action = request.action
    if action.deletes:
        if record is None:
            return Compared(Match.SAME, RowResult(action.outcome))
        return Compared(Match.UNTOUCHED, NO_RESULT)
    if record is None:
        return Compared(Match.ABSENT, NO_RESULT)
    if action is Action.CREATE and _is_older(request, record):
        message = (
            f"A record with the external ID {record.external_id} existed before this "
            "job."
        )
        taken = RowResult(Outcome.FAILED, record.id, "ExternalIdTaken", message)
        return Compared(Match.OLDER, taken)
    if holds(record, item):
        return Compared(Match.SAME, request.succeeded(index, record.id))
    if action is Action.CREATE or _has_changed(request, record):
        return Compared(Match.CHANGED, _uncertain(record, CHANGED_SINCE))
    return Compared(Match.UNTOUCHED, NO_RESULT)


def _uncertain(record: Record, message: str) -> RowResult:
    return uncertain(message)._replace(record_id=record.id)


def _says_taken(result: RowResult) -> bool:
    """Whether Zendesk refused an item because its key is in use."""
    text = f"{result.code} {result.message}".lower()
    return any(word in text for word in ("taken", "already", "exists", "unique"))


def _match_job(batch: UnconfirmedBatch) -> Finding:
    candidates = _unknown_jobs_of_size(batch)
    matches: list[tuple[str, dict[int, RowResult]]] = []
    for status in candidates:
        results = _results_if_ours(batch.request, status)
        if results:
            matches.append((status.id, results))
    if len(matches) == 1:
        status_id, results = matches[0]
        rest = Rest.SETTLED if len(results) == batch.size else Rest.UNCERTAIN
        note = "Found its job in the account: the saved records match the rows."
        return Finding(results, rest, note, status_id)
    is_one_running = any(not status.is_over for status in candidates)
    if batch.is_fresh or (is_one_running and not batch.is_stale):
        note = "Searching the account for its job."
        return Finding(rest=Rest.RECONCILE_AGAIN, note=note)
    note = STATUS_LOST if batch.is_status_lost else NO_ANSWER
    return Finding(rest=Rest.UNCERTAIN, note=note)


def _match_names(batch: UnconfirmedBatch) -> Finding:
    """Names are unique: a record that a job saved, with the name of an item and holding
    what was sent, is the item's record."""
    request = batch.request
    items = {index: json.loads(line) for index, line in request.items}
    index_of = {item.get("name"): index for index, item in items.items()}
    results: dict[int, RowResult] = {}
    for record in _recently_saved(batch):
        index = index_of.get(record.name)
        if index is not None and holds(record, items[index]):
            results[index] = request.succeeded(index, record.id)
    if len(results) == batch.size:
        note = f"All {batch.size} records hold what was sent."
        return Finding(results, note=note)
    note = "Sent again: repeating the request leads to the same records."
    rest = _resend(batch, note)
    return Finding(results, rest.rest, rest.note)


def _recently_saved(batch: UnconfirmedBatch) -> Iterator[Record]:
    """Records that jobs of the account saved which may be the batch's own."""
    request = batch.request
    for status in _unknown_jobs_of_size(batch)[:MAX_CANDIDATES]:
        ids = [result.record_id for result in status.results or ()]
        named = [record_id for record_id in ids if record_id]
        yield from custom_objects.records_by_ids(
            request.client, request.object_key, named
        )


def _resend(batch: UnconfirmedBatch, note: str) -> Finding:
    if batch.is_overtaken:
        return Finding(rest=Rest.UNCERTAIN, note=OVERTAKEN)
    attempts = batch.unconfirmed_attempts
    if attempts < MAX_UNCONFIRMED_ATTEMPTS:
        return Finding(rest=Rest.RESEND, note=note)
    note = f"Sent {attempts} times, each time without a clear response."
    return Finding(rest=Rest.UNCERTAIN, note=note)


def _may_be_running(batch: UnconfirmedBatch) -> bool:
    if batch.is_stale:
        return False
    return any(not status.is_over for status in _unknown_jobs_of_size(batch))


def _unknown_jobs_of_size(batch: UnconfirmedBatch) -> list[JobStatus]:
    """Recent jobs of the account that belong to no batch and may have this size."""
    recent = custom_objects.recent_job_statuses(batch.request.client)
    known = batch.known_status_ids([status.id for status in recent])
    return [
        status
        for status in recent
        if status.id not in known and status.total in {batch.size, None}
    ]


def _records(request: BatchRequest, keyed: Mapping[int, str]) -> dict[int, Record]:
    """The records with these external or record ids, by the index of the item."""
    keys = list(keyed.values())
    if request.action.key == "id":
        found = custom_objects.records_by_ids(request.client, request.object_key, keys)
        by_key = {record.id: record for record in found}
    else:
        found = custom_objects.records_by_external_ids(
            request.client, request.object_key, keys
        )
        by_key = {record.external_id: record for record in found}
    return {index: by_key[key] for index, key in keyed.items() if key in by_key}


def _is_older(request: BatchRequest, record: Record) -> bool:
    """Whether the record was there before the first request."""
    created_at = time_of(record.created_at)
    if created_at is None:
        return False
    return created_at < _first_sent_at(request) - CLOCK_TOLERANCE


def _has_changed(request: BatchRequest, record: Record) -> bool:
    """Whether the record has changed since the first request was sent. True where Zendesk
    does not say."""
    changed_at = time_of(record.updated_at)
    if changed_at is None:
        return True
    return changed_at >= _first_sent_at(request) - CLOCK_PRECISION


def _first_sent_at(request: BatchRequest) -> datetime:
    """When the first request was sent, by the account's clock. Where that is not known,
    our clock may have been as far ahead then as it is now, but not behind: it may have
    been set back since."""
    if request.first_account_time is not None:
        return request.first_account_time
    return request.first_sent_at - max(timedelta(), request.client.clock_ahead)


def _results_if_ours(request: BatchRequest, status: JobStatus) -> dict[int, RowResult]:
    """The results that a finished job gives our items; empty unless the records it made
    are what was sent."""
    if not status.is_over or not status.results:
        return {}
    results = batch_request.row_results(request, status)
    results = results or batch_request.results_by_position(request, status)
    created = {
        index: result.record_id
        for index, result in results.items()
        if result.outcome == Outcome.CREATED
    }
    if not created:
        return {}
    record_ids = [record_id for record_id in created.values() if record_id]
    read = custom_objects.records_by_ids(request.client, request.object_key, record_ids)
    records = {record.id: record for record in read}
    items = {index: json.loads(line) for index, line in request.items}
    for index, record_id in created.items():
        if not _is_ours(request, items[index], records.get(record_id)):
            return {}
    return results


def _is_ours(
    request: BatchRequest, item: Mapping[str, Json], record: Record | None
) -> bool:
    if record is None or _is_older(request, record):
        return False
    return holds(record, item)
