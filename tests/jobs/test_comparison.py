from typing import Any

import pytest

from jobsui.jobs.mapping.comparison import Likeness, holds, likeness
from jobsui.zendesk.payloads import Record

DIFFERENT = Likeness.DIFFERENT
UNKNOWN = Likeness.UNKNOWN
NORMALIZED = Likeness.NORMALIZED
EQUAL = Likeness.EQUAL
EXACT = Likeness.EXACT
MONEY = {"amount": 9.9, "currency": "EUR"}


@pytest.mark.parametrize(
    ("sent", "held", "found"),
    [
        (5, 5, EXACT),
        ("5", 5, EQUAL),
        (5, 5.0, EQUAL),
        ("1.50", 1.5, EQUAL),
        (1234567, 1234568, DIFFERENT),
        ("0.1", 0.10000000001, DIFFERENT),
        ("2026-01-31", "2026-01-31T00:00:00+00:00", EQUAL),
        ("2026-01-31", "2026-01-31T00:00:01+00:00", DIFFERENT),
        (None, "", EQUAL),
        ("", [], EQUAL),
        ("", 0, DIFFERENT),
        (["b", "a"], ["a", "b"], EQUAL),
        (["a", "b"], ["a", "b"], EXACT),
        (["a"], ["a", "b"], DIFFERENT),
        (["a", "b"], "b,a", EQUAL),
        (True, True, EXACT),
        ("true", True, EQUAL),
        (True, False, DIFFERENT),
        (1, True, DIFFERENT),
        (False, None, NORMALIZED),
        (None, False, NORMALIZED),
        (True, None, DIFFERENT),
        ("9.90", MONEY, EQUAL),
        (9.9, {"amount": "9.90", "currency": "EUR"}, EQUAL),
        (9.9, {"amount": 9.8, "currency": "EUR"}, DIFFERENT),
        (9.9, "9.90", EQUAL),
        (9.9, "9.80", DIFFERENT),
        (MONEY, 9.9, EQUAL),
        (MONEY, {"amount": 9.8, "currency": "EUR"}, DIFFERENT),
        ("a", "b", DIFFERENT),
        ("007", "7", DIFFERENT),
        ("a\r\nb ", "a\nb", NORMALIZED),
        ("external_id:c-7", "01J9ZK3V5Q8W2X4Y6Z7A8B9C0D", UNKNOWN),
        ("name:Ana", 4711, UNKNOWN),
        ("name: a text", "another text", DIFFERENT),
        ("external_id:c-7", "", DIFFERENT),
    ],
)
def test_likeness_without_a_type(sent: Any, held: Any, found: Likeness) -> None:
    assert likeness(sent, held) is found


@pytest.mark.parametrize(
    ("field_type", "sent", "held", "found"),
    [
        ("text", "2026-01-31", "2026-01-31T00:00:00Z", DIFFERENT),
        ("date", "2026-01-31", "2026-01-31T00:00:00Z", EQUAL),
        ("text", "name:Ana", "4711", DIFFERENT),
        ("lookup", "name:Ana", "4711", UNKNOWN),
        ("lookup", "4711", 4711, EQUAL),
        ("text", "1.50", "1.5", DIFFERENT),
        ("decimal", "1.50", "1.5", EQUAL),
        ("decimal", "much", "1.5", DIFFERENT),
        ("integer", 5, "5.0", EQUAL),
        ("currency", 9.9, MONEY, EQUAL),
        ("multiselect", "a,b", "b,a", EQUAL),
        ("multiselect", ["a", "a"], ["a"], EQUAL),
        ("dropdown", "a", "a ", NORMALIZED),
        ("textarea", "one\n", "one", NORMALIZED),
        ("checkbox", False, None, NORMALIZED),
    ],
)
def test_likeness_by_type(
    field_type: str, sent: Any, held: Any, found: Likeness
) -> None:
    assert likeness(sent, held, field_type) is found


def test_record_holds_an_item_whatever_its_other_fields() -> None:
    record = Record("r1", "Laptop", "e1", {"price": 5, "notes": "old"}, "")

    assert holds(record, {"name": "Laptop", "custom_object_fields": {"price": "5"}})
    assert holds(record, {"external_id": "e1"})
    assert not holds(record, {"name": "Phone"})
    assert not holds(record, {"custom_object_fields": {"price": None}})
