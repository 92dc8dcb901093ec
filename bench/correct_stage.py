"""Makes corrections of the draft that `bench.check_stages` has checked. It reports a line of
JSON."""

import resource
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import django

django.setup()

from bench.processes import say  # noqa: E402
from jobsui.jobs import queueing  # noqa: E402
from jobsui.jobs.control import corrections  # noqa: E402
from jobsui.jobs.control.corrections import CellChange  # noqa: E402
from jobsui.jobs.enums import JobState  # noqa: E402
from jobsui.jobs.models import Cause, Job  # noqa: E402
from jobsui.jobs.preparation import checker  # noqa: E402

MANY = 1_000
type Correct = Callable[[Job], None]


def _cell(row: int, column: str, after: str) -> Correct:
    return lambda job: corrections.correct_cell(job, row, column, after, by=None)


def _text(column: str, before: str, after: str) -> Correct:
    return lambda job: corrections.replace_text(job, column, before, after, by=None)


def _many(job: Job) -> None:
    rows = Cause.objects.get(job=job, column="count").problem_rows
    assert rows.exists()
    first = job.rows // 2 // 100 * 100 + 52
    changes = [CellChange(first + 100 * n, "count", "8") for n in range(MANY)]
    corrections.correct_many(job, changes, by=None)


def _undo(job: Job) -> None:
    made = job.corrections.filter(row=None).order_by("-pk").first()
    assert made is not None
    corrections.undo(made, by=None)


CORRECTIONS: list[tuple[str, Correct]] = [
    ("one cell, the first of the process", _cell(52, "count", "7")),
    ("one cell", _cell(152, "count", "7")),
    ("one cell that stays wrong", _cell(252, "count", "some")),
    ("one key", _cell(1001, "external_id", "B-1")),
    ("one key that another row has", _cell(1301, "external_id", "A-00000000")),
    ("1,000 cells", _many),
    ("a text of one row in 100", _text("count", "many", "9")),
    ("a text of one row in 12", _text("status", "status_3", "gone")),
    ("a text of one row in two", _text("insured", "true", "maybe")),
    ("the same, undone", _undo),
]


def made() -> Iterator[dict[str, Any]]:
    for what, correct in CORRECTIONS:
        job = Job.objects.get()
        before = job.rows_invalid
        start = time.perf_counter()
        cpu = time.process_time()
        correct(job)
        wall = time.perf_counter() - start
        cpu = time.process_time() - cpu
        job.refresh_from_db()
        is_whole = job.state != JobState.READY
        if is_whole:
            checker.check(job, stopping=threading.Event())
        yield {
            "what": what,
            "rows": abs(job.rows_invalid - before),
            "wall": wall,
            "cpu": cpu,
            "is_whole": is_whole,
        }


def main() -> None:
    queueing.backend = lambda _task, _ids: None
    found = list(made())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(corrections=found, peak_mb=peak)


if __name__ == "__main__":
    main()
