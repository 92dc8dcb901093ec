"""One request of a batch: its body, sending it, and what a job status says of its items.

Nothing here touches the database, so it may run in any thread.
"""

import json
import logging
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.models import RowResult
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import Unconfirmed, ZendeskError
from jobsui.zendesk.payloads import ItemResult, JobStatus, Response, Verdict

logger = logging.getLogger(__name__)

Item = tuple[int, bytes]
"""Index in the batch, and the item as it is sent."""

RESPONSE_FIELDS = ("http_status", "elapsed_ms", "response_headers", "response_body")
"""The columns of an Attempt that hold the response."""
KEPT_HEADERS = (
    "content-type",
    "date",
    "retry-after",
    "x-request-id",
    "x-zendesk-api-warn",
    "x-zendesk-request-id",
)
KEPT_PREFIXES = ("x-rate-limit", "ratelimit-", "zendesk-ratelimit-")
EXISTING_BY_OTHER_KEYS = {Action.UPDATE, Action.UPSERT_BY_NAME, Action.DELETE}
"""Actions that find a record without its external id."""
MAX_KEPT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Open items of a batch, about to be sent or sent."""

    batch_id: int
    job_id: int
    attempt_id: int
    action: Action
    object_key: str
    client: Client
    connection_id: int
    items: tuple[Item, ...]
    is_part: bool
    """The batch has more open items, which later requests carry."""
    first_sent_at: datetime
    """When the batch was first sent, by our clock. It created no older record."""
    first_account_time: datetime | None = None
    """The same by the account's clock; None: not known."""
    resent: bool = False
    """An earlier attempt may have reached Zendesk."""
    accepted_before: int = 0
    """How many earlier attempts Zendesk accepted."""
    records: Mapping[int, str] = field(default_factory=dict)
    """Of an upsert whose records were read before: the ID of the record that an item updates,
    "" if it creates one, by index in the batch. Items of which that is not known are left
    out."""

    def succeeded(self, index: int, record_id: str) -> RowResult:
        """The result of an item that was applied. `record_id`: "" if it was not named."""
        known = self.records.get(index)
        if known is None:
            return RowResult(self.action.outcome, record_id)
        outcome = Outcome.UPDATED if known else Outcome.CREATED
        return RowResult(outcome, record_id or known)

    @property
    def parsed_items(self) -> list[Any]:
        """Parsed at once, which takes a fraction of the time that one by one takes."""
        lines = b",".join(line for _, line in self.items)
        items: list[Any] = json.loads(b"[%s]" % lines)
        return items

    @property
    def body(self) -> bytes:
        lines = b",".join(line for _, line in self.items)
        action = self.action.value.encode()
        return b'{"job":{"action":"%s","items":[%s]}}' % (action, lines)


@dataclass(frozen=True, slots=True)
class PostResult:
    """What one POST returned: a job status, or the error instead of it."""

    request: BatchRequest
    status: JobStatus | None = None
    error: ZendeskError | None = None
    response: Response | None = field(default=None, repr=False)
    at: float = field(kw_only=True)
    """When the response was read, by the driver's monotonic clock."""


def send(request: BatchRequest) -> tuple[JobStatus, Response]:
    """Send it, once. Returns the job status that Zendesk gave it, and the response.

    Raises ZendeskError. A fault of our own raises Unconfirmed: part of the request may have
    been sent.
    """
    try:
        return custom_objects.post_job(request.client, request.object_key, request.body)
    except ZendeskError:
        raise
    except Exception as error:
        logger.exception("Sending batch %s failed.", request.batch_id)
        raise Unconfirmed(
            "Jobs UI failed while it sent this request. The log has the details."
        ) from error


def kept_response(response: Response | None) -> dict[str, Any]:
    """What an Attempt keeps of a response (RESPONSE_FIELDS): headers on an allow-list
    and the first MAX_KEPT_BYTES of the body."""
    if response is None:
        return dict(zip(RESPONSE_FIELDS, (None, None, {}, b""), strict=True))
    headers = {
        name: value
        for name, value in response.headers.items()
        if _is_kept(name.lower())
    }
    return {
        "http_status": response.status,
        "elapsed_ms": round(response.elapsed * 1000),
        "response_headers": headers,
        "response_body": zlib.compress(response.body[:MAX_KEPT_BYTES], 1),
    }


def _is_kept(header: str) -> bool:
    return header in KEPT_HEADERS or header.startswith(KEPT_PREFIXES)


def row_results(request: BatchRequest, status: JobStatus) -> dict[int, RowResult]:
    """The results that a finished job status gives the request's items, by index in the
    batch. Items that it does not name, or names ambiguously, are left out.

    A result belongs to the item that its index, external id and record id name. If they
    name different items, or none, it belongs to no item. Zendesk does not promise an
    order (docs/zendesk.md), so the position alone proves nothing.
    """
    reported = status.results or ()
    indexes = _indexes_in_order(request, reported) or _named_indexes(request, reported)
    found = {}
    for index, result in zip(indexes, reported, strict=True):
        if index is None:
            continue
        # Nearly all of them, so this is decided here.
        if result.verdict is Verdict.SUCCEEDED:
            found[index] = request.succeeded(index, result.record_id)
        elif _is_clear(request, result):
            found[index] = _row_result(request, index, result)
    return found


