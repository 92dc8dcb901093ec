import threading
from collections.abc import Iterable

import pytest

from jobsui.connections.models import CustomObject
from jobsui.jobs import leases
from jobsui.jobs.control import drafts
from jobsui.jobs.enums import Action, JobState, Outcome, ParentRows
from jobsui.jobs.errors import MappingRefused, NotPossibleNow
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Cause, Job, RowError
from jobsui.jobs.preparation import checker, found_causes, job_blocks
from jobsui.jobs.reports import row_results
from tests.conftest import TaskQueue
from tests.factories import make_connection, make_file, make_job, make_object
from tests.harness import GADGET

pytestmark = pytest.mark.django_db


@pytest.fixture
def gadget() -> CustomObject:
    return make_object(make_connection(), "gadget", fields=GADGET)


@pytest.fixture
def immediate_queue(
    monkeypatch: pytest.MonkeyPatch, task_queue: TaskQueue
) -> TaskQueue:
    """Receives tasks at once: the test's own transaction never commits."""
    monkeypatch.setattr(
        "django.db.transaction.on_commit",
        lambda function, **_: function(),
    )
    return task_queue


def check(job: Job) -> Job:
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    return job


def lines(header: str, rows: Iterable[str]) -> str:
    return "\n".join([header, *rows]) + "\n"


def found(job: Job) -> list[tuple[str, str, int, list[int], list[str]]]:
    causes = job.causes.filter(is_warning=False)
    return [
        (cause.code, cause.column, cause.count, cause.sample_rows, cause.sample_values)
        for cause in causes
    ]


def test_good_rows_make_the_job_ready(gadget: CustomObject) -> None:
    job = check(
        make_job(
            lines("external_id,price", (f"g-{n},{n}.5" for n in range(250))), to=gadget
        )
    )

    assert job.state == JobState.READY
    assert job.rows == 250
    assert job.rows_checked == 250
    assert job.rows_invalid == 0
    assert job.checked_fingerprint == checker.fingerprint(job)
    assert job.checked_at is not None
    assert found(job) == []


def test_problems_are_grouped_by_cause(
    gadget: CustomObject,
) -> None:
    rows = ["g-1,x,4", "g-2,1,four", ",1,4", "g-4,x,4", "g-5,y,five", "g-6,7,8"]

    job = check(make_job(lines("external_id,price,seats", rows), to=gadget))

    assert job.state == JobState.READY
    assert job.rows == 6
    assert job.rows_invalid == 5
    assert found(job) == [
        ("not_a_number", "price", 3, [2, 5, 6], ["x", "y"]),
        ("not_an_integer", "seats", 2, [3, 6], ["four", "five"]),
        ("empty", "external_id", 1, [4], []),
    ]
    said = job.causes.values_list("message", "fix").get(code="not_a_number")
    assert said == (
        "The value is not a number, for example “x”.",
        "Write digits with a point, such as 1250.50, or as the other numbers of the "
        "column are written.",
    )


def test_samples_of_a_cause_are_few(gadget: CustomObject) -> None:
    job = check(
        make_job(
            lines("external_id,price", (f"g-{n},x{n}" for n in range(100))), to=gadget
        )
    )

    [(_, _, count, rows, values)] = found(job)
    assert count == 100
    assert rows == list(range(2, 22))
    assert values == ["x0", "x1", "x2", "x3", "x4"]


def test_rows_are_numbered_as_a_spreadsheet_does(gadget: CustomObject) -> None:
    content = 'external_id,price,notes\ng-1,1,"two\nlines"\n,,\ng-3,x,\n'

    assert found(check(make_job(content, to=gadget))) == [
        ("not_a_number", "price", 1, [4], ["x"])
    ]


def test_duplicate_key_is_reported_at_the_later_row_with_the_first(
    gadget: CustomObject,
) -> None:
    job = check(
        make_job(
            lines("external_id,price", ["A,1", "a,2", "B,3", "A,4", "A,5"]), to=gadget
        )
    )

    cause = job.causes.get(is_warning=False)
    assert cause.code == "duplicate_external_id"
    assert cause.column == "external_id"
    assert cause.sample_rows == [5, 6]
    assert (
        cause.message
        == "The value is already the External ID of an earlier row, for example “A”."
    )
    messages = [problem.message for problem in row_results.problems(job)]
    assert messages == ["“A” is already the External ID of row 2."] * 2


