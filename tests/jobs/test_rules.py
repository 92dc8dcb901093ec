"""Rules rewrite the texts of a column, by cells and by blocks alike, and never raise."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsui.files.cells import Column, Kind
from jobsui.jobs.control import drafts
from jobsui.jobs.enums import Action
from jobsui.jobs.errors import MappingRefused
from jobsui.jobs.mapping.block_reader import BlockReader
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.row_reader import Item
from jobsui.jobs.mapping.rule_kernels import rewritten
from jobsui.jobs.mapping.rules import Rewriter, Rule, require_possible
from jobsui.jobs.preparation import checker
from jobsui.zendesk.payloads import Schema
from tests.harness import Harness
from tests.jobs.blocks import block_of, results_of
from tests.jobs.test_column_reader import FIELDS, TEXTS

words = st.lists(st.sampled_from(["ja", "Nein", "Ä", "ß", "x"]), max_size=2)
rules = st.builds(
    Rule,
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
)
dates = st.from_regex(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}", fullmatch=True)
texts = st.sampled_from(TEXTS) | st.text(max_size=6) | dates


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


@settings(max_examples=100)
@given(
    rule=rules,
    target=st.sampled_from(
        ["name", "external_id", *(f"field:{f.key}" for f in FIELDS)]
    ),
    cells=st.lists(texts, min_size=1, max_size=5),
)
def test_rules_only_report(rule: Rule, target: str, cells: list[str]) -> None:
    reader = BlockReader(
        Schema("asset", FIELDS),
        Action.CREATE,
        {"cell": target},
        ["cell"],
        Options(prefix="p"),
        {},
        {target: rule},
    )

    results = results_of(reader.read(block_of([[cell] for cell in cells])))

    assert len(results) == len(cells)


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
        ("text", "aé", {"case": "upper"}, "AÉ"),
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
        ("many", "Red|Nil", {"separator": "|"}, ["red_1", "n"]),
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
    ],
)
def test_rules_that_cannot_be_meant_are_refused(rule: Rule) -> None:
    with pytest.raises(MappingRefused):
        require_possible({"name": rule}, {"name": "Name"})


def test_trimmed_key_is_sent_and_compared_without_spaces(harness: Harness) -> None:
    harness.object()
    content = b"external_id,price\n A-2 ,1\nA-2,2\n"
    job = harness.checked(content, Action.UPSERT_BY_EXTERNAL_ID)
    codes = [cause.code for cause in job.causes.all()]

    rule = {"external_id": Rule(trim=True)}
    drafts.set_mapping(job, job.mapping, Options(), by=None, rules=rule)
    checker.start(job, by=None)
    harness.task_queue.run_all()

    assert codes == ["spaces"]
    found = {cause.code: cause.sample_rows for cause in job.causes.all()}
    assert found == {"duplicate_external_id": [3]}
