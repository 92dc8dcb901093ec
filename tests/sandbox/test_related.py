"""Users, organizations and tickets of the sandbox, and lookup fields that refer to them."""

from typing import Any

import pytest

from tests.sandbox.conftest import Api

TARGETS = ("user", "organization", "ticket", "article")
LOOKUPS: list[dict[str, Any]] = [
    {"key": target, "type": "lookup", "relationship_target_type": f"zen:{target}"}
    for target in TARGETS
]


@pytest.mark.parametrize(
    ("name", "query", "found"),
    [
        ("users", {"ids": "26000000000002,7"}, [26000000000002]),
        ("users", {"external_ids": "e-1002"}, [26000000000003]),
        ("organizations", {"ids": "27000000000002"}, [27000000000002]),
        (
            "organizations",
            {"external_ids": "O-1,o-2"},
            [27000000000001, 27000000000002],
        ),
        ("tickets", {"ids": "1,2,3"}, [1, 2]),
    ],
)
def test_lists_show_what_is_named(
    api: Api, name: str, query: dict[str, str], found: list[int]
) -> None:
    shown = api.get(f"/api/v2/{name}/show_many", **query)[name]

    assert [each["id"] for each in shown] == found


@pytest.mark.parametrize(
    "query",
    [{}, {"ids": ",".join(map(str, range(101)))}, {"external_ids": "T-1"}],
    ids=["no ids", "too many", "external ids"],
)
def test_list_without_usable_ids_is_refused(api: Api, query: dict[str, str]) -> None:
    assert api.status_of("GET", "/api/v2/tickets/show_many", params=query) == 400


def test_end_users_see_no_lists(api: Api) -> None:
    api.sandbox.settings(role="end-user")

    status = api.status_of("GET", "/api/v2/users/show_many", params={"ids": "1"})

    assert status == 403


@pytest.mark.parametrize(
    ("target", "value", "stored"),
    [
        ("user", "26000000000002", "26000000000002"),
        ("user", "external_id:e-1001", "26000000000002"),
        ("user", "name:Ben Okoro", "26000000000003"),
        ("user", "26000000000004", None),
        ("user", "7", None),
        ("organization", "external_id:O-1", "27000000000001"),
        ("ticket", "2", "2"),
        ("ticket", "name:none", None),
        ("article", "7", "7"),
        ("article", "seven", None),
    ],
)
def test_lookup_fields_refer_to_what_exists(
    api: Api, target: str, value: str, stored: str | None
) -> None:
    api.sandbox.make_object("note", fields=LOOKUPS)
    item = {"name": "One", "custom_object_fields": {target: value}}

    [result] = api.run_job("note", "create", [item])

    assert result["status"] == ("Created" if stored else "Failed")
    values = [each["custom_object_fields"] for each in api.sandbox.records("note")]
    assert [each[target] for each in values] == ([stored] if stored else [])
