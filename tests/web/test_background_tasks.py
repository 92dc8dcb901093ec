"""The pages of django-rq: for administrators, under our policy, and harmless."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_rq import get_queue, get_worker
from pytest_django import Settings
from rq.job import Job as RqJob
from rq.queue import Queue
from rq.registry import FailedJobRegistry

from jobsui.jobs import queueing, tasks
from jobsui.jobs.control import sweep
from jobsui.jobs.enums import JobState
from tests.web import stages
from tests.web.conftest import signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queue(queue_url: str, monkeypatch: pytest.MonkeyPatch) -> Queue:  # noqa: ARG001
    monkeypatch.setattr(queueing, "backend", queueing._enqueue_rq)
    return get_queue("drive")


@pytest.fixture
def failed(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> RqJob:
    """A task that has failed."""

    def fail() -> None:
        raise ValueError("broken <b>")

    monkeypatch.setattr(tasks, "drive", fail)
    queueing.enqueue("drive")
    worker = get_worker("drive")
    worker.work(burst=True, logging_level="CRITICAL")
    [job_id] = FailedJobRegistry(queue=queue).get_job_ids()
    return RqJob.fetch(job_id, connection=queue.connection, serializer=queue.serializer)


def addresses(job: RqJob) -> list[str]:
    queue = "/rq/queues/0"
    lists = ["", "details/", "finished/", "failed/", "scheduled/", "started/"]
    acts = ["deferred/", "empty/", "requeue-all/", "failed/clear/"]
    of_job = [f"{job.id}/", f"{job.id}/delete/", f"{job.id}/requeue/"]
    return [
        "/rq/",
        "/rq/stats.json",
        "/rq/workers/0/",
        *(f"{queue}/{page}" for page in [*lists, *acts, *of_job]),
    ]


def test_pages_are_shown_to_administrators(
    administrator: Client, failed: RqJob
) -> None:
    answers = {path: administrator.get(path) for path in addresses(failed)}

    assert {path: answer.status_code for path, answer in answers.items()} == (
        dict.fromkeys(answers, 200)
    )
    pages = [page for page in answers.values() if "html" in page["Content-Type"]]
    assert all("Background tasks</h1>" in page.text for page in pages)
    assert all("<script>" not in page.text for page in pages)
    assert all("'unsafe" not in page["Content-Security-Policy"] for page in pages)


def test_pages_do_not_exist_for_operators(
    operator: Client, ana: User, failed: RqJob
) -> None:
    ana.is_staff = True
    ana.save()

    statuses = [operator.get(path).status_code for path in addresses(failed)]
    posts = [operator.post(path).status_code for path in addresses(failed)]

    assert set(statuses) == {404}
    assert set(posts) == {404}


def test_strangers_are_sent_to_sign_in(client: Client, failed: RqJob) -> None:
    answers = [client.get(path) for path in addresses(failed)]

    assert {answer.status_code for answer in answers} == {302}


@pytest.mark.usefixtures("queue")
def test_administrator_who_is_no_staff_sees_them(boss: User) -> None:
    boss.is_staff = False
    boss.save()

    answer = signed_in(boss).get("/rq/")

    assert answer.status_code == 200
    boss.refresh_from_db()
    assert not boss.is_staff


def test_menu_leads_administrators_to_them(
    administrator: Client, operator: Client
) -> None:
    link = '<a href="/rq/"'

    assert link in administrator.get("/people/").text
    assert link not in operator.get("/").text


def test_failed_task_shows_its_reason(administrator: Client, failed: RqJob) -> None:
    page = administrator.get(f"/rq/queues/0/{failed.id}/").text
    [result] = re.findall(r'href="(/rq/queues/0/[^"]+/results/[^"]+/)"', page)

    text = administrator.get(result).text

    assert "ValueError: broken &lt;b&gt;" in text


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(
    "path",
    [
        "/rq/queues/7/",
        "/rq/queues/0/nothing/",
        "/rq/queues/0/nothing/delete/",
        "/rq/workers/7/",
    ],
)
def test_what_is_not_there_is_not_found(administrator: Client, path: str) -> None:
    assert administrator.get(path).status_code == 404


def test_unreachable_queue_is_said(administrator: Client, settings: Settings) -> None:
    settings.RQ_QUEUES = {
        name: {**options, "URL": "unix:///nowhere.sock"}
        for name, options in settings.RQ_QUEUES.items()
    }

    answer = administrator.get("/rq/")

    assert answer.status_code == 503
    assert "The queue is unreachable" in answer.text


def test_emptied_queue_is_filled_by_the_sweep(
    administrator: Client, queue: Queue
) -> None:
    stages.planned(state=JobState.RUNNING)
    queueing.enqueue("drive")

    administrator.post("/rq/queues/0/empty/")
    emptied = queue.count
    sweep.sweep()

    assert emptied == 0
    assert queue.count == 1


def test_task_of_another_program_does_not_run(
    administrator: Client, queue: Queue, tmp_path: object
) -> None:
    """Somebody who can write to Redis has put it there; an administrator runs it again."""
    foreign = RqJob.create(
        "os.mkdir",
        args=[f"{tmp_path}/made"],
        connection=queue.connection,
        serializer=queue.serializer,
    )
    queue.enqueue_job(foreign)
    worker = get_worker("drive")
    worker.work(burst=True, logging_level="CRITICAL")
    administrator.post(f"/rq/queues/0/{foreign.id}/requeue/")

    worker.work(burst=True, logging_level="CRITICAL")

    registry = FailedJobRegistry(queue=queue)
    assert registry.get_job_ids() == [foreign.id]
    result = foreign.latest_result()
    assert result is not None
    assert "'os.mkdir' is not a task of Jobs UI" in str(result.exc_string)
