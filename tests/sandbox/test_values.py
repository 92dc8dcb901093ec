from typing import Any

import pytest

from jobsui.sandbox.assumptions import Assumptions
from jobsui.sandbox.schema import Field
from jobsui.sandbox.values import Invalid, stored_value


def field(kind: str, **more: Any) -> Field:
    return Field(
        1, "key", kind, "Key", option_values=frozenset({"red", "blue"}), **more
    )


def find(_: Field, value: str) -> str | None:
    return value.removeprefix("external_id:") if value != "nobody" else None


@pytest.mark.parametrize(
    ("kind", "sent", "kept"),
    [
        ("text", "a", "a"),
        ("textarea", "a\nb", "a\nb"),
        ("integer", 7, 7),
        ("integer", "-7", -7),
        ("decimal", 7.25, 7.25),
        ("decimal", "7.25", 7.25),
        ("decimal", 7, 7),
        ("currency", 9.99, 9.99),
        ("checkbox", False, False),
        ("date", "2026-02-28", "2026-02-28"),
        ("date", "2026-02-28T00:00:00Z", "2026-02-28"),
        ("dropdown", "red", "red"),
        ("multiselect", ["red", "blue", "red"], ["red", "blue"]),
        ("lookup", "external_id:7", "7"),
        ("lookup", 7, "7"),
        ("parent", "7", "7"),
        *[
            (kind, blank, None)
            for kind in ("text", "integer", "checkbox", "dropdown", "lookup")
            for blank in (None, "")
        ],
        ("multiselect", [], None),
    ],
)
def test_value_is_stored(kind: str, sent: Any, kept: Any) -> None:
    assert stored_value(field(kind), sent, find, Assumptions()) == kept


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("text", 7),
        ("integer", 7.5),
        ("integer", "7.5"),
        ("integer", True),
        ("decimal", "many"),
        ("decimal", "NaN"),
        ("decimal", True),
        ("checkbox", "true"),
        ("checkbox", 1),
        ("date", "2026-02-30"),
        ("date", "28.02.2026"),
        ("date", "2026-2-8"),
        ("dropdown", "Red"),
        ("dropdown", ["red"]),
        ("multiselect", "red"),
        ("multiselect", ["red", "green"]),
        ("lookup", "nobody"),
        ("lookup", ["7"]),
    ],
)
def test_value_is_refused(kind: str, sent: Any) -> None:
    with pytest.raises(Invalid):
        stored_value(field(kind), sent, find, Assumptions())


def test_regexp_is_matched_against_text() -> None:
    plate = field("regexp", regexp="^[A-Z]-[0-9]+$")

    assert stored_value(plate, "B-100", find, Assumptions()) == "B-100"
    with pytest.raises(Invalid, match="is invalid"):
        stored_value(plate, "b-100", find, Assumptions())


def test_rollup_field_is_read_only() -> None:
    rollup = field("integer", properties={"rollup_aggregation_type": "COUNT"})

    with pytest.raises(Invalid, match="read-only"):
        stored_value(rollup, 1, find, Assumptions())
