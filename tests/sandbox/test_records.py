from typing import Any

import pytest

from tests.sandbox.conftest import FIELDS, Api

RECORDS = "/api/v2/custom_objects/thing/records"


def many(api: Api, number: int) -> list[str]:
    return api.sandbox.add_records(
        "thing", [{"name": f"Thing {n}", "external_id": f"x{n}"} for n in range(number)]
    )


def test_record_is_created_shown_changed_and_deleted(api: Api) -> None:
    body = {
        "custom_object_record": {"name": "One", "custom_object_fields": {"count": "7"}}
    }
    created = api.call("POST", RECORDS, body)
    record = created.json()["custom_object_record"]
    path = f"{RECORDS}/{record['id']}"
    changed = api.call("PATCH", path, {"custom_object_record": {"external_id": "1"}})

    assert created.status_code == 201
    assert (
        record["custom_object_fields"]["count"],
        record["photo"],
        record["external_id"],
    ) == (7, None, None)
    assert (
        changed.status_code,
        changed.json()["custom_object_record"]["external_id"],
    ) == (200, "1")
    assert api.get(path) == changed.json()
    assert api.call("DELETE", path).status_code == 204
    assert api.call("GET", path).status_code == 404


def test_invalid_record_is_explained_by_field(api: Api) -> None:
    api.sandbox.make_object("plate", fields=FIELDS, name={"is_unique": True})
    api.sandbox.add_records("plate", [{"name": "B 1"}])
    body = {
        "custom_object_record": {
            "name": "B 1",
            "custom_object_fields": {"count": "many"},
        }
    }

    answer = api.call("POST", "/api/v2/custom_objects/plate/records", body)

    assert answer.status_code == 422
    assert answer.json() == {
        "error": "RecordInvalid",
        "description": "Record validation errors",
        "details": {
            "base": [{"description": "Name already exists. Try another one."}],
            "count": [{"description": "Count: must be an integer"}],
        },
    }


def test_upsert_and_delete_by_external_id(api: Api) -> None:
    body = {"custom_object_record": {"name": "One"}}

    statuses = [
        api.call("PATCH", RECORDS, body, params={"external_id": "1"}).status_code
        for _ in range(2)
    ]

    assert statuses == [200, 200]
    assert [each["external_id"] for each in api.sandbox.records("thing")] == ["1"]
    assert api.call("DELETE", RECORDS, params={"external_id": "1"}).status_code == 204
    assert api.call("DELETE", RECORDS, params={"external_id": "1"}).status_code == 404
    assert (
        api.call(
            "PATCH", RECORDS, body, params={"external_id": "1", "name": "One"}
        ).status_code
        == 400
    )


def test_upsert_and_delete_by_name_need_unique_names(api: Api) -> None:
    api.sandbox.make_object("plate", name={"is_unique": True})
    plates = "/api/v2/custom_objects/plate/records"
    body: dict[str, Any] = {"custom_object_record": {}}

    assert api.call("PATCH", plates, body, params={"name": "B 1"}).status_code == 200
    assert api.call("DELETE", plates, params={"name": "B 1"}).status_code == 204
    assert api.call("PATCH", RECORDS, body, params={"name": "B 1"}).status_code == 422
    assert api.call("DELETE", RECORDS, params={"name": "B 1"}).status_code == 422


@pytest.mark.parametrize("sort", ["id", "-id", "updated_at", "-updated_at"])
def test_pages_go_through_all_records_once_and_back(api: Api, sort: str) -> None:
    ids = many(api, 7)
    query = {"page[size]": 3, "sort": sort}
    pages: list[Any] = [api.get(RECORDS, **query)]
    while pages[-1]["meta"]["has_more"]:
        pages.append(api.session.get(pages[-1]["links"]["next"], timeout=10).json())

    seen = [
        [record["id"] for record in page["custom_object_records"]] for page in pages
    ]
    expected = sorted(ids, reverse=sort.startswith("-"))
    assert seen == [expected[:3], expected[3:6], expected[6:]]
    assert (pages[0]["links"]["prev"], pages[2]["links"]["next"]) == (None, None)
    back = api.session.get(pages[2]["links"]["prev"], timeout=10).json()
    assert [record["id"] for record in back["custom_object_records"]] == expected[3:6]


def test_next_link_can_be_there_on_the_last_page(api: Api) -> None:
    many(api, 1)
    api.sandbox.settings(next_on_last_page=True)

    page = api.get(RECORDS)

    assert page["meta"]["has_more"] is False
    assert (
        api.session.get(page["links"]["next"], timeout=10).json()[
            "custom_object_records"
        ]
        == []
    )


