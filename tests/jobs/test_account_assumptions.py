"""Journeys through an account that behaves in every way that Zendesk may: each assumption
of the sandbox (docs/sandbox.md) with each of its values."""

from collections.abc import Iterator
from typing import Any

import pytest

from jobsui.connections import credentials, health, objects
from jobsui.connections.models import SignIn
from jobsui.jobs.control import actions
from jobsui.jobs.enums import Action
from jobsui.jobs.models import Job
from jobsui.sandbox.assumptions import VALUES
from tests.harness import Harness

FIELDS: list[dict[str, Any]] = [
    {"key": "note", "type": "text"},
    {"key": "code", "type": "regexp", "regexp_for_validation": "^[A-Z]+$"},
    {"key": "seats", "type": "integer"},
    {"key": "price", "type": "decimal"},
    {
        "key": "cost",
        "type": "currency",
        "properties": {"allowed_currencies": ["EUR"]},
    },
    {"key": "day", "type": "date"},
    {"key": "done", "type": "checkbox"},
    {"key": "colour", "type": "dropdown", "custom_field_options": [{"value": "red"}]},
    {"key": "tags", "type": "multiselect", "custom_field_options": [{"value": "new"}]},
]
VALUES_SENT = {
    "note": "Ä b",
    "code": "ABC",
    "seats": "4",
    "price": "2.50",
    "cost": "7.25",
    "day": "2026-01-31",
    "done": "yes",
    "colour": "red",
    "tags": "new",
}
CONTENT = {
    "note": "Ä b",
    "code": "ABC",
    "seats": 4,
    "price": 2.5,
    "cost": 7.25,
    "day": "2026-01-31",
    "done": True,
    "colour": "red",
    "tags": ["new"],
}
"""What a record holds after VALUES_SENT."""

