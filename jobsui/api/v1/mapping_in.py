"""Request bodies about mappings."""

import json
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from jobsui.api.v1.types import STORABLE, Body, Name
from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping import field_targets, rules
from jobsui.jobs.mapping.repairs import Repair
from jobsui.jobs.mapping.rules import NO_RULE, Rule

MAX_CONSTANT_LENGTH = 10_000

Text = Annotated[str, Field(max_length=1000), STORABLE]
Words = Annotated[list[Text], Field(max_length=100)]
LongText = Annotated[str, Field(min_length=1, max_length=MAX_CONSTANT_LENGTH), STORABLE]


class MappedField(Body):
    """A field, and how the column's texts are rewritten before it reads them."""

    field: Name
    also: Annotated[list[Name], Field(max_length=rules.MAX_JOINED)] = Field(
        default_factory=list
    )
    """Further columns, joined behind this one."""
    joiner: Annotated[str, Field(max_length=20), STORABLE] = " "
    """Between the joined columns that have a text."""
    repairs: list[Repair] = Field(default_factory=list)
    """Put right what was damaged before the upload: restore `garbled` letters, remove
    `invisible` characters, read numbers such as 45000 as `serial_dates` of a spreadsheet,
    swap day and month of dates with the year first, such as 2024-05-03 (`swapped_dates`). For
    keys: compose letters and their accents (`composed`), remove quotation marks at the ends
    (`quotes`), replace `dashes` by hyphens, remove separators between thousands (`grouping`),
    remove .0 behind digits (`point_zero`), remove zeros in front of digits
    (`leading_zeros`)."""
    trim: bool = False
    """Remove spaces at the ends."""
    blank: Literal["", "leave", "clear", "set"] = ""
    """What a blank cell does: `leave` leaves the field as it is, `clear` empties it, `set`
    sets it to `blank_value`. Empty: as the job's options say."""
    blank_value: Text = ""
    values: dict[Text, Text] = Field(default_factory=dict, max_length=rules.MAX_VALUES)
    """{text in the file: text instead}. No other rule applies to these texts. With
    `separator`, the texts are also those of single options."""
    yes: Words = Field(default_factory=list)
    """Words that mean true, in any case."""
    no: Words = Field(default_factory=list)
    """Words that mean false, in any case."""
    separator: Annotated[str, Field(max_length=10)] = ""
    """What separates the options of a multiselect field."""
    case: Literal["", "upper", "lower"] = ""
    pad: Annotated[int, Field(ge=0, le=rules.MAX_PAD)] = 0
    """Write zeros in front of digits up to this width."""
    date_order: Literal["", "ymd", "dmy", "mdy"] = ""
    """The order of day, month and year, as in 31.12.2026 or 12/31/2026."""
    decimal_mark: Literal["", "point", "comma"] = ""
    """How the numbers of this column are written."""
    reference: Literal["", "external_id", "name"] = ""
    """By what the texts of a lookup field identify the related records. Empty: by their
    Zendesk IDs, or with `external_id:` or `name:` in front."""

    @property
    def rule(self) -> Rule:
        return Rule.from_json(self.dict(exclude={"field"}))


def _form(field: Any) -> str:
    """Which form of a mapped field this is. It is named in errors."""
    return "field" if isinstance(field, str) else "rules"


FieldName = Annotated[Name, Tag("field")]
FieldWithRules = Annotated[MappedField, Tag("rules")]
Mapping = dict[Name, Annotated[FieldName | FieldWithRules, Discriminator(_form)]]
"""{column: field}, or with rules {column: {"field": field, ...}}. A field is `name`,
`external_id`, `id` or a field's key."""
Constant = LongText | bool | int | float | Annotated[list[Text], Field(min_length=1)]
Constants = dict[Name, Constant]
"""{field: value that every row gets}, for fields without a column."""


class MappingFile(Body):
    """What a file of `runjob --mapping` has: the members of a job of the same names."""

    mapping: Mapping = Field(default_factory=dict)
    constants: Constants = Field(default_factory=dict)


def stored_mapping(
    mapping: Mapping, constants: Constants, custom_object: CustomObject, action: Action
) -> tuple[dict[str, str], dict[str, Rule]]:
    """{column: target key} and {target key: rule}. Raises MappingRefused."""
    targets = field_targets.targets(custom_object.schema, action)
    target_keys: dict[str, str] = {}
    found: dict[str, Rule] = {}
    for column, field in mapping.items():
        name = field if isinstance(field, str) else field.field
        target_keys[column] = field_targets.target_key(name, targets)
        if isinstance(field, MappedField):
            found[target_keys[column]] = field.rule
    for name, value in constants.items():
        key = field_targets.target_key(name, targets)
        found[key] = replace(found.get(key, NO_RULE), constant=_text(value))
    labels = {target.key: target.label for target in targets}
    rules.require_possible(found, labels)
    return target_keys, found


def _text(value: Constant) -> str:
    """As a cell would have it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