def test_filters_name_ids_and_external_ids(api: Api) -> None:
    ids = many(api, 5)

    by_id = api.get(RECORDS, **{"filter[ids]": f"{ids[3]},{ids[1]},{'0' * 26}"})
    by_external_id = api.get(RECORDS, **{"filter[external_ids]": "x4,x0,X1"})
    repeated = api.call("GET", RECORDS, params={"filter[external_ids]": "x4,x4"})

    assert [record["id"] for record in by_id["custom_object_records"]] == [
        ids[1],
        ids[3],
    ]
    assert [record["id"] for record in by_external_id["custom_object_records"]] == [
        ids[0],
        ids[4],
    ]
    assert repeated.status_code == 400


@pytest.mark.parametrize(
    "query", [{"page[size]": 101}, {"page[after]": "%%"}, {"sort": "name"}]
)
def test_nonsense_in_a_list_request_is_refused(api: Api, query: dict[str, Any]) -> None:
    assert api.call("GET", RECORDS, params=query).status_code == 400


def test_count_follows_writes(api: Api) -> None:
    ids = many(api, 3)
    api.call("DELETE", f"{RECORDS}/{ids[0]}")

    assert api.get(f"{RECORDS}/count")["count"]["value"] == 2


def test_children_go_with_their_parent_and_are_rolled_up(api: Api) -> None:
    rollups = [
        {
            "key": key,
            "type": "integer",
            "properties": {
                "rollup_aggregation_type": kind,
                "rollup_child_object": "zen:custom_object:item",
                "rollup_aggregated_field": "amount",
            },
        }
        for key, kind in (
            ("items", "COUNT"),
            ("total", "SUM"),
            ("least", "MIN"),
            ("most", "MAX"),
        )
    ]
    api.sandbox.make_object("basket", fields=rollups)
    parent = {
        "key": "basket",
        "type": "parent",
        "relationship_target_type": "zen:custom_object:basket",
    }
    api.sandbox.make_object(
        "item", fields=[parent, {"key": "amount", "type": "integer"}]
    )
    baskets = api.sandbox.add_records(
        "basket", [{"name": "A", "external_id": "a"}, {"name": "B"}]
    )
    items = [
        {
            "name": str(n),
            "custom_object_fields": {"basket": "external_id:a", "amount": n},
        }
        for n in (2, 3)
    ]
    api.sandbox.add_records("item", items)

    orphan = api.run_job("item", "create", [{"name": "orphan"}])
    shown = [record["custom_object_fields"] for record in api.sandbox.records("basket")]
    api.run_job("basket", "delete", [baskets[0]])

    assert orphan[0]["status"] == "Failed"
    assert shown == [
        {"items": 2, "total": 5, "least": 2, "most": 3},
        {"items": 0, "total": 0, "least": None, "most": None},
    ]
    assert api.sandbox.records("item") == []


def test_export_shows_changes_and_deletions_since_a_moment(api: Api) -> None:
    export = "/api/v2/incremental/custom_objects/thing/cursor"
    ids = many(api, 3)
    api.call("DELETE", f"{RECORDS}/{ids[0]}")

    first = api.get(export, start_time=1, per_page=2)
    rest = api.session.get(first["after_url"], timeout=10).json()

    assert [each["id"] for each in first["custom_object_records"]] == ids[1:]
    assert first["meta"]["has_more"] is True
    assert [
        each["custom_object_fields"]["note"] for each in rest["custom_object_records"]
    ] == ["[DELETED]"]
    kept = api.get(export, start_time=1, **{"filter[exclude_deleted]": "true"})
    assert [each["id"] for each in kept["custom_object_records"]] == ids[1:]


@pytest.mark.parametrize(
    ("key", "query", "status", "code"),
    [
        ("thing", {"start_time": 99999999999}, 400, "StartTimeTooRecent"),
        ("thing", {"cursor": "x"}, 400, "InvalidCursor"),
        ("nothing", {"start_time": 1}, 404, "CustomObjectNotFound"),
    ],
)
def test_export_refuses_with_its_own_errors(
    api: Api, key: str, query: dict[str, Any], status: int, code: str
) -> None:
    answer = api.call(
        "GET", f"/api/v2/incremental/custom_objects/{key}/cursor", params=query
    )

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)


def test_export_has_a_limit_of_its_own(api: Api) -> None:
    api.sandbox.settings(exports_per_minute=1)
    statuses = [
        api.call(
            "GET", "/api/v2/incremental/custom_objects/thing/cursor?start_time=1"
        ).status_code
        for _ in range(2)
    ]

    assert statuses == [200, 429]