NUMBERS = {
    "request-limit-bytes": 500,
    "address-limit": 1000,
    "status-list-lag": 0.5,
    "deadlock-free-jobs": 1,
    "text-limit": 100,
    "read-lag": 0.3,
    "search-lag": 0.3,
    "export-lag": 60,
}
"""The value tried besides 0."""
SETTINGS: dict[str, dict[str, Any]] = {
    "job-slots": {"max_running_jobs": 2},
    "too-many-jobs": {"max_running_jobs": 2},
    "inflight-header": {"other_jobs": 28},
    "rate-window": {"requests_per_minute": 40, "window_seconds": 0.5},
    "limited-requests": {"requests_per_minute": 40, "window_seconds": 0.5},
}
"""What makes the switch matter."""
REQUESTS_PER_MINUTE = 40 * 120
"""The same limit in the usual unit."""
FAULTS: dict[str, dict[str, Any]] = {
    "passing-error": {"deadlocked_items": {"rate": 1, "times": 2}},
    "unknown-job-ids": {"status_expired": {"rate": 1, "times": 2}},
}
EXPECTED = {
    "create": {"created": 3},
    "update": {"updated": 1},
    "create_or_update_by_external_id": {"created_or_updated": 2},
    "create_or_update_by_name": {"created_or_updated": 2},
    "delete": {"deleted": 1},
    "delete_by_external_id": {"deleted": 1},
}
HELD = {
    "c-1": 4,
    "c-2": 4,
    "c,3": 4,
    "updated": 5,
    "upserted": 5,
    "x-2": 5,
    "Drill": 5,
    "Saw": 5,
}
"""Seats of each record afterwards, by external ID or name. The others are deleted."""
ANSWERED: dict[str, Any] = {"null-value=item": {"update": {"failed": 1}}}
"""Outcomes that differ from EXPECTED under an assumption."""
LOST: dict[str, Any] = {
    # The record does not hold what was sent, and no response says that this is meant.
    "null-value=ignored": {"update": {"uncertain": 1}},
    "null-value=item": {"update": {"failed": 1}},
}
LOST_MATTERS = {
    "status-list-lag",
    "item-order",
    "omitted-field",
    "trigger",
    "null-value",
    "blank-text",
    "currency-shape",
    "number-shape",
    "date-shape",
    "read-lag",
    "search-lag",
    "comma-in-filter",
    "empty-checkbox",
    "list-order",
    "job-user",
    "job-statuses-scope",
}
"""What the reading of records depends on."""
NEVER_MET = {
    "invalid-request",
    "unknown-object",
    "malformed-json",
    "field-errors",
    "role-error",
    "anonymous-user",
    "idempotency-key",
    "deleted-object",
    "record-id-case",
    "update-key",
    "null-key",
    "upsert-by-ambiguous-name",
    "autonumbered-name",
    "unknown-field",
    "read-only-value",
    "standard-keys-in-fields",
    "deleted-key",
    "long-address",
    "external-id-case",
    "key-spaces",
    "no-change-update",
    "trigger-user",
    "text-spaces",
    "multiselect-order",
    "unknown-option",
    "creating-upsert",
    "invalid-client",
}
"""What jobs never send or ask for: one journey for all of them."""


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Assumptions with a name of their own: none, each value of each assumption that a
    journey may meet, and those of the others together."""
    yield "defaults", {}
    for name, values in VALUES.items():
        if name in NEVER_MET:
            continue
        for value in values[1:] or (NUMBERS[name],):
            yield f"{name}={value}", {name: value}
    yield "others", {name: VALUES[name][-1] for name in NEVER_MET}


CASES = dict(cases())
WITH_LOST_RESPONSES = ["defaults", "others"] + [
    case for case in CASES if case.partition("=")[0] in LOST_MATTERS
]


def journey(harness: Harness) -> dict[str, Job]:
    """One job for each action, all at once. Returns the jobs by action."""
    seeded = harness.sandbox.add_records(
        "gadget",
        [
            {"external_id": key, "name": key, "custom_object_fields": CONTENT}
            for key in ("updated", "upserted", "removed", "deleted")
        ],
    )
    harness.sandbox.add_records("tool", [{"name": "Drill"}])
    plan: list[tuple[Action, str, list[dict[str, str]]]] = [
        (
            Action.CREATE,
            "gadget",
            [
                {"external_id": key, "name": f"New {key}"} | VALUES_SENT
                for key in ("c-1", "c-2", "c,3")
            ],
        ),
        (
            Action.UPDATE,
            "gadget",
            [
                {"id": seeded[0], "seats": "5", "note": ""},
            ],
        ),
        (
            Action.UPSERT_BY_EXTERNAL_ID,
            "gadget",
            [
                {"external_id": "upserted", "name": "Other", "seats": "5"},
                {"external_id": "x-2", "name": "New x-2", "seats": "5"},
            ],
        ),
        (
            Action.UPSERT_BY_NAME,
            "tool",
            [
                {"name": "Drill", "seats": "5"},
                {"name": "Saw", "seats": "5"},
            ],
        ),
        (Action.DELETE, "gadget", [{"id": seeded[2]}]),
        (Action.DELETE_BY_EXTERNAL_ID, "gadget", [{"external_id": "deleted"}]),
    ]
    jobs = {
        action.value: harness.checked(rows, action, key=key, blank="clear")
        for action, key, rows in plan
    }
    for job in jobs.values():
        actions.launch(job, by=None)
    harness.task_queue.run_all()
    for job in jobs.values():
        job.refresh_from_db()
    return jobs


@pytest.fixture
def account(harness: Harness) -> Harness:
    """An account with two objects, and a connection by OAuth that has not asked for a
    token yet."""
    harness.sandbox.make_object("gadget", fields=FIELDS)
    harness.sandbox.make_object("tool", fields=FIELDS, name={"is_unique": True})
    connection = harness.connection
    connection.sign_in = SignIn.OAUTH_CLIENT
    connection.client_id = harness.sandbox.client_id
    connection.save()
    secret = {"client_secret": harness.sandbox.client_secret}
    credentials.save_secrets(connection, secret, by=None)
    return harness


def outcomes(jobs: dict[str, Job]) -> dict[str, dict[str, int]]:
    """The counts that are not 0, by action."""
    return {
        name: {
            outcome: count
            for outcome, count in job.counts.items()
            if count and outcome != "rows"
        }
        for name, job in jobs.items()
    }


def seats(account: Harness) -> dict[str, int]:
    """What the records of both objects hold, in the usual shapes."""
    account.sandbox.assume(number_shape="number")
    records = account.records("gadget") | account.records("tool")
    return {
        key: record["custom_object_fields"]["seats"] for key, record in records.items()
    }


def seats_by(jobs: dict[str, Job]) -> dict[str, int]:
    """What the records hold if the outcomes are true."""
    is_updated = not jobs["update"].counts["failed"]
    return HELD if is_updated else HELD | {"updated": 4}


@pytest.mark.parametrize("case", CASES)
def test_journey_with_responses(account: Harness, case: str) -> None:
    faults = FAULTS.get(case.partition("=")[0], {})

    jobs = travelled(account, case, faults)

    assert outcomes(jobs) == EXPECTED | ANSWERED.get(case, {})
    assert seats(account) == seats_by(jobs)


@pytest.mark.parametrize("case", WITH_LOST_RESPONSES)
def test_journey_whose_responses_are_lost(account: Harness, case: str) -> None:
    lost = {"drop_after_accept": {"rate": 1, "times": 6}}

    jobs = travelled(account, case, lost)

    assert outcomes(jobs) == EXPECTED | LOST.get(case, {})
    assert seats(account) == seats_by(jobs)


def travelled(account: Harness, case: str, faults: dict[str, Any]) -> dict[str, Job]:
    """The jobs of a journey under these assumptions."""
    account.sandbox.assume(**CASES[case])
    settings = SETTINGS.get(case.partition("=")[0], {})
    account.sandbox.settings(**settings)
    if "requests_per_minute" in settings:
        account.connection.requests_per_minute = REQUESTS_PER_MINUTE
        account.connection.save()
    assert health.test(account.connection).ok
    objects.fetch_all(account.connection)
    account.sandbox.faults(**faults)
    return journey(account)
