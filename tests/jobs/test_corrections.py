import threading
from collections.abc import Callable
from typing import Any

import pytest

from jobsui.connections.models import CustomObject
from jobsui.jobs.control import corrections, drafts
from jobsui.jobs.control.corrections import CellChange
from jobsui.jobs.enums import EventKind, JobState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import BatchBlob, Cause, Correction, Job, JobEvent
from jobsui.jobs.preparation import checker, planner, recheck
from jobsui.jobs.preparation.corrected_cells import Change, CorrectedCells
from jobsui.jobs.reports import event_sentences, problem_rows, row_results
from tests.factories import make_connection, make_file, make_job, make_object, make_user
from tests.harness import GADGET

pytestmark = pytest.mark.django_db
FILE = "external_id,price,seats\ng-1,x,4\ng-2,1,four\ng-3,x,5\ng-4,2,6\n"


@pytest.fixture
def gadget() -> CustomObject:
    return make_object(make_connection(), "gadget", fields=GADGET)


@pytest.fixture
def job(gadget: CustomObject) -> Job:
    """Checked: two rows have the price x, one has the seats four."""
    return check(make_job(FILE, to=gadget, invalid="skip"))


def check(job: Job) -> Job:
    job.refresh_from_db()
    if job.state != JobState.CHECKING:
        checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    return job


def found(job: Job) -> list[tuple[str, str, int, list[int]]]:
    causes = job.causes.filter(is_warning=False)
    return sorted(
        (cause.code, cause.column, cause.count, cause.sample_rows) for cause in causes
    )


def made(job: Job) -> list[tuple[int | None, str, str, str]]:
    stored = job.corrections.order_by("pk")
    return list(stored.values_list("row", "column", "before", "after"))


def sent(job: Job) -> dict[int, bytes]:
    """{row: item} after planning."""
    Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)
    planner.plan(job, stopping=threading.Event())
    blobs = BatchBlob.objects.filter(batch__job=job)
    return {
        row: line
        for blob in blobs
        for row, line in zip(blob.row_numbers, blob.lines, strict=True)
    }


@pytest.mark.parametrize(
    ("changes", "cell", "text"),
    [
        ([Change(None, "a", "x", "y")], (2, "x"), "y"),
        ([Change(2, "a", "x", "z")], (2, "x"), "z"),
        ([Change(2, "a", "x", "z")], (3, "x"), "x"),
        # A cell's own correction wins, made before or after.
        ([Change(2, "a", "x", "z"), Change(None, "a", "x", "y")], (2, "x"), "z"),
        ([Change(None, "a", "x", "y"), Change(2, "a", "x", "z")], (2, "x"), "z"),
        # A later replacement finds what earlier corrections have left.
        ([Change(2, "a", "x", "z"), Change(None, "a", "z", "y")], (2, "x"), "y"),
        ([Change(None, "a", "x", "y"), Change(None, "a", "y", "z")], (2, "x"), "z"),
        ([Change(None, "a", "y", "z"), Change(None, "a", "x", "y")], (2, "x"), "y"),
        ([Change(None, "a", "x", "y"), Change(None, "a", "y", "x")], (2, "y"), "x"),
        ([Change(None, "b", "x", "y")], (2, "x"), "x"),
    ],
)
def test_corrections_apply_in_their_order(
    changes: list[Change], cell: tuple[int, str], text: str
) -> None:
    row, original = cell

    assert CorrectedCells(changes).text(row, "a", original) == text


def test_corrected_cell_is_checked_again_and_sent(job: Job) -> None:
    corrections.correct_cell(job, 3, "seats", "4", by=make_user())

    job.refresh_from_db()
    assert job.state == JobState.READY
    assert job.checked_fingerprint == checker.fingerprint(job)
    assert found(job) == [("not_a_number", "price", 2, [2, 4])]
    assert job.rows_invalid == 2
    assert made(job) == [(3, "seats", "four", "4")]
    assert sent(job)[3] == (
        b'{"external_id":"g-2","custom_object_fields":{"price":1,"seats":4}}'
    )


def test_replaced_text_is_checked_again_in_all_rows(job: Job) -> None:
    corrections.replace_text(job, "price", "x", "7", by=make_user())

    job.refresh_from_db()
    assert found(job) == [("not_an_integer", "seats", 1, [3])]
    assert made(job) == [(None, "price", "x", "7")]
    assert sorted(sent(job)) == [2, 4, 5]


def test_undone_correction_is_gone(job: Job) -> None:
    user = make_user()
    before = found(job)
    corrections.replace_text(job, "price", "x", "7", by=user)
    job.refresh_from_db()

    corrections.undo(Correction.objects.get(job=job), by=user)

    job.refresh_from_db()
    assert found(job) == before
    assert made(job) == []


def test_correcting_back_is_undoing(job: Job) -> None:
    corrections.correct_cell(job, 2, "price", "1", by=None)

    corrections.correct_cell(job, 2, "price", "x", by=None)

    assert made(job) == []


def test_correction_that_many_rows_need_is_checked_by_a_worker(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck, "MAX_READ_ROWS", 1)

    changes = [CellChange(2, "price", "1"), CellChange(4, "price", "2")]
    corrections.correct_many(job, changes, by=None)

    assert job.state == JobState.CHECKING
    check(job)
    assert found(job) == [("not_an_integer", "seats", 1, [3])]


