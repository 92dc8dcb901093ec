import threading
from typing import Any

import pytest

from jobsui.connections import objects
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import corrections, drafts
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.models import AccountFacts, Cause, Job
from jobsui.jobs.preparation import account_reads, checker, planner, row_sample
from tests.factories import make_connection, make_job, make_object
from tests.harness import GADGET
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.django_db

FIELDS = [
    *GADGET,
    {
        "key": "owner",
        "title": "Owner",
        "type": "lookup",
        "relationship_target_type": "zen:custom_object:person",
    },
]
PEOPLE = [{"name": "Ann", "external_id": "p-1"}, {"name": "Ben"}]
RECORD = {
    "name": "Old",
    "external_id": "g-1",
    "custom_object_fields": {"serial": "AB-000001"},
}

type Found = list[tuple[str, str, list[int], list[str]]]


@pytest.fixture
def gadget(sandbox: Sandbox) -> CustomObject:
    """An object with one record, and a field that refers to people."""
    sandbox.make_object("person")
    sandbox.add_records("person", PEOPLE)
    sandbox.make_object("gadget", fields=FIELDS)
    sandbox.add_records("gadget", [RECORD])
    connection = make_connection(host=sandbox.host, email=sandbox.email)
    connection.set_secret("api_token", sandbox.api_token)
    connection.save()
    return objects.refresh(make_object(connection, "gadget"))


def check(content: str, action: Action, to: CustomObject, **options: Any) -> Job:
    job = make_job(content, action, to=to, **options)
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    assert job.state == JobState.READY
    return job


def let_owner_refer_to(gadget: CustomObject, target: str) -> None:
    for field in gadget.fields:
        if field["key"] == "owner":
            field["relationship_target_type"] = target
    gadget.save()


def warnings_of(job: Job) -> Found:
    causes = Cause.objects.filter(job=job, is_warning=True).order_by("code", "message")
    return [
        (cause.code, cause.column, cause.sample_rows, cause.sample_values)
        for cause in causes
    ]


UPSERT = Action.UPSERT_BY_EXTERNAL_ID
CASES: list[tuple[str, Action, str, Found]] = [
    (
        "upsert without columns that a new record needs",
        UPSERT,
        "external_id,price\ng-1,1\ng-2,2\n",
        [
            ("missing_in_new_record", "", [3], []),
            ("missing_in_new_record", "", [3], []),
        ],
    ),
    (
        "upsert with blank cells that a new record needs",
        UPSERT,
        "external_id,name,serial\ng-1,,\ng-2,,AB-000002\ng-3,C,AB-000003\n",
        [("missing_in_new_record", "name", [3], [])],
    ),
    (
        "upsert of complete rows",
        UPSERT,
        "external_id,name,serial\ng-1,A,AB-000001\ng-2,B,AB-000002\n",
        [],
    ),
    (
        "references that do not exist",
        UPSERT,
        "external_id,name,serial,owner\n"
        "g-2,B,AB-000002,external_id:p-1\n"
        "g-3,C,AB-000003,external_id:p-2\n"
        "g-4,D,AB-000004,name:Ben\n"
        "g-5,E,AB-000005,name:Eve\n"
        "g-6,F,AB-000006,01HXSAMP1E0000000000000000\n"
        'g-7,G,AB-000007,"external_id:say ""p"" é"\n'
        "g-8,H,AB-000008,\n",
        [
            (
                "reference_missing",
                "owner",
                [3, 5, 6, 7],
                [
                    "external_id:p-2",
                    "name:Eve",
                    "01HXSAMP1E0000000000000000",
                    'external_id:say "p" é',
                ],
            )
        ],
    ),
    (
        "create with an external ID that a record has",
        Action.CREATE,
        "external_id,name,serial\ng-1,A,AB-000001\ng-2,B,AB-000002\n,C,AB-000003\n",
        [("key_taken", "external_id", [2], ["g-1"])],
    ),
    (
        "delete of records that do not exist",
        Action.DELETE_BY_EXTERNAL_ID,
        'external_id\ng-1\ng-2\n"g,3"\n',
        [("record_missing", "external_id", [3], ["g-2"])],
    ),
    (
        "update of a record that does not exist",
        Action.UPDATE,
        "id,price\n01HXSAMP1E0000000000000000,1\n",
        [("record_missing", "id", [2], ["01HXSAMP1E0000000000000000"])],
    ),
]


