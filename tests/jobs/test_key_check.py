"""What a whole check says about the keys of its file, with an account that answers."""

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from jobsui.connections import objects
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import key_proposals
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import AccountFacts, Job
from jobsui.jobs.preparation import checker
from jobsui.jobs.reports import check_warnings
from tests import sandbox_server
from tests.factories import make_connection, make_job, make_object
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.django_db

UPSERT = Action.UPSERT_BY_EXTERNAL_ID
DELETE = Action.DELETE_BY_EXTERNAL_ID
FIELDS = [
    {"key": "owner", "title": "Owner", "type": "text"},
    {"key": "seats", "title": "Seats", "type": "integer"},
]
RECORDS = 400

type Row = dict[str, Any]


@pytest.fixture
def other_sandbox() -> Iterator[Sandbox]:
    sandbox = sandbox_server.start(seed=2)
    yield sandbox
    sandbox.stop()


def records(seed: int) -> list[Row]:
    """With dense keys of 8 digits."""
    chance = random.Random(seed)
    return [
        {
            "name": f"{chance.getrandbits(40):x}",
            "external_id": f"{number:08}",
            "custom_object_fields": {
                "owner": f"{chance.getrandbits(32):x}",
                "seats": chance.randint(1, 20),
            },
        }
        for number in range(1, RECORDS + 1)
    ]


def asset(sandbox: Sandbox, held: list[Row], name: str = "Acme") -> CustomObject:
    sandbox.make_object("asset", fields=FIELDS)
    sandbox.add_records("asset", held)
    connection = make_connection(name=name, host=sandbox.host, email=sandbox.email)
    connection.set_secret("api_token", sandbox.api_token)
    connection.save()
    return objects.refresh(make_object(connection, "asset"))


def content(rows: list[Row], *, strip: bool = False) -> str:
    lines = ["external_id,name,owner,seats,number"]
    for row in rows:
        key = row["external_id"]
        fields = row["custom_object_fields"]
        shown = key.lstrip("0") if strip else key
        lines.append(f"{shown},{row['name']},{fields['owner']},{fields['seats']},{key}")
    return "\n".join([*lines, ""])


def with_numbers_as_keys(rows: list[Row]) -> str:
    """The first column has the numbers of the rows, and only the last one the keys."""
    header, *lines = content(rows).splitlines()
    found = [header.replace("external_id", "ref")]
    for number, line in enumerate(lines, start=1):
        found.append(f"X{number},{line.partition(',')[2]}")
    return "\n".join([*found, ""])


def check(job: Job) -> Job:
    checker.start(job, by=None)
    run(job)
    return job


def run(job: Job) -> None:
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    assert job.state == JobState.READY


def notices_of(job: Job) -> list[Row]:
    found = AccountFacts.objects.get(job=job).notices
    return [notice for notice in found if notice["code"].startswith("keys_")]


def reads_of_records(sandbox: Sandbox) -> int:
    return sum(entry["path"].endswith("/asset/records") for entry in sandbox.log())


@pytest.mark.parametrize("action", [UPSERT, DELETE])
def test_lost_zeros_are_proposed_with_one_click(
    sandbox: Sandbox, action: Action
) -> None:
    held = records(1)
    job = make_job(content(held, strip=True), action, to=asset(sandbox, held))

    check(job)

    [notice] = notices_of(job)
    assert notice["code"] == "keys_would_match"
    assert notice["message"] == (
        "0 % of the sampled external IDs exist in this account, 100 % would if padded to 8 "
        "digits."
    )
    proposal = notice["proposal"]
    assert proposal["rule"] == {"pad": 8}
    assert len(proposal["examples"]) == 10
    assert proposal["examples"][0] == {
        "before": "1",
        "after": "00000001",
        "name": held[0]["name"],
    }
    assert reads_of_records(sandbox) <= 25

    key_proposals.accept(job, by=None)
    run(job)

    assert job.rules == {"external_id": {"pad": 8}}
    assert notices_of(job) == []


