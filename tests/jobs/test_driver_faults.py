"""The driver in this process, against a sandbox with faults switched on, and with faults of
our own."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import requests
from django.db import OperationalError, connection, transaction

from jobsui.connections import credentials
from jobsui.connections.models import Connection, SignIn
from jobsui.jobs.control import actions, uncertain_rows
from jobsui.jobs.delivery import reconciliation, transitions
from jobsui.jobs.delivery.batch_request import PostResult
from jobsui.jobs.delivery.driver import Driver
from jobsui.jobs.enums import Action, BatchState, EventKind, JobState
from jobsui.jobs.ledger import settlement
from jobsui.jobs.models import Attempt, Batch, Job, JobEvent
from jobsui.zendesk import custom_objects
from jobsui.zendesk.errors import Forbidden, Refused, Unconfirmed
from tests.harness import Harness, gadgets
from tests.jobs.driving import (
    InlineExecutor,
    assert_sums,
    drive,
    fails_first,
    new_driver,
    plain,
    posts,
    records,
    refuses,
    running_driver,
    sends_nothing_again,
    state_of,
    wait_until,
)
from tests.timing import FAST, FakeClock

REQUEST_FAULTS = (
    "drop-before-accept",
    "drop-after-accept",
    "502-after-accept",
    "503",
    "503-retry-after",
    "html-502",
    "html-200",
    "409",
    "rate-429",
    "too-many-jobs",
    "partial-list",
)
JOB_FAULTS = (
    "fresh-404",
    "killed",
    "failed-partial",
    "results-object",
    "no-index",
    "no-id",
    "shuffled",
    "short-results",
    "generic-results",
    "status-expired",
)


@pytest.mark.parametrize("fault", [*REQUEST_FAULTS, *JOB_FAULTS])
def test_create_makes_each_row_once_whatever_fails(
    harness: Harness, fault: str
) -> None:
    harness.object()
    harness.sandbox.settings(retry_after=0, fresh_seconds=0.3)
    job = harness.planned(gadgets(300))
    path = "/jobs" if fault in REQUEST_FAULTS and fault != "partial-list" else ""
    harness.sandbox.faults(**{fault: {"rate": 0.6, "times": 2, "path": path}})

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 300
    assert set(harness.sandbox.applied("gadget").values()) == {1}
    assert len(harness.records()) == 300
    assert_sums(job)


@pytest.mark.skipif(
    connection.vendor != "sqlite",
    reason="PostgreSQL reads small tables whole, whatever the indexes.",
)
def test_queries_find_batches_by_index(harness: Harness) -> None:
    """However many batches there are, each query finds its few by an index that does not
    grow with them."""
    harness.object()
    job = harness.planned(gadgets(300))
    harness.sandbox.faults(
        **{
            "drop-after-accept": {"rate": 0.6, "times": 1},
            "too-many-jobs": {"rate": 0.3, "times": 1},
        }
    )
    plans: list[tuple[str, str]] = []

    def explained(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if '"jobs_batch"' in sql and sql.startswith(("SELECT", "UPDATE")):
            with connection.cursor() as cursor:
                cursor.execute(
                    f"EXPLAIN QUERY PLAN {sql}", params[0] if many else params
                )
                plans.extend(
                    (step, sql)
                    for *_, step in cursor.fetchall()
                    if "jobs_batch " in step
                )
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explained):
        drive(harness, job)

    assert job.created == 300
    quick = (
        "PRIMARY KEY",
        "batch_unsettled",
        "one_batch_per_job_status",
        "job_id=? AND seq=?",
    )
    assert [each for each in plans if not any(way in each[0] for way in quick)] == []
    assert {way for way in quick[:3] for step, _ in plans if way in step} == set(
        quick[:3]
    )


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        (Action.UPSERT_BY_EXTERNAL_ID, "drop-after-accept"),
        (Action.UPSERT_BY_EXTERNAL_ID, "killed"),
        (Action.UPDATE, "status-expired"),
        (Action.UPDATE, "short-results"),
    ],
)
def test_repeatable_actions_succeed_whatever_fails(
    harness: Harness, action: Action, fault: str
) -> None:
    harness.object()
    ids = harness.sandbox.add_records("gadget", records(200))
    rows = [{"external_id": f"g-{n}", "id": ids[n], "price": "7"} for n in range(200)]
    kept = "id" if action is Action.UPDATE else "external_id"
    job = harness.planned([{kept: row[kept], "price": "7"} for row in rows], action)
    harness.sandbox.faults(**{fault: {"rate": 0.6, "times": 2}})

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.succeeded == 200
    assert {
        record["custom_object_fields"]["price"] for record in harness.records().values()
    } == {7}
    assert_sums(job)


def test_uncertain_rows_of_an_expired_job_status_say_so(harness: Harness) -> None:
    harness.object()
    job = harness.planned(plain(5), generate_external_ids=False)
    harness.sandbox.faults(status_expired=1)

    drive(harness, job)

    assert job.state == JobState.NEEDS_DECISION
    messages = set(job.row_errors.values_list("message", flat=True))
    assert messages == {reconciliation.STATUS_LOST}


def test_create_without_external_ids_is_never_sent_twice(harness: Harness) -> None:
    harness.object()
    job = harness.planned(plain(900), generate_external_ids=False)
    harness.sandbox.faults(
        drop_after_accept={"rate": 0.4, "times": 2},
        drop_before_accept={"rate": 0.4, "times": 2},
    )

    drive(harness, job)

    applied = harness.sandbox.applied("gadget")
    assert job.state == JobState.NEEDS_DECISION
    assert set(applied.values()) == {1}
    assert job.created == len(applied)
    assert job.uncertain == 900 - len(applied)
    assert not Batch.objects.filter(job=job, attempts_made__gt=1).exists()
    assert_sums(job)


def test_a_first_request_that_arrives_late_fails_no_row(harness: Harness) -> None:
    harness.object()
    harness.sandbox.settings(slow_seconds=3)
    job = harness.planned(gadgets(20))
    harness.sandbox.faults(drop_after_accept={"rate": 1, "times": 1}, slow_job=1)

    drive(harness, job)

    results = list(
        Attempt.objects.filter(batch__job=job).values_list("result", flat=True)
    )
    refused = [sandbox_job["failed_items"] for sandbox_job in harness.sandbox.jobs()]
    assert results == ["unconfirmed", "accepted"]
    assert sorted(refused) == [0, 20]
    assert job.state == JobState.COMPLETED
    assert job.created == 20
    assert job.failed == 0


@pytest.mark.parametrize("action", [Action.DELETE, Action.DELETE_BY_EXTERNAL_ID])
def test_a_delete_without_an_answer_counts_what_is_gone(
    harness: Harness, action: Action
) -> None:
    harness.object()
    ids = harness.sandbox.add_records("gadget", records(50))
    rows = (
        [{"id": i} for i in ids]
        if action is Action.DELETE
        else [{"external_id": f"g-{n}"} for n in range(50)]
    )
    lost = harness.planned(rows, action)
    harness.sandbox.faults(**{"502-after-accept": {"rate": 1, "times": 1}})

    drive(harness, lost)
    answered = drive(harness, harness.planned(rows, action))

    assert lost.deleted == 50
    assert lost.failed == 0
    assert answered.deleted == 0
    assert answered.failed == 50
    assert list(
        Attempt.objects.filter(batch__job=lost).values_list("result", flat=True)
    ) == ["unconfirmed"]


# Faults of our own


def test_a_database_away_before_a_request_leaves_the_batch_unsent(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    fails_first(
        monkeypatch, credentials, "authorization", OperationalError("gone"), times=3
    )

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 150
    assert posts(harness) == 2
    assert set(
        Attempt.objects.filter(batch__job=job).values_list("result", flat=True)
    ) == {"not_sent", "accepted"}


def test_our_own_fault_after_sending_leaves_the_batch_unconfirmed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    fails_first(
        monkeypatch,
        custom_objects,
        "post_job",
        RuntimeError("half way"),
        times=1,
        after=True,
    )

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 150
    assert posts(harness) == 2
    assert set(harness.sandbox.applied("gadget").values()) == {1}


@pytest.mark.parametrize(
    "name", ["job_statuses", "recent_job_statuses", "records_by_external_ids"]
)
def test_our_own_fault_in_a_read_stops_nothing(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    harness.sandbox.faults(
        drop_after_accept={"rate": 1, "times": 1},
        drop_before_accept={"rate": 1, "times": 1},
    )
    fails_first(monkeypatch, custom_objects, name, RuntimeError("oops"), times=2)

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 150
    assert set(harness.sandbox.applied("gadget").values()) == {1}


def test_a_result_that_cannot_be_stored_pauses_only_its_own_job(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    first = harness.planned(gadgets(100))
    second = harness.planned(gadgets(100, first=101))
    fails_first(
        monkeypatch, settlement, "settle_all", ValueError("cannot be stored"), times=2
    )

    drive(harness, second)

    first.refresh_from_db()
    events = JobEvent.objects.filter(
        kind=EventKind.AUTO_PAUSED, facts__reason__icontains="Jobs UI failed while"
    )
    assert first.created == 100
    assert second.created == 100
    assert first.state == JobState.COMPLETED
    assert second.state == JobState.COMPLETED
    assert events.count() == 1
    assert set(harness.sandbox.applied("gadget").values()) == {1}


def test_results_are_kept_while_the_database_is_away(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(300))
    fails_first(
        monkeypatch, transitions, "write", OperationalError("gone"), times=2, after=True
    )

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 300
    assert posts(harness) == 3
    assert_sums(job)


def test_a_commit_of_unknown_outcome_sends_nothing_twice(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(300))
    claim, lost = Driver._claim, iter([True, True, False, True])

    def claim_and_lose(driver: Driver, wanted: Any) -> list[Any]:
        requests = claim(driver, wanted)
        if (requests or driver.unwritten) and next(lost, False):
            transaction.on_commit(lose)
        return requests

    def lose() -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(Driver, "_claim", claim_and_lose)

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 300
    assert posts(harness) == 3
    results = list(
        Attempt.objects.filter(batch__job=job).values_list("result", flat=True)
    )
    assert results.count("accepted") == 3
    assert set(results) == {"accepted", "not_sent"}
    assert_sums(job)


# Refused requests


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_batch_is_split_until_only_the_bad_row_fails(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    refuses(
        monkeypatch,
        Refused("Items are wrong.", status=status, code="Invalid attribute"),
        "g-38",
    )

    drive(harness, job)

    errors = list(job.row_errors.values_list("row", "code", "message"))
    assert job.state == JobState.COMPLETED
    assert job.created == 149
    assert job.failed == 1
    assert errors == [(39, "Invalid attribute", "Items are wrong.")]
    assert set(harness.sandbox.applied("gadget").values()) == {1}
    assert set(harness.records()) == {f"g-{n}" for n in range(1, 151)} - {"g-38"}
    sent = list(
        Attempt.objects.filter(batch__job=job, batch__seq=1).values_list(
            "items", "result"
        )
    )
    assert sent == [
        (100, "refused"),
        (50, "refused"),
        (25, "accepted"),
        (25, "refused"),
        (13, "refused"),
        (7, "accepted"),
        (7, "refused"),
        (4, "accepted"),
        (4, "refused"),
        (2, "refused"),
        (1, "accepted"),
        (1, "refused"),
        (62, "accepted"),
    ]
    assert_sums(job)


@pytest.mark.parametrize(
    "fault",
    ["drop-after-accept", "drop-before-accept", "status-expired", "short-results"],
)
def test_a_split_batch_survives_lost_responses(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    harness.object()
    job = harness.planned(gadgets(100))
    refuses(monkeypatch, Refused("Items are wrong.", status=422), "g-38")
    harness.sandbox.faults(**{fault: {"rate": 0.5, "times": 3}})

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 99
    assert job.failed == 1
    assert set(harness.sandbox.applied("gadget").values()) == {1}
    assert_sums(job)


def test_cancel_leaves_only_the_sent_part_of_a_batch_uncertain(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(100))
    refuses(monkeypatch, Refused("Items are wrong.", status=422), "g-38")
    harness.sandbox.faults(drop_before_accept={"rate": 1, "times": 1})
    sends_nothing_again(monkeypatch)

    with running_driver(harness):
        wait_until(
            lambda: Attempt.objects.filter(
                batch__job=job, result="unconfirmed"
            ).exists()
        )
        wait_until(
            lambda: Batch.objects.filter(job=job, state=BatchState.PLANNED).exists()
        )
        actions.cancel(job, by=None)
        wait_until(lambda: state_of(job) == JobState.CANCELLED)
    job.refresh_from_db()

    assert job.created == 0
    assert job.uncertain == 25
    assert job.cancelled == 75
    assert_sums(job)


def test_without_external_ids_only_a_lost_part_is_uncertain(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(plain(100), generate_external_ids=False)
    refuses(monkeypatch, Refused("Items are wrong.", status=422), "AB-000010")
    harness.sandbox.faults(drop_before_accept={"rate": 1, "times": 1})

    drive(harness, job)

    assert job.state == JobState.NEEDS_DECISION
    assert job.created == 92
    assert job.failed == 1
    assert job.uncertain == 7
    assert_sums(job)


def same_rows_beside_bad_ones(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, *, lost: int
) -> Job:
    """A job without external ids, of three rows with the same content, each sent alone:
    rows between them make Zendesk refuse larger requests. The request with this one of
    them (1 to 3) is lost."""
    same, bad = plain(2)
    harness.object()
    job = harness.planned([same, bad, same, bad, same], generate_external_ids=False)
    post = custom_objects.post_job
    numbers = count(1)

    def losing(client: Any, key: str, body: bytes) -> Any:
        if next(numbers) == lost:
            raise Unconfirmed("The connection broke.", code="reset")
        return post(client, key, body)

    monkeypatch.setattr(custom_objects, "post_job", losing)
    refuses(monkeypatch, Refused("Items are wrong.", status=422), bad["name"])
    return job


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_part_takes_no_results_of_another_part(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    job = same_rows_beside_bad_ones(harness, monkeypatch, lost=lost)

    drive(harness, job)
    first = job.state
    uncertain_rows.resolve(job, "check_again", by=None)
    drive(harness, job)

    assert first == JobState.NEEDS_DECISION
    assert job.state == JobState.NEEDS_DECISION
    assert job.created == 2
    assert job.failed == 2
    assert job.uncertain == 1
    assert_sums(job)


@pytest.mark.parametrize("fault", ["missing-scope", "gone", "api-tokens-off"])
def test_a_refused_account_or_object_pauses_the_job(
    harness: Harness, fault: str
) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    if fault == "gone":
        auth = (f"{harness.sandbox.email}/token", harness.sandbox.api_token)
        requests.delete(
            f"{harness.sandbox.url}/api/v2/custom_objects/gadget", auth=auth, timeout=10
        ).raise_for_status()
    elif fault == "missing-scope":
        harness.sandbox.faults(missing_scope={"rate": 1, "path": "/jobs"})
    else:
        harness.sandbox.settings(api_tokens=False)

    drive(harness, job)

    assert job.state == JobState.PAUSED
    assert job.pending == 150
    assert job.failed == 0
    assert job.reason.startswith("Zendesk refused: ")
    assert set(Batch.objects.filter(job=job).values_list("state", flat=True)) == {
        BatchState.PLANNED
    }
    if fault != "gone":
        harness.sandbox.faults()
        harness.sandbox.settings(api_tokens=True)
        actions.resume(job, by=None)
        assert drive(harness, job).created == 150


def with_oauth(harness: Harness, **secrets: str) -> None:
    connection = Connection.objects.get(pk=harness.connection.pk)
    connection.sign_in, connection.client_id = (
        SignIn.OAUTH_TOKEN,
        harness.sandbox.client_id,
    )
    connection.save()
    credentials.save_secrets(connection, secrets, by=None)


def test_a_refusal_that_is_written_twice_pauses_once(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first commit succeeded although the answer of the database was lost."""
    harness.object()
    job = harness.planned(gadgets(10))
    refuses(monkeypatch, Forbidden("No access.", status=403), "g-1")
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        results = [
            result for result in driver._collect() if isinstance(result, PostResult)
        ]
        driver.round(results)
        paused = state_of(job)
        job.refresh_from_db()
        actions.resume(job, by=None)
        with transaction.atomic():
            transitions.write(results, FAST, clock.now())

    assert paused == JobState.PAUSING
    assert state_of(job) == JobState.RUNNING


