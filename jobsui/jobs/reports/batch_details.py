"""A batch as it went over the wire: the request, its attempts, the responses, and the
result of each row."""

import json
import zlib
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from jobsui.connections import hosts
from jobsui.connections.models import SignIn
from jobsui.jobs import retention
from jobsui.jobs.enums import BatchState
from jobsui.jobs.ledger import unreadable
from jobsui.jobs.models import Attempt, Batch, BatchBlob, Job
from jobsui.jobs.models.batch import Unreadable, pack, unpack
from jobsui.jobs.reports import api_warnings, row_results, snippets
from jobsui.jobs.retention import Kind
from jobsui.zendesk.payloads import parsed

BODIES_WERE = "The request of this batch and the responses to it were"
ATTEMPTS_WERE = "The attempts to send this batch were"
RESULTS_WERE = "The results of the rows of this batch were"
DAMAGED = "The stored content is damaged and cannot be shown."


@dataclass(frozen=True, slots=True)
class BatchDetails:
    """Bodies are indented JSON, "" after they were deleted; the secret is masked."""

    method: str
    url: str
    headers: dict[str, str]
    body: str
    curl: str
    """The request as a curl call, the secret left as a variable."""
    attempts: list[Attempt]
    response: str
    """Body of the last response to the request; "" without one."""
    job_status: str
    """The last job status; "" before there is one."""
    warnings: list[str]
    """What Zendesk warned about: members of the items that it left out, for example."""
    rows: list[row_results.OutcomeRow]
    """Their cells are empty after the items were deleted; none after the results were."""
    last_rows: dict[int, int]
    """{number of an attempt that left items for a later one, because Zendesk refused a whole
    request: the file row of the last item it carried}. Items that the read before an attempt
    refused are not left."""
    bodies_notice: str
    """When the request and its responses were deleted, and why; "" if they are kept. The
    others are the same for what they name."""
    attempts_notice: str
    results_notice: str


def details(batch: Batch) -> BatchDetails:
    """The request with all items of the batch, and everything that was answered."""
    job = batch.job
    blob = _blob(batch)
    # Also when requests may no longer go there: history stays readable.
    address = hosts.address(job.connection.host)
    url = f"{address}/api/v2/custom_objects/{job.object_key}/jobs"
    body = ""
    if blob.payload:
        body = json.dumps(_request(batch, blob), ensure_ascii=False)
    attempts = [] if job.attempts_pruned_at else list(batch.attempts.all())
    return BatchDetails(
        method="POST",
        url=url,
        headers={
            "Authorization": f"{_scheme(job)} ********",
            "Content-Type": "application/json",
        },
        body=_indented(body.encode()),
        curl=_curl(job, url, body) if body else "",
        attempts=attempts,
        response="" if job.bodies_pruned_at else _indented(_last_response(attempts)),
        job_status=_indented(_unpacked(blob.job_status_body)),
        warnings=api_warnings.of_attempts(attempts),
        rows=_rows(batch, blob),
        last_rows=_last_rows(blob, attempts),
        bodies_notice=retention.notice(job, Kind.BODIES, BODIES_WERE),
        attempts_notice=retention.notice(job, Kind.ATTEMPTS, ATTEMPTS_WERE),
        results_notice=retention.notice(job, Kind.RESULTS, RESULTS_WERE),
    )


def is_unsent(batch: Batch) -> bool:
    """Whether its rows got their results without a request: a comparison found that they
    need none."""
    return batch.state == BatchState.DONE and not batch.attempts_made


def unsent[T: QuerySet[Batch]](batches: T) -> T:
    return batches.filter(state=BatchState.DONE, attempts_made=0)


def _blob(batch: Batch) -> BatchBlob:
    """Without what was deleted of the job, even while the deletion has not finished."""
    job = batch.job
    found = BatchBlob.objects.filter(pk=batch.pk).first()
    if found is not None and job.results_pruned_at is None:
        if job.bodies_pruned_at is not None:
            found.payload = b""
            found.job_status_body = b""
        return found
    if job.results_pruned_at is None:
        # Lost: its rows are estimated.
        return BatchBlob(batch=batch)
    return BatchBlob(batch=batch, payload=b"", rows=pack(b"[]"))


def next_failed_batch(job: Job, after: int = 0) -> int | None:
    """The number of the next batch with a row that failed or is uncertain."""
    has_problems = Q(failed__gt=0) | Q(uncertain__gt=0)
    found = Batch.objects.filter(has_problems, job=job, seq__gt=after)
    return found.order_by("seq").values_list("seq", flat=True).first()


def _last_response(attempts: list[Attempt]) -> bytes:
    for attempt in reversed(attempts):
        if attempt.response_body:
            return _unpacked(attempt.response_body)
    return b""


def _request(batch: Batch, blob: BatchBlob) -> Any:
    """A sentence if it cannot be read."""
    try:
        return {"job": {"action": batch.action, "items": blob.items}}
    except Unreadable:
        return DAMAGED


def _unpacked(data: bytes | memoryview) -> bytes:
    try:
        return unpack(data)
    except zlib.error:
        return DAMAGED.encode()


def _rows(batch: Batch, blob: BatchBlob) -> list[row_results.OutcomeRow]:
    """With the item as their only cell."""
    without_result = row_results.open_outcome(batch)
    results = unreadable.stored_results(blob)
    lines = _lines(blob, len(results))
    return [
        row_results.outcome_row(row, [_indented(line)], result, without_result)
        for (row, result), line in zip(results, lines, strict=True)
    ]


def _lines(blob: BatchBlob, number: int) -> list[bytes]:
    """The items, or this number of sentences if they cannot be read. Empty after they
    were deleted."""
    if not blob.payload:
        return [b""] * number
    damaged = [DAMAGED.encode()] * number
    try:
        lines = blob.lines
    except Unreadable:
        return damaged
    return lines if len(lines) == number else damaged


def _last_rows(blob: BatchBlob, attempts: list[Attempt]) -> dict[int, int]:
    stored = unreadable.stored_results(blob)
    open_items = [index for index, (_, result) in enumerate(stored) if result is None]
    furthest = max(open_items, default=-1)
    found = {}
    for attempt in reversed(attempts):
        if attempt.last_item < furthest:
            found[attempt.number], _ = stored[attempt.last_item]
        furthest = max(furthest, attempt.last_item)
    return found


def _scheme(job: Job) -> str:
    return "Basic" if job.connection.sign_in == SignIn.API_TOKEN else "Bearer"


def _curl(job: Job, url: str, body: str) -> str:
    if _scheme(job) == "Basic":
        credentials = '-u "$ZENDESK_EMAIL/token:$ZENDESK_TOKEN"'
    else:
        credentials = '-H "Authorization: Bearer $ZENDESK_TOKEN"'
    return snippets.post(url, credentials, body)


def _indented(data: bytes) -> str:
    """JSON indented; anything else as text."""
    try:
        return json.dumps(parsed(data), indent=2, ensure_ascii=False)
    except ValueError:
        return data.decode("utf-8", "replace")
