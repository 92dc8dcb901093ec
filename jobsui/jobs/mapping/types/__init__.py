"""How the texts of cells become the JSON values that fields take (docs/zendesk.md,
"Values"), a module for each type. A module is found by being here.

Nothing is guessed: a text that could be read in two ways is a problem with a fix."""

import importlib
import pkgutil

from jobsui.files.number_styles import Mark
from jobsui.jobs.mapping.types.base import ValueProblem, ValueType, problem
from jobsui.jobs.mapping.types.text import Text
from jobsui.zendesk.payloads import Field

__all__ = ["ValueProblem", "ValueType", "of_field", "of_member", "problem"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def of_field(field: Field, decimal_mark: Mark = ".") -> ValueType:
    """The type of a field's values. Those of unknown types are text."""
    value_type = ValueType.by_name.get(field.type, Text)
    return value_type(field, decimal_mark)


def of_member(name: str) -> ValueType:
    """The type of a record's "id", "external_id" or "name"."""
    return ValueType.by_name[f"standard::{name}"](Field(name, name, "text"))
