"""Batches in doubt: sent, perhaps, and no answer came or its job status was lost. Here
Zendesk is read; what follows is written down elsewhere (recording.py).

- update, upserts and deletes lead to the same records when repeated, so they are sent
  again once nothing of the first sending can still be running. Reading records back
  would prove less: an upserted record may have been there before.
- create with an external id is settled by reading: a record with that id which is no
  older than our first sending is ours. Only what is missing after the quiet time is
  sent again.
- create without an external id is settled when exactly one job status in the account
  matches: finished, of the same size, unknown to us, and the records it made are item
  by item what we sent. Otherwise it stays uncertain."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from jobsui.jobs.delivery import batch_request
from jobsui.jobs.delivery.batch_request import BatchRequest
from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.models.batch import End
from jobsui.zendesk import custom_objects
from jobsui.zendesk.payloads import JobStatus, Json, Record

MAX_QUIET_TIMES = 4
"""For how many quiet times an unknown running job of the same size, which may be ours, is waited
for."""
CLOCK_TOLERANCE = timedelta(seconds=60)
MAX_UNCONFIRMED_ATTEMPTS = 5
"""After this many attempts without a response a batch is left to a person."""


@dataclass(frozen=True, slots=True)
class UnconfirmedBatch:
    """An unconfirmed batch, with what is needed to reconcile it. Times are in seconds."""

    request: BatchRequest
    reconcile_count: int
    unconfirmed_attempts: int
    waited: float
    """Since nothing of the request can be on its way any more."""
    quiet_time: float
    """How long a record must be absent before its absence proves anything."""
    known_status_ids: Callable[[list[str]], set[str]]
    """Which of these job status ids belong to batches in the database."""

    @property
    def is_fresh(self) -> bool:
        """What is absent may still appear."""
        return self.waited < self.quiet_time

    @property
    def is_stale(self) -> bool:
        """Jobs that still run are no longer waited for."""
        return self.waited >= MAX_QUIET_TIMES * self.quiet_time


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look established: ends of items, and what to do about the rest of the
    batch."""

    ends: Mapping[int, End] = field(default_factory=dict)
    rest: str = "settled"
    """"settled", "again" (look later), "resend", or "uncertain"."""
    note: str = ""
    status_id: str = ""
    """The job status that turned out to be the batch's own."""


def reconcile(doubt: UnconfirmedBatch) -> Finding:
    """Look into a batch in doubt. Raises ZendeskError when Zendesk cannot be asked
    now."""
    if not doubt.request.items:
        return Finding()
    if doubt.request.action is not Action.CREATE:
        return _repeat(doubt)
    keyed = {place: key for place, key in doubt.request.keys.items() if key}
    if len(keyed) == len(doubt.request.items):
        return _read_back(doubt, keyed)
    return _match_job(doubt)


def verify(request: BatchRequest, ends: Mapping[int, End]) -> dict[int, End]:
    """Failures of a repeated `create`, looked into: "already taken" may mean that the
    first sending arrived late."""
    keys = request.keys
    failed = {
        place: keys[place]
        for place, entry in ends.items()
        if entry[0] == Outcome.FAILED and keys[place]
    }
    records = _records(request, failed) if failed else {}
    return dict(ends) | {
        place: _created(request, record) for place, record in records.items()
    }


def _repeat(doubt: UnconfirmedBatch) -> Finding:
    if doubt.is_fresh or _may_be_running(doubt):
        return Finding(
            rest="again", note="Waiting until nothing of it can still be running."
        )
    return _resend(
        doubt, "Repeating it leads to the same records, so it is sent again."
    )


def _read_back(doubt: UnconfirmedBatch, keyed: Mapping[int, str]) -> Finding:
    records = _records(doubt.request, keyed)
    ends = {place: _created(doubt.request, record) for place, record in records.items()}
    if len(ends) == len(keyed):
        return Finding(
            ends, note=f"All {len(ends)} records were found by their external ids."
        )
    if (
        doubt.is_fresh
        or _may_be_running(doubt)
        or (ends and doubt.reconcile_count == 0)
    ):
        return Finding(
            rest="again", note=f"{len(ends)} of {len(keyed)} records found so far."
        )
    missing = len(keyed) - len(ends)
    rest = _resend(
        doubt,
        f"{missing} of {len(keyed)} records do not exist, so these are sent again.",
    )
    return Finding(ends, rest.rest, rest.note)


