"""A year of finished jobs, and a pruner that reports its steps.

    python -m bench.history create JOBS
    python -m bench.history prune

The environment has the product's settings. `prune` continues until everything is deleted or
its standard input is closed. Both report in lines of JSON.
"""

import json
import random
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched, cycle
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.processes import say  # noqa: E402
from jobsui.connections.models import Connection  # noqa: E402
from jobsui.jobs.control.pruning import Pruner  # noqa: E402
from jobsui.jobs.enums import Action, EventKind, JobState  # noqa: E402
from jobsui.jobs.models import (  # noqa: E402
    Attempt,
    Batch,
    BatchBlob,
    Cause,
    File,
    Job,
    JobEvent,
    Lease,
    RowError,
)
from jobsui.jobs.reports import storage  # noqa: E402
from jobsui.ops import expired  # noqa: E402

JOBS_PER_COMMIT = 500
VARIANTS = 64
"""Batches with different content. Each is stored as often as jobs need it."""
ROWS = 100
"""Of each job: one batch."""
MESSAGE = "Status is not valid."
ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Content:
    """The bodies of one batch, as the product stores them."""

    blob: dict[str, bytes]
    headers: dict[str, str]
    response: bytes


def create(number: int) -> None:
    """Insert jobs that finished in the last year, one batch each. One row of each
    failed."""
    connection, _ = Connection.objects.get_or_create(
        name="History", host="history.zendesk.com"
    )
    chance = random.Random(5)
    contents = [_content(chance) for _ in range(VARIANTS)]
    first = timezone.now() - timedelta(days=367)
    width = timedelta(days=365) / number
    ends = (first + width * index for index in range(number))
    for chunk in batched(ends, JOBS_PER_COMMIT):
        with transaction.atomic():
            jobs = _create_jobs(connection, chunk)
            batches = _create_batches(jobs, chunk, contents)
            _create_errors(batches)
            _create_leases(jobs)
    say(said="created", **_sizes())


def _create_jobs(connection: Connection, ends: Sequence[datetime]) -> list[Job]:
    files = File.objects.bulk_create(
        File(
            name="rows.csv",
            stored_as=_store_file(),
            state="ready",
            format="csv",
            size=11_000,
            sha256="0" * 64,
            columns=["external_id", "name"],
            sample=[[2, ["A-00000001", "Laptop 1"]]] * 20,
            rows=ROWS,
        )
        for _ in ends
    )
    uploaded = File.objects.filter(pk__in=[file.pk for file in files])
    uploaded.update(created_at=ends[0])
    return Job.objects.bulk_create(
        Job(
            connection=connection,
            object_key="asset",
            action=Action.UPSERT_BY_EXTERNAL_ID,
            file=file,
            mapping={"external_id": "external_id", "name": "name"},
            state=JobState.COMPLETED,
            rows=ROWS,
            created_or_updated=ROWS - 1,
            failed=1,
            batches_total=1,
            batches_done=1,
            planned_at=end,
            started_at=end,
            finished_at=end,
        )
        for file, end in zip(files, ends, strict=True)
    )


def _store_file() -> str:
    """A small file: only its deletion counts."""
    name = f"uploads/{uuid.uuid4()}"
    path = Path(settings.MEDIA_ROOT) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a few bytes")
    return name


def _create_batches(
    jobs: Sequence[Job], ends: Sequence[datetime], contents: Sequence[Content]
) -> list[Batch]:
    batches = Batch.objects.bulk_create(
        Batch(
            job=job,
            seq=1,
            size=ROWS,
            first_row=2,
            last_row=ROWS + 1,
            state="done",
            attempts_made=1,
            status_id=f"V3-{uuid.uuid4().hex}",
            sent_at=end,
            accepted_at=end,
            done_at=end,
            succeeded=ROWS - 1,
            failed=1,
        )
        for job, end in zip(jobs, ends, strict=True)
    )
    of_batches = list(zip(batches, ends, cycle(contents), strict=False))
    BatchBlob.objects.bulk_create(
        BatchBlob(batch=batch, **content.blob) for batch, _, content in of_batches
    )
    Attempt.objects.bulk_create(
        Attempt(
            batch=batch,
            number=1,
            epoch=1,
            at=end,
            items=ROWS,
            result="accepted",
            http_status=200,
            elapsed_ms=100,
            response_headers=content.headers,
            response_body=content.response,
        )
        for batch, end, content in of_batches
    )
    return batches