@pytest.mark.parametrize(
    ("action", "content", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_rows_that_zendesk_may_refuse_have_warnings(
    gadget: CustomObject, action: Action, content: str, expected: Found
) -> None:
    job = check(content, action, gadget)

    assert warnings_of(job) == expected
    assert job.rows_invalid == 0
    rows = {row for _, _, rows, _ in expected for row in rows}
    assert job.rows_warned == len(rows)


def test_clearing_a_required_field_is_a_warning(gadget: CustomObject) -> None:
    content = "external_id,name,serial\ng-1,A,\n"

    job = check(content, UPSERT, gadget, blank="clear")

    assert warnings_of(job) == [("clears_required", "serial", [2], [])]


def test_taken_names_are_warnings_where_names_are_unique(sandbox: Sandbox) -> None:
    sandbox.make_object("tool", fields=GADGET, name={"is_unique": True})
    sandbox.add_records("tool", [RECORD])
    connection = make_connection(host=sandbox.host, email=sandbox.email)
    connection.set_secret("api_token", sandbox.api_token)
    connection.save()
    tool = objects.refresh(make_object(connection, "tool"))
    content = "external_id,name,serial\ng-1,Old,AB-000001\ng-2,New,AB-000002\n"
    other = content.replace("g-1", "g-9")

    assert warnings_of(check(content, UPSERT, tool)) == []
    assert warnings_of(check(other, UPSERT, tool)) == [
        ("name_taken", "name", [2], ["Old"])
    ]


def test_invalid_rows_have_no_warnings(gadget: CustomObject) -> None:
    content = "external_id,price\ng-2,x\n,1\ng-2,1\ng-3,1\n"

    job = check(content, UPSERT, gadget)

    assert job.rows_invalid == 2
    assert job.rows_warned == 2
    assert {tuple(rows) for _, _, rows, _ in warnings_of(job)} == {(4, 5)}


def test_samples_are_taken_from_the_whole_file(
    gadget: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_sample, "MAX_KEYS", 2)
    content = "external_id\n" + "".join(f"g-{n}\n" for n in range(1, 9))

    job = check(content, Action.DELETE_BY_EXTERNAL_ID, gadget)

    facts = AccountFacts.objects.get(job=job)
    assert [notice["message"] for notice in facts.notices] == [
        "2 external IDs from all over the file were looked up in Zendesk, and the others "
        "were not."
    ]
    assert warnings_of(job) == [("record_missing", "external_id", [3], ["g-2"])]


def test_record_limit_is_noticed(sandbox: Sandbox, gadget: CustomObject) -> None:
    sandbox.settings(max_records=4)
    content = "external_id,name,serial\ng-2,B,AB-000002\ng-3,C,AB-000003\n"

    job = check(content, Action.CREATE, gadget)

    sandbox.settings(max_records=50_000_000)
    [notice] = AccountFacts.objects.get(job=job).notices
    assert notice["code"] == "record_limit"
    assert notice["count"] == 1
    assert notice["message"] == (
        "The account can hold 4 records and has 3. This job creates 2 more."
    )


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("503", "Zendesk"),
        ("rate-429", "The account's request limit is used up"),
    ],
)
def test_check_ends_without_an_account_that_answers(
    sandbox: Sandbox, gadget: CustomObject, fault: str, reason: str
) -> None:
    sandbox.faults(**{fault: 1})

    job = check("external_id,price\ng-1,1\n", UPSERT, gadget)

    sandbox.faults()
    [notice] = AccountFacts.objects.get(job=job).notices
    assert notice["code"] == "not_checked"
    assert reason in notice["message"]
    assert job.rows_warned == 1


def test_a_refusal_concerns_only_what_was_asked(
    gadget: CustomObject,
) -> None:
    let_owner_refer_to(gadget, "zen:custom_object:gone")

    job = check("external_id,owner\ng-2,external_id:p-9\n", UPSERT, gadget)

    [notice] = AccountFacts.objects.get(job=job).notices
    assert notice["message"].startswith("What Owner refers to was not checked.")
    assert job.rows_warned == 1


def test_references_to_users_are_not_looked_up(gadget: CustomObject) -> None:
    let_owner_refer_to(gadget, "zen:user")

    job = check("external_id,name,serial,owner\ng-2,B,AB-000002,17\n", UPSERT, gadget)

    [notice] = AccountFacts.objects.get(job=job).notices
    assert notice["message"] == (
        "Owner refers to a user. Whether it exists was not checked."
    )
    assert warnings_of(job) == []


def test_stopped_check_asks_the_account_nothing_more(
    gadget: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("external_id,price\ng-2,1\n", UPSERT, to=gadget)
    checker.start(job, by=None)
    stopping = threading.Event()
    read = account_reads.read

    def stopped(*args: Any) -> Any:
        stopping.set()
        return read(*args)

    monkeypatch.setattr(account_reads, "read", stopped)
    checker.check(job, stopping=stopping)

    job.refresh_from_db()
    assert job.state == JobState.CHECKING
    assert not AccountFacts.objects.exists()


@pytest.mark.parametrize(
    ("choice", "sent", "invalid"), [("send", 2, 0), ("skip", 1, 1)]
)
def test_rows_with_warnings_are_sent_or_left_out(
    gadget: CustomObject, choice: str, sent: int, invalid: int
) -> None:
    job = check("external_id,price\ng-1,1\ng-2,2\n", UPSERT, gadget)
    drafts.set_warned_rows(job, choice)
    assert job.to_send == sent
    Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)

    planner.plan(job, stopping=threading.Event())

    job.refresh_from_db()
    assert sum(job.batches.values_list("size", flat=True)) == sent
    assert job.invalid == invalid
    assert job.to_send == sent
    found = list(job.row_errors.values_list("row", "code"))
    assert found == [(3, "missing_in_new_record")][:invalid]
    assert not AccountFacts.objects.exists()


def test_warnings_follow_corrections(gadget: CustomObject) -> None:
    content = (
        "external_id,name,serial,price,owner\n"
        "g-2,B,,x,external_id:p-1\n"
        "g-3,C,AB-000003,1,external_id:p-2\n"
    )
    job = check(content, UPSERT, gadget)
    assert warnings_of(job) == [
        ("reference_missing", "owner", [3], ["external_id:p-2"])
    ]

    corrections.correct_cell(job, 2, "price", "1", by=None)
    corrections.correct_cell(job, 3, "owner", "external_id:p-1", by=None)

    job.refresh_from_db()
    assert job.state == JobState.READY
    assert warnings_of(job) == [("missing_in_new_record", "serial", [2], [])]
    assert (job.rows_invalid, job.rows_warned) == (0, 1)
