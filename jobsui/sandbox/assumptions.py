"""What the sandbox assumes where nothing is published. Each assumption is a switch, so
that a client can be tried both ways. docs/sandbox.md says what each value means."""

from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from typing import Any

from jobsui.sandbox.protocol import Json, JsonObject


class BadAssumption(Exception):
    """An assumption that does not exist or does not take the value, with the reason."""


def choice(*values: str, grade: str) -> Any:
    """One of these words; the first is the default. `grade`: C (inferred) or D (open)."""
    return dataclass_field(
        default=values[0], metadata={"values": values, "grade": grade}
    )


def number(grade: str) -> Any:
    """A number that is not negative; 0 turns it off."""
    return dataclass_field(default=0.0, metadata={"values": (), "grade": grade})


@dataclass(slots=True)
class Assumptions:
    # Requests that are refused as a whole.
    invalid_request: str = choice("400-titled", "400-errors", "422", grade="D")
    unknown_object: str = choice("record-not-found", "titled", grade="C")
    malformed_json: str = choice("400", "422", grade="D")
    field_errors: str = choice("by-field", "base", grade="C")
    role_error: str = choice("titled", "description", grade="C")
    anonymous_user: str = choice("200", "401", grade="C")
    request_limit_bytes: float = number(grade="D")
    address_limit: float = number(grade="D")
    long_address: str = choice("414", "400", grade="D")
    idempotency_key: str = choice("ignored", "honoured", grade="D")

    # Limits.
    job_slots: str = choice("account", "action", grade="C")
    too_many_jobs: str = choice("429", "429-retry-after", "422", grade="D")
    inflight_header: str = choice("all", "own", "absent", grade="C")
    rate_window: str = choice("fixed", "sliding", grade="C")
    limited_requests: str = choice("free", "counted", grade="C")

    # Job statuses and results.
    unknown_job_ids: str = choice("left-out", "404", grade="C")
    status_list_lag: float = number(grade="C")
    success_word: str = choice("action", "create-or-update", "absent", grade="C")
    result_id: str = choice("present", "absent", "data", grade="D")
    result_index: str = choice("present", "absent", grade="C")
    failure_code: str = choice("by-action", "generic", "absent", grade="D")
    passing_error: str = choice(
        "deadlock", "conflict", "timeout", "internal", grade="C"
    )
    deadlock_free_jobs: float = number(grade="C")
    item_order: str = choice("given", "any", grade="C")
    deleted_object: str = choice("failed", "items", grade="C")

    # Items.
    malformed_record_id: str = choice("item", "request", grade="C")
    record_id_case: str = choice("exact", "any", grade="D")
    update_key: str = choice("id", "external-id", grade="C")
    null_key: str = choice("ignored", "item", grade="C")
    upsert_by_ambiguous_name: str = choice("item", "request", grade="C")
    autonumbered_name: str = choice("item", "ignored", "request", grade="D")
    unknown_field: str = choice("item", "dropped", grade="C")
    read_only_value: str = choice("dropped", "item", grade="C")
    standard_keys_in_fields: str = choice("ignored", "item", grade="C")
    omitted_field: str = choice("kept", "emptied", grade="C")
    deleted_key: str = choice("free", "taken", grade="D")
    external_id_case: str = choice("exact", "any", grade="D")
    key_spaces: str = choice("kept", "trimmed", grade="D")
    no_change_update: str = choice("moves", "keeps", grade="D")
    job_user: str = choice("credentials", "system", grade="C")
    trigger: str = choice("none", "fires", grade="C")
    trigger_user: str = choice("updater", "system", grade="D")

    # Values.
    null_value: str = choice("empties", "ignored", "item", grade="C")
    blank_text: str = choice("empties", "item", grade="D")
    unknown_option: str = choice("item", "vanishes", grade="C")
    pattern_match: str = choice("search", "full", grade="D")
    text_spaces: str = choice("kept", "trimmed", grade="D")
    text_form: str = choice("kept", "composed", "line-feeds", grade="D")
    text_limit: float = number(grade="D")
    length_unit: str = choice("bytes", "characters", grade="C")
    currency_shape: str = choice("number", "object", "string", grade="C")
    number_shape: str = choice("number", "string", grade="C")
    date_shape: str = choice("date", "time", grade="C")
    empty_checkbox: str = choice("null", "false", grade="D")
    multiselect_order: str = choice("sent", "options", grade="D")

    # Reading records.
    read_lag: float = number(grade="C")
    search_lag: float = number(grade="D")
    comma_in_filter: str = choice("separator", "literal", grade="C")
    list_order: str = choice("id", "any", grade="C")
    export_lag: float = number(grade="D")
    deleted_users: str = choice("inactive", "left-out", grade="C")
    creating_upsert: str = choice("200", "201", grade="D")

    # OAuth.
    granular_scopes: str = choice("known", "refused", "dropped", grade="D")
    jobs_scope: str = choice("granular", "write", grade="C")
    job_statuses_scope: str = choice("granular", "read", grade="D")
    users_me_scope: str = choice("any", "read", grade="D")
    invalid_client: str = choice("401", "400", grade="C")

    def change(self, changes: JsonObject) -> None:
        """Change all of them, by their names with dashes. Raises BadAssumption and then
        changes none."""
        checked = {
            name.replace("-", "_"): checked_value(name, value)
            for name, value in changes.items()
        }
        for name, value in checked.items():
            setattr(self, name, value)

    def shown(self) -> JsonObject:
        return {name: getattr(self, name.replace("-", "_")) for name in VALUES}


VALUES: dict[str, tuple[str, ...]] = {
    each.name.replace("_", "-"): each.metadata["values"] for each in fields(Assumptions)
}
"""The values of each assumption, the default first; () for a number."""
GRADES: dict[str, str] = {
    each.name.replace("_", "-"): each.metadata["grade"] for each in fields(Assumptions)
}


def checked_value(name: str, value: Json) -> str | float:
    """The value in its own type. Raises BadAssumption."""
    if name not in VALUES:
        known = ", ".join(VALUES)
        raise BadAssumption(f"There is no assumption {name}. Choose one of: {known}.")
    values = VALUES[name]
    if not values:
        return checked_number(name, value)
    if str(value) not in values:
        known = ", ".join(values)
        raise BadAssumption(f"{name} can't be {value!r}. Choose one of: {known}.")
    return str(value)


def checked_number(name: str, value: Json) -> float:
    try:
        parsed = float(value)
    except (TypeError, ValueError):
        parsed = -1.0
    if not 0 <= parsed < float("inf"):
        raise BadAssumption(f"{name} must be a number that is not negative.")
    return parsed
