"""Which messages an event makes, and for how long they are kept."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobsui.connections.models import API_TOKENS_END, Connection
from jobsui.jobs.control import sweep
from jobsui.jobs.enums import Component, EventKind, JobState
from jobsui.jobs.ledger import lifecycle
from jobsui.notifications import connection_watch, outbox
from jobsui.notifications.models import Channel, Delivery, Kind, Notification
from tests.conftest import TaskQueue
from tests.factories import make_channel, make_connection
from tests.web import stages

pytestmark = pytest.mark.django_db


def kinds() -> list[str]:
    return list(Notification.objects.order_by("pk").values_list("kind", flat=True))


def after_test(connection: Connection, *, passed: bool) -> None:
    """A test, and the sweep that follows."""
    connection.tested_at = timezone.now()
    connection.test_passed = passed
    connection.test_result = {"error": "" if passed else "The token is wrong."}
    connection.save()
    connection_watch.notify()
    connection_watch.notify()


def test_event_makes_one_message_for_each_channel_in_its_transaction(
    task_queue: TaskQueue, django_capture_on_commit_callbacks: Any
) -> None:
    job = stages.planned()
    make_channel(job.connection)
    make_channel(None, name="all")
    make_channel(make_connection(name="Other", host="other.zendesk.com"))
    make_channel(job.connection, kinds=[Kind.JOB_FAILED])
    task_queue.clear()

    with transaction.atomic():
        lifecycle.pause_automatically(job, "Too many.", by=Component.DRIVER)
        transaction.set_rollback(True)
    undone = kinds()
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.pause_automatically(job, "Too many.", by=Component.DRIVER)
        lifecycle.pause_automatically(job, "Too many.", by=Component.DRIVER)

    assert (undone, kinds()) == ([], ["job_paused"])
    messages = Delivery.objects.order_by("pk")
    assert {each.channel.name for each in messages} == {"#operations", "all"}
    assert sorted(task_queue) == [("deliver", (each.pk,)) for each in messages]


@pytest.mark.parametrize(
    ("wanted", "limit", "number"),
    [
        ([Kind.JOB_FINISHED], 5, 1),
        ([Kind.ROWS_FAILED], 5, 1),
        ([Kind.ROWS_FAILED], 60, 0),
        ([Kind.JOB_FINISHED, Kind.ROWS_FAILED], 5, 1),
        ([Kind.JOB_FAILED], 5, 0),
    ],
)
def test_share_of_failed_rows_decides(
    wanted: list[Kind], limit: int, number: int
) -> None:
    job = stages.planned()
    make_channel(job.connection, kinds=wanted, max_failed_percent=limit)
    type(job).objects.filter(pk=job.pk).update(rows=10, failed=4, invalid=1, updated=5)

    lifecycle.move(
        job,
        JobState.COMPLETED,
        by=Component.DRIVER,
        event=EventKind.FINISHED,
        finished_at=timezone.now(),
    )

    assert Delivery.objects.count() == number
    assert [each.facts for each in Notification.objects.all()] == [
        {"rows": 10, "succeeded": 5, "failed": 5}
    ] * number


def test_connection_that_breaks_is_told_once_until_it_works() -> None:
    connection = make_connection()
    make_channel(connection)

    after_test(connection, passed=True)
    after_test(connection, passed=False)
    after_test(connection, passed=False)
    after_test(connection, passed=True)
    after_test(connection, passed=True)
    after_test(connection, passed=False)

    assert kinds() == ["connection_broken", "connection_recovered", "connection_broken"]
    assert Notification.objects.earliest("pk").facts == {
        "reason": "The token is wrong."
    }


def test_end_of_api_tokens_is_told_once_for_each_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_channel(make_connection())
    end = API_TOKENS_END

    for days in (91, 90, 89, 30, 15, 14, 3, 2, 0):
        today = end - timedelta(days=days)
        monkeypatch.setattr(timezone, "localdate", lambda today=today: today)
        connection_watch.notify()

    assert kinds() == ["credential_ending"] * 4


def test_sweep_enqueues_messages_that_are_due(
    task_queue: TaskQueue, django_capture_on_commit_callbacks: Any
) -> None:
    pk = outbox.write_test(make_channel())
    later = outbox.write_test(make_channel(name="later"))
    Delivery.objects.filter(pk=later).update(
        next_at=timezone.now() + timedelta(hours=1)
    )

    with django_capture_on_commit_callbacks(execute=True):
        sweep.sweep()

    assert [task for task in task_queue if task[0] == "deliver"] == [("deliver", (pk,))]


def test_old_messages_are_deleted_unless_they_wait(settings: Any) -> None:
    settings.KEEP_MESSAGES_DAYS = 30
    channel = make_channel()
    sent = outbox.write_test(channel)
    outbox.write_test(channel)
    Delivery.objects.filter(pk=sent).update(state="sent")
    Notification.objects.update(at=F("at") - timedelta(days=31))

    call_command("prune", stdout=StringIO())

    assert list(Delivery.objects.values_list("state", flat=True)) == ["waiting"]
    assert Notification.objects.count() == 1


def test_secrets_of_channels_are_encrypted_under_the_newest_key(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [b"o" * 32]
    make_channel()
    settings.ENCRYPTION_KEYS = [b"n" * 32, b"o" * 32]

    call_command("rotatekeys", stdout=StringIO())

    settings.ENCRYPTION_KEYS = [b"n" * 32]
    assert Channel.objects.get().secret("url").endswith("secret-of-hook")
