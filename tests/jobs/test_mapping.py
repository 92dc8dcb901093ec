from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsui.jobs.enums import Action
from jobsui.jobs.errors import MappingRefused
from jobsui.jobs.mapping.field_targets import target_key, targets
from jobsui.jobs.mapping.mapping_check import check_mapping
from jobsui.jobs.mapping.rules import Rule
from jobsui.zendesk.payloads import Field, NameRules, Schema
from tests.jobs.test_rules import rules

FIELDS = (
    Field("serial_no", "Serial number", "text", required=True),
    Field("price", "Price", "decimal"),
    Field("total", "Total", "rollup", readonly=True),
)
SCHEMA = Schema("asset", FIELDS)
ALL = {
    "External": "external_id",
    "Name": "name",
    "Serial": "field:serial_no",
    "Price": "field:price",
}


def schema(**rules: Any) -> Schema:
    return Schema("asset", FIELDS, NameRules(**rules))


def keys(action: Action, **rules: Any) -> list[str]:
    return [target.key for target in targets(schema(**rules), action)]


def test_targets_are_what_the_action_can_fill() -> None:
    fields = ["field:serial_no", "field:price"]

    assert keys(Action.CREATE) == ["name", "external_id", *fields]
    assert keys(Action.UPDATE) == ["id", "name", "external_id", *fields]
    assert keys(Action.UPSERT_BY_EXTERNAL_ID) == ["external_id", "name", *fields]
    assert keys(Action.UPSERT_BY_NAME, unique=True) == ["name", "external_id", *fields]
    assert keys(Action.DELETE) == ["id"]
    assert keys(Action.DELETE_BY_EXTERNAL_ID) == ["external_id"]


def test_autonumbered_name_is_not_a_target() -> None:
    assert "name" not in keys(Action.CREATE, autonumbered=True)
    assert "name" not in keys(Action.UPSERT_BY_EXTERNAL_ID, autonumbered=True)


def test_required_are_key_name_and_required_fields_where_records_are_made() -> None:
    def required(action: Action) -> list[str]:
        return [
            target.key
            for target in targets(schema(unique=True), action)
            if target.required
        ]

    assert required(Action.CREATE) == ["name", "field:serial_no"]
    assert required(Action.UPDATE) == ["id"]
    assert required(Action.UPSERT_BY_EXTERNAL_ID) == ["external_id"]
    assert required(Action.UPSERT_BY_NAME) == ["name"]
    assert required(Action.DELETE) == ["id"]


@pytest.mark.parametrize(
    ("action", "mapping", "rules", "said"),
    [
        (
            Action.CREATE,
            {"A": "name"},
            {},
            ["Serial number is required. Map a column to it."],
        ),
        (
            Action.CREATE,
            {"A": "name", "B": "name", "C": "field:serial_no"},
            {},
            ["“A” and “B” both map to Name. Keep one."],
        ),
        (
            Action.CREATE,
            {"A": "name", "Z": "field:serial_no"},
            {},
            ["The file has no column 'Z'."],
        ),
        (
            Action.CREATE,
            {"A": "name", "B": "field:serial_no", "C": "field:total"},
            {},
            ["This action cannot fill total."],
        ),
        (
            Action.CREATE,
            {"A": "name", "B": "field:serial_no"},
            {"autonumbered": True},
            ["This action cannot fill name."],
        ),
        (
            Action.UPDATE,
            {"A": "name"},
            {},
            ["Zendesk ID is required. Map a column to it."],
        ),
        (
            Action.UPDATE,
            {"A": "id"},
            {},
            ["Only the ID is mapped, so nothing would change. Map a column to update."],
        ),
        (
            Action.DELETE,
            {"A": "id", "B": "name"},
            {},
            ["This action cannot fill name."],
        ),
        (
            Action.DELETE_BY_EXTERNAL_ID,
            {},
            {},
            ["External ID is required. Map a column to it."],
        ),
        (
            Action.UPSERT_BY_NAME,
            {"A": "name"},
            {},
            [
                "Names of this object need not be unique in Zendesk, so a name "
                "cannot identify a record. "
                "Use the external ID instead."
            ],
        ),
    ],
)
def test_mapping_that_cannot_work_is_refused_with_every_reason(
    action: Action, mapping: dict[str, str], rules: dict[str, bool], said: list[str]
) -> None:
    with pytest.raises(MappingRefused) as caught:
        check_mapping(mapping, ["A", "B", "C"], action, schema(**rules))

    assert caught.value.problems == said


@pytest.mark.parametrize(
    ("action", "mapping", "rules", "said"),
    [
        (Action.CREATE, {"A": "name"}, {"field:serial_no": {"constant": "S"}}, []),
        (Action.UPDATE, {"A": "id"}, {"field:price": {"constant": "1"}}, []),
        (
            Action.UPDATE,
            {"A": "id", "B": "name"},
            {"name": {"also": ("C", "D")}},
            ["The file has no column 'D'."],
        ),
        (
            Action.UPDATE,
            {"A": "id", "B": "field:price"},
            {"field:price": {"constant": "1"}},
            ["Price has a column and a constant. Keep one."],
        ),
        (
            Action.UPDATE,
            {"A": "id"},
            {"field:price": {"constant": "cheap"}},
            [
                "Price: “cheap” is not a number. Write digits with a point, such as "
                "1250.50, or as the other numbers of the column are written."
            ],
        ),
        (
            Action.UPDATE,
            {"A": "id"},
            {"external_id": {"constant": "x"}},
            [
                "External ID must differ in every row, so it cannot be a constant. Map a "
                "column to it."
            ],
        ),
    ],
)
def test_constants_and_joined_columns_are_part_of_the_mapping(
    action: Action,
    mapping: dict[str, str],
    rules: dict[str, dict[str, Any]],
    said: list[str],
) -> None:
    own_rules = {target: Rule(**members) for target, members in rules.items()}
    found = []

    try:
        check_mapping(mapping, ["A", "B", "C"], action, SCHEMA, own_rules)
    except MappingRefused as refusal:
        found = refusal.problems

    assert found == said


def test_mapping_that_can_work_is_not_refused() -> None:
    check_mapping(ALL, list(ALL), Action.CREATE, SCHEMA)
    check_mapping(
        {"A": "external_id", "B": "field:price"},
        ["A", "B"],
        Action.UPSERT_BY_EXTERNAL_ID,
        SCHEMA,
    )
    check_mapping({"A": "id"}, ["A", "B"], Action.DELETE, SCHEMA)


def test_target_is_found_by_its_api_name() -> None:
    field_called_name = Schema("asset", (*FIELDS, Field("name", "Other name", "text")))
    offered = targets(field_called_name, Action.CREATE)

    found = [target_key(text, offered) for text in ("name", "external_id", "price")]

    assert found == ["name", "external_id", "field:price"]


def test_unknown_target_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MappingRefused) as refusal:
        target_key("total", targets(SCHEMA, Action.CREATE))

    assert str(refusal.value) == (
        "This action cannot fill a field 'total'. It can fill: name, external_id, serial_no, price."
    )


@given(
    mapping=st.dictionaries(
        st.sampled_from("ABCD"), st.sampled_from(list(ALL.values()))
    ),
    rules_of_targets=st.dictionaries(st.sampled_from(list(ALL.values())), rules),
    action=st.sampled_from(Action),
)
def test_checking_a_mapping_only_reports(
    mapping: dict[str, str], rules_of_targets: dict[str, Rule], action: Action
) -> None:
    with suppress(MappingRefused):
        check_mapping(mapping, ["A", "B", "C"], action, SCHEMA, rules_of_targets)
