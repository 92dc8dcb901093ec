from typing import Any

import pytest

from tests.sandbox.conftest import FIELDS, Api

SEARCH = "/api/v2/custom_objects/thing/records/search"
MORE: list[dict[str, Any]] = [
    {"key": "price", "type": "decimal"},
    {"key": "day", "type": "date"},
    {"key": "done", "type": "checkbox"},
    {
        "key": "tags",
        "type": "multiselect",
        "custom_field_options": [{"value": each} for each in "abc"],
    },
]
ROWS = [
    {
        "note": "first light",
        "count": 1,
        "colour": "red",
        "price": 1.5,
        "day": "2026-01-01",
        "tags": ["a"],
    },
    {
        "note": "second light",
        "count": 2,
        "colour": "blue",
        "price": 2.5,
        "day": "2026-02-01",
        "tags": ["a", "b"],
    },
    {"count": 3, "done": True},
]


@pytest.fixture
def filled(api: Api) -> Api:
    api.sandbox.make_object("thing", fields=FIELDS + MORE)
    records = [
        {"name": f"Thing {n}", "external_id": f"x,{n}", "custom_object_fields": row}
        for n, row in enumerate(ROWS)
    ]
    api.sandbox.add_records("thing", records)
    return api


def found(api: Api, wanted: Any, **query: str) -> list[str]:
    response = api.call("POST", SEARCH, {"filter": wanted}, params=query)
    assert response.status_code == 200, response.text
    return [record["name"][-1] for record in response.json()["custom_object_records"]]


@pytest.mark.parametrize(
    ("key", "operator", "operand", "names"),
    [
        ("note", "$eq", "first light", "0"),
        ("note", "$noteq", "first light", "12"),
        ("note", "$contains", "LIGHT", "01"),
        ("note", "$notcontains", "first", "12"),
        ("note", "$exists", True, "01"),
        ("note", "$exists", False, "2"),
        ("count", "$eq", "2", "1"),
        ("count", "$gt", 1, "12"),
        ("count", "$gte", 3, "2"),
        ("count", "$lt", 2, "0"),
        ("count", "$lte", 2, "01"),
        ("count", "$in", [1, "3"], "02"),
        ("count", "$notin", [1], "12"),
        ("price", "$eq", "1.50", "0"),
        ("day", "$gt", "2026-01-01", "1"),
        ("day", "$eq", "2026-01-01T00:00:00Z", "0"),
        ("done", "$eq", True, "2"),
        ("done", "$eq", "false", "01"),
        ("colour", "$eq", "blue", "1"),
        ("tags", "$contains", "b", "1"),
        ("tags", "$in", ["b", "c"], "1"),
        ("tags", "$eq", "a", "01"),
    ],
)
def test_filter_on_a_field(
    filled: Api, key: str, operator: str, operand: Any, names: str
) -> None:
    assert found(filled, {f"custom_object_fields.{key}": {operator: operand}}) == list(
        names
    )


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, "012"),
        ({"external_id": {"$eq": "x,1"}}, "1"),
        ({"external_id": {"$eq": "X,1"}}, ""),
        ({"name": {"$contains": "thing 2"}}, "2"),
        ({"name": {"$eq": "Thing 2"}}, "2"),
        ({"created_at": {"$gt": "2020-01-01T00:00:00Z"}}, "012"),
        ({"updated_at": {"$lt": "2020-01-01T00:00:00Z"}}, ""),
        (
            {"$or": [{"external_id": {"$eq": "x,0"}}, {"external_id": {"$eq": "x,2"}}]},
            "02",
        ),
        (
            {
                "$and": [
                    {"name": {"$contains": "thing"}},
                    {"custom_object_fields.count": {"$gt": 2}},
                ]
            },
            "2",
        ),
        ({"custom_object_fields.count": {"$gt": 1, "$lt": 3}}, "1"),
    ],
)
def test_filter_on_standard_attributes_and_combinations(
    filled: Api, wanted: Any, names: str
) -> None:
    assert found(filled, wanted) == list(names)


@pytest.mark.parametrize(
    "wanted",
    [
        {"custom_object_fields.size": {"$eq": 1}},
        {"custom_object_fields.done": {"$gt": 1}},
        {"custom_object_fields.count": {"$in": 1}},
        {"custom_object_fields.count": {"$eq": "many"}},
        {"custom_object_fields.count": 1},
        {"external_id": {"$contains": "x"}},
        {"created_at": {"$gt": "yesterday"}},
        {"$or": {}},
        {"note": {"$eq": "first"}},
        [],
    ],
)
def test_invalid_filter_is_refused(filled: Api, wanted: Any) -> None:
    assert filled.status_of("POST", SEARCH, {"filter": wanted or [1]}) == 400


def test_words_are_searched_from_their_beginning(filled: Api) -> None:
    def names(query: str) -> list[str]:
        return [
            each["name"][-1]
            for each in filled.get(SEARCH, query=query)["custom_object_records"]
        ]

    assert names("LIG") == ["0", "1"]
    assert names("sec fir") == ["0", "1"]
    assert names("ight") == []
    assert names("thing") == ["0", "1", "2"]


def test_search_is_sorted_and_paged(filled: Api) -> None:
    first = filled.call(
        "POST", SEARCH, {"filter": {}}, params={"sort": "-name", "page[size]": 2}
    ).json()
    after = first["meta"]["after_cursor"]
    rest = found(
        filled, {}, **{"sort": "-name", "page[size]": "2", "page[after]": after}
    )

    assert [each["name"] for each in first["custom_object_records"]] == [
        "Thing 2",
        "Thing 1",
    ]
    assert first["count"] == 2
    assert rest == ["0"]


def test_autocomplete_finds_parts_of_names(filled: Api) -> None:
    response = filled.get(
        "/api/v2/custom_objects/thing/records/autocomplete", name="ING 1"
    )

    assert [each["name"] for each in response["custom_object_records"]] == ["Thing 1"]
