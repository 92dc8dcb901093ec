"""What people are told of a job: how far it is, what went wrong and why, what was sent
and answered. What became of every row is told in outcomes.py."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Max, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce, Floor

from jobsui.connections import hosts
from jobsui.connections.models import SignIn
from jobsui.jobs.enums import IN_FLIGHT, BatchState, JobState, LimitedBy
from jobsui.jobs.mapping.field_targets import api_name, targets_for
from jobsui.jobs.models import Attempt, Batch, BatchBlob, Cause, Job
from jobsui.jobs.models.batch import unpack
from jobsui.jobs.preparation.planner import BATCH_SIZE
from jobsui.jobs.reports import row_results, snippets
from jobsui.jobs.timing import Timing
from jobsui.zendesk.payloads import parsed

CELLS = 100
RATE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Progress:
    """A job at one moment. Seconds and rates are None while nothing can be said."""

    percent: int
    in_flight: int
    rows_in_flight: int
    waiting: int
    records_per_second: float | None
    eta_seconds: int | None
    held: list[tuple[str, float]]
    """(what held it back so far, for how many seconds), the longest first."""
    interval: int | None
    """Seconds until a page should look again; None when it need not."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of consecutive batches; `state` is the worst of them: failed,
    uncertain, moving, done, waiting."""

    state: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """A batch as it went over the wire, the secret masked."""

    method: str
    url: str
    headers: dict[str, str]
    body: str
    curl: str
    attempts: list[Attempt]
    answer: str
    """Body of the last answer to the POST, "" without one."""
    reply: str
    """The last job status, as JSON; "" before there is one."""
    rows: list[row_results.OutcomeRow]
    parts: dict[int, int]
    """{number of an attempt that left items for a later one: the row of the last item
    it carried}."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What launching a checked job would do."""

    sent: int
    left_out: int
    batches: int
    seconds: float
    """At the account's limits alone, with jobs of ten seconds; others using it make it
    longer."""