def test_a_token_that_expires_is_renewed_and_nothing_is_lost(
    harness: Harness,
) -> None:
    harness.object()
    job = harness.planned(gadgets(900))
    sandbox = harness.sandbox
    with_oauth(
        harness,
        access_token=sandbox.bearer,
        refresh_token=sandbox.refresh_token,
        client_secret=sandbox.client_secret,
    )
    sandbox.faults(bearer_expired={"rate": 0.5, "times": 2})

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 900
    assert set(sandbox.applied("gadget").values()) == {1}
    assert {entry["status"] for entry in sandbox.log()} >= {401, 201}


def test_a_token_that_cannot_be_renewed_pauses_with_a_reason(
    harness: Harness,
) -> None:
    harness.object()
    job = harness.planned(gadgets(900))
    with_oauth(harness, access_token=harness.sandbox.bearer)
    harness.sandbox.faults(bearer_expired={"rate": 1, "times": 1, "method": "POST"})

    drive(harness, job)

    assert job.state == JobState.PAUSED
    assert job.failed == 0
    assert job.reason.startswith("Zendesk refused: ")


def test_an_unreachable_zendesk_fails_nothing(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    Connection.objects.filter(pk=harness.connection.pk).update(host="127.0.0.1:9")
    harness.connection.refresh_from_db()

    with running_driver(harness):
        wait_until(lambda: Job.objects.get(pk=job.pk).limited_by == "unreachable")
    job.refresh_from_db()

    assert job.state == JobState.RUNNING
    assert job.pending == 150
    assert job.failed == 0
    assert set(
        Attempt.objects.filter(batch__job=job).values_list("result", flat=True)
    ) == {"not_sent"}
    assert set(Batch.objects.filter(job=job).values_list("state", flat=True)) == {
        BatchState.PLANNED
    }


def test_a_host_no_longer_allowed_pauses_with_a_reason(
    harness: Harness, settings: Any
) -> None:
    harness.object()
    job = harness.planned(gadgets(10))
    settings.API_HOSTS = ["*.zendesk.com"]

    drive(harness, job)

    assert job.state == JobState.PAUSED
    assert posts(harness) == 0
    assert "JOBSUI_API_HOSTS" in job.reason
