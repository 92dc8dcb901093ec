"""The first promise, with real processes. The processes that send are killed again and
again while Zendesk loses responses. Every row still gets exactly one result, and none is
applied twice.

JOBSUI_KILLS, JOBSUI_KILL_ROWS and JOBSUI_KILL_SEED make longer and different runs. Each
run prints a line. For 102 kills:

    JOBSUI_KILLS=17 JOBSUI_KILL_ROWS=85000 python -m pytest -s
    tests/acceptance/test_kills.py
"""

import os
import sys
import time
from dataclasses import dataclass
from random import Random

import pytest
from django.db.models import Exists, Max, OuterRef

from jobsui.jobs.control import actions
from jobsui.jobs.enums import Action
from jobsui.jobs.models import Attempt, Batch, Job, RowError
from tests.acceptance.jobs import JobResult, final_result
from tests.acceptance.processes import Process, Processes, wait_until
from tests.factories import make_user
from tests.harness import Harness, gadgets

SEED = int(os.environ.get("JOBSUI_KILL_SEED", "1"))
JOB_SECONDS = 1.5
ROWS_PER_SECOND = 30 * 100 / JOB_SECONDS
WINDOW_ROWS = 30 * 100

IDS = "external ids"
NO_IDS = "no external ids"


@dataclass(frozen=True)
class Run:
    """What is killed: `worker`, the driving worker; `tree`, everything that
    `manage.py up` started; `host`, that and the queue, which loses its content half of
    the times."""

    kind: str
    kills: int
    rows: int

    @property
    def max_seconds_to_kill(self) -> float:
        """How long after its first request a driver is killed at the latest, so that
        rows are left for each of them."""
        rows_for_each = self.rows / self.kills - WINDOW_ROWS
        return max(0.1, rows_for_each / ROWS_PER_SECOND)

    @property
    def timeout(self) -> float:
        """Seconds for a start, and for the job to end after the last kill."""
        return 120 + self.rows / 1000

    def begin(self, processes: Processes) -> Process:
        return processes.worker() if self.kind == "worker" else processes.up()

    def kill(self, processes: Processes, running: Process, random: Random) -> None:
        processes.kill(running)
        if self.kind == "host":
            processes.restart_queue(empty=random.random() < 0.5)


def run_of(kind: str, kills: int) -> Run:
    kills = int(os.environ.get("JOBSUI_KILLS", kills))
    return Run(kind, kills, int(os.environ.get("JOBSUI_KILL_ROWS", 4000 * kills)))


RUNS = [run_of("worker", kills=2), run_of("tree", kills=1), run_of("host", kills=1)]

pytestmark = [
    pytest.mark.timeout(max(2 * run.timeout + 20 * run.kills for run in RUNS)),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]


@pytest.fixture
def harness(harness: Harness) -> Harness:
    make_user()  # Without users each start prints a first-run token.
    harness.object()
    harness.sandbox.settings(job_seconds=JOB_SECONDS, job_spread=0.3)
    return harness


def cases() -> list[tuple[Run, str]]:
    """Without external IDs only the worker is killed, except in long runs."""
    with_ids = [(run, IDS) for run in RUNS]
    is_long = "JOBSUI_KILLS" in os.environ
    without_ids = [(run, NO_IDS) for run in (RUNS if is_long else RUNS[:1])]
    return with_ids + without_ids


@pytest.mark.parametrize(
    ("run", "ids"), cases(), ids=lambda value: getattr(value, "kind", value)
)
def test_killed_processes_lose_and_repeat_nothing(
    harness: Harness, processes: Processes, run: Run, ids: str
) -> None:
    started_at = time.monotonic()
    random = Random(SEED)
    job = harness.checked(
        rows(run.rows, ids), Action.CREATE, generate_external_ids=ids == IDS
    )
    harness.sandbox.faults(drop_after_accept=0.02, drop_before_accept=0.01)
    if run.kind == "worker":
        processes.worker("work")
        kill_repeatedly(job, processes, run, random)
    else:
        with processes.no_sweep():  # Each tree has a sweep of its own.
            kill_repeatedly(job, processes, run, random)

    result = final_result(harness, job, seconds=run.timeout)
    print(f"\n{report(run, ids, result, job, time.monotonic() - started_at)}")  # noqa: T201
    uncertain = result.uncertain
    created = run.rows - uncertain
    state = "needs_decision" if uncertain else "completed"
    assert result == JobResult(state, created=created, uncertain=uncertain)
    assert sums_over_batches(job) == (created, uncertain)
    if ids == IDS:
        assert uncertain == 0
    else:
        assert sent_again(job) == 0
        check_uncertain_rows(harness, job, run.rows, uncertain)


def check_uncertain_rows(harness: Harness, job: Job, rows: int, uncertain: int) -> None:
    """Every row that is not listed as uncertain is in Zendesk."""
    errors = RowError.objects.filter(job=job, outcome="uncertain")
    listed = {f"Gadget {row - 1}" for row in errors.values_list("row", flat=True)}
    others = {f"Gadget {number}" for number in range(1, rows + 1)} - listed
    assert len(listed) == uncertain
    assert others <= set(harness.sandbox.applied("gadget"))


def rows(count: int, _ids: str) -> list[dict[str, str]]:
    """Rows without external IDs of their own. The job generates some, or not."""
    return [
        {name: row[name] for name in ("name", "serial", "price")}
        for row in gadgets(count)
    ]


def kill_repeatedly(job: Job, processes: Processes, run: Run, random: Random) -> None:
    """Launch the job, and kill each driver but the last, a while after its first
    request."""
    actions.launch(job, by=None)
    for _ in range(run.kills):
        known = last_epoch()
        running = run.begin(processes)
        wait_until(lambda: last_epoch() > known, "a driver that sends", run.timeout)  # noqa: B023
        time.sleep(random.uniform(0, run.max_seconds_to_kill))
        run.kill(processes, running, random)
    run.begin(processes)


def last_epoch() -> int:
    return Attempt.objects.aggregate(last=Max("epoch"))["last"] or 0


def report(run: Run, ids: str, result: JobResult, job: Job, seconds: float) -> str:
    return (
        f"{run.kind}, {ids}: {run.kills} kills (seed {SEED}), {run.rows} rows, "
        f"{seconds:.0f} s, {result.lost} lost, {result.duplicated} applied twice, "
        f"{result.uncertain} uncertain, {sent_again(job)} batches sent again, "
        f"{result.state}"
    )


def sent_again(job: Job) -> int:
    """How many batches were sent again after an attempt that may have arrived."""
    unconfirmed = Attempt.objects.filter(result__in=Attempt.UNCONFIRMED)
    earlier = unconfirmed.filter(batch=OuterRef("batch"), number__lt=OuterRef("number"))
    later = Attempt.objects.filter(Exists(earlier), batch__job=job)
    return later.values("batch").distinct().count()


def sums_over_batches(job: Job) -> tuple[int, int]:
    """Rows created and uncertain."""
    counts = Batch.objects.filter(job=job).values_list("succeeded", "uncertain")
    created = sum(succeeded for succeeded, _ in counts)
    uncertain = sum(uncertain for _, uncertain in counts)
    return created, uncertain
