import pytest
from django.utils import timezone

from jobsui.files.errors import FileRefused
from jobsui.jobs.enums import BatchState, JobState, Outcome
from jobsui.jobs.models import Batch, Job, RowResult
from jobsui.jobs.reports import row_results
from tests.factories import make_connection, make_file, make_job, make_object
from tests.harness import GADGET
from tests.jobs.reports.samples import planned, settle, table

pytestmark = pytest.mark.django_db


def test_results_have_every_row_once_in_the_order_of_the_file() -> None:
    job = planned()
    settle(job, 2, RowResult(Outcome.FAILED, code="C", message="Because."))

    rows = table(row_results.results_csv(job, raw=True))

    assert rows[0] == [
        "external_id",
        "price",
        "extra",
        "_row",
        "_outcome",
        "_record_id",
        "_error_code",
        "_error",
    ]
    assert [int(row[3]) for row in rows[1:]] == list(range(2, 253))
    assert rows[1] == ["g-1", "1", "=1+1", "2", "pending", "", "", ""]
    assert rows[101] == ["g-101", "101", "=1+101", "102", "failed", "", "C", "Because."]
    assert rows[102] == [
        "g-102",
        "102",
        "=1+102",
        "103",
        "created_or_updated",
        "01REC",
        "",
        "",
    ]
    assert rows[251] == [
        "g-251",
        "x",
        "",
        "252",
        "invalid",
        "",
        "not_a_number",
        "price: “x” is not a number.",
    ]


def test_results_escape_formulas_unless_raw() -> None:
    job = planned()

    assert table(row_results.results_csv(job))[1][2] == "'=1+1"
    assert table(row_results.results_csv(job, raw=True))[1][2] == "=1+1"


def test_results_of_one_outcome() -> None:
    job = planned()
    settle(job, 1, *[RowResult(Outcome.FAILED, code="C", message="No.")] * 2)

    assert [
        row[0] for row in table(row_results.results_csv(job, outcome="failed"))[1:]
    ] == ["g-1", "g-2"]
    assert [
        row[0] for row in table(row_results.results_csv(job, outcome="invalid"))[1:]
    ] == ["g-251"]


def test_rows_of_a_cancelled_job_are_cancelled_planned_or_not() -> None:
    job = planned()
    settle(job, 1)
    Batch.objects.filter(job=job, seq=2).update(
        state=BatchState.CANCELLED, done_at=timezone.now()
    )
    Batch.objects.filter(job=job, seq=3).delete()
    Job.objects.filter(pk=job.pk).update(state=JobState.CANCELLED)
    job.refresh_from_db()

    found = [row[4] for row in table(row_results.results_csv(job))[1:]]

    assert found == ["created_or_updated"] * 100 + ["cancelled"] * 150 + ["invalid"]


def test_retry_reports_only_its_own_rows() -> None:
    parent = planned()
    settle(parent, 1, *[RowResult(Outcome.FAILED, code="C", message="No.")] * 2)
    child = Job.objects.create(
        connection=parent.connection,
        object_key="gadget",
        action=parent.action,
        file=parent.file,
        parent=parent,
        parent_rows="failed",
        mapping=parent.mapping,
        options=parent.options,
        rows=2,
    )

    assert [row[0] for row in table(row_results.results_csv(child))[1:]] == [
        "g-1",
        "g-2",
    ]


def test_problems_name_row_column_value_and_fix() -> None:
    rows = table(row_results.problems_csv(planned()))

    assert rows[0] == ["row", "column", "value", "code", "problem", "fix"]
    assert rows[1] == [
        "252",
        "price",
        "x",
        "not_a_number",
        "“x” is not a number.",
        "Write digits with a point, such as 1250.50, or as the other numbers of the "
        "column are written.",
    ]
    assert len(rows) == 2


def test_missing_file_is_reported_before_the_first_line() -> None:
    job = make_job(
        "external_id\n1\n", to=make_object(make_connection(), "gadget", fields=GADGET)
    )
    gone = make_file("external_id\n1\n")
    gone.delete_content()
    job.file = gone

    with pytest.raises(FileRefused, match="Upload it again"):
        list(row_results.outcome_rows(job))
