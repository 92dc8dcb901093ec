"""Rules are suggested where the facts of a whole column decide, and they help."""

from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsui.jobs.control import drafts
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.option_matching import normal_form
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.rules import Rewriter, Rule
from jobsui.jobs.mapping.suggested_rules import judge_dates, rule_for, suggest
from jobsui.jobs.mapping.types import ValueProblem, of_field
from jobsui.jobs.models import ColumnFacts
from jobsui.jobs.preparation import checker
from jobsui.zendesk.payloads import Field, Option
from tests.harness import Harness

OPTIONS = (Option("in_use", "In use"), Option("cafe", "Café"), Option("out", "Out"))
FIELDS = {
    "day": Field("day", "Day", "date"),
    "box": Field("box", "Box", "checkbox"),
    "one": Field("one", "One", "dropdown", options=OPTIONS),
    "many": Field("many", "Many", "multiselect", options=OPTIONS),
    "code": Field("code", "Code", "text"),
    "whole": Field("whole", "Whole", "integer"),
}


def facts(*texts: str, **members: Any) -> ColumnFacts:
    values = [[text, 1] for text in texts]
    longest = max(map(len, texts), default=0)
    known = {"distinct": len(values), "longest": longest, "values": values}
    return ColumnFacts(**known | members)


def dates(**orders: int) -> ColumnFacts:
    return facts(distinct=None, date_orders=orders)


@pytest.mark.parametrize(
    ("target", "column", "signs", "expected"),
    [
        # The order of dates: one date decides, and none may contradict.
        ("day", dates(dmy=1, either=9), (), {"date_order": "dmy"}),
        ("day", dates(mdy=3), (), {"date_order": "mdy"}),
        ("day", dates(ymd=5, dmy=1), (), {"date_order": "dmy"}),
        ("day", dates(dmy=8, mdy=1), (), {}),
        ("day", dates(either=9), (), {}),
        ("day", dates(dmy=1, either=2, undecided=1), (), {}),
        ("day", dates(ymd=9), (), {}),
        ("day", facts("2026/8/3", date_orders={"ymd": 1}), (), {"date_order": "ymd"}),
        ("day", facts("2026-08-03", date_orders={"ymd": 1}), (), {}),
        ("code", dates(dmy=1), (), {}),
        # Yes and no: all words of the column are known.
        ("box", facts("Ja", "nein"), (), {"yes": ("ja",), "no": ("nein",)}),
        ("box", facts("x", "", "no"), (), {"yes": ("x",)}),
        ("box", facts("true", "0"), (), {}),
        ("box", facts("ja", "vielleicht"), (), {}),
        ("box", facts("ja", distinct=700), (), {}),
        # Texts that are an option but for accents, spaces and punctuation.
        (
            "one",
            facts("In-Use", "Cafe", "out", "?"),
            (),
            {"values": {"In-Use": "in_use"}},
        ),
        ("one", facts("CAFÉ ", "In  use"), (), {"values": {"In  use": "in_use"}}),
        ("many", facts("In use, Out", "out;Café"), (), {}),
        ("many", facts("In use|Out", "Out"), (), {"separator": "|"}),
        (
            "many",
            facts("In-use / Out", "Café"),
            (),
            {"separator": "/", "values": {"In-use": "in_use"}},
        ),
        (
            "many",
            facts("in-use;Out"),
            (),
            {"separator": ";", "values": {"in-use": "in_use"}},
        ),
        ("many", facts("A|B", "Out"), (), {}),
        ("many", facts("In use/Out", "out;in_use"), (), {}),
        ("many", facts("In use|Out", "?|Out", "Café"), (), {"separator": "|"}),
        # What the file's warnings say.
        ("external_id", facts(" A"), ("spaces",), {"trim": True}),
        ("name", facts(" A"), ("spaces",), {"trim": True}),
        ("code", facts(" A"), ("spaces",), {}),
        (
            "code",
            facts(*["00012", "00123", "01234", "12345", "987"]),
            ("short_codes",),
            {"pad": 5},
        ),
        ("code", facts("ZÃ¼rich"), ("garbled",), {"repairs": ("garbled",)}),
        ("whole", facts("45000"), ("serial_date", "garbled"), {}),
        ("day", facts("45000"), ("serial_date",), {"repairs": ("serial_dates",)}),
        ("code", facts("00012", "12", "123"), ("short_codes",), {}),
        ("code", facts(distinct=None, longest=8), ("short_codes",), {"pad": 8}),
        ("external_id", facts("00012", longest=5), ("short_codes",), {"pad": 5}),
        ("whole", facts("00012", longest=5), ("short_codes",), {}),
    ],
)
def test_rule_is_suggested_where_the_column_decides(
    target: str, column: ColumnFacts, signs: Collection[str], expected: dict[str, Any]
) -> None:
    found = rule_for(target, FIELDS.get(target), column, signs)

    assert found == Rule(**expected)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("In use", "in-USE", True),
        ("in_use", "(In  use)", True),
        ("Café", "cafe", True),
        ("A/B", "A b", True),
        ("Level 1.5", "level 1,5", True),
        ("Level 1.5", "Level 15", False),
        ("10-20", "1020", False),
        ("-1", "1", False),
        ("C++", "C", False),
        ("C#", "C", False),
        ("Out", "?|Out", False),
        ("Straße", "STRASSE", True),
        ("東京", "東京 ", True),
    ],
)
def test_normal_form_keeps_what_may_be_all_the_difference(
    one: str, other: str, is_same: bool
) -> None:
    assert (normal_form(one) == normal_form(other)) is is_same


