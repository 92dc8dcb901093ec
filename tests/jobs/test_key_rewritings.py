"""How the keys of a file may have been damaged."""

import pytest

from jobsui.jobs.mapping.key_rewritings import (
    REWRITINGS,
    keys_of,
    possible,
    rises_clearly,
)
from jobsui.jobs.mapping.rules import NO_RULE, Rule

BY_NAME = {rewriting.name: rewriting for rewriting in REWRITINGS}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("trim", " A-1 ", "A-1"),
        ("trim", "A-1\u00a0", "A-1"),
        ("trim", "A-1\u200b", "A-1"),
        ("quotes", "'0042'", "0042"),
        ("composed", "e\u0301", "é"),
        ("dashes", "A\u20131", "A-1"),
        ("point_zero", "42.0", "42"),
        ("grouping", "1,234", "1234"),
        ("upper", "ab-1", "AB-1"),
        ("lower", "AB-1", "ab-1"),
        ("pad_8", "1234", "00001234"),
        ("pad_8", "A1234", "A1234"),
        ("point_zero_pad_8", "1234.0", "00001234"),
        ("leading_zeros", "00001234", "1234"),
    ],
)
def test_rewriting(name: str, text: str, expected: str) -> None:
    assert BY_NAME[name].rewrite(text) == expected


@pytest.mark.parametrize("text", ["4.01E+12", "4E+12", "4,01E+12"])
def test_numbers_in_e_notation_are_not_rewritten(text: str) -> None:
    others = [each for each in REWRITINGS if each.name != "lower"]

    assert {each.rewrite(text) for each in others} == {text}


def test_rewritings_with_the_same_keys_are_tried_once() -> None:
    found = possible(["1234", "77", "123456"], NO_RULE)

    assert [each.name for each in found] == [
        *("pad_4", "pad_5", "pad_6", "pad_7", "pad_8", "pad_9", "pad_10"),
        *("pad_11", "pad_12", "pad_13"),
    ]


def test_rewritings_of_few_keys_are_not_tried() -> None:
    texts = ["AB-1", "AB-2", "AB-3", "AB-4", "ab-5", "AB-6"]

    found = possible(texts, NO_RULE)

    assert [each.name for each in found] == ["lower"]


def test_rewriting_keeps_the_rule_of_the_target() -> None:
    own = Rule(trim=True, repairs=("quotes",))

    rule = BY_NAME["point_zero_pad_8"].added_to(own)

    assert rule == Rule(trim=True, repairs=("quotes", "point_zero"), pad=8)
    assert keys_of([" '77.0'", " 78.0 "], rule) == ["00000077", "00000078"]


@pytest.mark.parametrize(
    ("before", "after", "is_clear"),
    [
        (3, 97, True),
        (10, 30, True),
        (11, 32, False),
        (0, 19, False),
        (0, 20, True),
        (80, 90, True),
        (81, 90, False),
        (60, 89, False),
    ],
)
def test_rise_is_clear(before: int, after: int, is_clear: bool) -> None:
    assert rises_clearly(before, after, 100) == is_clear


def test_nothing_rises_without_keys() -> None:
    assert not rises_clearly(0, 0, 0)
