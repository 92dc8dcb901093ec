"""What people see of a saved mapping."""

from dataclasses import dataclass

from jobsui.jobs.mapping.field_targets import api_name
from jobsui.jobs.mapping.rule_words import rules_in_words
from jobsui.jobs.mapping.rules import NO_RULE, Rule, rules_of
from jobsui.jobs.models import SavedMapping
from jobsui.jobs.preparation import file_formats


@dataclass(frozen=True, slots=True)
class MappedColumn:
    column: str
    """"" for a field that is filled without a column."""
    target: str
    """Its label when the mapping was saved."""
    rule: str
    """In words; "" for none."""


def lines(saved: SavedMapping) -> list[MappedColumn]:
    """In the order of the file."""
    rules = rules_of(saved.rules)
    found = []
    for column in saved.columns:
        if key := saved.mapping.get(column):
            found.append(_line(saved, column, key, rules.get(key, NO_RULE)))
    for key, rule in rules.items():
        if rule.constant:
            found.append(_line(saved, "", key, rule))
    return found


def settings(saved: SavedMapping) -> list[tuple[str, str]]:
    """(file setting, its value)."""
    return [
        (label, file_formats.setting_words(name, saved.file_settings[name]))
        for name, label in file_formats.SETTING_LABELS.items()
        if name in saved.file_settings
    ]


def _line(saved: SavedMapping, column: str, key: str, rule: Rule) -> MappedColumn:
    label = saved.fields.get(key, {}).get("label")
    return MappedColumn(column, label or api_name(key), rules_in_words(rule))
