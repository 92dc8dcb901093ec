"""All faults of Zendesk at once, while the driving worker is killed again and again.
Afterwards every row's outcome is compared with what the account holds.

JOBSUI_KILLS, JOBSUI_FAULT_ROWS (of each job) and JOBSUI_KILL_SEED make longer and
different runs. Each run prints a line.
"""

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

import pytest

from jobsui.jobs.control import actions
from jobsui.jobs.enums import SUCCEEDED, Action, JobState
from jobsui.jobs.models import Attempt, Job, RunSettings
from jobsui.jobs.preparation import planner
from tests.acceptance.jobs import state_of
from tests.acceptance.processes import Processes, wait_until
from tests.harness import Harness

SEED = int(os.environ.get("JOBSUI_KILL_SEED", "1"))
KILLS = int(os.environ.get("JOBSUI_KILLS", "2"))
ROWS = int(os.environ.get("JOBSUI_FAULT_ROWS", "1000"))
SECONDS_TO_KILL = 6.0
TIMEOUT = 240 + ROWS / 50
MAX_UNCERTAIN_PERCENT = 25
FAULTS: Mapping[str, float] = {
    "drop-before-accept": 0.03,
    "drop-after-accept": 0.03,
    "502-after-accept": 0.02,
    "no-answer": 0.01,
    "rate-429": 0.01,
    "too-many-jobs": 0.02,
    "500": 0.02,
    "503": 0.02,
    "503-retry-after": 0.01,
    "html-502": 0.01,
    "html-200": 0.01,
    "partial-list": 0.05,
    "refused-reads": 0.05,
    "refused-statuses": 0.02,
    "fresh-404": 0.05,
    "killed": 0.02,
    "aborted": 0.02,
    "failed-partial": 0.02,
    "results-object": 0.02,
    "no-id": 0.03,
    "no-index": 0.03,
    "wrong-index": 0.03,
    "short-results": 0.03,
    "shuffled": 0.05,
    "generic-results": 0.05,
    "status-expired": 0.02,
    "slow-job": 0.02,
    "deadlocked-items": 0.02,
}
OLD_PRICE = 1.0
GOOD = frozenset(map(str, SUCCEEDED))

pytestmark = pytest.mark.timeout(TIMEOUT + 60)

Rows = list[dict[str, Any]]


def test_no_outcome_is_untrue_whatever_fails(
    harness: Harness, processes: Processes
) -> None:
    started_at = time.monotonic()
    jobs = launched_jobs(harness)
    harness.sandbox.settings(job_seconds=0.5, slow_seconds=3, retry_after=1)
    harness.sandbox.faults(**FAULTS)
    pending_before = [job.pending for job in jobs]

    kill_repeatedly(processes, jobs)
    wait_until(lambda: are_over(jobs), "the end of all jobs", TIMEOUT)

    found = [line for job in jobs for line in untrue(harness, job)]
    share = report(jobs, found, time.monotonic() - started_at)
    assert pending_before == [ROWS] * len(jobs)
    assert found == []
    assert share <= MAX_UNCERTAIN_PERCENT


def launched_jobs(harness: Harness) -> list[Job]:
    """A job for each action, with an object of its own."""
    made = [
        launched(harness, Action.CREATE, "made", keyed(range(ROWS))),
        launched(
            harness,
            Action.UPSERT_BY_EXTERNAL_ID,
            "merged",
            keyed(range(ROWS)),
            ROWS // 2,
        ),
        launched(
            harness, Action.DELETE_BY_EXTERNAL_ID, "gone", keyed(range(ROWS)), ROWS
        ),
    ]
    ids = existing(harness, "changed", ROWS)
    rows = [{"id": pk, "price": price(n)} for n, pk in enumerate(ids)]
    return [*made, launched(harness, Action.UPDATE, "changed", rows)]


