import threading
from typing import Any

import pytest

from jobsui.connections import credentials, objects, proxy_reads
from jobsui.connections.models import CustomObject, SignIn
from jobsui.jobs.control import corrections, drafts
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.models import AccountFacts, Cause, Job
from jobsui.jobs.preparation import account_reads, checker, planner, row_sample
from jobsui.zendesk import custom_objects
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


def rows_with_owners(owners: list[str]) -> str:
    """A complete row for each of them."""
    rows = [
        f'g-{row},N,AB-{row:06},"{owner}"' for row, owner in enumerate(owners, start=2)
    ]
    return "\n".join(["external_id,name,serial,owner", *rows, ""])


def shown_lists(sandbox: Sandbox, name: str) -> list[dict[str, str]]:
    """The queries of the requests for users, organizations or tickets by their keys."""
    return [
        entry["query"]
        for entry in sandbox.log()
        if entry["path"] == f"/api/v2/{name}/show_many"
    ]


def notices_of(job: Job) -> list[str]:
    notices = AccountFacts.objects.get(job=job).notices
    return [notice["message"] for notice in notices]


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


def test_check_lets_others_wait_as_long_as_zendesk_asks(
    sandbox: Sandbox, gadget: CustomObject
) -> None:
    sandbox.settings(retry_after=40)
    sandbox.faults(**{"503-retry-after": 1})

    check("external_id,price\ng-1,1\n", UPSERT, gadget)

    sandbox.faults()
    with pytest.raises(proxy_reads.Busy):
        proxy_reads.wait_for_turn(gadget.connection, beside_driver=False)


def test_a_refusal_concerns_only_what_was_asked(
    gadget: CustomObject,
) -> None:
    let_owner_refer_to(gadget, "zen:custom_object:gone")

    job = check("external_id,owner\ng-2,external_id:p-9\n", UPSERT, gadget)

    [notice] = AccountFacts.objects.get(job=job).notices
    assert notice["message"].startswith("What Owner refers to was not checked.")
    assert job.rows_warned == 1


RELATED: list[tuple[str, list[str], list[str], list[str], list[dict[str, str]]]] = [
    (
        "user",
        [
            "26000000000002",
            "26000000000004",
            "99",
            "ann-2",
            "external_id:e-1001",
            "external_id:E-9",
            "external_id:E,9",
            "name:Ann Lind",
        ],
        ["26000000000004", "99", "ann-2", "external_id:E-9"],
        ["Owner has names of users. Whether they exist was not checked."],
        [
            {"external_ids": "e-1001,E-9"},
            {"ids": "26000000000002,26000000000004,99"},
        ],
    ),
    (
        "organization",
        ["27000000000001", "27000000000009", "external_id:o-2", "external_id:O-9"],
        ["27000000000009", "external_id:O-9"],
        [],
        [{"external_ids": "o-2,O-9"}, {"ids": "27000000000001,27000000000009"}],
    ),
    (
        "ticket",
        ["1", "9", "external_id:T-9"],
        ["9"],
        ["Owner has external IDs of tickets. Whether they exist was not checked."],
        [{"ids": "1,9"}],
    ),
    (
        "article",
        ["1"],
        [],
        ["Owner has Zendesk IDs of articles. Whether they exist was not checked."],
        [],
    ),
]


@pytest.mark.parametrize("deleted_users", ["inactive", "left-out"])
@pytest.mark.parametrize(
    ("noun", "owners", "missing", "notices", "queries"),
    RELATED,
    ids=[case[0] for case in RELATED],
)
def test_missing_users_and_the_like_are_warnings(
    sandbox: Sandbox,
    gadget: CustomObject,
    noun: str,
    owners: list[str],
    missing: list[str],
    notices: list[str],
    queries: list[dict[str, str]],
    deleted_users: str,
) -> None:
    sandbox.assume(deleted_users=deleted_users)
    let_owner_refer_to(gadget, f"zen:{noun}")

    job = check(rows_with_owners(owners), UPSERT, gadget)

    rows = [row for row, owner in enumerate(owners, start=2) if owner in missing]
    expected = [("reference_missing", "owner", rows, missing)] if missing else []
    assert warnings_of(job) == expected
    assert job.rows_warned == len(missing)
    assert notices_of(job) == notices
    assert shown_lists(sandbox, f"{noun}s") == queries


def test_warnings_name_what_the_field_refers_to(gadget: CustomObject) -> None:
    let_owner_refer_to(gadget, "zen:organization")

    job = check(rows_with_owners(["9"]), UPSERT, gadget)

    cause = Cause.objects.get(job=job, is_warning=True)
    assert cause.message == (
        "The organization that Owner refers to does not exist, or this connection is not "
        "allowed to read it."
    )
    assert cause.fix == "Correct the value, or create the related organizations first."


def test_users_are_read_a_hundred_at_a_time(
    sandbox: Sandbox, gadget: CustomObject
) -> None:
    let_owner_refer_to(gadget, "zen:user")
    users = [str(number) for number in range(1, 151)]

    job = check(rows_with_owners(users), UPSERT, gadget)

    assert job.rows_warned == 150
    queries = shown_lists(sandbox, "users")
    assert queries == [{"ids": ",".join(users[:100])}, {"ids": ",".join(users[100:])}]


def test_token_for_custom_objects_is_not_widened_to_read_users(
    sandbox: Sandbox, gadget: CustomObject
) -> None:
    connection = gadget.connection
    connection.sign_in = SignIn.OAUTH_CLIENT
    connection.client_id = sandbox.client_id
    connection.save()
    secrets = {"client_secret": sandbox.client_secret}
    credentials.save_secrets(connection, secrets, by=None)
    let_owner_refer_to(gadget, "zen:user")

    job = check(rows_with_owners(["99", "ann-2"]), UPSERT, gadget)

    assert warnings_of(job) == []
    assert notices_of(job) == [
        "What Owner refers to was not checked. This connection is not allowed to read users."
    ]
    connection.refresh_from_db()
    assert connection.scopes == "custom_objects:read custom_objects:write"
    assert len(shown_lists(sandbox, "users")) == 1


def test_unknown_list_of_users_is_no_warning(
    gadget: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(custom_objects.SHOWN_LISTS, "zen:user", "people")
    let_owner_refer_to(gadget, "zen:user")

    job = check(rows_with_owners(["99"]), UPSERT, gadget)

    assert warnings_of(job) == []
    assert notices_of(job) == [
        "What Owner refers to was not checked. This connection is not allowed to read people."
    ]


def test_names_beyond_those_looked_up_are_noticed(gadget: CustomObject) -> None:
    names = [f"name:Eve {number}" for number in range(row_sample.MAX_NAMES + 1)]

    job = check(rows_with_owners(names), UPSERT, gadget)

    assert job.rows_warned == row_sample.MAX_NAMES
    assert notices_of(job) == [
        "10 different values of Owner from all over the file were looked up in Zendesk, "
        "and the others were not."
    ]


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
    drafts.set_warned_rows(job, choice, by=None)
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
