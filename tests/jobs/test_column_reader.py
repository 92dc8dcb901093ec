"""Columns are read in blocks like cell by cell, and kinds decide what a cell means."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsui.files.cells import Kind
from jobsui.files.number_styles import Mark
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping import types
from jobsui.jobs.mapping.block_reader import BlockReader
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.row_reader import Item, Problem, RowReader
from jobsui.jobs.mapping.types import ValueType
from jobsui.zendesk.payloads import Field, NameRules, Option, Schema
from tests.jobs.blocks import FIRST_ROW, block_of, results_of

OPTIONS = (Option("red_1", "Red"), Option("dark", "Red, dark"), Option("n", "Nil"))
SITE = "zen:custom_object:site"
FIELDS = (
    Field("text", "Text", "text"),
    Field("area", "Area", "textarea"),
    Field("whole", "Whole", "integer"),
    Field("price", "Price", "decimal"),
    Field("sum", "Sum", "currency"),
    Field("box", "Box", "checkbox"),
    Field("day", "Day", "date"),
    Field("one", "One", "dropdown", options=OPTIONS),
    Field("many", "Many", "multiselect", options=OPTIONS),
    Field("code", "Code", "regexp", regexp=r"^[A-Z]{2}-\d+$|\s\w{,2}\z"),
    Field("ahead", "Ahead", "regexp", regexp=r"(?=a)a|(?i)^k"),
    Field("user", "User", "lookup", target_type="zen:user"),
    Field("site", "Site", "lookup", target_type=SITE),
    Field('odd"key', "Odd", "something_new"),
)
MEMBERS = ("external_id", "name")
TARGETS = (*MEMBERS, *(f"field:{field.key}" for field in FIELDS))
ULID = "01GDXYD7ZTWYP542BA8MDDTE36"
TEXTS = (
    *("", " ", "\u3000", "a", "A-1", " A-1", "x\n", '5" pipe', "back\\slash", "a\nb"),
    *("\x00z", "\x1fz", "é", "日本", "\u200bid", "a\u00ad", "#1", "#N/A", " #REF! "),
    *("0", "-0", "007", "1250", "1.5", "1,5", "1.50", "-0.00", "12.", ".5", "1.000"),
    *("0,00", "10,00", "100.00", "1.250,00", "1,250.50", "-0,5", "-0.50", "0.10"),
    *("1.000,50", "1'000", "12.125", "1e3", "4.01234E+12", "9" * 18, "9" * 19),
    *("true", "No", "2026-08-03", "2026-08-03T00:00:00", "03/08/2026", "red_1", "RED"),
    *("Red, dark;red", '["Nil"]', "[]", "{}", ";", "AB-12", "AB-1x", "é ab", "K"),
    *(ULID, ULID.lower(), "external_id:v 1", "name: ", "900123456", "x" * 1200),
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    text = st.sampled_from(TEXTS) | st.text(max_size=6)
    row = st.lists(text, min_size=len(TARGETS), max_size=len(TARGETS))
    return draw(st.lists(row, min_size=1, max_size=6))


def readers(
    action: Action, options: Options, mark: Mark = "."
) -> tuple[RowReader, BlockReader]:
    schema = Schema("asset", FIELDS, NameRules(unique=True))
    mapping = dict(zip(TARGETS, TARGETS, strict=True))
    described = (
        schema,
        action,
        mapping,
        TARGETS,
        options,
        dict.fromkeys(TARGETS, mark),
    )
    return RowReader(*described), BlockReader(*described)


@settings(max_examples=60)
@given(
    table=tables(),
    kinds=st.lists(st.sampled_from(Kind), min_size=len(TARGETS), max_size=len(TARGETS)),
    has_kinds=st.booleans(),
    blank=st.sampled_from(["skip", "clear"]),
    mark=st.sampled_from([".", ",", "?"]),
)
def test_columns_are_read_like_cells(
    table: list[list[str]], kinds: list[Kind], has_kinds: bool, blank: str, mark: Mark
) -> None:
    options = Options.from_json({"prefix": 'j"1', "blank": blank})
    rows, blocks = readers(Action.CREATE, options, mark)
    kinds_of_rows = [kinds if has_kinds else []] * len(table)

    in_blocks = results_of(blocks.read(block_of(table, kinds_of_rows)))

    by_cells = [
        rows.read((number, cells), kinds_of_row)
        for number, (cells, kinds_of_row) in enumerate(
            zip(table, kinds_of_rows, strict=True), FIRST_ROW
        )
    ]
    assert in_blocks == by_cells


def read(
    target: str, text: str, kind: Kind, *, blank: str = "skip", mark: Mark = "."
) -> str:
    """The item that a cell of a kind makes, or the code of its problem."""
    schema = Schema("asset", FIELDS)
    key = {"id": ULID, "cell": text}
    mapping = {"id": "id", "cell": target}
    options = Options.from_json({"blank": blank})
    reader = BlockReader(
        schema, Action.UPDATE, mapping, list(key), options, {"cell": mark}
    )
    block = block_of([list(key.values())], [[Kind.TEXT, kind]])
    [result] = results_of(reader.read(block))
    return _short(result)


def _short(result: Item | Sequence[Problem]) -> str:
    if isinstance(result, Item):
        return result.json.replace(f'"id":"{ULID}"', "").strip("{,}")
    [problem] = result
    return problem.code


FIELD_NULL = '"custom_object_fields":{"text":null'


@pytest.mark.parametrize("blank", ["skip", "clear"])
@pytest.mark.parametrize(
    ("kind", "result"),
    [(Kind.ABSENT, ""), (Kind.NO_RESULT, ""), (Kind.NULL, FIELD_NULL)],
)
def test_cells_without_text_do_not_follow_the_blank_option(
    kind: Kind, result: str, blank: str
) -> None:
    assert read("field:text", "", kind, blank=blank) == result


def test_blank_text_follows_the_blank_option() -> None:
    assert read("field:text", "", Kind.TEXT) == ""
    assert read("field:text", "", Kind.TEXT, blank="clear") == FIELD_NULL


@pytest.mark.parametrize(
    ("target", "kind", "code"),
    [
        ("name", Kind.NULL, "null"),
        ("external_id", Kind.NULL, "null"),
        ("id", Kind.NULL, "empty"),
    ],
)
def test_null_is_a_problem_where_nothing_can_be_emptied(
    target: str, kind: Kind, code: str
) -> None:
    if target == "id":
        schema = Schema("asset", FIELDS)
        reader = BlockReader(schema, Action.DELETE, {"id": "id"}, ["id"], Options(), {})
        [result] = results_of(reader.read(block_of([[""]], [[kind]])))
        assert _short(result) == code
    else:
        assert read(target, "", kind) == code


def test_missing_result_of_a_required_cell_is_a_problem() -> None:
    reader = BlockReader(
        Schema("asset", FIELDS), Action.CREATE, {"n": "name"}, ["n"], Options(), {}
    )
    [result] = results_of(reader.read(block_of([[""]], [[Kind.NO_RESULT]])))

    assert _short(result) == "no_result"


@pytest.mark.parametrize(
    "text", ["#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"]
)
@pytest.mark.parametrize("target", ["name", "field:text", "field:price", "field:code"])
@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.TEXT])
def test_error_is_a_problem_of_its_cell(text: str, target: str, kind: Kind) -> None:
    assert read(target, text, kind) == "error_cell"


@pytest.mark.parametrize(
    ("target", "text", "result"),
    [
        ("field:text", '{"a": 1}', "nested_value"),
        ("field:text", '["Red"]', "nested_value"),
        ("field:price", "[1]", "nested_value"),
        ("field:many", '{"a": 1}', "nested_value"),
        ("field:many", '["Red"]', '"custom_object_fields":{"many":["red_1"]'),
        ("field:many", '["green"]', "unknown_option"),
    ],
)
def test_nested_json_suits_a_multiselect_only(
    target: str, text: str, result: str
) -> None:
    assert read(target, text, Kind.NESTED) == result


@pytest.mark.parametrize("mark", [".", ",", "?"])
def test_numbers_of_the_file_have_a_point(mark: Mark) -> None:
    found = read("field:price", "1.125", Kind.NUMBER, mark=mark)

    assert found == '"custom_object_fields":{"price":1.125'


@pytest.mark.parametrize(("target", "value"), [("box", "true"), ("text", '"true"')])
def test_booleans_suit_checkboxes_and_text(target: str, value: str) -> None:
    found = read(f"field:{target}", "true", Kind.BOOLEAN)

    assert found == f'"custom_object_fields":{{"{target}":{value}'


def test_runaway_pattern_is_judged_without_running_away() -> None:
    field = Field("f", "F", "regexp", regexp="^a*a*a*a*a*a*a*a*a*a*b$")
    reader = BlockReader(
        Schema("asset", (field,)),
        Action.CREATE,
        {"n": "name", "f": "field:f"},
        ["n", "f"],
        Options(),
        {},
    )

    results = results_of(
        reader.read(block_of([["x", "a" * 1000], ["y", "a" * 99 + "b"]]))
    )

    assert _short(results[0]) == "no_match"
    assert isinstance(results[1], Item)


TYPES = [
    *(types.of_field(field, ".") for field in FIELDS),
    *(types.of_member(name) for name in MEMBERS),
]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(
    "value_type", [each for each in TYPES if each.plain_bytes], ids=type
)
def test_texts_of_plain_bytes_are_plain(
    value_type: ValueType, data: st.DataObject
) -> None:
    characters = value_type.plain_bytes.decode("ascii")

    text = data.draw(st.text(characters, min_size=1, max_size=30))

    [is_plain] = pc.match_substring_regex(
        pa.array([text], pa.string()), rf"\A(?:{value_type.plain})\z"
    ).to_pylist()
    assert is_plain