def test_dates_are_judged_by_the_whole_column() -> None:
    assert judge_dates({}) == ""
    assert judge_dates({"ymd": 2}) == "ymd"
    assert judge_dates({"ymd": 2, "either": 1}) == "ambiguous"
    assert judge_dates({"dmy": 1, "mdy": 1}) == "contradictory"


parts = st.sampled_from(
    ["In use", "in-use", "CAFE", "Out", "out", "?", "ja", "Nein", "x", "true", ""]
)
texts = st.lists(parts, min_size=1, max_size=3).flatmap(
    lambda found: st.sampled_from(["|", ";", ", ", "/", ""]).map(
        lambda separator: separator.join(found)
    )
)


@given(
    field=st.sampled_from([FIELDS["box"], FIELDS["one"], FIELDS["many"]]),
    column=st.lists(texts, unique=True, max_size=6),
)
def test_suggested_rules_only_make_more_texts_readable(
    field: Field, column: list[str]
) -> None:
    def value(text: str) -> Any:
        try:
            return of_field(field).parse(text)
        except ValueProblem:
            return None

    rule = rule_for(f"field:{field.key}", field, facts(*column), ())

    rewriter = Rewriter(rule)
    assert rule.problems() == []
    for text in filter(str.strip, column):
        before = value(text)
        if before is not None:
            assert value(rewriter.rewrite(text)) == before


def test_suggested_rules_leave_no_problem(harness: Harness) -> None:
    harness.object()
    content = (
        "external_id,name,bought,insured,status,tags\n"
        "1, Ada,31.12.2026,ja,In-Use,wifi|GPS\n"
        "2,Bob ,01.02.2026,nein,retired,Wi-Fi\n"
    )
    job = harness.checked(content.encode(), Action.UPSERT_BY_EXTERNAL_ID)
    before = job.rows_invalid

    rules = suggest(job, job.mapping)
    drafts.set_mapping(job, job.mapping, Options(), by=None, rules=rules)
    checker.start(job, by=None)
    harness.task_queue.run_all()

    job.refresh_from_db()
    assert before == 2
    assert rules == {
        "name": Rule(trim=True),
        "field:bought": Rule(date_order="dmy"),
        "field:insured": Rule(yes=("ja",), no=("nein",)),
        "field:status": Rule(values={"In-Use": "in_use"}),
        "field:tags": Rule(separator="|"),
    }
    assert job.rows_invalid == 0