def _create_errors(batches: Sequence[Batch]) -> None:
    causes = Cause.objects.bulk_create(
        Cause(
            job=batch.job,
            phase="send",
            signature="0" * 64,
            code="RecordInvalid",
            message=MESSAGE,
            count=1,
            sample_rows=[2],
            sample_values=["broken"],
        )
        for batch in batches
    )
    RowError.objects.bulk_create(
        RowError(
            job=batch.job,
            batch=batch,
            cause=cause,
            row=2,
            outcome="failed",
            code="RecordInvalid",
            message=MESSAGE,
        )
        for batch, cause in zip(batches, causes, strict=True)
    )
    JobEvent.objects.bulk_create(
        JobEvent(job=batch.job, kind=kind, facts={"rows": ROWS, "succeeded": 99})
        for batch in batches
        for kind in (EventKind.LAUNCHED, EventKind.STARTED, EventKind.FINISHED)
    )


def _create_leases(jobs: Sequence[Job]) -> None:
    released = datetime(1970, 1, 1, tzinfo=UTC)
    Lease.objects.bulk_create(
        Lease(name=f"{kind}:{job.pk}", epoch=1, expires_at=released)
        for job in jobs
        for kind in ("check", "plan")
    )


def _content(chance: random.Random) -> Content:
    items = [_item(chance) for _ in range(ROWS)]
    ids = ["01" + "".join(chance.choices(ULID, k=24)) for _ in items]
    results = [["created_or_updated", record, "", ""] for record in ids]
    results[0] = ["failed", "", "RecordInvalid", MESSAGE]
    status = {
        "status": "completed",
        "total": ROWS,
        "results": [
            {"index": index, "id": record, "status": "Updated"}
            for index, record in enumerate(ids)
        ],
    }
    blob = {
        "payload": _packed("\n".join(map(json.dumps, items))),
        "rows": _packed(json.dumps(list(range(2, ROWS + 2)))),
        "results": _packed(json.dumps(results)),
        "job_status_body": _packed(json.dumps(status)),
    }
    headers = {f"x-header-{number}": "x" * 25 for number in range(9)}
    response = _packed(json.dumps({"job_status": {"id": ids[0], "url": ids[1] * 5}}))
    return Content(blob, headers, response)


def _item(chance: random.Random) -> dict[str, Any]:
    number = chance.randrange(10**8)
    fields = {
        "serial": f"LA-{number % 1_000_000:06}",
        "price": round(chance.uniform(60, 2400), 2),
        "weight": round(chance.uniform(0.2, 6), 2),
        "warranty": chance.choice((12, 24, 36)),
        "status": chance.choice(("in_use", "in_stock", "retired")),
    }
    return {
        "external_id": f"A-{number:08}",
        "name": f"Laptop {number}",
        "custom_object_fields": fields,
    }


def _packed(text: str) -> bytes:
    return zlib.compress(text.encode(), 1)


def prune() -> None:
    """Prune as the sweep does, without a limit of time, and report the steps."""
    stopping = threading.Event()
    threading.Thread(target=_wait_for_end, args=[stopping], daemon=True).start()
    seconds: list[float] = []
    pruner = Pruner(lambda: _timed(expired.steps, seconds))
    started = time.monotonic()
    deleted = pruner.run(stopping)
    elapsed = time.monotonic() - started
    seconds.sort()
    say(
        said="pruned",
        is_finished=pruner.is_finished,
        deleted=deleted,
        seconds=elapsed,
        steps=len(seconds),
        median=seconds[len(seconds) // 2],
        p99=seconds[len(seconds) * 99 // 100],
        longest=seconds[-1],
        **_sizes(),
    )


def _timed(steps: Callable[[], Iterator[Any]], seconds: list[float]) -> Iterator[Any]:
    """The same steps. Their durations include the wait for SQLite's other writers."""
    iterator = steps()
    while True:
        before = time.monotonic()
        step = next(iterator, None)
        seconds.append(time.monotonic() - before)
        if step is None:
            return
        yield step


def _wait_for_end(stopping: threading.Event) -> None:
    sys.stdin.read()
    stopping.set()


def _sizes() -> dict[str, Any]:
    sizes = storage.sizes()
    kinds = {kind.label: round(kind.bytes / 1e6, 1) for kind in sizes.kinds}
    return {
        "database_mb": sizes.database / 1e6,
        "reusable_mb": sizes.reusable / 1e6,
        "kinds_mb": kinds,
    }


def main() -> None:
    match sys.argv[1:]:
        case ["create", jobs]:
            create(int(jobs))
        case ["prune"]:
            prune()


if __name__ == "__main__":
    main()