def launched(
    harness: Harness, action: Action, key: str, rows: Rows, records: int = 0
) -> Job:
    if action is not Action.UPDATE:
        existing(harness, key, records)
    if action.deletes:
        rows = [{"external_id": row["external_id"]} for row in rows]
    job = harness.checked(rows, action, key=key)
    never = RunSettings(stop_percent=None, stop_refusals=None)
    actions.launch(job, by=None, run_settings=never)
    planner.plan(job, stopping=threading.Event())
    # The workers of the test send it.
    harness.task_queue.clear()
    return job


def existing(harness: Harness, key: str, number: int) -> Sequence[str]:
    """An object with this number of records. Returns their ids."""
    harness.object(key)
    records = [
        {
            "external_id": f"r-{n}",
            "name": f"R {n}",
            "custom_object_fields": {"serial": serial(n), "price": OLD_PRICE},
        }
        for n in range(number)
    ]
    return harness.sandbox.add_records(key, records) if records else []


def keyed(numbers: range) -> Rows:
    return [
        {
            "external_id": f"r-{n}",
            "name": f"R {n}",
            "serial": serial(n),
            "price": price(n),
        }
        for n in numbers
    ]


def serial(number: int) -> str:
    return f"AB-{number:06}"


def price(number: int) -> float:
    return number + 2.5


def kill_repeatedly(processes: Processes, jobs: Sequence[Job]) -> None:
    random = Random(SEED)
    worker = processes.worker()
    for _ in range(KILLS):
        time.sleep(random.uniform(0.5, SECONDS_TO_KILL))
        if are_over(jobs):
            return
        processes.kill(worker)
        worker = processes.worker()


def are_over(jobs: Sequence[Job]) -> bool:
    """A person resumes jobs that were paused because reads were refused."""
    for job in Job.objects.filter(state=JobState.PAUSED):
        actions.resume(job, by=None)
    over = {JobState.COMPLETED, JobState.NEEDS_DECISION}
    return {state_of(job) for job in jobs} <= over


def untrue(harness: Harness, job: Job) -> Iterator[str]:
    """The rows whose outcome is not what the account did and holds."""
    job.refresh_from_db()
    records = harness.sandbox.records(job.object_key)
    by_key = {record["external_id"]: record for record in records}
    by_id = {record["id"]: record for record in records}
    written = harness.sandbox.applied(job.object_key)
    rows = harness.results(job)
    if len(rows) != ROWS:
        yield f"{job.action}: {len(rows)} of {ROWS} rows have a result"
    for row in rows:
        outcome = row["_outcome"]
        record = by_id.get(row["id"]) if "id" in row else by_key.get(row["external_id"])
        is_applied = record is None
        if not Action(job.action).deletes:
            stored = record["custom_object_fields"].get("price") if record else None
            is_applied = stored == float(row["price"])
        if outcome != "uncertain" and is_applied != (outcome in GOOD):
            yield f"{job.action}: row {row['_row']} is {outcome}, applied: {is_applied}"
        if row["_record_id"] and record and row["_record_id"] != record["id"]:
            yield f"{job.action}: row {row['_row']} names another record"
    if job.action == Action.CREATE:
        yield from (
            f"{key} was created {times} times"
            for key, times in written.items()
            if times > 1
        )


def report(jobs: Sequence[Job], found: Sequence[str], seconds: float) -> float:
    """Print the run. Returns the share of uncertain rows in percent."""
    for job in jobs:
        job.refresh_from_db()
    uncertain = sum(job.uncertain for job in jobs)
    failed = sum(job.failed for job in jobs)
    share = 100 * uncertain / (len(jobs) * ROWS)
    unclear = Attempt.objects.filter(result__in=Attempt.UNCONFIRMED).count()
    print(  # noqa: T201
        f"\nall faults: {KILLS} kills (seed {SEED}), {len(jobs)} jobs of {ROWS} rows, "
        f"{seconds:.0f} s, {len(found)} untrue, {failed} failed, {share:.1f} % uncertain, "
        f"{unclear} of {Attempt.objects.count()} attempts without a clear response"
    )
    return share
