import pytest

from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.check_scope import scope_of
from jobsui.zendesk.payloads import Field, NameRules, Schema

REQUIRED = (
    Field("supplier", "Supplier", "text", required=True),
    Field("price", "Price", "decimal"),
    Field("state", "State", "dropdown", required=True),
)
SCHEMA = Schema("asset", REQUIRED)
COMMON = (
    "Checked: types, options, names and keys. "
    "Zendesk may still refuse a row for other reasons."
)


def test_create_checks_required_fields() -> None:
    scope = scope_of(SCHEMA, Action.CREATE, clears=False)

    assert scope == (
        "Checked: types, options, required fields, names and keys. "
        "Zendesk may still refuse a row for other reasons."
    )


def test_upsert_says_that_required_fields_are_not_checked_and_why() -> None:
    scope = scope_of(SCHEMA, Action.UPSERT_BY_EXTERNAL_ID, clears=False)

    assert scope == (
        f"{COMMON} Not checked: blank cells of Name, Supplier, State. They are required "
        "only for new records, and only Zendesk knows which records are new."
    )


def test_upsert_by_name_checks_the_name() -> None:
    schema = Schema("asset", REQUIRED, NameRules(unique=True))

    scope = scope_of(schema, Action.UPSERT_BY_NAME, clears=False)

    assert "blank cells of Supplier, State." in scope


def test_upsert_without_required_fields_leaves_nothing_unchecked() -> None:
    schema = Schema("asset", (), NameRules(autonumbered=True))

    scope = scope_of(schema, Action.UPSERT_BY_EXTERNAL_ID, clears=False)

    assert scope == COMMON


def test_update_says_so_only_when_blank_cells_empty_fields() -> None:
    assert scope_of(SCHEMA, Action.UPDATE, clears=False) == COMMON
    assert scope_of(SCHEMA, Action.UPDATE, clears=True) == (
        f"{COMMON} Not checked: blank cells of Supplier, State. "
        "Zendesk may refuse to clear a required field."
    )


@pytest.mark.parametrize("action", [Action.DELETE, Action.DELETE_BY_EXTERNAL_ID])
def test_delete_does_not_check_that_records_exist(action: Action) -> None:
    scope = scope_of(SCHEMA, action, clears=False)

    assert scope.endswith("Not checked: whether the records exist.")


def test_many_unchecked_fields_are_counted() -> None:
    fields = tuple(Field(f"f{n}", f"F{n}", "text", required=True) for n in range(8))

    scope = scope_of(
        Schema("asset", fields), Action.UPSERT_BY_EXTERNAL_ID, clears=False
    )

    assert "blank cells of Name, F0, F1, F2, F3 and 4 more." in scope
