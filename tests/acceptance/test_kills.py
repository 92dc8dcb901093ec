"""Promise number one, with real processes: what sends is killed outright again and
again while Zendesk loses answers, and still every row has exactly one end, and none is
applied twice.

JOBSUI_KILLS, JOBSUI_KILL_ROWS and JOBSUI_KILL_SEED make bigger and other runs of the
same; each run prints a line. A hundred kills and some:

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
from tests.acceptance.jobs import Fate, ended
from tests.acceptance.processes import Process, Processes, wait_until
from tests.factories import make_user
from tests.harness import Harness, gadgets

SEED = int(os.environ.get("JOBSUI_KILL_SEED", "1"))
JOB_SECONDS = 1.5
ROWS_PER_SECOND = 30 * 100 / JOB_SECONDS
WINDOW_ROWS = 30 * 100

IDS, NO_IDS = "external ids", "no external ids"


@dataclass(frozen=True)
class Run:
    """`worker`: the driving worker is killed. `tree`: all that `manage.py up` has
    started. `host`: the queue too, and half of the times it keeps nothing."""

    kind: str
    kills: int
    rows: int

    @property
    def longest_while(self) -> float:
        """So many seconds after it began to send a driver is killed at the latest. With
        that there is something to send for each of them."""
        return max(0.1, (self.rows / self.kills - WINDOW_ROWS) / ROWS_PER_SECOND)

    @property
    def timeout(self) -> float:
        """Seconds for a start, and for the end when the last kill is over."""
        return 120 + self.rows / 1000

    def begin(self, processes: Processes) -> Process:
        return processes.worker() if self.kind == "worker" else processes.up()

    def kill(self, processes: Processes, running: Process, chance: Random) -> None:
        processes.kill(running)
        if self.kind == "host":
            processes.restart_queue(empty=chance.random() < 0.5)


def run_of(kind: str, kills: int) -> Run:
    kills = int(os.environ.get("JOBSUI_KILLS", kills))
    return Run(kind, kills, int(os.environ.get("JOBSUI_KILL_ROWS", 4000 * kills)))


RUNS = [run_of("worker", kills=2), run_of("tree", kills=1), run_of("host", kills=1)]

pytestmark = [
    pytest.mark.timeout(max(2 * run.timeout + 20 * run.kills for run in RUNS)),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


@pytest.fixture
def harness(harness: Harness) -> Harness:
    make_user()  # Or each start would print a token for the first one.
    harness.object()
    harness.sandbox.settings(job_seconds=JOB_SECONDS, job_spread=0.3)
    return harness


# Without ids the driver alone will do, unless more is asked for.
@pytest.mark.parametrize(
    ("run", "ids"),
    [
        (run, ids)
        for run in RUNS
        for ids in (IDS, NO_IDS)
        if run is RUNS[0] or ids is IDS or "JOBSUI_KILLS" in os.environ
    ],
    ids=lambda value: getattr(value, "kind", value),
)
def test_killed_processes_lose_and_repeat_nothing(
    harness: Harness, processes: Processes, run: Run, ids: str
) -> None:
    begun, chance = time.monotonic(), Random(SEED)
    job = harness.checked(
        rows(run.rows, ids), Action.CREATE, generate_external_ids=ids == IDS
    )
    harness.sandbox.faults(drop_after_accept=0.02, drop_before_accept=0.01)
    if run.kind == "worker":
        processes.worker("work")
        kill_again_and_again(job, processes, run, chance)
    else:
        with processes.no_sweep():  # Each tree has one.
            kill_again_and_again(job, processes, run, chance)

    told = ended(harness, job, seconds=run.timeout)
    print(f"\n{line(run, ids, told, job, time.monotonic() - begun)}")  # noqa: T201
    created, uncertain = run.rows - told.uncertain, told.uncertain
    assert told == Fate(
        "needs_decision" if uncertain else "completed",
        created=created,
        uncertain=uncertain,
    )
    assert sums_over_batches(job) == (created, uncertain)
    if ids == IDS:
        assert uncertain == 0
    else:
        assert sent_again(job) == 0
        listed = RowError.objects.filter(job=job, outcome="uncertain").values_list(
            "row", flat=True
        )
        doubtful = {f"Gadget {row - 1}" for row in listed}
        assert len(doubtful) == uncertain
        assert {f"Gadget {n}" for n in range(1, run.rows + 1)} - doubtful <= set(
            harness.sandbox.applied("gadget")
        )


def rows(count: int, ids: str) -> list[dict[str, str]]:
    """Without external ids of their own: those that the job makes count, or none."""
    return [
        {name: row[name] for name in ("name", "serial", "price")}
        for row in gadgets(count)
    ]


def kill_again_and_again(
    job: Job, processes: Processes, run: Run, chance: Random
) -> None:
    """Launch it, and kill what drives it, each time a while after it began to send; the
    last one lives."""
    actions.launch(job, by=None)
    for _ in range(run.kills):
        known = last_epoch()
        running = run.begin(processes)
        wait_until(lambda: last_epoch() > known, "a driver that sends", run.timeout)  # noqa: B023
        time.sleep(chance.uniform(0, run.longest_while))
        run.kill(processes, running, chance)
    run.begin(processes)


def last_epoch() -> int:
    return Attempt.objects.aggregate(last=Max("epoch"))["last"] or 0


def line(run: Run, ids: str, told: Fate, job: Job, seconds: float) -> str:
    return (
        f"{run.kind}, {ids}: {run.kills} kills (seed {SEED}), {run.rows} rows, {seconds:.0f} s, {told.lost} lost, "
        f"{told.twice} applied twice, {told.uncertain} uncertain, {sent_again(job)} batches sent again, {told.state}"
    )


def sent_again(job: Job) -> int:
    """How many batches were sent once more after a sending that may have arrived."""
    doubtful = Attempt.objects.filter(result__in=Attempt.UNCONFIRMED)
    earlier = doubtful.filter(batch=OuterRef("batch"), number__lt=OuterRef("number"))
    later = Attempt.objects.filter(Exists(earlier), batch__job=job)
    return later.values("batch").distinct().count()


def sums_over_batches(job: Job) -> tuple[int, int]:
    """Rows created and uncertain."""
    ends = Batch.objects.filter(job=job).values_list("succeeded", "uncertain")
    return sum(created for created, _ in ends), sum(uncertain for _, uncertain in ends)