def preview(job: Job) -> Preview:
    left_out = job.rows_invalid
    batches = -(-(job.rows - left_out) // BATCH_SIZE)
    limits = job.connection
    own_rate = limits.requests_per_minute * limits.share / 100
    per_second = min(limits.max_running_jobs / Timing.first_job_duration, own_rate / 60)
    return Preview(
        job.rows - left_out,
        left_out,
        batches,
        batches / per_second + Timing.first_job_duration,
    )


def mapped(job: Job) -> list[tuple[str, str]]:
    """(column, what it fills), in the words of the wizard and the order of the file:
    PostgreSQL keeps none in JSON."""
    labels = {target.key: target.label for target in targets_for(job)}
    chosen = [
        (column, job.mapping[column])
        for column in job.file.columns
        if column in job.mapping
    ]
    return [(column, labels.get(key, api_name(key))) for column, key in chosen]


def progress(job: Job) -> Progress:
    flying, rows = _in_flight(job) if job.is_moving else (0, 0)
    rate = records_per_second(job)
    return Progress(
        percent=percent(job),
        in_flight=flying,
        rows_in_flight=rows,
        waiting=waiting(job, flying),
        records_per_second=rate,
        eta_seconds=_left(job, rate),
        held=limited_seconds(job),
        interval=_interval(job),
    )


def in_flight(jobs: Sequence[Job]) -> dict[int, int]:
    """{id of a job: how many of its batches are in flight}, by one query."""
    moving = [job.pk for job in jobs if job.is_moving]
    flying = (
        Batch.objects.unsettled().filter(job__in=moving, state__in=IN_FLIGHT).order_by()
    )
    return dict(flying.values_list("job").annotate(count=Count("pk")))


def waiting(job: Job, in_flight: int) -> int:
    """How many of its batches are planned and not sent yet."""
    return (
        0 if job.is_over else max(0, job.batches_total - job.batches_done - in_flight)
    )


def limited_seconds(job: Job) -> list[tuple[str, float]]:
    """What held the job back so far, in words, and for how many seconds: the longest
    first, up to now."""
    seconds = {
        LimitedBy(key): float(spent)
        for key, spent in job.limited_seconds.items()
        if key
    }
    if job.limited_by and job.limited_since and not job.is_over:
        now = LimitedBy(job.limited_by)
        seconds[now] = seconds.get(now, 0) + max(
            0, time.time() - job.limited_since.timestamp()
        )
    told = [(str(by.label), spent) for by, spent in seconds.items() if spent >= 1]
    return sorted(told, key=lambda entry: -entry[1])


def retries(job: Job) -> list[Job]:
    """The launched retries of a job, oldest first, each with `left`: its failed rows
    that no retry of its own took."""
    taken = (
        Job.objects.launched().filter(parent=OuterRef("pk")).order_by().values("parent")
    )
    left = F("failed") - Coalesce(
        Subquery(taken.annotate(sum=Sum("rows")).values("sum")), 0
    )
    launched = job.retries.launched().select_related("cause").annotate(left=left)
    return list(launched.order_by("created_at", "pk"))


def percent(job: Job) -> int:
    """How many of the rows have an outcome."""
    return 100 * job.settled // job.rows if job.rows else 0


def seconds_left(job: Job) -> int | None:
    """At the present rate; None while nothing can be said."""
    return _left(job, records_per_second(job))


def records_per_second(job: Job) -> float | None:
    """Over the last minute up to now; None unless the job runs, while there is nothing
    to tell it by, and when nothing has come of it."""
    if job.state != JobState.RUNNING:
        return None
    now = time.time()
    since = next(
        (sample for sample in job.pace if now - sample[0] <= RATE_SECONDS), None
    )
    if since is None or now - since[0] < 1:
        return None
    return float(job.settled - job.invalid - since[1]) / (now - since[0]) or None


def strip(job: Job) -> list[Cell]:
    """The batches in at most 100 stretches, by one query."""
    if not job.batches_total:
        return []
    width = max(1, -(-job.batches_total // CELLS))
    place = Floor((F("seq") - 1) / float(width))
    stretches = (
        Batch.objects.filter(job=job)
        .order_by()
        .annotate(stretch=place)
        .values("stretch")
        .annotate(
            count=Count("pk"),
            last=Max("seq"),
            failed=Count("pk", filter=Q(failed__gt=0)),
            uncertain=Count("pk", filter=Q(state=BatchState.UNCERTAIN)),
            moving=Count("pk", filter=Q(state__in=IN_FLIGHT)),
            done=Count("pk", filter=Q(state=BatchState.DONE)),
        )
        .order_by("stretch")
    )
    return [Cell(_worst(s), s["last"] - s["count"] + 1, s["last"]) for s in stretches]


def causes(
    job: Job, phase: str = Cause.Phase.SEND, *, most: int | None = None
) -> list[Cause]:
    """Problems grouped, the most frequent first: of the check, or of the run."""
    return list(Cause.objects.filter(job=job, phase=phase)[:most])


def next_failed_batch(job: Job, after: int = 0) -> int | None:
    """The number of the next batch with a row that failed or is uncertain."""
    bad = Batch.objects.filter(
        Q(failed__gt=0) | Q(uncertain__gt=0), job=job, seq__gt=after
    ).order_by("seq")
    return bad.values_list("seq", flat=True).first()


def exchange(batch: Batch) -> Exchange:
    """The request of a batch with all its items, and everything that was answered."""
    job = batch.job
    blob = BatchBlob.objects.get(pk=batch.pk)
    # Whether the host is still allowed does not matter: this was sent.
    address = hosts.address(job.connection.host)
    url = f"{address}/api/v2/custom_objects/{job.object_key}/jobs"
    body = json.dumps(
        {"job": {"action": job.action, "items": blob.items}}, ensure_ascii=False
    )
    attempts = list(batch.attempts.all())
    answer = next(
        (
            unpack(entry.response_body)
            for entry in reversed(attempts)
            if entry.response_body
        ),
        b"",
    )
    return Exchange(
        method="POST",
        url=url,
        headers={
            "Authorization": f"{_scheme(job)} ********",
            "Content-Type": "application/json",
        },
        body=_pretty(body.encode()),
        curl=_curl(job, url, body),
        attempts=attempts,
        answer=_pretty(answer),
        reply=_pretty(unpack(blob.job_status_body)),
        rows=[
            row_results.outcome_row(
                row, [_pretty(line)], end, row_results.open_outcome(batch)
            )
            for row, line, end in zip(
                blob.row_numbers, blob.lines, blob.row_results, strict=True
            )
        ],
        parts={
            attempt.number: blob.row_numbers[attempt.last_item]
            for attempt in attempts
            if attempt.last_item < batch.size - 1
        },
    )


def _in_flight(job: Job) -> tuple[int, int]:
    """How many batches, and how many rows of theirs are open."""
    is_open = F("size") - F("succeeded") - F("failed") - F("uncertain")
    batches = Batch.objects.unsettled().filter(job=job, state__in=IN_FLIGHT)
    flying = batches.aggregate(count=Count("pk"), rows=Sum(is_open))
    return flying["count"], flying["rows"] or 0


def _worst(stretch: Mapping[str, Any]) -> str:
    for state in ("uncertain", "failed", "moving"):
        if stretch[state]:
            return state
    return "done" if stretch["done"] == stretch["count"] else "waiting"


def _left(job: Job, rate: float | None) -> int | None:
    return round(job.pending / rate) if rate else None


def _interval(job: Job) -> int | None:
    """Quick at first, slower when nothing changes (the server sets the pace of all open
    pages)."""
    if job.state == JobState.PAUSED:
        return 30
    if not job.is_moving and job.state != JobState.CHECKING:
        return None
    age = time.time() - (job.started_at or job.created_at).timestamp()
    quiet = time.time() - job.pace[-1][0] if job.pace else 0.0
    return 1 if age < 10 else 5 if quiet > 60 else 2


def _scheme(job: Job) -> str:
    return "Basic" if job.connection.sign_in == SignIn.API_TOKEN else "Bearer"


def _curl(job: Job, url: str, body: str) -> str:
    """The same request for a shell, the secret left as a variable."""
    sign_in = (
        '-u "$ZENDESK_EMAIL/token:$ZENDESK_TOKEN"'
        if _scheme(job) == "Basic"
        else '-H "Authorization: Bearer $ZENDESK_TOKEN"'
    )
    return snippets.post(url, sign_in, body)


def _pretty(data: bytes) -> str:
    try:
        return json.dumps(parsed(data), indent=2, ensure_ascii=False)
    except ValueError:
        return data.decode("utf-8", "replace")
