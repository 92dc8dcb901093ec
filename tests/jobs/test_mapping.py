import json
from collections.abc import Mapping
from typing import Any

import pytest

from jobsui.jobs.enums import Action
from jobsui.jobs.errors import MappingRefused
from jobsui.jobs.mapping.field_targets import (
    check_mapping,
    suggest,
    target_key,
    targets,
)
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.row_reader import Item, Problem, RowReader
from jobsui.zendesk.payloads import Field, NameRules, Schema

FIELDS = (
    Field("serial_no", "Serial number", "text", required=True),
    Field("price", "Price", "decimal"),
    Field("total", "Total", "rollup", readonly=True),
)
SCHEMA = Schema("asset", FIELDS)
ALL = {
    "External": "external_id",
    "Name": "name",
    "Serial": "field:serial_no",
    "Price": "field:price",
}


def schema(**rules: Any) -> Schema:
    return Schema("asset", FIELDS, NameRules(**rules))


def keys(action: Action, **rules: Any) -> list[str]:
    return [target.key for target in targets(schema(**rules), action)]


def read(
    cells: list[str],
    action: Action = Action.CREATE,
    *,
    mapping: Mapping[str, str] = ALL,
    of: Schema = SCHEMA,
    **options: Any,
) -> Item | list[Problem]:
    columns = list(mapping)
    return RowReader(
        of, action, mapping, columns, Options(prefix="job", **options)
    ).read((7, cells))


def item(cells: list[str], action: Action = Action.CREATE, **more: Any) -> Any:
    found = read(cells, action, **more)
    assert isinstance(found, Item)
    return json.loads(found.json)


def problems(
    cells: list[str], action: Action = Action.CREATE, **more: Any
) -> list[tuple[str, str, str]]:
    found = read(cells, action, **more)
    assert isinstance(found, list)
    return [(problem.column, problem.value, problem.code) for problem in found]


def test_targets_are_what_the_action_can_fill() -> None:
    fields = ["field:serial_no", "field:price"]

    assert keys(Action.CREATE) == ["name", "external_id", *fields]
    assert keys(Action.UPDATE) == ["id", "name", "external_id", *fields]
    assert keys(Action.UPSERT_BY_EXTERNAL_ID) == ["external_id", "name", *fields]
    assert keys(Action.UPSERT_BY_NAME, unique=True) == ["name", "external_id", *fields]
    assert keys(Action.DELETE) == ["id"]
    assert keys(Action.DELETE_BY_EXTERNAL_ID) == ["external_id"]


def test_autonumbered_name_is_not_a_target() -> None:
    assert "name" not in keys(Action.CREATE, autonumbered=True)
    assert "name" not in keys(Action.UPSERT_BY_EXTERNAL_ID, autonumbered=True)


def test_required_are_key_name_and_required_fields_where_records_are_made() -> None:
    def required(action: Action) -> list[str]:
        return [
            target.key
            for target in targets(schema(unique=True), action)
            if target.required
        ]

    assert required(Action.CREATE) == ["name", "field:serial_no"]
    assert required(Action.UPDATE) == ["id"]
    assert required(Action.UPSERT_BY_EXTERNAL_ID) == ["external_id"]
    assert required(Action.UPSERT_BY_NAME) == ["name"]
    assert required(Action.DELETE) == ["id"]


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


@pytest.mark.parametrize(
    ("action", "mapping", "rules", "said"),
    [
        (
            Action.CREATE,
            {"A": "name"},
            {},
            ["Serial number is required. Map a column to it."],
        ),
        (
            Action.CREATE,
            {"A": "name", "B": "name", "C": "field:serial_no"},
            {},
            ["“A” and “B” both map to Name. Keep one."],
        ),
        (
            Action.CREATE,
            {"A": "name", "Z": "field:serial_no"},
            {},
            ["The file has no column 'Z'."],
        ),
        (
            Action.CREATE,
            {"A": "name", "B": "field:serial_no", "C": "field:total"},
            {},
            ["This action cannot fill total."],
        ),
        (
            Action.CREATE,
            {"A": "name", "B": "field:serial_no"},
            {"autonumbered": True},
            ["This action cannot fill name."],
        ),
        (
            Action.UPDATE,
            {"A": "name"},
            {},
            ["Zendesk ID is required. Map a column to it."],
        ),
        (
            Action.UPDATE,
            {"A": "id"},
            {},
            ["Only the ID is mapped, so nothing would change. Map a column to update."],
        ),
        (
            Action.DELETE,
            {"A": "id", "B": "name"},
            {},
            ["This action cannot fill name."],
        ),
        (
            Action.DELETE_BY_EXTERNAL_ID,
            {},
            {},
            ["External ID is required. Map a column to it."],
        ),
        (
            Action.UPSERT_BY_NAME,
            {"A": "name"},
            {},
            [
                "Names of this object need not be unique in Zendesk, so a name cannot identify a record. "
                "Use the external ID instead."
            ],
        ),
    ],
)
def test_mapping_that_cannot_work_is_refused_with_every_reason(
    action: Action, mapping: dict[str, str], rules: dict[str, bool], said: list[str]
) -> None:
    with pytest.raises(MappingRefused) as caught:
        check_mapping(mapping, ["A", "B", "C"], action, schema(**rules))

    assert caught.value.problems == said


