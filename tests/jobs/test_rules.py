"""Rules rewrite the texts of a column, by cells and by blocks alike, and never raise."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsui.files.cells import Column, Kind
from jobsui.files.number_styles import Mark
from jobsui.jobs.control import drafts
from jobsui.jobs.enums import Action
from jobsui.jobs.errors import MappingRefused
from jobsui.jobs.mapping.block_reader import BlockReader
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.repairs import REPAIRS
from jobsui.jobs.mapping.row_reader import Item, RowReader
from jobsui.jobs.mapping.rule_kernels import rewritten
from jobsui.jobs.mapping.rule_words import rules_in_words
from jobsui.jobs.mapping.rules import Rewriter, Rule, joined, require_possible
from jobsui.jobs.preparation import checker
from jobsui.zendesk.payloads import NameRules, Schema
from tests.harness import Harness
from tests.jobs.blocks import FIRST_ROW, block_of, results_of
from tests.jobs.test_column_reader import FIELDS, TEXTS

UPSERT = Action.UPSERT_BY_EXTERNAL_ID

words = st.lists(st.sampled_from(["ja", "Nein", "Ä", "ß", "x", "ΟΔΟΣ"]), max_size=2)
rules = st.builds(
    Rule,
    repairs=st.lists(st.sampled_from(list(REPAIRS)), max_size=4).map(tuple),
    trim=st.booleans(),
    blank=st.sampled_from(["", "leave", "clear", "set"]),
    blank_value=st.sampled_from(["", "none", "0"]),
    values=st.dictionaries(st.sampled_from(TEXTS), st.sampled_from(TEXTS), max_size=3),
    yes=words.map(tuple),
    no=words.map(tuple),
    separator=st.sampled_from(["", "|", ", "]),
    case=st.sampled_from(["", "upper", "lower"]),
    pad=st.sampled_from([0, 1, 5, 255]),
    date_order=st.sampled_from(["", "ymd", "dmy", "mdy"]),
    decimal_mark=st.sampled_from(["", "point", "comma"]),
    reference=st.sampled_from(["", "external_id", "name"]),
    constant=st.sampled_from(["", *TEXTS]),
    also=st.lists(st.sampled_from(["a", "b", "c", "gone"]), max_size=2).map(tuple),
    joiner=st.sampled_from([" ", "", ", "]),
)
dates = st.from_regex(
    r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}([ T]00:00(:00(\.0)?)?)?", fullmatch=True
)
texts = (
    st.sampled_from((*TEXTS, "ßΟΔΟΣ", "name:x", "ZÃ¼rich", "\u200b", "45000"))
    | st.text(max_size=6)
    | dates
)


@settings(max_examples=300)
@given(rule=rules, cells=st.lists(texts, max_size=8), kind=st.sampled_from(Kind))
def test_columns_are_rewritten_like_cells(
    rule: Rule, cells: list[str], kind: Kind
) -> None:
    kinds = None if kind is Kind.TEXT else pa.array([kind] * len(cells), pa.int8())
    column = Column(pa.array(cells, pa.string()), kinds)

    found = rewritten(column, rule).texts.to_pylist()

    rewriter = Rewriter(rule)
    assert found == [rewriter.rewrite(cell, kind) for cell in cells]


COLUMNS = ("a", "b", "c", "d")
KEYS = ("name", "external_id", *(f"field:{field.key}" for field in FIELDS))


@settings(max_examples=60)
@given(
    table=st.lists(st.lists(texts, min_size=4, max_size=4), min_size=1, max_size=5),
    kinds=st.lists(st.sampled_from(Kind), min_size=4, max_size=4),
    has_kinds=st.booleans(),
    mapping=st.dictionaries(
        st.sampled_from(COLUMNS), st.sampled_from(KEYS), min_size=1
    ),
    rules_of_targets=st.dictionaries(st.sampled_from(KEYS), rules),
    action=st.sampled_from([action for action in Action if not action.deletes]),
)
def test_rules_only_report_and_both_readers_agree(
    table: list[list[str]],
    kinds: list[Kind],
    has_kinds: bool,
    mapping: dict[str, str],
    rules_of_targets: dict[str, Rule],
    action: Action,
) -> None:
    marks: dict[str, Mark] = {}
    one_column_each = {target: column for column, target in mapping.items()}
    described = (
        Schema("asset", FIELDS, NameRules(unique=True)),
        action,
        {column: target for target, column in one_column_each.items()},
        COLUMNS,
        Options(prefix="p"),
        marks,
        rules_of_targets,
    )
    kinds_of_rows = [kinds if has_kinds else []] * len(table)
    rows = RowReader(*described)

    in_blocks = results_of(BlockReader(*described).read(block_of(table, kinds_of_rows)))

    assert in_blocks == [
        rows.read((number, cells), kinds_of_row)
        for number, (cells, kinds_of_row) in enumerate(
            zip(table, kinds_of_rows, strict=True), FIRST_ROW
        )
    ]


@given(rule=rules)
def test_rules_are_stored_as_they_are(rule: Rule) -> None:
    stored = json.loads(json.dumps(rule.to_json()))

    assert Rule.from_json(stored) == rule


def value(target: str, text: str, **rule: Any) -> Any:
    """The value of a cell, or the code of its problem."""
    reader = BlockReader(
        Schema("asset", FIELDS),
        Action.CREATE,
        {"cell": f"field:{target}"},
        ["cell"],
        Options(generate_external_ids=False),
        {},
        {f"field:{target}": Rule(**rule)},
    )
    [result] = results_of(reader.read(block_of([[text]])))
    if not isinstance(result, Item):
        return result[0].code
    return json.loads(result.json).get("custom_object_fields", {}).get(target, "alone")


@pytest.mark.parametrize(
    ("target", "text", "rule", "expected"),
    [
        ("text", " a ", {"trim": True}, "a"),
        ("text", "aéß", {"case": "upper"}, "AÉß"),
        ("text", "42", {"pad": 5}, "00042"),
        ("text", "A-42", {"pad": 5}, "A-42"),
        ("price", "1.250,50", {"decimal_mark": "comma"}, 1250.5),
        ("price", "1.250", {"decimal_mark": "comma"}, 1250),
        ("day", "3.8.2026", {"date_order": "dmy"}, "2026-08-03"),
        ("day", "08/03/2026", {"date_order": "mdy"}, "2026-08-03"),
        ("day", "31/08/2026", {"date_order": "mdy"}, "not_a_date"),
        ("text", "", {"blank": "clear"}, None),
        ("text", "", {"blank": "set", "blank_value": "n/a"}, "n/a"),
        ("text", "", {"blank": "leave"}, "alone"),
        ("box", "Ja", {"yes": ("ja",), "no": ("nein",)}, True),
        ("box", "nein", {"yes": ("ja",), "no": ("nein",)}, False),
        ("site", " S 1", {"reference": "external_id"}, "external_id:S 1"),
        ("site", "name:S", {"reference": "external_id"}, "name:S"),
        ("site", " #N/A", {"reference": "name"}, "error_cell"),
        ("site", " ", {"reference": "name"}, "alone"),
        ("many", "Red|Nil", {"separator": "|"}, ["red_1", "n"]),
        (
            "many",
            "Rot | nil",
            {"separator": "|", "values": {"Rot": "red_1"}},
            ["red_1", "n"],
        ),
        ("day", "3.8.2026 00:00:00", {"date_order": "dmy"}, "2026-08-03"),
        ("day", "3.8.2026 12:00", {"date_order": "dmy"}, "not_a_date"),
        ("one", "rot ", {"values": {"rot": "red_1"}}, "red_1"),
    ],
)
def test_rule_changes_what_a_cell_means(
    target: str, text: str, rule: dict[str, Any], expected: object
) -> None:
    assert value(target, text, **rule) == expected


@pytest.mark.parametrize(
    "rule",
    [
        Rule(pad=256),
        Rule(blank="set", blank_value=" "),
        Rule(yes=("ja",), no=("JA",)),
        Rule(constant=" "),
        Rule(constant="a", also=("b",)),
        Rule(also=("b",) * 21),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(rule: Rule) -> None:
    with pytest.raises(MappingRefused):
        require_possible({"name": rule}, {"name": "Name"})


@pytest.mark.parametrize(
    ("cells", "rule", "expected"),
    [
        (["a", "b", "c"], {"also": ("2", "3")}, "a b c"),
        (["a", "b", "c"], {"also": ("3", "2"), "joiner": ", "}, "a, c, b"),
        (["a", "", " "], {"also": ("2", "3"), "joiner": "-"}, "a"),
        (["", "b", "c"], {"also": ("2",), "joiner": "-"}, "b"),
        ([" a ", " b ", ""], {"also": ("2",), "joiner": ""}, " a  b "),
        ([" a ", " b ", ""], {"also": ("2",), "trim": True}, "a b"),
        (["4", "2", ""], {"also": ("2",), "joiner": "", "pad": 4}, "0042"),
        (["a", "b", ""], {"also": ("2",), "values": {"a b": "x"}}, "x"),
        (["", "", ""], {"also": ("2",), "blank": "clear"}, None),
        (["a", "#N/A", ""], {"also": ("2",)}, "error_cell"),
        (["", "", ""], {"constant": "x y"}, "x y"),
        (["a", "", ""], {"constant": "7", "pad": 3}, "007"),
    ],
)
def test_target_gets_several_columns_or_a_constant(
    cells: list[str], rule: dict[str, Any], expected: object
) -> None:
    reader = RowReader(
        Schema("asset", FIELDS),
        Action.CREATE,
        {} if "constant" in rule else {"1": "field:text"},
        ["1", "2", "3"],
        Options(generate_external_ids=False),
        {},
        {"field:text": Rule(**rule)},
    )

    result = reader.read((1, cells))

    if isinstance(result, Item):
        found = json.loads(result.json)["custom_object_fields"]["text"]
    else:
        found = result[0].code
    assert found == expected


def test_kinds_of_joined_cells_are_kept() -> None:
    rule = Rule(also=("b",))
    number = ("1.50", Kind.NUMBER)
    nothing = ("", Kind.NULL)

    assert joined([number, ("m", Kind.TEXT)], rule) == ("1.50 m", Kind.TEXT)
    assert joined([nothing, ("", Kind.ABSENT)], rule) == nothing
    assert joined([number, ("", Kind.NO_RESULT)], rule) == ("", Kind.NO_RESULT)
    assert joined([number, ("[1]", Kind.NESTED)], rule) == ("[1]", Kind.NESTED)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(), ""),
        (
            Rule(trim=True, pad=8, values={"a": "b"}),
            "Trim, 1 value replaced, pad to 8 digits",
        ),
        (Rule(constant="new"), "Always “new”"),
        (
            Rule(also=("A", "B", "C", "D")),
            "Joined with “A”, “B”, “C” and 1 more",
        ),
        (Rule(blank="set", blank_value="n/a"), "Blank cells become “n/a”"),
        (Rule(blank="clear", case="upper"), "Blank cells clear the field, upper case"),
        (Rule(yes=("ja",), no=("nein",)), "Yes is “ja”, no is “nein”"),
        (
            Rule(date_order="dmy", decimal_mark="comma"),
            "Dates are day, month, year, numbers are like 1.234,5",
        ),
        (Rule(reference="name"), "Records are found by name"),
        (Rule(separator="|"), "List separated by “|”"),
    ],
)
def test_rules_in_words(rule: Rule, expected: str) -> None:
    assert rules_in_words(rule) == expected


def test_trimmed_key_is_sent_and_compared_without_spaces(harness: Harness) -> None:
    harness.object()
    content = b"external_id,price\n A-2 ,1\nA-2,2\n"
    job = harness.checked(content, Action.UPSERT_BY_EXTERNAL_ID)
    codes = [cause.code for cause in job.causes.filter(is_warning=False)]

    rule = {"external_id": Rule(trim=True)}
    drafts.set_mapping(job, job.mapping, Options(), by=None, rules=rule)
    checker.start(job, by=None)
    harness.task_queue.run_all()

    assert codes == ["spaces"]
    found = {
        cause.code: cause.sample_rows for cause in job.causes.filter(is_warning=False)
    }
    assert found == {"duplicate_external_id": [3]}


def test_constant_and_joined_columns_are_sent(harness: Harness) -> None:
    harness.object()
    job = harness.checked(b"external_id,first,last\n1,Ada,B\n2,Alan,\n", UPSERT)
    mapping = {"external_id": "external_id", "first": "name"}
    rules = {
        "name": Rule(also=("last",)),
        "field:price": Rule(constant="1,50", decimal_mark="comma"),
    }

    drafts.set_mapping(job, mapping, Options(), by=None, rules=rules)
    drafts.set_mapping(job, mapping, Options(), by=None)
    checker.start(job, by=None)
    harness.task_queue.run_all()

    job.refresh_from_db()
    assert job.rules == {
        "name": {"also": ["last"]},
        "field:price": {"constant": "1,50", "decimal_mark": "comma"},
    }
    assert (job.rows, job.rows_invalid) == (2, 0)


def test_mapped_column_replaces_a_constant(harness: Harness) -> None:
    harness.object()
    job = harness.checked(b"external_id,price\n1,1\n", UPSERT)
    mapping = {"external_id": "external_id"}
    rules = {"field:price": Rule(constant="2", trim=True)}
    drafts.set_mapping(job, mapping, Options(), by=None, rules=rules)

    mapping["price"] = "field:price"
    drafts.set_mapping(job, mapping, Options(), by=None)

    assert job.rules == {"field:price": {"trim": True}}
