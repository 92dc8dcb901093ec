"""Each assumption of the sandbox is tried both ways, and the verification tells the two
accounts apart."""

from dataclasses import replace

import pytest

from jobsui.sandbox.assumptions import VALUES
from jobsui.verification.questions import Verdict
from jobsui.zendesk.transport import Request
from tests.verification.accounts import VirtualTime, account

pytestmark = pytest.mark.django_db

NUMBERS = {
    "read-lag": 15,
    "search-lag": 15,
    "status-list-lag": 15,
    "text-limit": 5000,
    "deadlock-free-jobs": 1,
    "request-limit-bytes": 1_000_000,
    "address-limit": 5_000,
    "export-lag": 60,
}
"""A value for each assumption that is a number."""
NOT_ASKED_BY_DEFAULT = {
    "granted-scopes",
    "users-me-scope",
    "job-statuses-scope",
    "jobs-scope",
    "autonumbered-name",
    "trigger-user",
}
CHANGED: dict[str, set[str]] = {
    "invalid-request=400-errors": {"invalid-request"},
    "invalid-request=422": {"invalid-request", "too-many-job-ids"},
    "unknown-object=titled": {"unknown-object"},
    "malformed-json=422": {"malformed-json"},
    "field-errors=base": {"field-errors"},
    "anonymous-user=401": {"anonymous-user"},
    "address-limit=5000": {"long-address"},
    "idempotency-key=honoured": {"idempotency-key"},
    "inflight-header=absent": {"slots-header"},
    "unknown-job-ids=404": {"unknown-job-ids", "mixed-job-ids"},
    "status-list-lag=15": {"fresh-list"},
    "success-word=create-or-update": {"created-word", "updated-word"},
    "success-word=absent": {
        "created-word",
        "updated-word",
        "upserted-word",
        "deleted-word",
    },
    "result-id=absent": {"result-id"},
    "result-id=data": {"result-id"},
    "result-index=absent": {"result-index"},
    "failure-code=generic": {"unknown-record"},
    "failure-code=absent": {"unknown-record"},
    "item-order=any": {"item-order"},
    "malformed-record-id=request": {"malformed-record-id"},
    "record-id-case=any": {"record-id-case"},
    "update-key=external-id": {"update-key"},
    "null-key=item": {"null-key"},
    "upsert-by-ambiguous-name=request": {"upsert-by-name"},
    "unknown-field=dropped": {"unknown-field"},
    "read-only-value=item": {"read-only-value"},
    "standard-keys-in-fields=item": {"standard-keys"},
    "omitted-field=emptied": {"omitted-field"},
    "deleted-key=taken": {"key-reuse"},
    "external-id-case=any": {"external-id-case"},
    "key-spaces=trimmed": {"external-id-spaces"},
    "no-change-update=keeps": {"no-change-update"},
    "job-user=system": {"record-user"},
    "trigger=fires": {"triggers"},
    "null-value=ignored": {"null-value", "null-checkbox"},
    "null-value=item": {"null-value", "null-checkbox"},
    "blank-text=item": {"blank-value"},
    "unknown-option=vanishes": {"unknown-option"},
    "pattern-match=full": {"pattern-match"},
    "text-spaces=trimmed": {"text-spaces"},
    "text-form=composed": {"text-form"},
    "text-form=line-feeds": {"text-form"},
    "text-limit=5000": {"long-text"},
    "currency-shape=object": {"currency-shape"},
    "currency-shape=string": {"currency-shape"},
    "number-shape=string": {"number-shape"},
    "date-shape=time": {"date-shape"},
    "empty-checkbox=false": {"unset-checkbox", "null-checkbox"},
    "multiselect-order=options": {"multiselect-order"},
    "read-lag=15": {"read-lag", "ids-lag"},
    "search-lag=15": {"search-lag"},
    "comma-in-filter=literal": {"comma-in-filter"},
    "list-order=any": {"list-order"},
    "export-lag=60": {"export-lag"},
    "creating-upsert=201": {"creating-upsert"},
}
"""The questions whose verdict changes with each value that is not the default."""
ELSEWHERE = {
    "autonumbered-name": "test_name_of_an_autonumbered_object_is_asked_there",
    "trigger-user": "test_user_of_triggers_is_asked_where_one_ran",
    "granular-scopes": "test_scopes.py",
    "jobs-scope": "test_scopes.py",
    "job-statuses-scope": "test_scopes.py",
    "users-me-scope": "test_scopes.py",
}
"""Assumptions that need another object or another token, with their tests."""
UNASKED = (
    "role-error=description",
    "request-limit-bytes=1000000",
    "long-address=400",
    "job-slots=action",
    "too-many-jobs=429-retry-after",
    "too-many-jobs=422",
    "rate-window=sliding",
    "limited-requests=counted",
    "inflight-header=own",
    "passing-error=conflict",
    "passing-error=timeout",
    "passing-error=internal",
    "deadlock-free-jobs=1",
    "deleted-object=items",
    "length-unit=characters",
    "deleted-users=left-out",
    "invalid-client=400",
)
"""Values that change no verdict, because no harmless request shows them."""


