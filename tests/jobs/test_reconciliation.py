import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsui.jobs.delivery import reconciliation
from jobsui.jobs.delivery.batch_request import BatchRequest
from jobsui.jobs.delivery.reconciliation import Finding, Rest, UnconfirmedBatch
from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.models import RowResult
from jobsui.zendesk.client import Client
from jobsui.zendesk.custom_objects import read_job_status
from jobsui.zendesk.payloads import JobStatus, Record

SENT_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEYED = [{"external_id": f"e{n}", "name": f"n{n}"} for n in range(3)]
NAMED = [{"name": f"n{n}", "custom_object_fields": {"price": n}} for n in range(3)]
FRESH, QUIET, STALE = 0.0, 20.0, 80.0


@dataclass
class Zendesk:
    """What an account has: records and job statuses."""

    records: list[Record] = field(default_factory=list)
    statuses: list[JobStatus] = field(default_factory=list)

    def records_by_external_ids(
        self,
        _client: Client,
        _key: str,
        external_ids: list[str],
    ) -> list[Record]:
        return [record for record in self.records if record.external_id in external_ids]

    def records_by_ids(
        self, _client: Client, _key: str, ids: list[str]
    ) -> list[Record]:
        return [record for record in self.records if record.id in ids]

    def recent_job_statuses(self, _client: Client) -> list[JobStatus]:
        return self.statuses

    def add(
        self, item: dict[str, Any], number: int, *, made: datetime = SENT_AT
    ) -> None:
        fields = item.get("custom_object_fields", {})
        self.records.append(
            Record(
                f"r{number}",
                item.get("name", ""),
                item.get("external_id", ""),
                fields,
                made.isoformat(),
            )
        )

    def queue(
        self, status_id: str, status: str, total: int | None, results: Any = None
    ) -> None:
        self.statuses.append(
            read_job_status(
                {"id": status_id, "status": status, "total": total, "results": results}
            )
        )


@pytest.fixture
def zendesk(monkeypatch: pytest.MonkeyPatch) -> Zendesk:
    account = Zendesk()
    monkeypatch.setattr(reconciliation, "custom_objects", account)
    return account


def unconfirmed(
    items: list[Any],
    action: Action = Action.CREATE,
    *,
    waited: float = QUIET,
    reconcile_count: int = 1,
    attempts: int = 1,
    known: tuple[str, ...] = (),
    is_status_lost: bool = False,
    is_overtaken: bool = False,
    account_time: datetime | None = None,
) -> UnconfirmedBatch:
    request = BatchRequest(
        batch_id=1,
        job_id=1,
        attempt_id=1,
        action=action,
        object_key="gadget",
        client=Client("http://127.0.0.1:9", None),
        connection_id=1,
        is_part=False,
        first_sent_at=SENT_AT,
        first_account_time=account_time,
        items=tuple(
            (index, json.dumps(item).encode()) for index, item in enumerate(items)
        ),
    )
    return UnconfirmedBatch(
        request,
        reconcile_count,
        attempts,
        waited,
        QUIET,
        lambda ids: set(known) & set(ids),
        is_status_lost,
        is_overtaken,
    )


def summary(finding: Finding) -> tuple[dict[int, str], str]:
    return {index: result[0] for index, result in finding.results.items()}, finding.rest


def test_create_is_settled_by_its_external_ids(zendesk: Zendesk) -> None:
    for number, item in enumerate(KEYED):
        zendesk.add(item, number)

    finding = reconciliation.reconcile(unconfirmed(KEYED, waited=FRESH))

    assert summary(finding) == ({0: "created", 1: "created", 2: "created"}, "settled")
    assert finding.results[1][1] == "r1"


def test_create_that_found_an_older_record_failed(zendesk: Zendesk) -> None:
    for number, item in enumerate(KEYED):
        zendesk.add(item, number, made=SENT_AT - timedelta(minutes=5 * (number == 1)))

    finding = reconciliation.reconcile(unconfirmed(KEYED))

    assert summary(finding) == ({0: "created", 1: "failed", 2: "created"}, "settled")
    assert finding.results[1][2] == "ExternalIdTaken"


