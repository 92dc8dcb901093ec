"""One batch on its way: the request made of it, what came back, and how its answer
reads. Nothing here touches the database, so it may run in any thread."""

import json
import logging
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.models.batch import End
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.errors import Unsure, ZendeskError
from jobsui.zendesk.payloads import Answer, ItemResult, JobStatus, Verdict

logger = logging.getLogger(__name__)

Item = tuple[int, bytes]
"""Place in the batch, and the item as it is sent."""

KEPT = ("http_status", "elapsed_ms", "response_headers", "response_body")
KEPT_HEADERS = (
    "content-type",
    "date",
    "retry-after",
    "x-request-id",
    "x-zendesk-request-id",
)
KEPT_PREFIXES = ("x-rate-limit", "ratelimit-", "zendesk-ratelimit-")
KEPT_BODY = 64 * 1024


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Open items of a batch, ready to go or gone."""

    batch_id: int
    job_id: int
    attempt_id: int
    action: Action
    object_key: str
    client: Client
    connection_id: int
    items: tuple[Item, ...]
    is_part: bool
    """The batch has more open items, to be sent later."""
    first_sent_at: datetime
    """When the batch was first sent: records older than that are not of its making."""
    resent: bool = False
    """An earlier attempt may have reached Zendesk."""

    @property
    def keys(self) -> dict[int, str]:
        """The external or record id of each item, by its place; "" when it has none."""
        return keys(self.items)

    @property
    def body(self) -> bytes:
        lines = b",".join(line for _, line in self.items)
        return b'{"job":{"action":"%s","items":[%s]}}' % (
            self.action.value.encode(),
            lines,
        )


@dataclass(frozen=True, slots=True)
class PostResult:
    """What became of one POST: a job status, or the error instead of it."""

    request: BatchRequest
    status: JobStatus | None = None
    error: ZendeskError | None = None
    answer: Answer | None = field(default=None, repr=False)
    at: float = field(default_factory=time.monotonic)
    """time.monotonic()."""


def send(request: BatchRequest) -> PostResult:
    """Send it, once. Raises ZendeskError; Unsure also when we ourselves failed on the
    way: some of it may have left."""
    try:
        status, answer = custom_objects.post_job(
            request.client, request.object_key, request.body
        )
    except ZendeskError:
        raise
    except Exception as error:
        logger.exception("Sending batch %s failed.", request.batch_id)
        raise Unsure(
            "Something went wrong inside Jobs UI while this was being sent; the log tells what."
        ) from error
    return PostResult(request, status=status, answer=answer)


def kept_answer(answer: Answer | None) -> dict[str, Any]:
    """What an Attempt keeps of an answer (KEPT): an allow-list of its headers and the
    beginning of its body."""
    if answer is None:
        return dict(zip(KEPT, (None, None, {}, b""), strict=True))
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name.lower() in KEPT_HEADERS or name.lower().startswith(KEPT_PREFIXES)
    }
    body = zlib.compress(answer.body[:KEPT_BODY], 1)
    return dict(
        zip(
            KEPT,
            (answer.status, round(answer.elapsed * 1000), headers, body),
            strict=True,
        )
    )


def ends_of(request: BatchRequest, status: JobStatus) -> dict[int, End]:
    """How the shipment's items ended by a finished job status, by their place in the
    batch. Items it does not tell of, or not clearly, are left out.

    A result belongs to the item of its index; without one to the item with its external
    or record id; without any, to the item at its position, if there is one result for
    each item (docs/zendesk.md: order is not promised)."""
    results = status.results or ()
    ends = {}
    for result, place in zip(results, _places(request, results), strict=True):
        if place is not None and result.verdict is not Verdict.UNKNOWN:
            ends[place] = _end(request, result)
    return ends


def _places(request: BatchRequest, results: Sequence[ItemResult]) -> list[int | None]:
    places = [place for place, _ in request.items]
    by_key = (
        {}
        if all(result.index is not None for result in results)
        else _places_by_key(request)
    )
    found = [_place(result, places, by_key) for result in results]
    if results and all(place is None for place in found):
        told = any(result.index is not None or result.external_id for result in results)
        return found if told or len(results) != len(places) else list(places)
    times = Counter(found)
    return [place if times[place] == 1 else None for place in found]


def _place(
    result: ItemResult, places: Sequence[int], by_key: Mapping[str, int]
) -> int | None:
    if result.index is not None:
        return places[result.index] if 0 <= result.index < len(places) else None
    return by_key.get(result.external_id, by_key.get(result.record_id))


def _places_by_key(request: BatchRequest) -> Mapping[str, int]:
    return {key: place for place, key in request.keys.items() if key}


def keys(items: Iterable[Item], named_by: str = "") -> dict[int, str]:
    """What each item calls its record, by its place: external or record id, or its
    member `named_by`; "" for none."""
    found = {}
    for place, line in items:
        item = json.loads(line)
        if isinstance(item, str):
            found[place] = item
        else:
            found[place] = str(
                (
                    item.get(named_by)
                    if named_by
                    else item.get("external_id") or item.get("id")
                )
                or ""
            )
    return found


def _end(request: BatchRequest, result: ItemResult) -> End:
    action = request.action
    if result.verdict is Verdict.SUCCEEDED:
        return [action.outcome.value, result.record_id, "", ""]
    if (
        request.resent
        and action.deletes
        and "not found" in f"{result.error_code} {result.error}".lower()
    ):
        return [
            Outcome.DELETED.value,
            result.record_id,
            "",
            "",
        ]  # The first sending had already deleted it.
    return [
        Outcome.FAILED.value,
        result.record_id,
        result.error_code,
        result.error or "Zendesk gave no reason.",
    ]