def test_other_column_is_proposed_for_the_key(sandbox: Sandbox) -> None:
    held = records(1)
    job = make_job(with_numbers_as_keys(held), UPSERT, to=asset(sandbox, held))
    job.mapping = {"ref": "external_id", "name": "name", "owner": "field:owner"}
    job.save()

    check(job)

    [notice] = notices_of(job)
    assert notice["code"] == "keys_in_other_column"
    assert notice["proposal"]["column"] == "number"
    assert reads_of_records(sandbox) <= 25

    key_proposals.accept(job, by=None)
    run(job)

    assert job.mapping == {
        "number": "external_id",
        "name": "name",
        "owner": "field:owner",
    }
    assert notices_of(job) == []


def test_file_for_another_account_names_its_connection(
    sandbox: Sandbox, other_sandbox: Sandbox
) -> None:
    held = [
        row | {"external_id": f"E-{row['external_id'][::-1]}"} for row in records(2)
    ]
    here = asset(sandbox, records(1))
    right = asset(other_sandbox, held, name="Acme EU")
    job = make_job(content(held), DELETE, to=here)

    check(job)

    [notice] = notices_of(job)
    assert notice["code"] == "keys_in_other_account"
    assert notice["message"] == (
        "0 % of the sampled external IDs exist in this account, 100 % in the account of the "
        "connection “Acme EU”."
    )
    assert notice["proposal"]["connection"] == str(right.connection.code)
    assert reads_of_records(other_sandbox) == 1
    assert reads_of_records(sandbox) <= 24
    with pytest.raises(NotPossibleNow):
        key_proposals.accept(job, by=None)


@pytest.mark.parametrize(("action", "reads"), [(UPSERT, 2), (DELETE, 4)])
def test_nothing_more_is_read_when_keys_are_right(
    sandbox: Sandbox, action: Action, reads: int
) -> None:
    held = records(1)
    job = make_job(content(held), action, to=asset(sandbox, held))

    check(job)

    assert notices_of(job) == []
    assert reads_of_records(sandbox) == reads


@pytest.mark.parametrize("action", [UPSERT, DELETE])
def test_dense_numbers_of_another_account_are_never_proposed(
    sandbox: Sandbox, action: Action
) -> None:
    job = make_job(
        content(records(2), strip=True), action, to=asset(sandbox, records(1))
    )

    check(job)

    [notice] = notices_of(job)
    assert notice["code"] == "keys_not_in_account"
    assert notice["message"] == (
        "0 % of the sampled external IDs exist in this account, 100 % would if padded to 8 "
        "digits. But those records hold other values than the file."
    )
    assert "proposal" not in notice
    assert reads_of_records(sandbox) <= 25


def test_programs_see_the_proposal_with_the_warnings(sandbox: Sandbox) -> None:
    held = records(1)
    job = make_job(content(held, strip=True), UPSERT, to=asset(sandbox, held))

    check(job)

    [warning] = check_warnings.of_job(job)
    assert warning.code == "keys_would_match"
    assert warning.count == 200
    assert warning.proposal is not None
    assert warning.proposal["would_exist"] == 200


def test_account_that_does_not_answer_ends_the_search(sandbox: Sandbox) -> None:
    held = records(1)
    job = make_job(content(held, strip=True), UPSERT, to=asset(sandbox, held))
    sandbox.faults(refused_reads=1)

    check(job)

    sandbox.faults()
    [notice] = AccountFacts.objects.get(job=job).notices
    assert notice["code"] == "not_checked"
    assert notice["message"].startswith("Whether the keys are right was not checked.")


def test_delete_with_keys_only_says_how_much_it_deletes(sandbox: Sandbox) -> None:
    held = records(1)
    lines = "".join(f"{row['external_id']}\n" for row in held[:390])
    job = make_job(f"external_id\n{lines}", DELETE, to=asset(sandbox, held))

    check(job)

    [notice] = notices_of(job)
    assert notice["code"] == "keys_only"
    assert notice["count"] == 390
    assert notice["message"] == (
        "390 of 400 records of Asset would be deleted. The file has no other values that "
        "show whether these are the records that it means."
    )


def test_delete_of_dense_keys_in_another_account_is_noticed(sandbox: Sandbox) -> None:
    job = make_job(content(records(2)), DELETE, to=asset(sandbox, records(1)))

    check(job)

    [notice] = notices_of(job)
    assert notice["code"] == "keys_not_in_account"
    assert notice["message"].startswith(
        "100 % of the sampled external IDs exist in this"
    )