def test_create_is_settled_while_our_clock_is_ahead(
    zendesk: Zendesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, item in enumerate(KEYED):
        zendesk.add(item, number, made=SENT_AT - timedelta(hours=1))
    monkeypatch.setattr(Client, "clock_ahead", timedelta(hours=1))

    assert summary(reconciliation.reconcile(unconfirmed(KEYED))) == (
        {0: "created", 1: "created", 2: "created"},
        "settled",
    )


@pytest.mark.parametrize(
    ("found", "waited", "reconcile_count", "rest"),
    [
        (0, FRESH, 0, "again"),  # It may still be under way.
        (0, QUIET - 1, 5, "again"),
        (0, QUIET, 0, "resend"),
        (2, QUIET, 0, "again"),  # Some are there: the others may just be coming.
        (2, QUIET, 1, "resend"),
    ],
)
def test_create_is_sent_again_only_when_absence_proves_something(
    zendesk: Zendesk, found: int, waited: float, reconcile_count: int, rest: str
) -> None:
    for number in range(found):
        zendesk.add(KEYED[number], number)

    finding = reconciliation.reconcile(
        unconfirmed(KEYED, waited=waited, reconcile_count=reconcile_count)
    )

    assert finding.rest == rest
    assert len(finding.results) == found


@pytest.mark.parametrize(
    ("status", "total", "known", "waited", "rest"),
    [
        ("working", 3, False, QUIET, "again"),
        ("queued", None, False, QUIET, "again"),
        ("working", 3, False, STALE, "resend"),  # Long enough.
        ("working", 3, True, QUIET, "resend"),  # Another batch's.
        ("working", 2, False, QUIET, "resend"),  # Another size.
        ("completed", 3, False, QUIET, "resend"),
    ],
)
@pytest.mark.parametrize("action", [Action.CREATE, Action.UPSERT_BY_EXTERNAL_ID])
def test_an_unknown_running_job_of_the_same_size_is_waited_for(
    zendesk: Zendesk,
    action: Action,
    status: str,
    total: int | None,
    known: bool,
    waited: float,
    rest: str,
) -> None:
    zendesk.queue("V3-1", status, total)

    finding = reconciliation.reconcile(
        unconfirmed(KEYED, action, waited=waited, known=("V3-1",) if known else ())
    )

    assert finding.rest == rest


ITEMS: dict[Action, list[Any]] = {
    Action.UPDATE: [{"id": f"r{n}", **item} for n, item in enumerate(NAMED)],
    Action.UPSERT_BY_EXTERNAL_ID: [
        {"external_id": f"e{n}", **item} for n, item in enumerate(NAMED)
    ],
    Action.UPSERT_BY_NAME: NAMED,
    Action.DELETE: ["r0", "r1", "r2"],
    Action.DELETE_BY_EXTERNAL_ID: ["e0", "e1", "e2"],
}
"""Three items of each action that can be repeated."""
OLD = SENT_AT - timedelta(hours=1)
LATER = SENT_AT + timedelta(minutes=1)


def records_of(
    zendesk: Zendesk, *, price: int | None = None, changed: datetime = OLD
) -> None:
    """The three records of ITEMS. `price`: what they hold; None: what was sent."""
    for number in range(3):
        held = number if price is None else price
        record = Record(
            f"r{number}",
            f"n{number}",
            f"e{number}",
            {"price": held},
            OLD.isoformat(),
            changed.isoformat(),
        )
        zendesk.records.append(record)


@pytest.mark.parametrize("action", ITEMS)
def test_other_actions_wait_as_long_as_the_request_may_arrive(
    zendesk: Zendesk, action: Action
) -> None:
    records_of(zendesk)

    finding = reconciliation.reconcile(unconfirmed(ITEMS[action], action, waited=FRESH))

    assert summary(finding) == ({}, "again")


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        (Action.UPDATE, Outcome.UPDATED),
        (Action.UPSERT_BY_EXTERNAL_ID, Outcome.CREATED_OR_UPDATED),
    ],
)
def test_records_that_hold_what_was_sent_settle_their_rows(
    zendesk: Zendesk, action: Action, outcome: Outcome
) -> None:
    records_of(zendesk)

    finding = reconciliation.reconcile(unconfirmed(ITEMS[action], action))

    assert summary(finding) == (dict.fromkeys(range(3), outcome), "settled")
    assert finding.results[1].record_id == "r1"


