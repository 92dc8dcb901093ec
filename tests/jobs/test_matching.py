"""Columns find their fields by name, words, texts and earlier jobs, where that is clear."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.mapping import matching
from jobsui.jobs.mapping.field_targets import targets
from jobsui.jobs.mapping.matching import Matcher, Memory, Texts, suggest, suggest_for
from jobsui.jobs.mapping.names import subject_of
from jobsui.jobs.mapping.option_matching import normal_form
from jobsui.jobs.models import Job
from jobsui.zendesk.payloads import Field, NameRules, Option, Schema
from tests.harness import Harness

FIELDS = (
    Field("serial_no", "Serial number", "text", required=True),
    Field("price", "Price", "decimal"),
    Field("total", "Total", "rollup", readonly=True),
)
SCHEMA = Schema("asset", FIELDS)


@pytest.mark.parametrize(
    ("column", "target"),
    [
        ("serial_no", "field:serial_no"),
        ("Serial number", "field:serial_no"),
        ("SERIAL-NO", "field:serial_no"),
        ("serialNumber", "field:serial_no"),
        ("custom_object_fields.serial_no", "field:serial_no"),
        ("External ID", "external_id"),
        ("externalid", "external_id"),
        ("Ext ID", "external_id"),
        ("standard::external_id", "external_id"),
        ("NAME", "name"),
        ("id", None),
        ("total", None),
        ("Asset No", None),
        ("日本", None),
        ("", None),
        ("!!!", None),
    ],
)
def test_column_is_matched_by_what_people_call_it(
    column: str, target: str | None
) -> None:
    assert suggest([column], targets(SCHEMA, Action.CREATE)).get(column) == target


def test_exact_name_beats_a_similar_one_wherever_it_stands() -> None:
    offered = targets(
        Schema("a", (Field("x", "State", "text"), Field("state", "Region", "text"))),
        Action.CREATE,
    )

    assert suggest(["STATE", "state", "State"], offered) == {
        "state": "field:state",
        "State": "field:x",
    }


def test_names_in_other_scripts_are_distinguished() -> None:
    offered = targets(
        Schema("a", (Field("a1", "Größe", "text"), Field("a2", "重さ", "text"))),
        Action.CREATE,
    )

    assert suggest(["重さ", "GRÖSSE", "高さ"], offered) == {
        "重さ": "field:a2",
        "GRÖSSE": "field:a1",
    }


def test_label_of_two_fields_is_not_guessed() -> None:
    offered = targets(
        Schema("a", (Field("f1", "Date", "text"), Field("f2", "Date", "text"))),
        Action.CREATE,
    )

    assert suggest(["Date"], offered) == {}


def test_no_target_is_suggested_twice() -> None:
    assert suggest(["Price", "price", "PRICE"], targets(SCHEMA, Action.CREATE)) == {
        "price": "field:price"
    }


IN_USE = Option("in_use", "In use")
RETIRED = Option("retired", "Retired")
ASSET = Schema(
    "asset",
    (
        Field("serial_number", "Serial number", "text"),
        Field("status", "Status", "dropdown", options=(IN_USE, RETIRED)),
        Field("price", "Price", "decimal"),
        Field("purchase_date", "Purchase date", "date"),
        Field("insured", "Insured", "checkbox"),
        Field("site", "Site", "lookup", target_type="zen:custom_object:site"),
        Field("notes", "Notes", "textarea"),
    ),
    NameRules(unique=True),
)
ULIDS = ("01GDXYD7ZTWYP542BA8MDDTE36", "01GDXYD7ZTWYP542BA8MDDTE37")


def texts(*found: str, **facts: Any) -> Texts:
    return Texts([(text, 1) for text in found], **facts)


def matched(
    columns: dict[str, Texts],
    action: Action = Action.CREATE,
    memory: Memory | None = None,
) -> dict[str, str]:
    offered = targets(ASSET, action)
    matcher = Matcher(
        ASSET,
        action,
        offered,
        texts=columns,
        memory=memory or Memory(),
        object_name="Company asset",
    )
    return matcher.complete(list(columns), suggest(list(columns), offered))


OPTIONS = texts("In use", "retired", "IN-USE")
UPSERT = Action.UPSERT_BY_EXTERNAL_ID


@pytest.mark.parametrize(
    ("column", "of_column", "target"),
    [
        # Words.
        ("Asset name", Texts(), "name"),
        ("assetName", Texts(), "name"),
        ("Name of the asset", Texts(), "name"),
        ("Company asset status", Texts(), "field:status"),
        ("Price EUR", Texts(), "field:price"),
        ("Price (in EUR, net)", texts("1,5 EUR", "2.000,00 EUR"), "field:price"),
        ("Serial no.", Texts(), "field:serial_number"),
        ("S/N", Texts(), None),
        ("Serial", Texts(), "field:serial_number"),
        ("Serial #", Texts(), "field:serial_number"),
        ("Date of purchase", texts("1.2.2026", has_dates=True), "field:purchase_date"),
        ("State", Texts(), "field:status"),
        ("Comment", Texts(), "field:notes"),
        ("Site ID", texts(*ULIDS), "field:site"),
        # Words that name something else.
        ("Status date", Texts(), None),
        ("Date", Texts(), None),
        ("Number", Texts(), None),
        ("Unit price EUR", Texts(), None),
        ("Asset", Texts(), None),
        # The texts contradict the name.
        ("State", texts("Bavaria", "Hesse", "In use"), None),
        ("Price list", texts("A"), None),
        ("Asset price", texts("cheap", "dear"), None),
        ("Asset purchase date", texts("Acme", "Initech"), None),
        ("Asset insured", texts(*"abcde"), None),
        # Texts alone.
        ("Z1", OPTIONS, "field:status"),
        ("Z1", texts("In use", "retired", "?"), None),
        ("Z1", texts("In use"), None),
    ],
)
def test_column_is_matched_where_words_or_texts_are_clear(
    column: str, of_column: Texts, target: str | None
) -> None:
    assert matched({column: of_column}).get(column) == target


def test_two_columns_for_one_field_are_left_to_a_person() -> None:
    assert matched({"Price EUR": Texts(), "Price USD": Texts()}) == {}
    assert matched({"Z1": OPTIONS, "Z2": OPTIONS}) == {}
    assert matched({"Price": Texts(), "Price USD": Texts()}) == {"Price": "field:price"}


@pytest.mark.parametrize(
    ("action", "column", "of_column", "target"),
    [
        (UPSERT, "Asset ID", texts("A1", "A2", is_unique=True), "external_id"),
        (UPSERT, "Inventory", texts("A1", "A2", is_unique=True), None),
        (UPSERT, "Asset ID", texts("A1", "A2"), None),
        (UPSERT, "Asset ID", texts(*ULIDS, is_unique=True), None),
        (Action.CREATE, "Asset ID", texts("A1", is_unique=True), None),
        (Action.UPDATE, "Key", texts(*ULIDS, is_unique=True), "id"),
        (Action.UPDATE, "Asset ID", texts("A1", "A2", is_unique=True), None),
        (Action.DELETE, "Asset ID", texts(*ULIDS), "id"),
    ],
)
def test_key_of_the_records_is_found_by_ids(
    action: Action, column: str, of_column: Texts, target: str | None
) -> None:
    assert matched({column: of_column}, action).get(column) == target


def test_programs_get_the_same_mapping_whatever_a_file_contains(
    harness: Harness,
) -> None:
    harness.object()
    header = b"external_id,State,Zustand\n"
    contents = [
        header + b"1,In use,In use\n2,Retired,Retired\n",
        header + b"1,Hesse,1\n",
    ]

    found = [harness.checked(content, UPSERT).mapping for content in contents]

    assert found == [{"external_id": "external_id", "State": "field:status"}] * 2


def test_earlier_jobs_decide_where_names_do_not() -> None:
    columns = {"State": OPTIONS, "Inv": Texts(), "Serial": Texts(), "Price": Texts()}
    memory = Memory(
        {"Inv": "field:site", "State": "field:notes", "Price": "name"}, {"Serial"}
    )

    assert matched(columns, memory=memory) == {
        "State": "field:notes",
        "Inv": "field:site",
        "Price": "field:price",
    }


def test_columns_of_a_job_are_matched_as_in_the_last_one(harness: Harness) -> None:
    harness.object()
    content = b"external_id,Asset label,Zustand,Memo\n1,a,In use,x\n2,b,Retired,y\n"
    first = harness.checked(content, UPSERT)
    named = first.mapping
    proposed = suggest_for(first)
    Job.objects.filter(pk=first.pk).update(
        state=JobState.COMPLETED, mapping={**proposed, "Memo": "name"}
    )

    second = harness.checked(content, UPSERT)

    assert named == {"external_id": "external_id"}
    assert proposed == {"external_id": "external_id", "Zustand": "field:status"}
    assert suggest_for(second) == {**proposed, "Memo": "name"}
    assert second.mapping == named


def test_constants_and_joined_columns_are_not_matched_again(harness: Harness) -> None:
    harness.object()
    job = harness.checked(b"external_id,name,price,notes\n1,a,2,b\n", UPSERT)
    job.rules = {"field:price": {"constant": "3"}, "name": {"also": ["notes"]}}

    found = suggest_for(job, {"name": "name"})

    assert found == {"name": "name", "external_id": "external_id"}


def test_wide_file_costs_no_more_than_columns_and_fields(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = tuple(Option(f"o_{i}", f"Option {i}") for i in range(50))
    fields = [
        Field(f"field_{i}", f"Label {i}", "dropdown", options=options)
        for i in range(100)
    ]
    wide = Schema("asset", tuple(fields))
    offered = targets(wide, Action.CREATE)
    columns = [f"Heading {i}" for i in range(1000)]
    of_column = texts(*(f"text {i}" for i in range(200)))
    calls = Counter[str]()
    for function in (subject_of, normal_form):
        monkeypatch.setattr(matching, function.__name__, counted(function, calls))
    matcher = Matcher(
        wide,
        Action.CREATE,
        offered,
        texts=dict.fromkeys(columns, of_column),
        memory=Memory(),
    )

    found = matcher.complete(columns, {})

    assert found == {}
    assert calls["subject_of"] <= 4 * (len(columns) + len(offered))
    assert calls["normal_form"] <= matching.FIRST_TEXTS * len(columns)


def counted[**P, R](function: Callable[P, R], calls: Counter[str]) -> Callable[P, R]:
    """The function, and how often it is called."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        calls[function.__name__] += 1
        return function(*args, **kwargs)

    return call
