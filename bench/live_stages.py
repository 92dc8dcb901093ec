"""One run of bench.live, in a process of its own: `python -m bench.live_stages PLAN`. PLAN is
JSON: {"way": "send all" or "compare", "rows": 100000, "changed": 3}."""

import csv
import io
import json
import os
import resource
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import django

django.setup()

from bench.processes import say  # noqa: E402
from jobsui.clock import SYSTEM_CLOCK  # noqa: E402
from jobsui.connections import objects  # noqa: E402
from jobsui.connections.models import Connection, CustomObject, SignIn  # noqa: E402
from jobsui.jobs import queueing  # noqa: E402
from jobsui.jobs.control import actions, comparisons, drafts, undo  # noqa: E402
from jobsui.jobs.delivery import driver_pool  # noqa: E402
from jobsui.jobs.enums import Action, JobState, ReadState  # noqa: E402
from jobsui.jobs.live import history_index, pages, plan, reader  # noqa: E402
from jobsui.jobs.mapping.field_targets import FIELD  # noqa: E402
from jobsui.jobs.models import Job, RecordRead  # noqa: E402
from jobsui.jobs.preparation import checker, file_reading, planner, uploads  # noqa: E402
from jobsui.jobs.timing import Timing  # noqa: E402

KEY = "asset"
FIELDS = [
    {"key": "serial", "title": "Serial", "type": "text"},
    {"key": "notes", "title": "Notes", "type": "textarea"},
    {"key": "seats", "title": "Seats", "type": "integer"},
    {"key": "price", "title": "Price", "type": "decimal"},
    {"key": "insured", "title": "Insured", "type": "checkbox"},
    {"key": "bought", "title": "Bought", "type": "date"},
]
COLUMNS = ["external_id", "name", *(field["key"] for field in FIELDS)]
RECORDS_PER_CALL = 5_000
stopping = threading.Event()


def main() -> None:
    options = json.loads(sys.argv[1])
    queueing.backend = lambda _task, _ids: None
    rows = options["rows"]
    _ask("objects", {"key": KEY, "fields": FIELDS, "name": {}})
    for start in range(0, rows, RECORDS_PER_CALL):
        numbers = range(start, min(start + RECORDS_PER_CALL, rows))
        records = [_record(number) for number in numbers]
        _ask("records", {"object": KEY, "records": records, "age": 3600})
    connection = _connection()
    every = 100 // options["changed"]
    job = _checked(connection, rows, every)
    before = _updated_at()
    steps: dict[str, dict[str, Any]] = {}
    if options["way"] == "compare":
        steps["compare"] = _measured(lambda: _compare(job))
    steps["send"] = _measured(lambda: _send(job))
    after = _updated_at()
    touched = sum(after[key] != before[key] for key in before)
    job.refresh_from_db()
    steps["send"]["said"] = (
        f"{job.get_state_display()}, {job.unchanged:,} rows unchanged, {touched:,} records "
        f"touched."
    )
    if options["way"] == "compare":
        history_index.add(job)
        undone = undo.create(job, by=None)
        steps["undo: read"] = _measured(lambda: _read(undo.current(undone)))
        steps["undo: send"] = _measured(lambda: _send(undone))
    say(**steps)


def _record(number: int) -> dict[str, Any]:
    return {
        "external_id": f"A-{number:07}",
        "name": f"Asset {number}",
        "custom_object_fields": {
            "serial": f"SN-{number * 7919 % 10**8:08}",
            "notes": f"Delivered to room {number % 911}, floor {number % 13}.",
            "seats": number % 100,
            "price": number % 9000 + 0.5,
            "insured": number % 2 == 0,
            "bought": f"20{number % 26:02}-{number % 12 + 1:02}-{number % 28 + 1:02}",
        },
    }


def _connection() -> Connection:
    url = os.environ["BENCH_SANDBOX"]
    connection = Connection.objects.create(
        name="Bench",
        host=url.removeprefix("http://"),
        sign_in=SignIn.API_TOKEN,
        email="admin@sandbox.example",
        requests_per_minute=60_000,
        share=100,
    )
    connection.set_secret("api_token", "sandbox-api-token")
    connection.save()
    objects.refresh(CustomObject.objects.create(connection=connection, key=KEY))
    return connection


def _checked(connection: Connection, rows: int, every: int) -> Job:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for number in range(rows):
        record = _record(number)
        fields = record["custom_object_fields"]
        if number % every == 0:
            fields["price"] += 1
        values = [record["external_id"], record["name"], *fields.values()]
        writer.writerow(values)
    file = uploads.receive([text.getvalue().encode()], "rows.csv", by=None)
    file_reading.read_file(file, stopping=stopping)
    file.refresh_from_db()
    own = {field["key"] for field in FIELDS}
    job = drafts.create_draft(
        connection,
        KEY,
        Action.UPSERT_BY_EXTERNAL_ID,
        file,
        by=None,
        mapping={name: f"{FIELD}{name}" if name in own else name for name in COLUMNS},
    )
    checker.start(job, by=None)
    checker.check(job, stopping=stopping)
    job.refresh_from_db()
    assert job.state == JobState.READY, job.reason
    return job


def _compare(job: Job) -> None:
    _read(comparisons.start(job, by=None))


def _read(read: RecordRead | None) -> None:
    assert read is not None
    pages.divide(read, stopping=stopping)
    reader.run(read, stopping=stopping)
    read.refresh_from_db()
    assert read.state == ReadState.DONE, read.reason


def _send(job: Job) -> None:
    actions.launch(job, by=None)
    read = undo.current(job) if job.parent_id else comparisons.current(job)
    source = plan.source_of(read) if read else None
    planner.plan(job, stopping=stopping, source=source)
    driver_pool.drive_accounts(
        stopping=stopping, timing=Timing(), clock=SYSTEM_CLOCK, max_accounts=1
    )
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED, job.reason


def _updated_at() -> dict[str, str]:
    records = _ask(f"records?object={KEY}")["records"]
    return {each["external_id"]: each["updated_at"] for each in records}


def _measured(step: Callable[[], None]) -> dict[str, Any]:
    _ask("requests", {})
    cpu = _cpu_seconds()
    start = time.perf_counter()
    step()
    wall = time.perf_counter() - start
    counts = _ask("requests")["requests"]
    return {
        "wall": wall,
        "cpu": _cpu_seconds() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "reads": counts.get("records-by-external-id", 0)
        + counts.get("records-by-id", 0),
        "posts": counts.get("jobs", 0),
        "polls": counts.get("job-statuses", 0),
    }


def _ask(name: str, body: Mapping[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    url = f"{os.environ['BENCH_SANDBOX']}/sandbox/{name}"
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=300) as got:
        return json.load(got)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