def test_correction_beside_another_one_is_checked_with_it(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = recheck.recheck
    other = Job.objects.get(pk=job.pk)

    def beside_another(*args: Any) -> Any:
        monkeypatch.setattr(recheck, "recheck", first)
        found = first(*args)
        corrections.correct_cell(other, 2, "price", "1", by=None)
        return found

    monkeypatch.setattr(recheck, "recheck", beside_another)

    corrections.correct_cell(job, 4, "price", "2", by=None)

    assert job.state == JobState.READY
    assert job.checked_fingerprint == checker.fingerprint(job)
    assert found(job) == [("not_an_integer", "seats", 1, [3])]


@pytest.mark.parametrize(
    ("texts", "prices"),
    [
        ({"x": "1", "1": "2"}, ["1", "2", "1", "2"]),
        ({"1": "2", "2": "x", "x": "y"}, ["y", "2", "y", "x"]),
        ({"x": "x"}, ["x", "1", "x", "2"]),
    ],
)
def test_texts_are_replaced_at_the_same_time(
    job: Job, texts: dict[str, str], prices: list[str]
) -> None:
    corrections.replace_texts(job, "price", texts, by=None)

    rows = problem_rows.rows(job, range(2, 6))
    assert [row.cells[1] for row in rows] == prices


def test_texts_cannot_be_swapped_at_once(job: Job) -> None:
    with pytest.raises(NotPossibleNow, match="one after the other"):
        corrections.replace_texts(job, "price", {"1": "2", "2": "1"}, by=None)

    assert made(job) == []


def test_corrections_are_events(job: Job) -> None:
    corrections.correct_cell(job, 2, "price", "1", by=make_user())
    corrections.replace_text(job, "price", "x", "2", by=None)
    changes = [CellChange(3, "seats", "1"), CellChange(4, "seats", "2")]
    corrections.correct_many(job, changes, by=None)
    corrections.undo(Correction.objects.get(job=job, row=2), by=None)

    kinds = [
        EventKind.CORRECTED,
        EventKind.TEXT_REPLACED,
        EventKind.CORRECTION_UNDONE,
    ]
    events = JobEvent.objects.filter(job=job, kind__in=kinds).order_by("pk")
    assert [event_sentences.sentence(event) for event in events] == [
        "Corrected price in row 2.",
        "Replaced 1 value of price in all rows.",
        "Corrected 2 cells.",
        "Undid the correction of price in row 2.",
    ]


@pytest.mark.parametrize(
    ("correct", "reason"),
    [
        (
            lambda job: corrections.correct_cell(job, 99, "price", "1", by=None),
            "The file has no row 99.",
        ),
        (
            lambda job: corrections.correct_cell(job, 2, "colour", "1", by=None),
            "The file has no column colour.",
        ),
        (
            lambda job: corrections.replace_text(job, "colour", "x", "1", by=None),
            "The file has no column colour.",
        ),
    ],
)
def test_impossible_correction_is_refused(
    job: Job, correct: Callable[[Job], None], reason: str
) -> None:
    with pytest.raises(NotPossibleNow) as refused:
        correct(job)

    assert str(refused.value) == reason
    assert job.state == JobState.READY


def test_unreadable_row_cannot_be_corrected(gadget: CustomObject) -> None:
    job = check(make_job("external_id,price\ng-1,1,2,3\ng-2,x\n", to=gadget))

    with pytest.raises(NotPossibleNow, match=r"^Row 2 cannot be read"):
        corrections.correct_cell(job, 2, "price", "1", by=None)


def test_launched_job_cannot_be_corrected(job: Job) -> None:
    corrections.correct_cell(job, 2, "price", "1", by=None)
    job.refresh_from_db()
    Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)
    job.refresh_from_db()

    with pytest.raises(NotPossibleNow, match="already launched"):
        corrections.undo(Correction.objects.get(job=job), by=None)


def test_results_and_problems_have_corrected_cells(job: Job) -> None:
    corrections.replace_text(job, "price", "x", "y", by=None)
    job.refresh_from_db()

    results = b"".join(row_results.results_csv(job)).decode()
    problems = b"".join(row_results.problems_csv(job)).decode()
    assert "g-1,y,4,2,pending" in results
    assert "2,price,y,not_a_number" in problems


def test_rows_with_problems_have_cells_and_reasons(job: Job) -> None:
    corrections.correct_cell(job, 2, "price", "y", by=None)
    job.refresh_from_db()
    cause = Cause.objects.get(job=job, column="price")

    page = problem_rows.page(job, cause, size=1)

    assert page.older == "2"
    [row] = page.entries
    assert row.row == 2
    assert row.cells == ["g-1", "y", "4"]
    assert row.originals == {"price": "x"}
    assert [problem.code for problem in row.problems] == ["not_a_number"]
    rest = problem_rows.page(job, after=2)
    assert [row.row for row in rest.entries] == [3, 4]
    assert rest.older == ""


def test_new_file_has_no_corrections(job: Job) -> None:
    corrections.correct_cell(job, 2, "price", "1", by=None)
    other = make_file(FILE)

    drafts.set_target(job, job.connection, job.object_key, job.action, other, by=None)

    assert made(job) == []
