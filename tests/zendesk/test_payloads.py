from typing import Any

import pytest

from jobsui.zendesk.payloads import Field, NameRules, Option, Response, Schema

NAME = {
    "key": "standard::name",
    "type": "text",
    "properties": {
        "autoincrement_enabled": True,
        "autoincrement_prefix": "CON-",
        "autoincrement_padding": 5,
        "is_unique": False,
    },
}


def test_field_is_read_with_nothing_but_a_key() -> None:
    assert Field.from_api({"key": "note"}) == Field("note", "note", "text")


def test_field_is_read_with_all_its_members() -> None:
    data = {
        "key": "owner",
        "title": "Owner",
        "type": "lookup",
        "required": True,
        "active": False,
        "description": "Who",
        "relationship_target_type": "zen:user",
        "regexp_for_validation": None,
        "properties": None,
        "custom_field_options": [{"value": "a", "name": "A"}, {"value": "b"}],
    }

    assert Field.from_api(data) == Field(
        "owner",
        "Owner",
        "lookup",
        required=True,
        active=False,
        description="Who",
        target_type="zen:user",
        options=(Option("a", "A"), Option("b", "b")),
    )


@pytest.mark.parametrize(
    "data", [{"type": "rollup"}, {"type": "integer", "readonly": True}]
)
def test_summary_fields_cannot_be_written(data: dict[str, Any]) -> None:
    assert Field.from_api({"key": "sum", **data}).readonly


def test_schema_leaves_out_inactive_and_standard_fields() -> None:
    schema = Schema.from_api(
        "contract",
        [
            NAME,
            {"key": "standard::external_id"},
            {"key": "a"},
            {"key": "b", "active": False},
        ],
    )

    assert [field.key for field in schema.fields] == ["a"]
    assert schema.name_rules == NameRules(
        autonumbered=True, unique=False, prefix="CON-", padding=5
    )
    assert schema.field("a") == schema.fields[0]
    assert schema.field("b") is None


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"title": "Another"}, False),
        ({"description": "Another"}, False),
        ({"required": True}, True),
        ({"type": "integer"}, True),
        ({"active": False}, True),
        ({"regexp_for_validation": "^a"}, True),
        ({"custom_field_options": [{"value": "a"}]}, True),
        ({"readonly": True}, True),
    ],
)
def test_fingerprint_changes_with_what_rows_are_checked_against(
    change: dict[str, Any], differs: bool
) -> None:
    before = Schema.from_api("asset", [{"key": "a", "type": "text"}]).fingerprint
    after = Schema.from_api(
        "asset", [{"key": "a", "type": "text"} | change]
    ).fingerprint

    assert (before != after) is differs


def test_response_does_not_show_its_body() -> None:
    assert "canary" not in repr(Response(200, {}, b"canary", 0.1))


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 200_000])
def test_response_that_is_not_json_raises(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^"):
        Response(200, {}, body, 0.1).json()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb'"cut \ud83d"', "cut \ufffd"),
        (rb'"\uDE00z"', "\ufffdz"),
        (b'"\xed\xa0\xbd"', "\ufffd"),
        (rb'"a\u0000b"', "a\ufffdb"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\\u0000"', r"\u0000"),
    ],
)
def test_response_gives_only_text_that_can_be_stored(body: bytes, text: str) -> None:
    assert Response(200, {}, b'{"k": [%s]}' % body, 0.1).json() == {"k": [text]}