def test_upserts_by_name_are_settled_by_the_records_their_job_saved(
    zendesk: Zendesk,
) -> None:
    """Its results name the records only, and in another order."""
    records_of(zendesk)
    saved = [{"id": f"r{n}", "status": "CreateOrUpdate"} for n in (2, 0, 1)]
    zendesk.queue("V3-1", "completed", 3, saved)

    finding = reconciliation.reconcile(unconfirmed(NAMED, Action.UPSERT_BY_NAME))

    outcomes = dict.fromkeys(range(3), Outcome.CREATED_OR_UPDATED)
    assert summary(finding) == (outcomes, "settled")
    assert finding.results[1].record_id == "r1"


@pytest.mark.parametrize(("price", "status_id"), [(99, "V3-1"), (None, "V3-2")])
def test_upserts_by_name_that_no_job_shows_are_sent_again(
    zendesk: Zendesk, price: int | None, status_id: str
) -> None:
    """The saved records hold other values, or the job belongs to another batch."""
    records_of(zendesk, price=price)
    saved = [{"id": f"r{n}", "status": "CreateOrUpdate"} for n in range(3)]
    zendesk.queue(status_id, "completed", 3, saved)

    finding = reconciliation.reconcile(
        unconfirmed(NAMED, Action.UPSERT_BY_NAME, known=("V3-2",))
    )

    assert summary(finding) == ({}, "resend")


@pytest.mark.parametrize("action", [Action.DELETE, Action.DELETE_BY_EXTERNAL_ID])
@pytest.mark.usefixtures("zendesk")
def test_records_that_are_gone_were_deleted(action: Action) -> None:
    finding = reconciliation.reconcile(unconfirmed(ITEMS[action], action))

    assert summary(finding) == (dict.fromkeys(range(3), Outcome.DELETED), "settled")


@pytest.mark.parametrize("action", ITEMS)
def test_rows_whose_records_did_not_change_are_sent_again(
    zendesk: Zendesk, action: Action
) -> None:
    records_of(zendesk, price=99)

    finding = reconciliation.reconcile(unconfirmed(ITEMS[action], action))

    assert summary(finding) == ({}, "resend")


@pytest.mark.parametrize("action", [Action.UPDATE, Action.UPSERT_BY_EXTERNAL_ID])
def test_records_that_somebody_else_changed_are_not_overwritten(
    zendesk: Zendesk, action: Action
) -> None:
    records_of(zendesk, price=99, changed=LATER)

    finding = reconciliation.reconcile(unconfirmed(ITEMS[action], action))

    assert summary(finding) == (dict.fromkeys(range(3), "uncertain"), "settled")


