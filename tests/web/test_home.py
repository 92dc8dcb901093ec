import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from jobsui.jobs.control import retries
from jobsui.jobs.enums import JobState
from jobsui.jobs.models import Job
from tests.factories import make_connection, make_user
from tests.web import stages
from tests.web.pages import visible

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def live_address(text: str) -> str:
    """The address that the live section polls next."""
    found = re.search(r'id="home-live"[^>]*hx-get="([^"]+)"', text)
    assert found
    return found[1]


def listed(text: str) -> dict[str, list[int]]:
    """Ids of the jobs in each list of the page: attention, running, drafts, latest."""
    return {
        letter: [int(pk) for pk in re.findall(f'id="{letter}([0-9]+)"', text)]
        for letter in "ardl"
    }


def test_home_begins_with_get_started(operator: Client) -> None:
    text = operator.get("/").text

    assert "Get started" in text
    assert text.count('class="is-done"') == 0
    assert listed(text) == {"a": [], "r": [], "d": [], "l": []}


def test_home_ticks_the_steps_that_are_done(operator: Client) -> None:
    make_connection()
    connected = operator.get("/").text
    stages.gadget()
    fetched = operator.get("/").text
    stages.settled()
    launched = operator.get("/").text

    assert [text.count('class="is-done"') for text in (connected, fetched)] == [1, 2]
    assert "Get started" not in launched


def test_home_lists_jobs_by_what_they_need(operator: Client, ana: User) -> None:
    failed = stages.settled(state=JobState.FAILED, reason="Wrong credentials.")
    paused = stages.planned(state=JobState.PAUSED)
    running = stages.planned(state=JobState.RUNNING)
    done = stages.settled()
    mine = stages.draft(created_by=ana)
    stages.draft(created_by=make_user("leo"))

    text = operator.get("/").text

    assert listed(text) == {
        "a": [paused.pk, failed.pk],
        "r": [running.pk],
        "d": [mine.pk],
        "l": [done.pk, failed.pk],
    }
    assert "Wrong credentials." in text


def test_home_shows_the_newest_of_many(operator: Client) -> None:
    jobs = [stages.settled() for _ in range(12)]
    Job.objects.filter(pk=jobs[0].pk).update(state=JobState.FAILED)

    shown = listed(operator.get("/").text)

    assert shown["l"] == [job.pk for job in reversed(jobs[4:])]
    assert shown["a"] == [jobs[0].pk]


def test_home_polls_often_only_while_a_job_runs(operator: Client) -> None:
    quiet = operator.get("/").text
    stages.planned()
    busy = operator.get("/").text

    assert ['hx-trigger="every 30s"' in quiet, 'hx-trigger="every 3s"' in busy] == [
        True,
        True,
    ]


def test_home_is_empty_when_nothing_is_new(
    operator: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        stages.planned(state=JobState.RUNNING)
    address = live_address(operator.get("/").text)

    with django_assert_num_queries(5):  # session, user, roles, jobs, approvals
        answer = operator.get(address, headers=HTMX)

    assert answer.status_code == 204
    assert answer.content == b""


def test_home_shows_what_is_new(
    operator: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = stages.planned(state=JobState.RUNNING)
    for _ in range(2):
        stages.planned(state=JobState.RUNNING)
    address = live_address(operator.get("/").text)
    stages.changed(job, failed=1, version=job.version + 1)

    with django_assert_num_queries(5):
        answer = operator.get(address, headers=HTMX)

    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<section id="home-live"')
    assert "66 %" in visible(answer.text)
    assert live_address(answer.text) != address


def test_home_lists_a_retry_draft_with_its_own_rows(
    operator: Client, ana: User
) -> None:
    job = stages.settled("external_id\ng-1\ng-2\ng-3\n", stages.failed())
    retry = retries.create_retry(job, by=ana)

    text = operator.get("/").text

    line = text[text.index(f'id="d{retry.pk}"') :].partition("</tr>")[0]
    assert re.findall(r'class="num"[^>]*>([^<]+)<', line) == ["1"]


def test_home_notices_that_a_draft_was_read(operator: Client, ana: User) -> None:
    draft = stages.draft(created_by=ana)
    address = live_address(operator.get("/").text)
    draft.file.rows = 7
    draft.file.save()

    answer = operator.get(address, headers=HTMX)

    assert answer.status_code == 200
    assert 'data-label="Rows">7<' in answer.text


@pytest.mark.parametrize("count", [1, 3])
def test_home_takes_as_many_queries_for_many_jobs(
    operator: Client,
    ana: User,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(count):
        stages.planned(state=JobState.RUNNING, pace=[[0, 0]])
        stages.settled()
        stages.draft(created_by=ana)

    with django_assert_num_queries(5):
        operator.get("/")


def test_home_stays_small(operator: Client) -> None:
    for _ in range(10):
        stages.planned(state=JobState.RUNNING)
    address = live_address(operator.get("/").text)

    assert len(operator.get(address.partition("?")[0], headers=HTMX).content) <= 12_000
