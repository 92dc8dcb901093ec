"""Settles unconfirmed batches by reading Zendesk. A batch is unconfirmed when it was sent
and no clear response arrived, or when its job status was lost.

- Update, upserts and deletes lead to the same records when they are repeated. So they are
  sent again as soon as nothing of the first request can still be running. Reading records
  would prove less: an upserted record may have been there before.
- Create with external ids is settled by reading: a record with that external id which is
  no older than the first request was made by it. Records that are still missing after the
  quiet time are sent again.
- Create without external ids is settled when exactly one job status in the account
  matches: it is over, has the same number of items, belongs to no other batch, and the
  records it made are, item by item, what was sent. Otherwise the rows are uncertain.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from jobsui.jobs.delivery import batch_request
from jobsui.jobs.delivery.batch_request import BatchRequest
from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.models import RowResult
from jobsui.zendesk import custom_objects
from jobsui.zendesk.payloads import JobStatus, Json, Record

MAX_QUIET_TIMES = 4
"""How many quiet times to wait for an unknown running job that may be ours."""
CLOCK_TOLERANCE = timedelta(seconds=60)
MAX_UNCONFIRMED_ATTEMPTS = 5
"""After this many attempts without a clear response, a person decides about a batch."""
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
    """Which of these job status ids belong to batches in the database."""
    is_status_lost: bool = False
    """Zendesk accepted the request and no longer shows its job status."""

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
    if batch.request.action is not Action.CREATE:
        return _repeat(batch)
    keyed = {index: key for index, key in batch.request.keys.items() if key}
    if len(keyed) == batch.size:
        return _read_back(batch, keyed)
    return _match_job(batch)


def verify(
    request: BatchRequest, results: Mapping[int, RowResult]
) -> dict[int, RowResult]:
    """Check the failures of a repeated `create` by reading records: "already taken" may
    mean that the first request arrived late. Raises ZendeskError."""
    keys = request.keys
    failed = {
        index: keys[index]
        for index, result in results.items()
        if result.outcome == Outcome.FAILED and keys[index]
    }
    records = _records(request, failed) if failed else {}
    created = {index: _created(request, record) for index, record in records.items()}
    return dict(results) | created


def _repeat(batch: UnconfirmedBatch) -> Finding:
    if batch.is_fresh or _may_be_running(batch):
        note = "Waiting until this request can no longer be running in Zendesk."
        return Finding(rest=Rest.RECONCILE_AGAIN, note=note)
    note = "Sent again: repeating the request leads to the same records."
    return _resend(batch, note)


def _read_back(batch: UnconfirmedBatch, keyed: Mapping[int, str]) -> Finding:
    records = _records(batch.request, keyed)
    results = {
        index: _created(batch.request, record) for index, record in records.items()
    }
    found = len(results)
    missing = len(keyed) - found
    if not missing:
        note = f"All {found} records were found by their external IDs."
        return Finding(results, note=note)
    is_first_find = found > 0 and batch.reconcile_count == 0
    if batch.is_fresh or is_first_find or _may_be_running(batch):
        note = f"{found} of {len(keyed)} records found so far."
        return Finding(rest=Rest.RECONCILE_AGAIN, note=note)
    note = f"{missing} of {len(keyed)} records do not exist and are sent again."
    rest = _resend(batch, note)
    return Finding(results, rest.rest, rest.note)


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


def _resend(batch: UnconfirmedBatch, note: str) -> Finding:
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
    """The records with these external ids, by the index of the item."""
    found = custom_objects.records_by_external_ids(
        request.client, request.object_key, list(keyed.values())
    )
    by_key = {record.external_id: record for record in found}
    return {index: by_key[key] for index, key in keyed.items() if key in by_key}


def _created(request: BatchRequest, record: Record) -> RowResult:
    if not _is_older(request, record):
        return RowResult(Outcome.CREATED, record.id)
    message = (
        f"A record with the external ID {record.external_id} existed before this job."
    )
    return RowResult(Outcome.FAILED, record.id, "ExternalIdTaken", message)


def _is_older(request: BatchRequest, record: Record) -> bool:
    """Whether the record was there before the first request, even if our clock was as far
    ahead then as it is now."""
    created_at = _time(record.created_at)
    if created_at is None:
        return False
    ahead = timedelta(seconds=max(0.0, request.client.clock_ahead))
    return created_at < request.first_sent_at - ahead - CLOCK_TOLERANCE


def _results_if_ours(request: BatchRequest, status: JobStatus) -> dict[int, RowResult]:
    """The results that a finished job gives our items; empty unless the records it made
    are what was sent."""
    if not status.is_over or not status.results:
        return {}
    results = batch_request.row_results(request, status)
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
    return _has_values_of(record, item)


def _has_values_of(record: Record, item: Mapping[str, Json]) -> bool:
    if item.get("name") and record.name != item["name"]:
        return False
    fields = item.get("custom_object_fields") or {}
    return all(
        _plain(record.fields.get(key)) == _plain(value) for key, value in fields.items()
    )


def _plain(value: Json) -> str:
    """A value as text in which "5", 5 and 5.0, or a date with and without its midnight,
    are the same."""
    if isinstance(value, list):
        return ",".join(sorted(map(_plain, value)))
    if isinstance(value, str):
        return value.removesuffix("T00:00:00+00:00").removesuffix("T00:00:00Z")
    if isinstance(value, int | float):
        return f"{value:g}"
    return "" if value is None else str(value)


def _time(text: str) -> datetime | None:
    """None for a text that is not a time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
