"""A stage of bench.check: what happens to an uploaded file until its first batch is sent.

    python -m bench.check_stages STAGE [--profile]

STAGE is one of STAGES. The environment has the product's settings, and in BENCH_FILE the path
of a file that `bench.check` wrote. It reports a line of JSON."""

import cProfile
import csv
import os
import pstats
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import django

django.setup()

from bench.own_cost import measured  # noqa: E402
from bench.processes import say  # noqa: E402
from bench.typed_rows import FIELDS, HEADER  # noqa: E402
from jobsui.connections.models import Connection, CustomObject, SignIn  # noqa: E402
from jobsui.files import parser_process  # noqa: E402
from jobsui.jobs import queueing  # noqa: E402
from jobsui.jobs.control import drafts  # noqa: E402
from jobsui.jobs.enums import Action, FileState, JobState  # noqa: E402
from jobsui.jobs.mapping.field_targets import FIELD  # noqa: E402
from jobsui.jobs.mapping.options import Options  # noqa: E402
from jobsui.jobs.models import File, Job  # noqa: E402
from jobsui.jobs.preparation import checker, file_reading, planner, uploads  # noqa: E402

CHUNK_BYTES = 1 << 20
PROFILE_LINES = 30
queued: dict[str, float] = {}
"""When each task was first enqueued."""


def _note_task(task: str, _ids: tuple[int, ...]) -> None:
    queued.setdefault(task, time.perf_counter())


def bare() -> None:
    with Path(os.environ["BENCH_FILE"]).open(encoding="utf-8", newline="") as text:
        for _ in csv.reader(text):
            pass


def receive() -> None:
    path = Path(os.environ["BENCH_FILE"])
    with path.open("rb") as content:
        chunks = iter(lambda: content.read(CHUNK_BYTES), b"")
        uploads.receive(chunks, path.name, by=None)


def read() -> None:
    file = File.objects.get()
    file_reading.read_file(file, stopping=threading.Event())
    file.refresh_from_db()
    assert file.state == FileState.READY, file.error


def draft() -> None:
    connection = Connection.objects.create(
        name="Bench",
        host="bench.zendesk.com",
        sign_in=SignIn.API_TOKEN,
        email="bench@example.com",
    )
    CustomObject.objects.create(connection=connection, key="asset", fields=FIELDS)
    keys = {field["key"] for field in FIELDS}
    mapping = {name: f"{FIELD}{name}" if name in keys else name for name in HEADER}
    drafts.create_draft(
        connection,
        "asset",
        Action.UPSERT_BY_EXTERNAL_ID,
        File.objects.get(),
        by=None,
        mapping=mapping,
        options=Options(invalid="skip"),
    )
    checker.start(Job.objects.get(), by=None)


def check() -> None:
    job = Job.objects.get()
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    assert job.state == JobState.READY, job.reason


def launch() -> None:
    """Without asking Zendesk whether the fields are still the same."""
    Job.objects.update(state=JobState.QUEUED)


def plan() -> None:
    job = Job.objects.get()
    planner.plan(job, stopping=threading.Event())
    job.refresh_from_db()
    assert job.planned_at is not None, job.reason


STAGES: dict[str, Callable[[], None]] = {
    "csv.reader": bare,
    "receive": receive,
    "start": parser_process.start,
    "read": read,
    "draft": draft,
    "check": check,
    "launch": launch,
    "plan": plan,
}


def main() -> None:
    stage, *options = sys.argv[1:]
    queueing.backend = _note_task
    profile = cProfile.Profile() if "--profile" in options else None
    if stage == "read":
        parser_process.start()
    run = STAGES[stage]
    start = time.perf_counter()
    cost = measured(partial(profile.runcall, run) if profile else run)
    first_batch = queued.get("drive")
    say(**cost, first_batch=first_batch and first_batch - start)
    if profile:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(
            PROFILE_LINES
        )


if __name__ == "__main__":
    main()
