import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsui.files.number_styles import Mark, plain
from jobsui.jobs.mapping import types
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.jobs.mapping.types import pattern as pattern_type
from jobsui.zendesk.payloads import Field, Option

COLOURS = (
    Option("red_1", "Red"),
    Option("blue", "Blue"),
    Option("dark", "Red, dark"),
    Option("n", "Nil"),
    Option("o", "nil"),
)


def field(kind: str, **more: Any) -> Field:
    return Field("f", "Colour", kind, **more)


def parse(of: Field, text: str) -> Any:
    return types.of_field(of).parse(text)


def problem_of(kind: str, text: str, **more: Any) -> ValueProblem:
    with pytest.raises(ValueProblem) as caught:
        parse(field(kind, **more), text)
    return caught.value


@pytest.mark.parametrize("kind", ["text", "textarea", "something_new"])
def test_text_is_kept_as_it_is(kind: str) -> None:
    assert parse(field(kind), " 007\n=1+1 ") == " 007\n=1+1 "


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "42", 42),
        ("integer", " -7 ", -7),
        ("integer", "42.0", 42),
        ("integer", "007", 7),
        ("integer", "999999999999999999", 999999999999999999),
        ("integer", "000000000000000000000001", 1),
        ("decimal", "1250.50", 1250.5),
        ("decimal", ".5", 0.5),
        ("decimal", "-3", -3),
        ("decimal", "1e3", 1000),
        ("decimal", "0.30000000000000004", 0.30000000000000004),
        ("currency", "12.30", 12.3),
        ("checkbox", "TRUE", True),
        ("checkbox", "yes", True),
        ("checkbox", "1", True),
        ("checkbox", " No ", False),
        ("checkbox", "0", False),
        ("date", "2026-08-03", "2026-08-03"),
        ("date", "2026-08-03 00:00:00", "2026-08-03"),
        ("date", "2026-08-03T00:00:00Z", "2026-08-03"),
        ("date", "2024-02-29", "2024-02-29"),
        ("lookup", " 01HZX8 ", "01HZX8"),
        ("lookup", "external_id:v 1", "external_id:v 1"),
        ("parent", "name:Head Office", "name:Head Office"),
        ("lookup", "900123456", "900123456"),
    ],
)
def test_value_is_read_by_type(kind: str, text: str, value: object) -> None:
    read = parse(field(kind), text)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        ("integer", "42.5", "not_an_integer"),
        ("integer", "1,00", "not_an_integer"),
        ("integer", "1e3", "not_an_integer"),
        ("integer", "٤٢", "not_an_integer"),
        ("integer", "9" * 19, "too_many_digits"),
        ("integer", "9" * 9000, "too_many_digits"),
        ("decimal", "1,5", "not_a_number"),
        ("decimal", "NaN", "not_a_number"),
        ("decimal", "inf", "not_a_number"),
        ("decimal", "0x10", "not_a_number"),
        ("decimal", "1_000", "not_a_number"),
        ("decimal", "1e999", "too_many_digits"),
        ("decimal", "1e-999", "too_many_digits"),
        ("decimal", "12345678901234567890.12", "too_many_digits"),
        ("decimal", "1" * 9000, "too_many_digits"),
        ("checkbox", "x", "not_a_checkbox"),
        ("checkbox", "2", "not_a_checkbox"),
        ("date", "03/08/2026", "not_a_date"),
        ("date", "2026-02-30", "not_a_date"),
        ("date", "2026-08-03T10:00:00", "not_a_date"),
        ("date", "2026-W32-1", "not_a_date"),
        ("date", "20260803", "not_a_date"),
        ("date", "2026-8-3", "not_a_date"),
        ("date", "45123", "not_a_date"),
        ("date", "2026-08-03T00:00:00.5", "not_a_date"),
        ("lookup", "Ana Smith", "not_a_reference"),
        ("lookup", "external_id:", "not_a_reference"),
        ("parent", "name: ", "not_a_reference"),
    ],
)
def test_value_of_another_kind_is_a_problem(kind: str, text: str, code: str) -> None:
    assert problem_of(kind, text).code == code


def test_lookup_of_a_custom_object_takes_record_ids() -> None:
    record_id = "01GDXYD7ZTWYP542BA8MDDTE36"
    of_sites = field("lookup", target_type="zen:custom_object:site")

    assert parse(of_sites, f" {record_id.lower()} ") == record_id
    assert parse(of_sites, "external_id:v 1") == "external_id:v 1"


