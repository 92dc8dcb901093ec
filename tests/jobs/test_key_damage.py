"""Why few keys of a file have a record, in accounts made up for it."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from jobsui.connections.models import Connection
from jobsui.jobs.enums import Action
from jobsui.jobs.models import Job
from jobsui.jobs.preparation.key_damage.diagnosis import diagnose
from jobsui.jobs.preparation.key_damage.look_ups import MAX_REQUESTS, LookUps
from jobsui.jobs.preparation.sampled_rows import SampledRow
from jobsui.zendesk.payloads import Record
from tests.factories import make_connection, make_job, make_object

pytestmark = pytest.mark.django_db

RUNS = 20
ROWS = 200
RECORDS = 2_000
FIELDS = [
    {"key": "owner", "title": "Owner", "type": "text"},
    {"key": "seats", "title": "Seats", "type": "integer"},
]
UPSERT = Action.UPSERT_BY_EXTERNAL_ID
DELETE = Action.DELETE_BY_EXTERNAL_ID


@dataclass(slots=True)
class Account:
    """Its records, by external ID."""

    records: dict[str, Record]
    requests: int = 0

    def look_up(self, key: str, values: Sequence[str]) -> list[Record]:
        self.requests += 1
        assert len(values) <= 100
        wanted = set(values)
        return [
            record for record in self.records.values() if getattr(record, key) in wanted
        ]


@dataclass(slots=True)
class World:
    job: Job
    account: Account
    others: dict[str, Account] = field(default_factory=dict)
    """By the names of their connections."""

    def find(self, rows: Sequence[SampledRow]) -> dict[str, Any] | None:
        look_ups = LookUps(
            self.job.connection, self.account.look_up, self._look_up_elsewhere
        )
        found = diagnose(self.job, rows, look_ups)
        assert look_ups.requests <= MAX_REQUESTS
        return found.notice

    def _look_up_elsewhere(
        self, connection: Connection, key: str, values: Sequence[str]
    ) -> list[Record]:
        return self.others[connection.name].look_up(key, values)


def account(keys: Iterable[str], chance: random.Random) -> Account:
    records = {}
    for number, key in enumerate(keys):
        fields = {
            "owner": f"{chance.getrandbits(32):x}",
            "seats": chance.randint(1, 20),
        }
        records[key] = Record(
            f"01HX{number:022}", f"{chance.getrandbits(32):x}", key, fields, ""
        )
    return Account(records)


def rows_of(
    source: Account, chance: random.Random, damage: Callable[[str], str] = str
) -> list[SampledRow]:
    """A file that changes a quarter of the owners of these records."""
    rows = []
    for record in chance.sample(list(source.records.values()), ROWS):
        owner = record.fields["owner"] if chance.random() < 0.75 else "new"
        rows.append(row(damage(record.external_id), record.name, owner))
    return rows


def row(key: str, name: str, owner: Any, other: str = "") -> SampledRow:
    item = {
        "external_id": key,
        "name": name,
        "custom_object_fields": {"owner": owner},
    }
    return SampledRow(key, key, item, (key, name, owner, other))


def as_delete(rows: Iterable[SampledRow], *, with_names: bool) -> list[SampledRow]:
    return [
        SampledRow(each.text, each.key, each.key, each.texts)
        if with_names
        else SampledRow(each.text, each.key, each.key, (each.key, "", "", ""))
        for each in rows
    ]


def new_rows(chance: random.Random, count: int) -> list[SampledRow]:
    return [
        row(f"{chance.randrange(10**7, 10**8)}", f"{chance.getrandbits(32):x}", "x")
        for _ in range(count)
    ]


def world(action: Action = UPSERT, **accounts: Account) -> World:
    connection = make_connection()
    target = make_object(connection, fields=FIELDS)
    job = make_job("external_id,name,owner,other\n1,N,O,2\n", action, to=target)
    own = accounts.pop("own")
    for name in accounts:
        other = make_connection(name=name, host=f"{name}.zendesk.com")
        make_object(other, fields=FIELDS)
    return World(job, own, accounts)


def dense(chance: random.Random) -> Account:
    return account((f"{number:08}" for number in range(1, RECORDS)), chance)


def codes(chance: random.Random) -> Account:
    keys = [f"AB-{chance.getrandbits(36):09X}" for _ in range(RECORDS)]
    return account(keys, chance)


def without_zeros(text: str) -> str:
    return text.lstrip("0")


DAMAGES: list[tuple[str, Callable[..., Account], Callable[[str], str], str]] = [
    ("lost zeros", dense, without_zeros, "if padded to 8 digits"),
    ("lower case", codes, str.lower, "in upper case"),
    ("point zero", dense, lambda text: f"{text}.0", "without the .0 at the end"),
    (
        "zeros lost in a float",
        dense,
        lambda text: f"{int(text)}.0",
        "without the .0 at the end, padded to 8 digits",
    ),
    ("quotes", codes, lambda text: f"'{text}'", "without quotation marks"),
    (
        "dashes",
        codes,
        lambda text: text.replace("-", "\u2013"),
        "with hyphens instead of dashes",
    ),
]


@pytest.mark.parametrize(
    ("make", "damage", "words"),
    [case[1:] for case in DAMAGES],
    ids=[case[0] for case in DAMAGES],
)
@pytest.mark.parametrize("share_of_new", [0.0, 0.5])
def test_damage_is_found_each_time(
    make: Callable[[random.Random], Account],
    damage: Callable[[str], str],
    words: str,
    share_of_new: float,
) -> None:
    found = []
    here = world(own=Account({}))
    for run in range(RUNS):
        chance = random.Random(run)
        here.account = make(chance)
        rows = rows_of(here.account, chance, damage)
        count = int(ROWS * share_of_new)
        notice = here.find(rows[count:] + new_rows(chance, count))
        found.append(notice["code"] if notice and words in notice["message"] else "")

    assert found == ["keys_would_match"] * RUNS


@pytest.mark.parametrize("action", [UPSERT, DELETE])
@pytest.mark.parametrize(
    ("make", "damage"),
    [(dense, without_zeros), (dense, str), (codes, str), (codes, str.lower)],
    ids=["dense, unpadded", "dense", "codes", "codes in lower case"],
)
def test_nothing_is_proposed_for_another_account(
    make: Callable[[random.Random], Account],
    damage: Callable[[str], str],
    action: Action,
) -> None:
    found = []
    here = world(action, own=Account({}))
    for run in range(RUNS):
        chance = random.Random(run)
        here.account = make(chance)
        rows = rows_of(make(chance), chance, damage)
        if action is DELETE:
            rows = as_delete(rows, with_names=True)
        notice = here.find(rows) or {}
        found.append(notice.get("proposal"))

    assert found == [None] * RUNS


def test_keys_alone_prove_nothing() -> None:
    chance = random.Random(1)
    own = dense(chance)
    here = world(DELETE, own=own)

    found = here.find(
        as_delete(rows_of(dense(chance), chance, without_zeros), with_names=False)
    )

    assert found is not None
    assert found["code"] == "keys_not_in_account"
    assert "100 % would if padded to 8 digits. But the file has no" in found["message"]
    assert "proposal" not in found


def test_delete_compares_columns_that_it_does_not_send() -> None:
    chance = random.Random(1)
    own = dense(chance)
    here = world(DELETE, own=own)

    found = here.find(as_delete(rows_of(own, chance, without_zeros), with_names=True))

    assert found is not None
    assert found["code"] == "keys_would_match"
    assert found["proposal"]["rule"] == {"pad": 8}


def test_nothing_is_asked_further_when_keys_exist() -> None:
    chance = random.Random(1)
    own = codes(chance)
    here = world(own=own)

    assert here.find(rows_of(own, chance)) is None
    assert own.requests == 2


def test_new_records_are_no_damage() -> None:
    chance = random.Random(1)
    own = codes(chance)
    here = world(own=own)

    assert here.find(rows_of(codes(chance), chance)) is None
    assert own.requests <= MAX_REQUESTS


def test_keys_in_another_column_are_found() -> None:
    chance = random.Random(1)
    own = codes(chance)
    here = world(own=own)
    rows = [
        row(f"{number}", each.item["name"], each.texts[2], each.key)
        for number, each in enumerate(rows_of(own, chance), 1)
    ]

    found = here.find(rows)

    assert found is not None
    assert found["code"] == "keys_in_other_column"
    assert found["message"] == (
        "0 % of the sampled external IDs exist in this account, 100 % of the values in the "
        "column “other” do."
    )
    assert found["proposal"]["column"] == "other"


def test_record_ids_in_place_of_external_ids_are_found() -> None:
    chance = random.Random(1)
    own = codes(chance)
    here = world(own=own)
    ids = {record.external_id: record.id for record in own.records.values()}

    found = here.find(rows_of(own, chance, ids.__getitem__))

    assert found is not None
    assert found["message"].endswith("100 % are Zendesk IDs of its records.")
    assert found["fix"] == "Choose an action that finds records by Zendesk ID."


def test_account_that_fits_is_named() -> None:
    chance = random.Random(1)
    right = codes(chance)
    here = world(DELETE, own=codes(chance), acme_ca=codes(chance), acme_eu=right)

    found = here.find(as_delete(rows_of(right, chance), with_names=True))

    assert found is not None
    assert found["code"] == "keys_in_other_account"
    assert found["message"] == (
        "0 % of the sampled external IDs exist in this account, 100 % in the account of the "
        "connection “acme_eu”."
    )
    assert [account.requests for account in here.others.values()] == [1, 1]


def test_records_with_other_values_are_noticed() -> None:
    chance = random.Random(1)
    here = world(DELETE, own=dense(chance))
    rows = rows_of(dense(chance), chance) + new_rows(chance, ROWS)

    found = here.find(as_delete(rows, with_names=True))

    assert found is not None
    assert found["code"] == "keys_not_in_account"
    assert found["message"] == (
        "50 % of the sampled external IDs exist in this account, but these records hold other "
        "values than the file. Records with the same value: Name 0 of 200, Owner 0 of 200."
    )


def test_few_keys_say_nothing() -> None:
    chance = random.Random(1)
    own = dense(chance)
    here = world(own=own)

    assert here.find(rows_of(own, chance, without_zeros)[:9]) is None
    assert own.requests == 0


def test_deleted_records_with_other_values_are_noticed() -> None:
    chance = random.Random(1)
    here = world(DELETE, own=dense(chance))
    rows = as_delete(rows_of(dense(chance), chance), with_names=True)

    found = here.find(rows)

    assert found is not None
    assert found["code"] == "keys_not_in_account"
    assert found["message"] == (
        "100 % of the sampled external IDs exist in this account, but these records hold "
        "other values than the file. Records with the same value: Name 0 of 200, Owner 0 of 200."
    )


def test_account_whose_records_agree_is_named_for_a_delete() -> None:
    chance = random.Random(1)
    meant = dense(chance)
    here = world(DELETE, own=dense(chance), north=dense(chance), south=meant)

    found = here.find(as_delete(rows_of(meant, chance), with_names=True))

    assert found is not None
    assert found["code"] == "keys_in_other_account"
    assert "of the connection “south”" in found["message"]


def test_delete_of_the_right_records_is_no_damage() -> None:
    chance = random.Random(1)
    own = dense(chance)

    found = world(DELETE, own=own).find(
        as_delete(rows_of(own, chance), with_names=True)
    )

    assert found is None


@pytest.mark.parametrize("share_of_new", [0.0, 0.5])
def test_records_of_an_upsert_with_other_values_are_noticed(
    share_of_new: float,
) -> None:
    chance = random.Random(1)
    here = world(own=dense(chance))
    count = int(ROWS * share_of_new)
    rows = rows_of(dense(chance), chance)[count:] + new_rows(chance, count)

    found = here.find(rows)

    assert found is not None
    assert found["code"] == "contents_differ"
    existing = ROWS - count
    assert found["message"] == (
        f"{100 * existing // ROWS} % of the sampled external IDs exist in this account, but "
        "these records hold other values than the file. Records "
        f"with the same value: Name 0 of {existing}, Owner 0 of {existing}."
    )


def test_account_whose_records_agree_is_named_for_an_upsert() -> None:
    chance = random.Random(1)
    meant = dense(chance)
    here = world(own=dense(chance), north=dense(chance), south=meant)

    found = here.find(rows_of(meant, chance))

    assert found is not None
    assert found["code"] == "keys_in_other_account"
    assert "of the connection “south”" in found["message"]


def test_upsert_of_the_right_records_is_no_damage() -> None:
    found = []
    here = world(own=Account({}))
    for run in range(RUNS):
        chance = random.Random(run)
        here.account = dense(chance)
        found.append(here.find(rows_of(here.account, chance)))

    assert found == [None] * RUNS


def with_values(each: SampledRow, **fields: Any) -> SampledRow:
    """A row of a file that has no names."""
    item = {"external_id": each.key, "custom_object_fields": fields}
    return SampledRow(each.text, each.key, item, each.texts)


def test_file_that_fills_a_field_or_sets_one_value_is_no_damage() -> None:
    chance = random.Random(1)
    own = dense(chance)
    here = world(own=own)
    rows = rows_of(own, chance)
    filled = [with_values(each, colour=f"{n:x}") for n, each in enumerate(rows)]
    reset = [with_values(each, owner="nobody") for each in rows]

    assert here.find(filled) is None
    assert here.find(reset) is None


def test_file_that_changes_all_values_says_so_in_figures() -> None:
    chance = random.Random(1)
    own = dense(chance)
    rows = [
        with_values(each, owner=f"{chance.getrandbits(32):x}")
        for each in rows_of(own, chance)
    ]

    found = world(own=own).find(rows)

    assert found is not None
    assert found["code"] == "contents_differ"
    assert found["message"].endswith("Records with the same value: Owner 0 of 200.")
    assert found["fix"].startswith("If the file is to change all of these values,")