def results_by_position(
    request: BatchRequest, status: JobStatus
) -> dict[int, RowResult]:
    """The results in the order of the items, if there is one for each and none names an
    item. They must be proved by reading the records."""
    reported = status.results or ()
    names_items = any(
        result.index is not None or result.external_id for result in reported
    )
    if names_items or len(reported) != len(request.items):
        return {}
    return {
        index: _row_result(request, index, result)
        for (index, _), result in zip(request.items, reported, strict=True)
        if _is_clear(request, result)
    }


def _indexes_in_order(
    request: BatchRequest, reported: Sequence[ItemResult]
) -> Sequence[int]:
    """The index of the item of each result, if each result names the item at its position;
    else (). It finds in half the time what `_named_indexes` finds."""
    if request.action.key == "id" or len(reported) > len(request.items):
        return ()
    indexes = []
    for position, result in enumerate(reported):
        index, line = request.items[position]
        if result.index != position:
            return ()
        key = result.external_id
        if key and not _has_member(line, "external_id", key):
            return ()
        indexes.append(index)
    return indexes


def _named_indexes(
    request: BatchRequest, reported: Sequence[ItemResult]
) -> Sequence[int | None]:
    """The index of the item that each result names; None: not clear."""
    sent = _SentItems(request)
    indexes = [sent.named_by(result) for result in reported]
    times = Counter(indexes)
    return [index if times[index] == 1 else None for index in indexes]


def _has_member(line: bytes, name: str, value: str) -> bool:
    """Whether an item certainly has this member, as the planner writes it. Parsing all
    items would take a tenth of the time that sending takes."""
    return f'"{name}":"{value}"'.encode() in line


class _SentItems:
    """The items of a request, by everything that a result may call them."""

    def __init__(self, request: BatchRequest) -> None:
        self._request = request
        self._items = request.items
        self._has_record_ids = request.action.key == "id"

    def named_by(self, result: ItemResult) -> int | None:
        """The index in the batch of the item that a result belongs to; None: not
        clear."""
        external_id = result.external_id
        record_id = result.record_id if self._has_record_ids else ""
        position = result.index
        if position is None:
            position = self._position_by_key(external_id, record_id)
        if position is None or not 0 <= position < len(self._items):
            return None
        is_other = external_id and not self._has(position, "external_id", external_id)
        if is_other and self._must_have_sent_external_id(position):
            return None
        if record_id and not self._has(position, "id", record_id):
            return None
        return self._items[position][0]

    def _must_have_sent_external_id(self, position: int) -> bool:
        """Whether the external id in a result must be one that was sent. A record that
        existed before may have one although its item names none."""
        if self._request.action not in EXISTING_BY_OTHER_KEYS:
            return True
        has_member = b'"external_id"' in self._items[position][1]
        return has_member and bool(self._members["external_id"][position])

    def _position_by_key(self, external_id: str, record_id: str) -> int | None:
        for name, value in (("external_id", external_id), ("id", record_id)):
            if value and value in self._members[name]:
                return self._members[name].index(value)
        return None

    def _has(self, position: int, name: str, value: str) -> bool:
        if _has_member(self._items[position][1], name, value):
            return True
        return self._members[name][position] == value

    @cached_property
    def _members(self) -> Mapping[str, list[str]]:
        """{name: this member of each item; "" for none}. An item that is only a key is
        the value of the action's key."""
        items = self._request.parsed_items
        key = self._request.action.key
        return {
            name: [
                item * (name == key)
                if isinstance(item, str)
                else str(item.get(name) or "")
                for item in items
            ]
            for name in ("external_id", "id")
        }


def _is_clear(request: BatchRequest, result: ItemResult) -> bool:
    """Whether a result says what happened. A record id that was sent says nothing when
    it comes back alone."""
    if result.verdict is Verdict.NAMED:
        return request.action.key != "id"
    return result.verdict is not Verdict.UNKNOWN


def keys(items: Iterable[Item], named_by: str) -> dict[int, str]:
    """What each item calls its record, by its index: its member `named_by`; "" for
    none. An item that is only a key is one."""
    found = {}
    for index, line in items:
        item = json.loads(line)
        is_key = isinstance(item, str)
        found[index] = item if is_key else str(item.get(named_by) or "")
    return found


def _row_result(request: BatchRequest, index: int, result: ItemResult) -> RowResult:
    if result.verdict in {Verdict.SUCCEEDED, Verdict.NAMED}:
        return request.succeeded(index, result.record_id)
    if _was_deleted_before(request, result):
        return RowResult(Outcome.DELETED, result.record_id)
    message = result.error or "Zendesk gave no reason."
    return RowResult(Outcome.FAILED, result.record_id, result.error_code, message)


def _was_deleted_before(request: BatchRequest, result: ItemResult) -> bool:
    """An earlier attempt had already deleted the record."""
    if not (request.resent and request.action.deletes):
        return False
    return "not found" in f"{result.error_code} {result.error}".lower()