@pytest.mark.parametrize("text", ["900123456", "V-1", "01GDXYD7ZTWYP542BA8MDDTE3"])
def test_lookup_of_a_custom_object_takes_no_other_ids(text: str) -> None:
    target = "zen:custom_object:site"

    assert problem_of("lookup", text, target_type=target).code == "not_a_reference"


def test_problem_names_value_fix_and_kind() -> None:
    problem = problem_of("decimal", "1.250,50")

    assert problem.message == "“1.250,50” is not a number."
    assert problem.general == "The value is not a number, for example “1.250,50”."
    assert "or as the other numbers of the column" in problem.fix


@pytest.mark.parametrize("kind", ["integer", "decimal", "currency"])
@pytest.mark.parametrize(
    ("mark", "text", "number"),
    [
        (".", "1.000", 1),
        (".", "1,000", 1000),
        (",", "1.000", 1000),
        (",", "1 000", 1000),
        ("?", "2.000.000", 2_000_000),
        ("?", "1'000", 1000),
    ],
)
def test_the_decimal_mark_of_a_column_decides(
    kind: str, mark: Mark, text: str, number: int
) -> None:
    assert types.of_field(field(kind), mark).parse(text) == number


@pytest.mark.parametrize("kind", ["integer", "decimal", "currency"])
def test_a_number_that_its_column_does_not_decide_is_a_problem(kind: str) -> None:
    with pytest.raises(ValueProblem) as caught:
        types.of_field(field(kind), "?").parse("1.000")

    assert caught.value.code == "ambiguous_number"
    assert caught.value.message.startswith("“1.000” can be read in two ways")


def test_long_value_is_cut_in_messages() -> None:
    assert (
        problem_of("integer", "x" * 100_000).message
        == f"“{'x' * 80}…” is not a whole number."
    )


@given(st.text(max_size=30) | st.from_regex(r"[+-]?[0-9.,eE+ -]{1,20}", fullmatch=True))
def test_number_is_exactly_what_was_written_or_a_problem(text: str) -> None:
    for kind in ("integer", "decimal"):
        try:
            value = parse(field(kind), text)
        except ValueProblem:
            continue
        assert Decimal(repr(value)) == Decimal(plain(text, "."))
        assert json.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("red_1", "red_1"),
        ("Red", "red_1"),
        ("RED", "red_1"),
        (" blue ", "blue"),
        ("BLUE", "blue"),
    ],
)
def test_option_is_found_by_tag_or_label(text: str, tag: str) -> None:
    assert parse(field("dropdown", options=COLOURS), text) == tag


def test_unknown_option_lists_the_options() -> None:
    problem = problem_of("dropdown", "green", options=COLOURS)

    assert problem.code == "unknown_option"
    assert problem.message == "“green” is not an option of Colour."
    assert problem.fix.startswith(
        "Its options are red_1, blue, dark, n, o. Choose what the value becomes"
    )


def test_label_of_two_options_is_a_problem_that_names_their_tags() -> None:
    problem = problem_of("dropdown", "NIL", options=COLOURS)

    assert problem.code == "ambiguous_option"
    assert problem.fix == "Write the tag: n or o."


def test_field_without_options_says_so() -> None:
    assert problem_of("dropdown", "green").fix.startswith(
        "The field has no options yet."
    )


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("red_1", ["red_1"]),
        ("Red; Blue", ["red_1", "blue"]),
        ("Blue,Red", ["blue", "red_1"]),
        ("Red, dark", ["dark"]),
        ("Red, dark;Blue", ["dark", "blue"]),
        ('["Blue", "Red, dark"]', ["blue", "dark"]),
        ("Blue;;blue;", ["blue"]),
        ("[]", []),
    ],
)
def test_multiselect_is_a_list_or_parts_or_one_label_with_a_comma(
    text: str, tags: list[str]
) -> None:
    assert parse(field("multiselect", options=COLOURS), text) == tags


