from typing import Any

import pytest

from tests.sandbox.conftest import FIELDS, Api

RECORDS = "/api/v2/custom_objects/thing/records"


def add_many(api: Api, number: int) -> list[str]:
    records = [{"name": f"Thing {n}", "external_id": f"x{n}"} for n in range(number)]
    return api.sandbox.add_records("thing", records)


def ids_in(page: dict[str, Any]) -> list[str]:
    return [record["id"] for record in page["custom_object_records"]]


def test_record_is_created_shown_changed_and_deleted(api: Api) -> None:
    body = {
        "custom_object_record": {"name": "One", "custom_object_fields": {"count": "7"}}
    }
    created = api.call("POST", RECORDS, body)
    record = created.json()["custom_object_record"]
    path = f"{RECORDS}/{record['id']}"
    changed = api.call("PATCH", path, {"custom_object_record": {"external_id": "1"}})

    assert created.status_code == 201
    assert record["custom_object_fields"]["count"] == 7
    assert record["photo"] is None
    assert record["external_id"] is None
    assert changed.status_code == 200
    assert changed.json()["custom_object_record"]["external_id"] == "1"
    assert api.get(path) == changed.json()
    assert api.status_of("DELETE", path) == 204
    assert api.status_of("GET", path) == 404


def test_invalid_record_is_explained_by_field(api: Api) -> None:
    api.sandbox.make_object("plate", fields=FIELDS, name={"is_unique": True})
    api.sandbox.add_records("plate", [{"name": "B 1"}])
    body = {
        "custom_object_record": {
            "name": "B 1",
            "custom_object_fields": {"count": "many"},
        }
    }

    response = api.call("POST", "/api/v2/custom_objects/plate/records", body)

    assert response.status_code == 422
    assert response.json() == {
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
        api.status_of("PATCH", RECORDS, body, params={"external_id": "1"})
        for _ in range(2)
    ]

    assert statuses == [200, 200]
    assert [each["external_id"] for each in api.sandbox.records("thing")] == ["1"]
    assert api.status_of("DELETE", RECORDS, params={"external_id": "1"}) == 204
    assert api.status_of("DELETE", RECORDS, params={"external_id": "1"}) == 404
    assert (
        api.status_of(
            "PATCH", RECORDS, body, params={"external_id": "1", "name": "One"}
        )
        == 400
    )


def test_upsert_and_delete_by_name_need_unique_names(api: Api) -> None:
    api.sandbox.make_object("plate", name={"is_unique": True})
    plates = "/api/v2/custom_objects/plate/records"
    body: dict[str, Any] = {"custom_object_record": {}}

    assert api.status_of("PATCH", plates, body, params={"name": "B 1"}) == 200
    assert api.status_of("DELETE", plates, params={"name": "B 1"}) == 204
    assert api.status_of("PATCH", RECORDS, body, params={"name": "B 1"}) == 422
    assert api.status_of("DELETE", RECORDS, params={"name": "B 1"}) == 422


@pytest.mark.parametrize("sort", ["id", "-id", "updated_at", "-updated_at"])
def test_pages_go_through_all_records_once_and_back(api: Api, sort: str) -> None:
    ids = add_many(api, 7)
    query = {"page[size]": 3, "sort": sort}
    pages: list[Any] = [api.get(RECORDS, **query)]
    while pages[-1]["meta"]["has_more"]:
        pages.append(api.session.get(pages[-1]["links"]["next"], timeout=10).json())

    expected = sorted(ids, reverse=sort.startswith("-"))
    assert [ids_in(page) for page in pages] == [
        expected[:3],
        expected[3:6],
        expected[6:],
    ]
    assert pages[0]["links"]["prev"] is None
    assert pages[2]["links"]["next"] is None
    back = api.session.get(pages[2]["links"]["prev"], timeout=10).json()
    assert ids_in(back) == expected[3:6]