def values_of(name: str) -> list[str]:
    """Its values but the default, as "name=value"."""
    values = VALUES[name][1:] or (str(NUMBERS[name]),)
    return [f"{name}={value}" for value in values]


def test_default_account_holds_every_assumption_that_is_asked(
    clock: VirtualTime,
) -> None:
    verified = account(clock).run()

    others = {
        question: verdict
        for question, verdict in verified.verdicts.items()
        if verdict != Verdict.HOLDS
    }
    assert others == dict.fromkeys(NOT_ASKED_BY_DEFAULT, Verdict.NOT_ASKED)


@pytest.mark.parametrize("assumption", [*CHANGED, *UNASKED])
def test_changed_assumption_changes_exactly_its_verdicts(
    clock: VirtualTime, assumption: str
) -> None:
    name, _, value = assumption.partition("=")

    verified = account(clock, assume={name: value}).run()

    changed = {
        question: verdict
        for question, verdict in verified.verdicts.items()
        if verdict != Verdict.HOLDS and question not in NOT_ASKED_BY_DEFAULT
    }
    expected = CHANGED.get(assumption, set())
    assert changed == dict.fromkeys(expected, Verdict.DOES_NOT_HOLD)
    assert verified.external_ids == []


def test_every_value_of_every_assumption_is_tried() -> None:
    tried = {*CHANGED, *UNASKED}

    every_value = {
        value for name in VALUES.keys() - ELSEWHERE.keys() for value in values_of(name)
    }
    assert every_value == tried


@pytest.mark.parametrize("value", VALUES["autonumbered-name"])
def test_name_of_an_autonumbered_object_is_asked_there(
    clock: VirtualTime, value: str
) -> None:
    name = {"autoincrement_enabled": True, "autoincrement_prefix": "DEV-"}

    verified = account(clock, assume={"autonumbered-name": value}, name=name).run()

    others = {
        question: verdict
        for question, verdict in verified.verdicts.items()
        if verdict != Verdict.HOLDS
    }
    without_names = {"missing-name", "upsert-by-name", "item-order"}
    without_scopes = NOT_ASKED_BY_DEFAULT - {"autonumbered-name"}
    expected = dict.fromkeys(without_names | without_scopes, Verdict.NOT_ASKED)
    if value != "item":
        expected["autonumbered-name"] = Verdict.DOES_NOT_HOLD
    assert others == expected
    assert verified.external_ids == []


@pytest.mark.parametrize("value", VALUES["trigger-user"])
def test_user_of_triggers_is_asked_where_one_ran(
    clock: VirtualTime, value: str
) -> None:
    assume: dict[str, str | float] = {"trigger": "fires", "trigger-user": value}

    verified = account(clock, assume=assume).run()

    is_updater = value == "updater"
    expected = Verdict.HOLDS if is_updater else Verdict.DOES_NOT_HOLD
    assert verified.verdicts["trigger-user"] == expected


@pytest.mark.parametrize(
    ("value", "status"), [("414", "status 414"), ("400", "status 400")]
)
def test_refusal_of_a_long_address_is_observed(
    clock: VirtualTime, value: str, status: str
) -> None:
    assume: dict[str, str | float] = {"address-limit": 5_000, "long-address": value}

    verified = account(clock, assume=assume, with_scratch=False).run()

    assert verified.verdicts["long-address"] == Verdict.DOES_NOT_HOLD
    assert status in verified.observed["long-address"]


def test_longest_address_is_observed(clock: VirtualTime) -> None:
    assume: dict[str, str | float] = {"address-limit": 10_000}

    verified = account(clock, assume=assume, with_scratch=False).run()

    assert verified.verdicts["long-address"] == Verdict.HOLDS
    assert "status 414" in verified.observed["long-address"]


def test_refused_export_is_observed(clock: VirtualTime) -> None:
    verified = account(clock, faults={"refused-exports": 1}).run()

    assert verified.verdicts["export"] == Verdict.DOES_NOT_HOLD
    assert verified.verdicts["export-lag"] == Verdict.NOT_ASKED
    assert "status 403" in verified.observed["export"]


def test_list_that_cannot_be_read_from_its_end_is_observed(clock: VirtualTime) -> None:
    verified = account(clock)
    verified.transport.intercept = without_sort

    verified.run()

    assert verified.verdicts["two-chains"] == Verdict.DOES_NOT_HOLD
    assert verified.observed["two-chains"] == "not in order: sort=-id"


def without_sort(request: Request) -> Request:
    """For an account that ignores the order that a request asks for."""
    params = {
        name: value for name, value in (request.params or {}).items() if name != "sort"
    }
    return replace(request, params=params)
