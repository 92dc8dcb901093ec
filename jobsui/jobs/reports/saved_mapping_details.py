"""What people see of a saved mapping."""

from dataclasses import dataclass

from jobsui.jobs.mapping.field_targets import api_name
from jobsui.jobs.models import SavedMapping
from jobsui.jobs.preparation import file_formats


@dataclass(frozen=True, slots=True)
class MappedColumn:
    column: str
    """"" for a field that is filled without a column."""
    target: str
    """Its label when the mapping was saved."""


def lines(saved: SavedMapping) -> list[MappedColumn]:
    """In the order of the file."""
    labels = {key: facts.get("label", "") for key, facts in saved.fields.items()}
    found = []
    for column in saved.columns:
        if key := saved.mapping.get(column):
            found.append(MappedColumn(column, labels.get(key) or api_name(key)))
    for key, rule in saved.rules.items():
        if rule.get("constant"):
            found.append(MappedColumn("", labels.get(key) or api_name(key)))
    return found


def settings(saved: SavedMapping) -> list[tuple[str, str]]:
    """(file setting, its value)."""
    return [
        (label, file_formats.setting_words(name, saved.file_settings[name]))
        for name, label in file_formats.SETTING_LABELS.items()
        if name in saved.file_settings
    ]