def test_a_clock_set_back_since_hides_no_change_of_somebody_else(
    zendesk: Zendesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = Action.UPSERT_BY_EXTERNAL_ID
    records_of(zendesk, price=99, changed=SENT_AT + timedelta(seconds=20))
    monkeypatch.setattr(Client, "clock_ahead", timedelta(seconds=-40))

    finding = reconciliation.reconcile(unconfirmed(ITEMS[action], action))

    assert summary(finding) == (dict.fromkeys(range(3), "uncertain"), "settled")


def test_a_clock_corrected_since_hides_no_change_of_somebody_else(
    zendesk: Zendesk,
) -> None:
    """Our clock was an hour ahead when the request was sent, and is right now."""
    action = Action.UPSERT_BY_EXTERNAL_ID
    an_hour_ago = SENT_AT - timedelta(hours=1)
    records_of(zendesk, price=99, changed=an_hour_ago + timedelta(seconds=20))
    batch = unconfirmed(ITEMS[action], action, account_time=an_hour_ago)

    finding = reconciliation.reconcile(batch)

    assert summary(finding) == (dict.fromkeys(range(3), "uncertain"), "settled")


def test_created_record_with_other_values_is_uncertain(zendesk: Zendesk) -> None:
    """Another program may have created it."""
    other = {**KEYED[0], "name": "Somebody else's"}
    for number, item in enumerate([other, *KEYED[1:]]):
        zendesk.add(item, number)

    finding = reconciliation.reconcile(unconfirmed(KEYED))

    assert summary(finding) == (
        {0: "uncertain", 1: "created", 2: "created"},
        "settled",
    )


def test_records_of_a_later_job_are_not_taken_for_created(zendesk: Zendesk) -> None:
    zendesk.add(KEYED[0], 0)

    finding = reconciliation.reconcile(unconfirmed(KEYED[:1], is_overtaken=True))

    assert finding == Finding({}, Rest.UNCERTAIN, reconciliation.OVERTAKEN)


def test_rows_are_not_resent_after_a_later_job(zendesk: Zendesk) -> None:
    zendesk.add(KEYED[0], 0)
    batch = unconfirmed(["e0"], Action.DELETE_BY_EXTERNAL_ID, is_overtaken=True)

    finding = reconciliation.reconcile(batch)

    assert finding == Finding({}, Rest.UNCERTAIN, reconciliation.OVERTAKEN)


@pytest.mark.usefixtures("zendesk")
def test_a_batch_without_an_answer_five_times_is_left_to_a_person() -> None:
    action = Action.UPDATE
    rests = [
        reconciliation.reconcile(
            unconfirmed(ITEMS[action], action, attempts=attempts)
        ).rest
        for attempts in (4, 5)
    ]

    assert rests == ["resend", "uncertain"]


def matching(
    zendesk: Zendesk,
    status_id: str = "V3-1",
    *,
    first: int = 0,
    made: datetime = SENT_AT,
) -> None:
    """A finished job that made the records of NAMED."""
    for number, item in enumerate(NAMED, first):
        zendesk.add(item, number, made=made)
    results = [
        {"index": n, "id": f"r{first + n}", "status": "Created"}
        for n in range(len(NAMED))
    ]
    zendesk.queue(status_id, "completed", len(NAMED), results)


def test_create_without_external_ids_is_settled_by_the_one_matching_job(
    zendesk: Zendesk,
) -> None:
    matching(zendesk)
    zendesk.queue(
        "V3-2", "completed", 3, [{"index": 0, "id": "other", "status": "Created"}]
    )

    finding = reconciliation.reconcile(unconfirmed(NAMED))

    assert summary(finding) == ({0: "created", 1: "created", 2: "created"}, "settled")
    assert finding.status_id == "V3-1"
    assert finding.results[2][1] == "r2"


def test_two_matching_jobs_leave_it_uncertain(zendesk: Zendesk) -> None:
    matching(zendesk)
    matching(zendesk, "V3-2", first=3)

    assert summary(reconciliation.reconcile(unconfirmed(NAMED))) == ({}, "uncertain")


def test_a_job_of_another_batch_is_not_a_match(zendesk: Zendesk) -> None:
    matching(zendesk)

    assert summary(reconciliation.reconcile(unconfirmed(NAMED, known=("V3-1",)))) == (
        {},
        "uncertain",
    )


def test_records_made_before_we_sent_anything_are_not_ours(zendesk: Zendesk) -> None:
    matching(zendesk, made=SENT_AT - timedelta(minutes=10))

    assert summary(reconciliation.reconcile(unconfirmed(NAMED))) == ({}, "uncertain")


def test_records_of_other_content_are_not_ours(zendesk: Zendesk) -> None:
    matching(zendesk)
    other = [{**NAMED[0], "custom_object_fields": {"price": 99}}, *NAMED[1:]]

    assert summary(reconciliation.reconcile(unconfirmed(other))) == ({}, "uncertain")


@pytest.mark.parametrize(
    ("waited", "rest"), [(FRESH, "again"), (QUIET, "uncertain"), (STALE, "uncertain")]
)
@pytest.mark.usefixtures("zendesk")
def test_create_without_external_ids_is_never_sent_again_silently(
    waited: float, rest: str
) -> None:
    assert summary(reconciliation.reconcile(unconfirmed(NAMED, waited=waited))) == (
        {},
        rest,
    )


@pytest.mark.parametrize(
    ("is_status_lost", "reason"),
    [(False, reconciliation.NO_ANSWER), (True, reconciliation.STATUS_LOST)],
)
@pytest.mark.usefixtures("zendesk")
def test_uncertain_rows_say_what_happened(is_status_lost: bool, reason: str) -> None:
    batch = unconfirmed(NAMED, is_status_lost=is_status_lost)

    assert reconciliation.reconcile(batch).note == reason


@pytest.mark.parametrize(("waited", "rest"), [(QUIET, "again"), (STALE, "uncertain")])
def test_create_without_external_ids_waits_for_a_job_that_may_be_its_own(
    zendesk: Zendesk, waited: float, rest: str
) -> None:
    zendesk.queue("V3-1", "working", 3)

    assert summary(reconciliation.reconcile(unconfirmed(NAMED, waited=waited))) == (
        {},
        rest,
    )


def test_failures_of_a_repeated_create_are_read_back(zendesk: Zendesk) -> None:
    """The last item is not there, and its failure does not need it to be."""
    zendesk.add(KEYED[0], 0)
    zendesk.add(KEYED[1], 1, made=SENT_AT - timedelta(days=1))
    failed = RowResult(Outcome.FAILED, "", "X", "Serial is invalid.")

    verified = reconciliation.verify(
        unconfirmed(KEYED).request, dict.fromkeys(range(3), failed)
    )

    assert [(result[0], result[2]) for result in verified.values()] == [
        ("created", ""),
        ("failed", "ExternalIdTaken"),
        ("failed", "X"),
    ]


@pytest.mark.usefixtures("zendesk")
def test_a_taken_key_without_a_record_is_not_a_failure_yet() -> None:
    """The record of the first request cannot be read yet."""
    taken = RowResult(Outcome.FAILED, "", "X", "External ID has already been taken")

    verified = reconciliation.verify(
        unconfirmed(KEYED).request, dict.fromkeys(range(3), taken)
    )

    assert verified == {}


def test_failures_of_a_repeated_update_that_was_applied_are_successes(
    zendesk: Zendesk,
) -> None:
    records_of(zendesk, changed=LATER)
    failed = RowResult(Outcome.FAILED, "", "X", "Not now.")

    verified = reconciliation.verify(
        unconfirmed(ITEMS[Action.UPDATE], Action.UPDATE).request,
        dict.fromkeys(range(3), failed),
    )

    assert {result.outcome for result in verified.values()} == {Outcome.UPDATED}


@pytest.mark.usefixtures("zendesk")
def test_a_repeated_update_of_a_record_that_is_gone_is_uncertain() -> None:
    failed = RowResult(Outcome.FAILED, "", "RecordNotFound", "Record not found")

    verified = reconciliation.verify(
        unconfirmed(ITEMS[Action.UPDATE], Action.UPDATE).request, {0: failed}
    )

    assert verified[0].outcome == Outcome.UNCERTAIN
    assert verified[0].message == reconciliation.GONE
