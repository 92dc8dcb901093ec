"""What has changed in the fields of an object since a mapping was saved."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.field_targets import FIELD, api_name, targets
from jobsui.zendesk.payloads import Field, Schema

MAX_NAMED = 5
"""How many of the options that are gone a sentence names."""


def field_facts(
    schema: Schema, action: Action, used: Collection[str]
) -> dict[str, dict[str, Any]]:
    """{target key: facts, as JSON} of all targets of this action. `used`: keys of the
    targets that a mapping fills; only these have more facts than what they are."""
    found: dict[str, dict[str, Any]] = {}
    for target in targets(schema, action):
        facts: dict[str, Any] = {"label": target.label, "type": target.type}
        field = schema.field(api_name(target.key))
        if field and target.key.startswith(FIELD):
            facts["required"] = field.required
            if target.key in used:
                facts |= _values_of(field)
        if target.key == "name":
            facts["unique"] = schema.name_rules.unique
        found[target.key] = facts
    return found


def schema_changes(
    before: Mapping[str, Mapping[str, Any]],
    schema: Schema,
    action: Action,
    used: Collection[str],
) -> list[str]:
    """Sentences about what has changed since `before`, the `field_facts` then, that
    matters to a mapping. What was only added changes nothing, unless it is required."""
    now = field_facts(schema, action, used)
    sentences: list[str] = []
    for key in sorted(used):
        facts = before.get(key, {})
        label = str(facts.get("label") or api_name(key))
        if key in now:
            sentences += _changes(label, facts, now[key])
        else:
            sentences.append(_loss(key, label, schema))
    for key, facts in now.items():
        if facts.get("required") and not before.get(key, {}).get("required"):
            is_filled = "" if key in used else ", and no column is mapped to it"
            sentences.append(f"{facts['label']} is now required{is_filled}.")
    return sentences


def _values_of(field: Field) -> dict[str, Any]:
    """Which values a field accepts."""
    facts = {
        "pattern": field.regexp,
        "options": [option.value for option in field.options],
        "currencies": list(field.currencies),
        "target": field.target_type,
    }
    return {name: value for name, value in facts.items() if value}


def _loss(key: str, label: str, schema: Schema) -> str:
    if key == "name":
        return "Zendesk now numbers the records, so names can no longer be sent."
    if schema.field(api_name(key)):
        return f"{label} is now read-only."
    return f"{label} no longer exists in Zendesk."


def _changes(
    label: str, before: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[str]:
    """Of a target that still exists."""
    if not before:
        return
    if before["type"] != now["type"]:
        yield f"{label} now has the type {now['type']}. It was {before['type']}."
        return
    for name, singular in (("options", "option"), ("currencies", "currency")):
        remaining = set(now.get(name, ()))
        gone = [text for text in before.get(name, ()) if text not in remaining]
        if gone:
            noun = singular if len(gone) == 1 else name
            yield f"{label} no longer has the {noun} {_listed(gone)}."
    if now.get("pattern") and now["pattern"] != before.get("pattern"):
        yield f"{label} now accepts only values that match {now['pattern']}."
    if now.get("target") != before.get("target"):
        yield f"{label} now refers to {_related(now)}. It referred to {_related(before)}."
    if now.get("unique") and not before.get("unique"):
        yield "Names must now be unique."


def _listed(texts: list[str]) -> str:
    """ "“a”"; "“a”, “b” and 3 more"."""
    named = [f"“{text}”" for text in texts[:MAX_NAMED]]
    if more := len(texts) - len(named):
        named.append(f"{more:,} more")
    *others, last = named
    return f"{', '.join(others)} and {last}" if others else last


def _related(facts: Mapping[str, Any]) -> str:
    return str(facts.get("target", "")).rpartition(":")[2] or "nothing"
