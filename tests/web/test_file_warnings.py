"""What was found in a file is shown on every page on which people decide about it."""

import pytest
from django.test import Client

from jobsui.jobs.models import File, Job
from tests.factories import make_warning
from tests.web import stages

pytestmark = pytest.mark.django_db
SENTENCE = "12 values in price are rounded."
FIX = "Export price as text."


def warned(job: Job) -> Job:
    warning = make_warning(
        message=SENTENCE,
        fix=FIX,
        column="price",
        count=12,
        rows=[4, 1004],
        values=["1.23E+12", " 4E+9"],
    )
    File.objects.update(warnings=[warning])
    return job


@pytest.mark.parametrize("step", ["", "map/", "check/", "review/"])
def test_steps_of_a_draft_show_warnings(operator: Client, step: str) -> None:
    job = warned(stages.checked())

    text = operator.get(f"/jobs/new/{job.code}/{step}").text

    assert SENTENCE in text
    assert FIX in text
    assert "row 4: <q>1.23E+12</q>" in text
    assert "row 1,004: <q> 4E+9</q>" in text
    assert "<span>…</span>" in text


def test_job_page_shows_warnings(operator: Client) -> None:
    job = warned(stages.settled())

    text = operator.get(f"/jobs/{job.code}/").text

    assert "1 warning about rows.csv" in text
    assert SENTENCE in text


def test_many_warnings_are_behind_a_summary(operator: Client) -> None:
    job = stages.draft()
    File.objects.update(warnings=[make_warning(message=f"No {n}.") for n in range(20)])

    text = operator.get(f"/jobs/new/{job.code}/map/").text

    assert "20 warnings about rows.csv" in text
    assert "<summary>12 more warnings</summary>" in text
    assert [f"No {n}." in text for n in range(20)] == [True] * 20


@pytest.mark.parametrize(
    ("step", "number", "is_open"),
    [
        ("map/", 2, True),
        ("map/", 3, False),
        ("check/", 3, False),
        ("review/", 3, True),
    ],
)
def test_warnings_are_closed_where_they_would_hide_the_step(
    operator: Client, step: str, number: int, *, is_open: bool
) -> None:
    job = stages.checked()
    File.objects.update(warnings=[make_warning() for _ in range(number)])

    text = operator.get(f"/jobs/new/{job.code}/{step}").text

    assert ('<details class="card-body" open>' in text) is is_open


def test_three_samples_of_a_warning_are_shown(operator: Client) -> None:
    job = stages.draft()
    warning = make_warning(count=4, rows=[2, 3, 4, 5], values=["a", "b", "c", "d"])
    File.objects.update(warnings=[warning])

    text = operator.get(f"/jobs/new/{job.code}/").text

    assert "row 4: <q>c</q>" in text
    assert "row 5:" not in text
    assert "<span>…</span>" in text


def test_file_without_warnings_has_no_section(operator: Client) -> None:
    job = stages.draft()

    assert "about rows.csv" not in operator.get(f"/jobs/new/{job.code}/map/").text