def test_mapping_that_can_work_is_not_refused() -> None:
    check_mapping(ALL, list(ALL), Action.CREATE, SCHEMA)
    check_mapping(
        {"A": "external_id", "B": "field:price"},
        ["A", "B"],
        Action.UPSERT_BY_EXTERNAL_ID,
        SCHEMA,
    )
    check_mapping({"A": "id"}, ["A", "B"], Action.DELETE, SCHEMA)


def test_row_becomes_an_item_with_fields_in_their_place() -> None:
    assert item([" A-1 ", "Drill", "007", "12.50"]) == {
        "external_id": "A-1",
        "name": "Drill",
        "custom_object_fields": {"serial_no": "007", "price": 12.5},
    }


@pytest.mark.parametrize(
    ("action", "mapping", "line"),
    [
        (Action.DELETE, {"A": "id"}, '"01HZ"'),
        (Action.DELETE_BY_EXTERNAL_ID, {"A": "external_id"}, '"01HZ"'),
        (Action.UPDATE, {"A": "id", "B": "name"}, '{"id":"01HZ","name":"Ä \\" \\n b"}'),
    ],
)
def test_item_is_one_line_of_json(
    action: Action, mapping: dict[str, str], line: str
) -> None:
    found = read(["01HZ", 'Ä " \n b'][: len(mapping)], action, mapping=mapping)

    assert isinstance(found, Item)
    assert found.json == line


def test_blank_cell_is_left_out_or_empties_the_field() -> None:
    cells = ["A-1", "", " ", ""]

    assert item(cells, Action.UPSERT_BY_EXTERNAL_ID) == {"external_id": "A-1"}
    assert item(cells, Action.UPSERT_BY_EXTERNAL_ID, blank="clear") == {
        "external_id": "A-1",
        "custom_object_fields": {"serial_no": None, "price": None},
    }


def test_target_is_found_by_its_api_name() -> None:
    field_called_name = Schema("asset", (*FIELDS, Field("name", "Other name", "text")))
    offered = targets(field_called_name, Action.CREATE)

    found = [target_key(text, offered) for text in ("name", "external_id", "price")]

    assert found == ["name", "external_id", "field:price"]


def test_unknown_target_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MappingRefused) as refusal:
        target_key("total", targets(SCHEMA, Action.CREATE))

    assert str(refusal.value) == (
        "This action cannot fill a field 'total'. It can fill: name, external_id, serial_no, price."
    )


def test_blank_required_cells_are_problems_named_one_by_one() -> None:
    assert problems(["A-1", " ", "", "x"]) == [
        ("Name", " ", "empty"),
        ("Serial", "", "empty"),
        ("Price", "x", "not_a_number"),
    ]
    assert problems(["", "Drill", "", ""], Action.UPSERT_BY_EXTERNAL_ID) == [
        ("External", "", "empty")
    ]


def test_created_record_without_external_id_gets_a_generated_one() -> None:
    assert item(["", "Drill", "1", ""])["external_id"] == "job-7"
    assert item(["A-1", "Drill", "1", ""])["external_id"] == "A-1"
    assert "external_id" not in item(
        ["", "Drill", "1", ""], generate_external_ids=False
    )


def test_only_create_generates_external_ids() -> None:
    assert item(["01HZ", "Drill"], Action.UPDATE, mapping={"A": "id", "B": "name"}) == {
        "id": "01HZ",
        "name": "Drill",
    }


def test_keys_of_an_item_are_its_unique_values() -> None:
    def keys_of(
        action: Action, cells: list[str], mapping: dict[str, str], **rules: Any
    ) -> object:
        found = read(cells, action, mapping=mapping, of=schema(**rules))
        assert isinstance(found, Item)
        return found.keys

    named = {"E": "external_id", "N": "name", "S": "field:serial_no"}
    assert keys_of(Action.CREATE, ["A", "B", "1"], named) == (("external_id", "A"),)
    assert keys_of(Action.CREATE, ["A", "B", "1"], named, unique=True) == (
        ("external_id", "A"),
        ("name", "B"),
    )
    assert keys_of(Action.UPDATE, ["1", ""], {"I": "id", "E": "external_id"}) == (
        ("id", "1"),
    )
    assert keys_of(Action.DELETE, ["1"], {"I": "id"}) == (("id", "1"),)


def test_row_wider_than_the_header_is_a_problem_unless_the_rest_is_blank() -> None:
    assert problems(["A", "B", "1", "", "", "lost"]) == [("", "lost", "too_many_cells")]
    assert item(["A", "B", "1", "", "", " "])["name"] == "B"


@pytest.mark.parametrize(
    ("letter", "fits"), [("a", 32_000), ("ä", 16_000), ("𝄞", 8_000)]
)
def test_record_of_more_than_32_kb_is_a_problem(letter: str, fits: int) -> None:
    assert len(item(["A", letter * fits, "1", ""])["name"]) == fits
    assert [code for _, _, code in problems(["A", letter * (fits + 800), "1", ""])] == [
        "too_large"
    ]


def test_problem_keeps_the_beginning_of_the_value_and_no_zero_bytes() -> None:
    found = read(["A", "B", "1", "x\x00" + "y" * 1000])

    assert isinstance(found, list)
    assert found[0].value == "x\ufffd" + "y" * 198
    assert len(found[0].value) == 200


def test_problems_of_one_kind_have_the_same_words() -> None:
    first, second = read(["A", "B", "1", "x"]), read(["A", "B", "1", "1,5"])

    assert isinstance(first, list)
    assert isinstance(second, list)
    assert first[0].message == "“x” is not a number."
    assert first[0].general == "The value is not a number, for example “x”."
    assert "" not in {first[0].general, second[0].general}