def test_name_and_external_id_of_a_create_must_be_unique(
    gadget: CustomObject,
) -> None:
    unique = [{"key": "standard::name", "properties": {"is_unique": True}}, *GADGET]
    CustomObject.objects.update(fields=unique)
    rows = ["A,Drill,AB-000001", "B,Drill,AB-000001", "A,Saw,AB-000002"]

    job = check(
        make_job(lines("external_id,name,serial", rows), Action.CREATE, to=gadget)
    )

    assert found(job) == [
        ("duplicate_name", "name", 1, [3], ["Drill"]),
        ("duplicate_external_id", "external_id", 1, [4], ["A"]),
    ]


def test_generated_external_id_in_the_file_is_a_duplicate(
    gadget: CustomObject,
) -> None:
    job = make_job(
        "external_id,name,serial\n,Drill,AB-000001\n", Action.CREATE, to=gadget
    )
    prefix = Options.from_json(job.options).prefix
    job.file = make_file(
        f"external_id,name,serial\n,Drill,AB-000001\n{prefix}-2,Saw,AB-000002\n"
    )
    job.save()

    assert found(check(job)) == [
        ("duplicate_external_id", "external_id", 1, [3], [f"{prefix}-2"])
    ]


def test_causes_beyond_the_maximum_share_one(
    gadget: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found_causes, "MAX_CAUSES", 1)

    job = check(
        make_job(
            lines("external_id,price,seats", ["g-1,x,y", "g-2,x,", "g-3,1,y"]),
            to=gadget,
        )
    )

    assert [(code, count) for code, _, count, _, _ in found(job)] == [
        ("not_a_number", 2),
        ("other", 2),
    ]


def test_second_check_replaces_the_causes(gadget: CustomObject) -> None:
    job = check(make_job(lines("external_id,price", ["g-1,x"]), to=gadget))
    drafts.set_mapping(job, {"external_id": "external_id"}, Options(), by=None)

    check(job)

    assert found(job) == []
    assert job.rows_invalid == 0
    assert job.state == JobState.READY


def test_start_is_refused_while_checking_and_for_an_invalid_mapping(
    gadget: CustomObject,
) -> None:
    job = make_job("external_id,price\ng-1,1\n", to=gadget)
    checker.start(job, by=None)
    with pytest.raises(NotPossibleNow):
        checker.start(job, by=None)

    other = make_job("external_id,price\ng-1,1\n", to=gadget)
    drafts.set_mapping(other, {"price": "field:price"}, Options(), by=None)
    with pytest.raises(MappingRefused):
        checker.start(other, by=None)
    assert other.state == JobState.DRAFT


def test_check_does_nothing_unless_started_and_unleased(
    gadget: CustomObject,
) -> None:
    job = make_job("external_id,price\ng-1,1\n", to=gadget)
    checker.check(job, stopping=threading.Event())
    assert job.state == JobState.DRAFT

    checker.start(job, by=None)
    with leases.held(f"check:{job.pk}"):
        checker.check(job, stopping=threading.Event())
    assert job.state == JobState.CHECKING


def test_a_row_that_cannot_be_read_is_a_problem_of_its_own(
    gadget: CustomObject,
) -> None:
    job = check(make_job('external_id,price\ng-1,"1\ng-2,2\n', to=gadget))

    assert job.state == JobState.READY
    assert job.rows == 2
    assert job.rows_invalid == 1
    [(code, column, count, rows, _)] = found(job)
    assert (code, column, count, rows) == ("unclosed_quote", "", 1, [2])


def test_short_and_long_rows_are_two_causes(gadget: CustomObject) -> None:
    job = check(make_job("external_id,price\ng-1,1,2\ng-2,1\ng-3\n", to=gadget))

    found = job.causes.filter(is_warning=False)
    causes = {cause.message: cause.fix for cause in found}
    assert causes == {
        "The row has 3 cells, the header has 2.": "Quote cells that contain the delimiter.",
        "The row has only 1 cell, the header has 2.": "Add the missing cells. If the row is "
        "the rest of the row above it, remove the line break between them.",
    }


def test_unreadable_file_makes_the_job_a_draft_with_a_reason(
    gadget: CustomObject,
) -> None:
    gone = make_job("external_id,price\ng-1,1\n", to=gadget)
    gone.file.delete_content()
    check(gone)
    assert gone.state == JobState.DRAFT
    assert gone.reason == "The stored file is gone. Upload it again."


