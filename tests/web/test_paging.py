from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.test import Client

from jobsui import paging
from jobsui.jobs.models import Job
from jobsui.web import http
from tests.web import stages

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def jobs() -> list[int]:
    """The ids of 120 jobs, newest first; launched by threes at the same moment."""
    pattern = stages.settled()
    made = Job.objects.bulk_create(
        Job(
            connection=pattern.connection,
            file=pattern.file,
            object_key="gadget",
            action=pattern.action,
            state=pattern.state,
        )
        for _ in range(119)
    )
    ids = [pattern.pk, *(job.pk for job in made)]
    for place, pk in enumerate(ids):
        Job.objects.filter(pk=pk).update(
            created_at=NOON + timedelta(minutes=place // 3)
        )
    return ids[::-1]


def shown(page: paging.Page[Job]) -> list[int]:
    return [job.pk for job in page.entries]


def test_pages_go_back_through_all_jobs_and_forth_again(jobs: list[int]) -> None:
    found = Job.objects.all()

    first = paging.by_time(found, "")
    second = paging.by_time(found, first.older)
    third = paging.by_time(found, second.older)
    second_again = paging.by_time(found, third.newer)
    first_again = paging.by_time(found, second_again.newer)

    assert [shown(first), shown(second), shown(third)] == [
        jobs[:50],
        jobs[50:100],
        jobs[100:],
    ]
    assert [shown(first_again), shown(second_again)] == [jobs[:50], jobs[50:100]]
    assert [first.newer, third.older, first_again.newer] == ["", "", ""]
    assert first_again.older == first.older


def test_page_stays_where_it_is_when_jobs_come(jobs: list[int]) -> None:
    first = paging.by_time(Job.objects.all(), "")
    stages.settled()

    assert shown(paging.by_time(Job.objects.all(), first.older)) == jobs[50:100]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "<",
        ">",
        "<2026-11-24T12:00:00+00:00",
        "<yesterday_1",
        "<2026-11-24T12:00:00+00:00_x",
        "?2026-11-24_1",
        "<0001-01-01T00:00:00+14:00_1",
        ">9999-12-31T23:59:59-14:00_1",
        "<2026-11-24T12:00:00+00:00_" + "9" * 40,
        "<2026-11-24T12:00:00+00:00_" + "9" * 5000,
        "\x00",
        "<2026-11-24T12:00:00+00:00_²",
    ],
)
def test_invalid_cursor_is_refused_and_pages_start_at_the_top(
    jobs: list[int], cursor: str
) -> None:
    found = partial(paging.by_time, Job.objects.all())

    with pytest.raises(paging.BadCursor):
        found(cursor)
    page = http.page_at(found, cursor)

    assert shown(page) == jobs[:50]
    assert page.newer == ""


@pytest.mark.parametrize(
    "cursor", ["<2000-01-01T00:00:00+00:00_1", ">2100-01-01T00:00:00+00:00_1"]
)
def test_empty_page_starts_at_the_top_on_pages_only(
    jobs: list[int], cursor: str
) -> None:
    found = partial(paging.by_time, Job.objects.all())

    assert found(cursor) == paging.Page(
        [], "", ""
    )  # A program that follows pages would begin again and again.
    assert shown(http.page_at(found, cursor)) == jobs[:50]


def test_list_page_links_to_its_neighbours_with_its_filters(
    operator: Client, jobs: list[int]
) -> None:
    address = "/jobs/?q=rows&state=completed"
    seen = []
    while address:
        answer = operator.get(address)
        page = answer.context["page"]
        seen += shown(page)
        older = (
            f"cursor={page.older.replace(':', '%3A').replace('+', '%2B').replace('<', '%3C')}"
            if page.older
            else ""
        )
        assert (not older) or f"?q=rows&amp;state=completed&amp;{older}" in answer.text
        address = f"/jobs/?q=rows&state=completed&{older}" if older else ""

    assert seen == jobs


def test_nothing_at_all_has_no_neighbours() -> None:
    page = paging.by_time(Job.objects.all(), "<2026-11-24T12:00:00+00:00_1")

    assert page == paging.Page([], "", "")


@pytest.mark.parametrize("after", ["x", "-1", "²", "9" * 40, "9" * 5000])
def test_invalid_cursors_are_refused_by_the_api_and_ignored_by_pages(
    after: str,
) -> None:
    found = partial(paging.by_number, stages.settled().row_errors.all(), "row")

    with pytest.raises(paging.BadCursor):
        found(after)
    page = http.page_at(found, after)

    assert [error.row for error in page.entries] == [4]


def test_numbers_go_on_behind_the_last() -> None:
    job = stages.settled(
        "external_id,price\n" + "".join(f"g-{n},x\n" for n in range(120)) + "g-x,1\n"
    )

    first = paging.by_number(job.row_errors.all(), "row", "")
    second = paging.by_number(job.row_errors.all(), "row", first.older)
    third = paging.by_number(job.row_errors.all(), "row", second.older)

    rows = [[error.row for error in page.entries] for page in (first, second, third)]
    assert rows == [list(range(2, 52)), list(range(52, 102)), list(range(102, 122))]
    assert first.older == "51"
    assert second.older == "101"
    assert third.older == ""


def test_whole_numbers_of_addresses() -> None:
    texts = [
        "0",
        "12",
        "9223372036854775807",
        "9223372036854775808",
        "-1",
        "1.5",
        "",
        "²",
        "٣",
        "9" * 5000,
    ]

    numbers = [paging.parse_integer(text) for text in texts]

    assert numbers == [0, 12, 2**63 - 1, None, None, None, None, None, 3, None]


@pytest.mark.usefixtures("jobs")
def test_count_stops_where_counting_on_would_only_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exact = paging.capped_count(Job.objects.all())
    monkeypatch.setattr(paging, "MAX_COUNTED", 119)
    beyond = paging.capped_count(Job.objects.all())

    assert exact == "120"
    assert beyond == "119+"