def _match_job(doubt: UnconfirmedBatch) -> Finding:
    unknown = [
        status
        for status in _unknown_jobs(doubt)
        if status.total in {len(doubt.request.items), None}
    ]
    matching = [
        (status.id, ends)
        for status in unknown
        if (ends := _ends_if_ours(doubt.request, status))
    ]
    if len(matching) == 1:
        status_id, ends = matching[0]
        rest = "settled" if len(ends) == len(doubt.request.items) else "uncertain"
        return Finding(
            ends,
            rest,
            "Its job was found in the account; the records are what was sent.",
            status_id,
        )
    if doubt.is_fresh or (
        not doubt.is_stale and any(not status.is_over for status in unknown)
    ):
        return Finding(rest="again", note="Looking for its job in the account.")
    return Finding(
        rest="uncertain",
        note="The connection broke while this was being sent, and without external ids nothing in Zendesk tells "
        "whether it arrived. Look for these records in Zendesk, then decide.",
    )


def _resend(doubt: UnconfirmedBatch, note: str) -> Finding:
    if doubt.unconfirmed_attempts >= MAX_UNCONFIRMED_ATTEMPTS:
        return Finding(
            rest="uncertain",
            note=f"Sent {doubt.unconfirmed_attempts} times, each time without a clear answer.",
        )
    return Finding(rest="resend", note=note)


def _may_be_running(doubt: UnconfirmedBatch) -> bool:
    if doubt.is_stale:
        return False
    return any(
        not status.is_over and status.total in {len(doubt.request.items), None}
        for status in _unknown_jobs(doubt)
    )


def _unknown_jobs(doubt: UnconfirmedBatch) -> list[JobStatus]:
    recent = custom_objects.recent_job_statuses(doubt.request.client)
    ours = doubt.known_status_ids([status.id for status in recent])
    return [status for status in recent if status.id not in ours]


def _records(request: BatchRequest, keyed: Mapping[int, str]) -> dict[int, Record]:
    found = custom_objects.records_by_external_ids(
        request.client, request.object_key, list(keyed.values())
    )
    by_key = {record.external_id: record for record in found}
    return {place: by_key[key] for place, key in keyed.items() if key in by_key}


def _created(request: BatchRequest, record: Record) -> End:
    if _is_older(request, record):
        reason = f"A record with the external ID {record.external_id} existed before this job."
        return [Outcome.FAILED.value, record.id, "ExternalIdTaken", reason]
    return [Outcome.CREATED.value, record.id, "", ""]


def _is_older(request: BatchRequest, record: Record) -> bool:
    """Whether the record was there before we first sent anything, even if our clock was
    as far ahead as it is now."""
    made = _time(record.created_at)
    ahead = timedelta(seconds=max(0.0, request.client.clock_ahead))
    return made is not None and made < request.first_sent_at - ahead - CLOCK_TOLERANCE


def _ends_if_ours(request: BatchRequest, status: JobStatus) -> dict[int, End]:
    """The ends a finished job gives our items, empty unless the records it made are
    what we sent."""
    if not status.is_over or not status.results:
        return {}
    ends = batch_request.ends_of(request, status)
    ids = [
        entry[1] for entry in ends.values() if entry[0] == Outcome.CREATED and entry[1]
    ]
    records = {
        r.id: r
        for r in custom_objects.records_by_ids(request.client, request.object_key, ids)
    }
    items = {place: json.loads(line) for place, line in request.items}
    made = {
        place: records.get(entry[1])
        for place, entry in ends.items()
        if entry[0] == Outcome.CREATED
    }
    return (
        ends
        if made
        and all(
            _is_ours(request, items[place], record) for place, record in made.items()
        )
        else {}
    )


def _is_ours(
    request: BatchRequest, item: Mapping[str, Json], record: Record | None
) -> bool:
    return (
        record is not None and not _is_older(request, record) and _is_of(record, item)
    )


def _is_of(record: Record, item: Mapping[str, Json]) -> bool:
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
    return (
        ""
        if value is None
        else f"{value:g}"
        if isinstance(value, int | float)
        else str(value)
    )


def _time(text: str) -> datetime | None:
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        return None
    return made if made.tzinfo else made.replace(tzinfo=UTC)
