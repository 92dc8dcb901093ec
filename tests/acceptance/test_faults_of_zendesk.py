"""Faults of Zendesk, of the network and of other integrations while a real worker
process drives a job (docs/faults.md). No row may be lost or applied twice, and the
job's result must say what happened."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import requests

from jobsui.connections import credentials
from jobsui.connections.models import Connection
from jobsui.jobs.control import actions
from jobsui.jobs.delivery.call_threads import POST_THREADS
from jobsui.jobs.enums import Action, BatchState, EventKind
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import Attempt, Job, JobEvent
from tests import sandbox_server
from tests.acceptance.jobs import (
    JobResult,
    attempts,
    batches,
    final_result,
    in_flight,
    no_driver,
    posts,
    state_of,
    without_ids,
)
from tests.acceptance.processes import Processes, wait_until
from tests.acceptance.product import free_port
from tests.harness import GADGET, Harness, gadgets
from tests.sandbox_server import Sandbox
from tests.timing import WORKER

pytestmark = pytest.mark.usefixtures("worker")

POST: dict[str, Any] = {"rate": 1, "times": 1, "method": "POST", "path": "/jobs"}
STATUS: dict[str, Any] = {"rate": 1, "method": "GET", "path": "/job_statuses/show_many"}


@pytest.fixture
def harness(harness: Harness, processes: Processes) -> Harness:  # noqa: ARG001
    harness.object()
    harness.sandbox.settings(job_seconds=0.2)
    return harness


# The request


@pytest.mark.parametrize(
    ("faults", "results"),
    [
        ({"drop-before-accept": POST}, {"unconfirmed": 1, "accepted": 1}),
        ({"drop-after-accept": POST}, {"unconfirmed": 1}),
        ({"no-answer": POST}, {"unconfirmed": 1, "accepted": 1}),
        ({"slow": POST}, {"unconfirmed": 1}),
        ({"500": POST}, {"unconfirmed": 1, "accepted": 1}),
        ({"503": POST}, {"unconfirmed": 1, "accepted": 1}),
        ({"html-502": POST}, {"unconfirmed": 1, "accepted": 1}),
        ({"502-after-accept": POST}, {"unconfirmed": 1}),
    ],
    ids=[
        "reset, not queued",
        "reset, queued",
        "time-out, not queued",
        "time-out, queued",
        "500",
        "503",
        "502",
        "502, queued",
    ],
)
def test_unconfirmed_request_is_sent_again_only_if_it_never_arrived(
    harness: Harness, faults: dict[str, Any], results: dict[str, int]
) -> None:
    harness.sandbox.settings(slow_seconds=3)
    harness.sandbox.faults(**faults)
    job = harness.planned(gadgets(100))

    assert final_result(harness, job) == JobResult("completed", created=100)
    assert attempts(job) == results


def test_refused_connection_is_tried_again(harness: Harness) -> None:
    port = free_port()
    before = start_zendesk(port)
    Connection.objects.filter(pk=harness.connection.pk).update(host=before.host)
    harness.connection.refresh_from_db()
    with no_driver(harness):
        job = harness.planned(gadgets(100))
        before.stop()
    wait_until(
        lambda: limited_by(job) == "unreachable" and attempts(job),
        "an unreachable account",
    )
    wait_until(lambda: batches(job) == {BatchState.PLANNED: 1}, "the batch to be back")
    harness.sandbox = start_zendesk(port)
    try:
        result = final_result(harness, job)
    finally:
        harness.sandbox.stop()

    assert result == JobResult("completed", created=100)
    assert attempts(job).keys() == {"not_sent", "accepted"}
    assert attempts(job)["accepted"] == 1


def test_unknown_host_name_is_tried_again(harness: Harness) -> None:
    known = harness.connection.host
    with no_driver(harness):
        job = harness.planned(gadgets(100))
        Connection.objects.filter(pk=harness.connection.pk).update(
            host="nowhere.invalid"
        )
    wait_until(lambda: limited_by(job) == "unreachable", "an unreachable account")
    wait_until(lambda: "not_sent" in attempts(job), "a request that was not sent")
    sent_before = posts(harness)
    actions.pause(job, by=None)
    wait_until(lambda: state_of(job) == "paused", "a pause")
    Connection.objects.filter(pk=harness.connection.pk).update(host=known)
    actions.resume(job, by=None)

    assert final_result(harness, job) == JobResult("completed", created=100)
    assert attempts(job).keys() == {"not_sent", "accepted"}
    assert sent_before == 0
    assert posts(harness) == 1


def test_limited_requests_are_sent_later_however_often(
    harness: Harness,
) -> None:
    full_slots = POST | {"times": 6}
    spent_rate = POST | {"times": 1}
    harness.sandbox.faults(**{"too-many-jobs": full_slots, "rate-429": spent_rate})
    job = harness.planned(gadgets(100))

    assert final_result(harness, job) == JobResult("completed", created=100)
    assert attempts(job) == {"limited": 1, "accepted": 1}
    assert job.batches.get().attempts_without_effect == 6


def test_no_request_goes_out_before_retry_after(harness: Harness) -> None:
    harness.sandbox.settings(retry_after=2)
    harness.sandbox.faults(**{"rate-429": POST})
    job = harness.planned(gadgets(100))

    assert final_result(harness, job) == JobResult("completed", created=100)
    log = harness.sandbox.log()
    refused_at = next(entry["time"] for entry in log if entry["status"] == 429)
    early = [entry for entry in log if refused_at < entry["time"] < refused_at + 1.9]
    assert early == []


@pytest.mark.parametrize(
    "refusal",
    ["credentials refused", "not permitted", "secret removed", "object deleted"],
)
def test_refused_access_pauses_the_job_with_the_reason(
    harness: Harness, refusal: str
) -> None:
    with no_driver(harness):
        job = harness.planned(gadgets(300))
        refuse(harness, refusal)
    wait_until(lambda: state_of(job) == "paused", "a pause")
    if refusal == "object deleted":
        # The result below reads the object's records.
        harness.sandbox.make_object("gadget", fields=GADGET)

    assert final_result(harness, job) == JobResult("paused", created=0, pending=300)
    assert batches(job) == {BatchState.PLANNED: 3}
    assert attempts(job).keys() == {"refused"}
    assert job.reason.startswith("Zendesk refused: ")
    assert JobEvent.objects.filter(job=job, kind=EventKind.AUTO_PAUSED).count() == 1


def refuse(harness: Harness, refusal: str) -> None:
    match refusal:
        case "credentials refused":
            harness.sandbox.settings(api_tokens=False)
        case "not permitted":
            harness.sandbox.faults(missing_scope=1)
        case "secret removed":
            credentials.forget_secrets(harness.connection)
        case "object deleted":
            auth = (f"{harness.sandbox.email}/token", harness.sandbox.api_token)
            url = f"{harness.sandbox.url}/api/v2/custom_objects/gadget"
            requests.delete(url, auth=auth, timeout=10).raise_for_status()


# The job status


@pytest.mark.parametrize(
    ("faults", "results"),
    [
        ({"503": STATUS | {"times": 3}}, {"accepted": 4}),
        ({"html-502": STATUS | {"times": 3}}, {"accepted": 4}),
        ({"slow": STATUS | {"times": 1}}, {"accepted": 4}),
        ({"partial-list": STATUS | {"times": 1}}, {"accepted": 4}),
        ({"fresh-404": 1}, {"lost": 4}),
        ({"status-expired": 1}, {"lost": 4}),
    ],
    ids=[
        "503",
        "502",
        "time-out",
        "once left out of the list",
        "never known",
        "expired when finished",
    ],
)
def test_unreadable_job_status_is_polled_again_then_reconciled(
    harness: Harness, faults: dict[str, Any], results: dict[str, int]
) -> None:
    harness.sandbox.settings(slow_seconds=3, fresh_seconds=60)
    harness.sandbox.faults(**faults)
    job = harness.planned(gadgets(400))

    assert final_result(harness, job) == JobResult("completed", created=400)
    assert attempts(job) == results
    assert posts(harness) == 4


def test_rows_without_status_and_external_ids_are_uncertain(
    harness: Harness,
) -> None:
    harness.sandbox.faults(status_expired=1)
    job = harness.planned(without_ids(100), generate_external_ids=False)

    assert final_result(harness, job) == JobResult(
        "needs_decision", created=0, uncertain=100
    )
    assert attempts(job) == {"lost": 1}
    assert posts(harness) == 1
    assert job.row_errors.filter(outcome="uncertain").exclude(message="").count() == 100


@pytest.mark.parametrize(
    ("fault", "results"),
    [
        ("shuffled", {"accepted": 1}),
        ("no-index", {"accepted": 1}),
        ("no-id", {"accepted": 1}),
        ("generic-results", {"accepted": 1}),
        ("short-results", {"unconfirmed": 1}),
        ("results-object", {"unconfirmed": 1}),
        ("killed", {"unconfirmed": 1, "accepted": 1}),
    ],
)
def test_incomplete_results_give_every_row_its_own_result(
    harness: Harness, fault: str, results: dict[str, int]
) -> None:
    harness.sandbox.faults(**{fault: {"rate": 1, "times": 1}})
    job = harness.planned(gadgets(100))

    assert final_result(harness, job) == JobResult("completed", created=100)
    assert attempts(job) == results
    reported = {row["external_id"]: row["_record_id"] for row in harness.results(job)}
    expected = {key: record["id"] for key, record in harness.records().items()}
    if fault == "no-id":
        expected = dict.fromkeys(expected, "")
    assert reported == expected


def test_job_that_stopped_half_way_is_sent_to_its_end(harness: Harness) -> None:
    """Half of its items are created, one failed by an internal error, and the others
    have no result."""
    harness.sandbox.faults(failed_partial={"rate": 1, "times": 1})
    job = harness.planned(gadgets(100))

    assert final_result(harness, job) == JobResult("completed", created=100)
    assert attempts(job) == {"unconfirmed": 1, "accepted": 1}


# People


@pytest.mark.parametrize(
    ("action", "state", "outcome"),
    [
        (actions.pause, "paused", "pending"),
        (actions.cancel, "cancelled", "cancelled"),
    ],
)
def test_pause_and_cancel_finish_the_batches_in_flight(
    harness: Harness, action: Callable[..., None], state: str, outcome: str
) -> None:
    harness.sandbox.settings(job_seconds=2)
    job = harness.planned(gadgets(4000))
    wait_until(lambda: in_flight(job) == 30, "30 batches in flight")

    action(job, by=None)

    asked_at = JobEvent.objects.filter(job=job).latest("at").at
    result = final_result(harness, job)
    accepted = attempts(job)["accepted"]
    created = 100 * accepted
    assert result == JobResult(state, created=created, **{outcome: 4000 - created})
    assert Attempt.objects.filter(batch__job=job, at__gt=asked_at).count() == 0
    # `limited`: sent early, and refused.
    assert attempts(job).keys() <= {"accepted", "limited"}
    assert 30 <= accepted < 40


def test_duplicate_external_ids_are_found_before_sending(harness: Harness) -> None:
    rows = gadgets(50) + gadgets(1)

    job = harness.checked(rows, Action.CREATE)

    with pytest.raises(NotPossibleNow, match="1 invalid row"):
        actions.launch(job, by=None)
    assert state_of(job) == "ready"
    assert posts(harness) == 0


# Other integrations


def test_job_slots_of_other_integrations_are_left_to_them(harness: Harness) -> None:
    harness.sandbox.settings(other_jobs=10, job_seconds=1.5)
    job = harness.planned(gadgets(4000))

    assert final_result(harness, job) == JobResult("completed", created=4000)
    assert attempts(job)["accepted"] == 40
    assert attempts(job).get("limited", 0) <= max_refusals(job, job_seconds=1.5)


def test_full_job_slots_are_probed_without_a_storm(harness: Harness) -> None:
    harness.sandbox.settings(other_jobs=30)
    job = harness.planned(gadgets(1000))
    wait_until(lambda: posts(harness) > 0, "a first probe")
    time.sleep(2)
    probes = posts(harness)
    harness.sandbox.settings(other_jobs=0)

    assert final_result(harness, job) == JobResult("completed", created=1000)
    assert 2 <= probes <= 2 / WORKER.first_job_duration + BURST


def test_three_jobs_share_an_account_within_a_tenth(harness: Harness) -> None:
    harness.sandbox.settings(max_running_jobs=6)
    Connection.objects.filter(pk=harness.connection.pk).update(max_running_jobs=6)
    with no_driver(harness):
        jobs = [harness.planned(gadgets(1200, first=1 + 1200 * n)) for n in range(3)]

    for job in jobs:
        assert final_result(harness, job).state == "completed"

    sent = Attempt.objects.exclude(result="limited").order_by("pk")
    shares = Counter(sent.values_list("batch__job", flat=True)[:30])
    assert all(9 <= shares[job.pk] <= 11 for job in jobs), shares
    assert sum(job.created for job in jobs) == 3600
    assert len(harness.sandbox.applied("gadget")) == 3600


# Helpers

BURST = 2 * POST_THREADS
"""How many requests may be in flight when the first refusal arrives."""


def max_refusals(job: Job, job_seconds: float) -> float:
    """One for each job duration, and those in flight at the first refusal."""
    assert job.started_at
    assert job.finished_at
    took = job.finished_at - job.started_at
    return BURST + took.total_seconds() / job_seconds


def start_zendesk(port: int) -> Sandbox:
    """A sandbox that the test can stop."""
    zendesk = sandbox_server.start(
        job_seconds=0.2, requests_per_minute=100_000, port=port
    )
    zendesk.make_object("gadget", fields=GADGET)
    return zendesk


def limited_by(job: Job) -> str:
    return Job.objects.values_list("limited_by", flat=True).get(pk=job.pk)
