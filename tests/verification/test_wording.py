"""What of an account's texts a report may contain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsui.verification import wording


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CustomObjectRecordDeleteFailed", "CustomObjectRecordDeleteFailed"),
        ("Record not found", "Record not found"),
        (
            "Invalid parameter: job.items must be an array from api/v2/jobs/create",
            "Invalid parameter: job.items must be an array from api/v2/jobs/create",
        ),
        ("Couldn't authenticate you", "Couldn't authenticate you"),
        ('Removed restricted keys ["diagnosis"]', "Removed restricted keys […]"),
        ("Grace Hopper already exists", "… already exists"),
        ("grace@acme.example is invalid", "… is invalid"),
        ("Phone: +49 30 123456", "…"),
        ("at most 100 items, not 4711", "at most 100 items, not …"),
        ("V3-0123456789abcdef0123456789abcdef", "…"),
        ("01GDXYD7ZTWYP542BA8MDDTE36 was deleted", "… was deleted"),
        ("secret\x1b[31m\nvalue", "… value"),
        ("", ""),
    ],
)
def test_text_keeps_only_common_words(text: str, shown: str) -> None:
    assert wording.reduced(text) == shown


@given(st.text())
def test_reduced_text_has_no_word_outside_the_vocabulary(text: str) -> None:
    shown = wording.reduced(text)

    words = [part for part in wording.PARTS.findall(shown) if part.isalnum()]
    assert [part for part in words if part.isalpha()] == [
        part for part in words if part.lower() in wording.VOCABULARY
    ]
    assert {part for part in words if part.isdecimal()} <= wording.SAFE_NUMBERS


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (None, "null"),
        (True, "true or false"),
        (1.5, "a number"),
        ("Grace", "a text"),
        (["a", 1], "a list of a number and a text"),
        ({"amount": 1, "currency": "EUR"}, "an object with amount, currency"),
        ({"grace": 1}, "an object with …"),
    ],
)
def test_shape_of_a_value_does_not_contain_it(value: object, shape: str) -> None:
    assert wording.shape(value) == shape


def test_scopes_that_only_one_account_has_are_counted() -> None:
    scopes = ["custom_objects:write", "acme:read", "read", "grace"]

    assert wording.scope_names(scopes) == "custom_objects:write, read, 2 more"