def test_next_link_can_be_there_on_the_last_page(api: Api) -> None:
    add_many(api, 1)
    api.sandbox.settings(next_on_last_page=True)

    page = api.get(RECORDS)

    assert page["meta"]["has_more"] is False
    following = api.session.get(page["links"]["next"], timeout=10).json()
    assert following["custom_object_records"] == []


def test_filters_name_ids_and_external_ids(api: Api) -> None:
    ids = add_many(api, 5)

    by_id = api.get(RECORDS, **{"filter[ids]": f"{ids[3]},{ids[1]},{'0' * 26}"})
    by_external_id = api.get(RECORDS, **{"filter[external_ids]": "x4,x0,X1"})
    repeated = api.call("GET", RECORDS, params={"filter[external_ids]": "x4,x4"})

    assert ids_in(by_id) == [ids[1], ids[3]]
    assert ids_in(by_external_id) == [ids[0], ids[4]]
    assert repeated.status_code == 400


@pytest.mark.parametrize(
    "query", [{"page[size]": 101}, {"page[after]": "%%"}, {"sort": "name"}]
)
def test_invalid_list_request_is_refused(api: Api, query: dict[str, Any]) -> None:
    assert api.status_of("GET", RECORDS, params=query) == 400


def test_count_follows_writes(api: Api) -> None:
    ids = add_many(api, 3)
    api.call("DELETE", f"{RECORDS}/{ids[0]}")

    assert api.get(f"{RECORDS}/count")["count"]["value"] == 2


def rollup(key: str, aggregation: str) -> dict[str, Any]:
    properties = {
        "rollup_aggregation_type": aggregation,
        "rollup_child_object": "zen:custom_object:item",
        "rollup_aggregated_field": "amount",
    }
    return {"key": key, "type": "integer", "properties": properties}


def item_in_basket(amount: int) -> dict[str, Any]:
    fields = {"basket": "external_id:a", "amount": amount}
    return {"name": str(amount), "custom_object_fields": fields}


def test_children_go_with_their_parent_and_are_rolled_up(api: Api) -> None:
    rollups = [
        rollup("items", "COUNT"),
        rollup("total", "SUM"),
        rollup("least", "MIN"),
        rollup("most", "MAX"),
    ]
    parent = {
        "key": "basket",
        "type": "parent",
        "relationship_target_type": "zen:custom_object:basket",
    }
    amount = {"key": "amount", "type": "integer"}
    api.sandbox.make_object("basket", fields=rollups)
    api.sandbox.make_object("item", fields=[parent, amount])
    baskets = api.sandbox.add_records(
        "basket", [{"name": "A", "external_id": "a"}, {"name": "B"}]
    )
    api.sandbox.add_records("item", [item_in_basket(2), item_in_basket(3)])

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
    ids = add_many(api, 3)
    api.call("DELETE", f"{RECORDS}/{ids[0]}")

    first = api.get(export, start_time=1, per_page=2)
    rest = api.session.get(first["after_url"], timeout=10).json()

    assert ids_in(first) == ids[1:]
    assert first["meta"]["has_more"] is True
    [deleted] = rest["custom_object_records"]
    assert deleted["custom_object_fields"]["note"] == "[DELETED]"
    kept = api.get(export, start_time=1, **{"filter[exclude_deleted]": "true"})
    assert ids_in(kept) == ids[1:]


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
    response = api.call(
        "GET", f"/api/v2/incremental/custom_objects/{key}/cursor", params=query
    )

    assert response.status_code == status
    assert response.json()["errors"][0]["code"] == code


def test_export_has_a_limit_of_its_own(api: Api) -> None:
    api.sandbox.settings(exports_per_minute=1)
    statuses = [
        api.status_of(
            "GET", "/api/v2/incremental/custom_objects/thing/cursor?start_time=1"
        )
        for _ in range(2)
    ]

    assert statuses == [200, 429]