@pytest.mark.parametrize(
    "text", ["Red;green", ";", ",", '["green"]', "[Red", "[1, null]"]
)
def test_multiselect_with_anything_unknown_is_a_problem(text: str) -> None:
    assert problem_of("multiselect", text, options=COLOURS).code == "unknown_option"


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (r"^[A-Z]{2}-\d{6}$", "AB-123456", True),
        (r"^[A-Z]{2}-\d{6}$", "AB-1234567", False),
        (r"\A\d+\z", "42", True),
        (r"\A\d+\z", "42x", False),
        ("", "anything", True),
        (r"(?<year>\d+", "anything", True),
        (r"\p{Lu}+", "anything", True),
        (r"[[:digit:]]", "anything", True),
    ],
)
def test_text_is_matched_against_a_pattern_that_can_be_read(
    pattern: str, text: str, fits: bool
) -> None:
    if fits:
        assert parse(field("regexp", regexp=pattern), text) == text
    else:
        assert problem_of("regexp", text, regexp=pattern).code == "no_match"


@pytest.mark.parametrize("text", ["a" * 50 + "!", "a" * 1000])
@pytest.mark.parametrize(
    "pattern", ["^(a+)+b$", "^a*a*a*a*a*a*a*a*a*a*b$", "^(?=a)(a|aa)*[bc]$"]
)
def test_pattern_that_could_run_for_hours_is_stopped(pattern: str, text: str) -> None:
    code = problem_of("regexp", text, regexp=pattern).code

    assert code in {"no_match", "slow_pattern"}


def test_a_column_of_slow_texts_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern_type, "MAX_SLOW_SECONDS", 0.1)
    of_field = types.of_field(field("regexp", regexp="^(?=a)(a|aa)*[bc]$"))
    codes = set()

    for number in range(500):
        with pytest.raises(ValueProblem) as caught:
            of_field.parse("a" * 900 + str(number))
        codes.add(caught.value.code)

    assert codes == {"slow_pattern"}


def test_long_text_is_not_matched_against_a_pattern() -> None:
    assert parse(field("regexp", regexp=r"\s*\s*$x"), " " * 20_000)


@pytest.mark.parametrize(
    "text",
    ["A-2", "0042", "12E5", "E12", "1.5", "4,5", "naïve", "日本", "2026-01-31"],
)
def test_external_ids_stay_as_they_are(text: str) -> None:
    assert types.of_member("external_id").parse(text) == text


@pytest.mark.parametrize("member", ["external_id", "name"])
@pytest.mark.parametrize("text", [" A-2 ", "A-2\n", "\u00a0A-2", "A-2\u3000"])
def test_spaces_at_the_ends_of_keys_are_problems(member: str, text: str) -> None:
    with pytest.raises(ValueProblem) as caught:
        types.of_member(member).parse(text)

    assert caught.value.code == "spaces"
    assert caught.value.message == f"“{text}” begins or ends with spaces."


@pytest.mark.parametrize(
    "text",
    ["4,01234E+12", "4.01234E+12", "4.01234e12", "4,01234E12", "4E+12", "-1.2e+15"],
)
def test_rounded_external_ids_are_problems(text: str) -> None:
    with pytest.raises(ValueProblem) as caught:
        types.of_member("external_id").parse(text)

    assert caught.value.code == "rounded"
    assert caught.value.message == (
        f"“{text}” is a rounded number: its last digits are lost."
    )


@pytest.mark.parametrize(
    ("text", "shown", "name"),
    [
        ("A-1\u200b", "A-1�", "U+200B"),
        ("\ufeffA-1", "�A-1", "U+FEFF"),
        ("A\u00ad-1", "A�-1", "U+00AD"),
        ("A\n1", "A�1", "U+000A"),
        ("A\u202e1", "A�1", "U+202E"),
    ],
)
def test_external_ids_with_invisible_characters_are_problems(
    text: str, shown: str, name: str
) -> None:
    with pytest.raises(ValueProblem) as caught:
        types.of_member("external_id").parse(text)

    assert caught.value.code == "invisible_character"
    assert caught.value.message == f"“{shown}” has an invisible character ({name})."


@pytest.mark.parametrize(
    ("text", "is_advised"),
    [("A-1\u200b", True), ("A\u202e1", True), ("A\n1", False), ("A\u200d1", False)],
)
def test_rule_is_advised_where_it_makes_the_external_id_good(
    text: str, is_advised: bool
) -> None:
    with pytest.raises(ValueProblem) as caught:
        types.of_member("external_id").parse(text)

    assert ("rule of External ID" in caught.value.fix) == is_advised
