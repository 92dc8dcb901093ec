from typing import Any

import pytest

from tests.sandbox.openapi import Document

RECORD = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "count": {"type": "integer", "nullable": True},
        "at": {"type": "string", "format": "date-time"},
        "kind": {"enum": ["a", "b"]},
        "links": {"type": "array", "items": {"$ref": "#/components/schemas/Link"}},
        "either": {"oneOf": [{"type": "array", "nullable": True}, {"type": "boolean"}]},
    },
    "additionalProperties": {"type": "string"},
}
DOCUMENT = Document(
    {
        "paths": {},
        "components": {"schemas": {"Record": RECORD, "Link": {"type": "string"}}},
    }
)


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        (
            {
                "id": "x",
                "count": None,
                "at": "2026-01-01T00:00:00Z",
                "kind": "a",
                "links": ["l"],
                "either": None,
            },
            [],
        ),
        ({}, ["$.id is missing"]),
        ({"id": None}, ["$.id is null"]),
        ({"id": 1}, ["$.id is 1, not of type string"]),
        ({"id": "x", "count": True}, ["$.count is True, not of type integer"]),
        ({"id": "x", "at": "yesterday"}, ["$.at is 'yesterday', not a time"]),
        ({"id": "x", "kind": "c"}, ["$.kind is 'c', not one of ['a', 'b']"]),
        ({"id": "x", "links": ["l", 2]}, ["$.links[1] is 2, not of type string"]),
        (
            {"id": "x", "either": 3},
            ["$.either fits none of oneOf: ['$.either is 3, not of type array']"],
        ),
        ({"id": "x", "other": 4}, ["$.other is 4, not of type string"]),
    ],
)
def test_problems_are_named_with_their_place(value: Any, problems: list[str]) -> None:
    assert DOCUMENT.problems(value, {"$ref": "#/components/schemas/Record"}) == problems
