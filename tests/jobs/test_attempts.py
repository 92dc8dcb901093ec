"""Which attempts to send a batch have a row of their own."""

from typing import Any

import pytest

from jobsui.jobs.enums import JobState
from jobsui.jobs.models import Batch
from jobsui.zendesk import custom_objects
from jobsui.zendesk.errors import NotSent, RateLimited, Unconfirmed, ZendeskError
from tests.harness import Harness, gadgets
from tests.jobs.driving import InlineExecutor, drive, new_driver
from tests.timing import FakeClock

LIMITED = RateLimited("Too many requests.", retry_after=1, status=429)
NOT_SENT = NotSent("Connection refused.")
NO_RESPONSE = Unconfirmed("The response was lost.")


def fails_with(monkeypatch: pytest.MonkeyPatch, *errors: ZendeskError) -> None:
    """The first posts fail with these errors."""
    post = custom_objects.post_job
    left = list(errors)

    def failing(client: Any, key: str, body: bytes) -> Any:
        if left:
            raise left.pop(0)
        return post(client, key, body)

    monkeypatch.setattr(custom_objects, "post_job", failing)


def results_of(batch: Batch) -> list[str]:
    attempts = batch.attempts.order_by("number")
    return list(attempts.values_list("result", flat=True))


def test_attempts_without_effect_are_counted_on_the_batch(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(3))
    fails_with(monkeypatch, *[LIMITED] * 40)
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        while not driver.running:
            driver.round(driver._collect())

    batch = job.batches.get()
    assert results_of(batch) == ["limited", "accepted"]
    assert batch.attempts_made == 2
    assert batch.attempts_without_effect == 39


def test_an_attempt_that_may_have_arrived_keeps_its_row(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(3))
    errors = [NOT_SENT, NOT_SENT, NOT_SENT, NO_RESPONSE, NOT_SENT, LIMITED, NOT_SENT]
    fails_with(monkeypatch, *errors)

    drive(harness, job)

    batch = job.batches.get()
    assert job.state == JobState.COMPLETED
    assert results_of(batch) == ["not_sent", "unconfirmed", "not_sent", "accepted"]
    assert batch.attempts_without_effect == 4


def test_an_attempt_without_effect_is_replaced_as_a_whole(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(3))
    fails_with(monkeypatch, LIMITED, LIMITED)

    drive(harness, job)

    attempt = job.batches.get().attempts.get(number=2)
    assert attempt.result == "accepted"
    assert attempt.note == ""
    assert attempt.http_status == 201