def test_stopped_check_is_left_to_the_next_task(
    gadget: CustomObject, immediate_queue: TaskQueue
) -> None:
    job = make_job("external_id,price\ng-1,1\n", to=gadget)
    checker.start(job, by=None)
    immediate_queue.clear()
    stopping = threading.Event()
    stopping.set()

    checker.check(job, stopping=stopping)

    job.refresh_from_db()
    assert job.state == JobState.CHECKING
    assert list(immediate_queue) == []
    assert leases.acquire(f"check:{job.pk}") is not None


def test_mapping_changed_during_the_check_is_checked_again(
    gadget: CustomObject, immediate_queue: TaskQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("external_id,price\ng-1,x\n", to=gadget)
    read = job_blocks.read

    def changed_meanwhile(*args: object) -> object:
        monkeypatch.setattr(job_blocks, "read", read)
        same = Job.objects.get(pk=job.pk)
        drafts.set_mapping(same, {"external_id": "external_id"}, Options(), by=None)
        checker.start(same, by=None)
        immediate_queue.clear()
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(job_blocks, "read", changed_meanwhile)
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    assert job.state == JobState.CHECKING
    assert list(immediate_queue) == [("check_job", (job.pk,))]

    immediate_queue.run_all()

    job.refresh_from_db()
    assert job.state == JobState.READY
    assert job.rows_invalid == 0
    assert job.checked_fingerprint == checker.fingerprint(job)


def test_check_stops_when_the_draft_is_discarded(
    gadget: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("external_id,price\ng-1,x\ng-2,x\n", to=gadget)
    read = job_blocks.read

    def gone_meanwhile(*args: object) -> object:
        Job.objects.filter(pk=job.pk).delete()
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(job_blocks, "read", gone_meanwhile)
    checker.start(job, by=None)
    checker.check(Job.objects.get(pk=job.pk), stopping=threading.Event())

    assert not Cause.objects.exists()


def test_check_stops_when_it_is_cancelled(
    gadget: CustomObject,
    immediate_queue: TaskQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = make_job("external_id,price\ng-1,x\ng-2,x\n", to=gadget)
    read = job_blocks.read

    def cancelled_meanwhile(*args: object) -> object:
        checker.cancel(Job.objects.get(pk=job.pk), by=None)
        immediate_queue.clear()
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(job_blocks, "read", cancelled_meanwhile)
    checker.start(job, by=None)
    checker.check(Job.objects.get(pk=job.pk), stopping=threading.Event())

    job.refresh_from_db()
    assert job.state == JobState.DRAFT
    assert job.reason == "The check was cancelled."
    assert list(immediate_queue) == []
    assert not Cause.objects.exists()


def test_fingerprint_changes_with_what_the_check_depends_on(
    gadget: CustomObject,
) -> None:
    job = make_job("external_id,price\ng-1,1\n", to=gadget)
    seen = {checker.fingerprint(job)}
    job.options |= {"invalid": "skip"}
    assert {checker.fingerprint(job)} == seen

    job.options |= {"blank": "clear"}
    seen.add(checker.fingerprint(job))
    job.mapping = {"external_id": "external_id"}
    seen.add(checker.fingerprint(job))
    job.file.sha256 = "0" * 64
    seen.add(checker.fingerprint(job))
    job.file.delimiter = ";"
    seen.add(checker.fingerprint(job))
    job.file.quoting = "none"
    seen.add(checker.fingerprint(job))
    job.file.header_row = 2
    seen.add(checker.fingerprint(job))
    CustomObject.objects.update(fields=GADGET[:-1])
    seen.add(checker.fingerprint(job))
    assert len(seen) == 8


def test_check_of_a_retry_reads_only_its_rows(
    gadget: CustomObject,
) -> None:
    parent = make_job(
        lines("external_id,price", (f"g-{n},x" for n in range(6))), to=gadget
    )
    cause = Cause.objects.create(
        job=parent, phase=Cause.Phase.SEND, signature="s", code="c", message="m"
    )
    for row, outcome in (
        (3, Outcome.FAILED),
        (4, Outcome.UNCERTAIN),
        (5, Outcome.INVALID),
        (7, Outcome.FAILED),
    ):
        RowError.objects.create(
            job=parent, cause=cause, row=row, outcome=outcome, code="c", message="m"
        )
    child = Job.objects.create(
        connection=parent.connection,
        object_key=parent.object_key,
        action=parent.action,
        file=parent.file,
        parent=parent,
        parent_rows=ParentRows.FAILED,
        mapping=parent.mapping,
        options=parent.options,
    )

    check(child)

    assert child.rows == 2
    assert found(child) == [("not_a_number", "price", 2, [3, 7], ["x"])]
