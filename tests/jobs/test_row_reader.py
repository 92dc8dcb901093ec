import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from jobsui.files.cells import Kind
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.block_reader import BlockReader
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.raw_items import ItemReader
from jobsui.jobs.mapping.row_reader import Item, Problem, RowReader
from jobsui.zendesk.payloads import Schema
from tests.jobs.blocks import block_of, results_of
from tests.jobs.test_mapping import ALL, SCHEMA, schema

ULID = "01GDXYD7ZTWYP542BA8MDDTE36"


def read(
    cells: list[str],
    action: Action = Action.CREATE,
    *,
    mapping: Mapping[str, str] = ALL,
    of: Schema = SCHEMA,
    kinds: Sequence[Kind] = (),
    **options: Any,
) -> Item | list[Problem]:
    """What both readers make of row 7."""
    settings = Options(prefix="job", **options)
    columns = list(mapping)
    rows = RowReader(of, action, mapping, columns, settings, {})
    blocks = BlockReader(of, action, mapping, columns, settings, {})
    found = rows.read((7, cells), kinds)
    [in_block] = results_of(blocks.read(block_of([cells], [kinds])))
    assert in_block == found
    return found


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


def test_row_becomes_an_item_with_fields_in_their_place() -> None:
    assert item(["A-1", "Drill", "007", "12.50"]) == {
        "external_id": "A-1",
        "name": "Drill",
        "custom_object_fields": {"serial_no": "007", "price": 12.5},
    }


@pytest.mark.parametrize(
    ("action", "mapping", "line"),
    [
        (Action.DELETE, {"A": "id"}, f'"{ULID}"'),
        (Action.DELETE_BY_EXTERNAL_ID, {"A": "external_id"}, f'"{ULID}"'),
        (
            Action.UPDATE,
            {"A": "id", "B": "name"},
            f'{{"id":"{ULID}","name":"Ä \\" \\n b"}}',
        ),
    ],
)
def test_item_is_one_line_of_json(
    action: Action, mapping: dict[str, str], line: str
) -> None:
    found = read([ULID, 'Ä " \n b'][: len(mapping)], action, mapping=mapping)

    assert isinstance(found, Item)
    assert found.json == line


def test_blank_cell_is_left_out_or_empties_the_field() -> None:
    cells = ["A-1", "", " ", ""]

    assert item(cells, Action.UPSERT_BY_EXTERNAL_ID) == {"external_id": "A-1"}
    assert item(cells, Action.UPSERT_BY_EXTERNAL_ID, blank="clear") == {
        "external_id": "A-1",
        "custom_object_fields": {"serial_no": None, "price": None},
    }


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
    assert item([ULID, "Drill"], Action.UPDATE, mapping={"A": "id", "B": "name"}) == {
        "id": ULID,
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
    assert keys_of(Action.UPDATE, [ULID, ""], {"I": "id", "E": "external_id"}) == (
        ("id", ULID),
    )
    assert keys_of(Action.DELETE, [ULID], {"I": "id"}) == (("id", ULID),)


@pytest.mark.parametrize("action", [Action.UPDATE, Action.DELETE])
@pytest.mark.parametrize(
    "text", ["A-1", ULID[:-1], f"{ULID}0", f"{ULID[:-1]}O", f"{ULID[:-1]}Ü"]
)
def test_record_id_that_can_be_none_is_a_problem(action: Action, text: str) -> None:
    mapping = {"Record": "id", "Name": "name"}
    columns = mapping if action is Action.UPDATE else {"Record": "id"}

    found = problems([text, "Drill"][: len(columns)], action, mapping=columns)

    assert found == [("Record", text, "not_a_record_id")]


def test_record_id_is_sent_in_capital_letters() -> None:
    found = read([f" {ULID.lower()} "], Action.DELETE, mapping={"Record": "id"})

    assert isinstance(found, Item)
    assert found.json == f'"{ULID}"'
    assert found.keys == (("id", ULID),)


@pytest.mark.parametrize(
    ("action", "line"),
    [
        (Action.UPDATE, f'{{"id":"{ULID.lower()}","name":"Drill"}}'),
        (Action.UPDATE, '{"id":1,"name":"Drill"}'),
        (Action.DELETE, '"A-1"'),
        (Action.DELETE, "1"),
    ],
)
def test_raw_item_needs_the_record_id_as_zendesk_shows_it(
    action: Action, line: str
) -> None:
    found = ItemReader(schema(), action).read((7, [line]))

    assert isinstance(found, list)
    assert [(each.value, each.code) for each in found] == [(line, "not_a_record_id")]


def test_raw_item_with_a_record_id_is_sent_as_it_came() -> None:
    line = f'{{"id": "{ULID}", "name": "Drill"}}'

    found = ItemReader(schema(), Action.UPDATE).read((7, [line]))

    assert isinstance(found, Item)
    assert found.json == line


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
