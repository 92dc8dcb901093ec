from typing import Any

import pytest

from jobsui.jobs.delivery.comparison import holds, is_same
from jobsui.zendesk.payloads import Record


@pytest.mark.parametrize(
    ("sent", "held", "same"),
    [
        ("5", 5, True),
        (5, 5.0, True),
        ("1.50", 1.5, True),
        (1234567, 1234568, False),
        ("0.1", 0.10000000001, False),
        ("2026-01-31", "2026-01-31T00:00:00+00:00", True),
        ("2026-01-31", "2026-01-31T00:00:01+00:00", False),
        (None, "", True),
        ("", [], True),
        ("", 0, False),
        (["b", "a"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        (True, True, True),
        ("true", True, True),
        (True, False, False),
        (1, True, False),
        ("9.90", {"amount": 9.9, "currency": "EUR"}, True),
        (9.9, {"amount": "9.90", "currency": "EUR"}, True),
        (9.9, {"amount": 9.8, "currency": "EUR"}, False),
        (9.9, "9.90", True),
        (9.9, "9.80", False),
        ({"amount": 9.9, "currency": "EUR"}, 9.9, True),
        ({"amount": 9.9, "currency": "EUR"}, {"amount": 9.8, "currency": "EUR"}, False),
        ("a", "b", False),
        ("007", "7", False),
        ("a\r\nb ", "a\nb", True),
        ("external_id:c-7", "01J9ZK3V5Q8W2X4Y6Z7A8B9C0D", True),
        ("name:Ana", 4711, True),
        ("name: a text", "another text", False),
        (False, None, True),
        (True, None, False),
        ("external_id:c-7", "", False),
    ],
)
def test_values_are_the_same_in_any_of_their_forms(
    sent: Any, held: Any, same: bool
) -> None:
    assert is_same(sent, held) is same


def test_record_holds_an_item_whatever_its_other_fields() -> None:
    record = Record("r1", "Laptop", "e1", {"price": 5, "notes": "old"}, "")

    assert holds(record, {"name": "Laptop", "custom_object_fields": {"price": "5"}})
    assert holds(record, {"external_id": "e1"})
    assert not holds(record, {"name": "Phone"})
    assert not holds(record, {"custom_object_fields": {"price": None}})
