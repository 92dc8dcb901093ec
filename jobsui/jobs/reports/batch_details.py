"""A batch as it went over the wire: the request, its attempts, the responses, and the
result of each row."""

import json
from dataclasses import dataclass

from django.db.models import Q

from jobsui.connections import hosts
from jobsui.connections.models import SignIn
from jobsui.jobs import retention
from jobsui.jobs.models import Attempt, Batch, BatchBlob, Job
from jobsui.jobs.models.batch import pack, unpack
from jobsui.jobs.reports import row_results, snippets
from jobsui.jobs.retention import Kind
from jobsui.zendesk.payloads import parsed

BODIES_WERE = "The request of this batch and the responses to it were"
ATTEMPTS_WERE = "The attempts to send this batch were"
RESULTS_WERE = "The results of the rows of this batch were"


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
    rows: list[row_results.OutcomeRow]
    """Their cells are empty after the items were deleted; none after the results were."""
    last_rows: dict[int, int]
    """{number of an attempt that left items for a later one: the file row of the last
    item it carried}."""
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
        request = {"job": {"action": job.action, "items": blob.items}}
        body = json.dumps(request, ensure_ascii=False)
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
        job_status=_indented(unpack(blob.job_status_body)),
        rows=_rows(batch, blob),
        last_rows=_last_rows(blob, attempts),
        bodies_notice=retention.notice(job, Kind.BODIES, BODIES_WERE),
        attempts_notice=retention.notice(job, Kind.ATTEMPTS, ATTEMPTS_WERE),
        results_notice=retention.notice(job, Kind.RESULTS, RESULTS_WERE),
    )


def _blob(batch: Batch) -> BatchBlob:
    """Without what was deleted of the job, even while the deletion has not finished."""
    job = batch.job
    found = BatchBlob.objects.filter(pk=batch.pk).first()
    if found is not None and job.results_pruned_at is None:
        if job.bodies_pruned_at is not None:
            found.payload = b""
            found.job_status_body = b""
        return found
    return BatchBlob(batch=batch, payload=b"", rows=pack(b"[]"))


def next_failed_batch(job: Job, after: int = 0) -> int | None:
    """The number of the next batch with a row that failed or is uncertain."""
    has_problems = Q(failed__gt=0) | Q(uncertain__gt=0)
    found = Batch.objects.filter(has_problems, job=job, seq__gt=after)
    return found.order_by("seq").values_list("seq", flat=True).first()


def _last_response(attempts: list[Attempt]) -> bytes:
    for attempt in reversed(attempts):
        if attempt.response_body:
            return unpack(attempt.response_body)
    return b""


def _rows(batch: Batch, blob: BatchBlob) -> list[row_results.OutcomeRow]:
    """With the item as their only cell."""
    without_result = row_results.open_outcome(batch)
    numbers = blob.row_numbers
    lines = blob.lines if blob.payload else [b""] * len(numbers)
    items = zip(numbers, lines, blob.row_results, strict=True)
    return [
        row_results.outcome_row(row, [_indented(line)], end, without_result)
        for row, line, end in items
    ]


def _last_rows(blob: BatchBlob, attempts: list[Attempt]) -> dict[int, int]:
    rows = blob.row_numbers
    return {
        attempt.number: rows[attempt.last_item]
        for attempt in attempts
        if attempt.last_item < len(rows) - 1
    }


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
