"""What Zendesk says, as frozen values. Reading is tolerant: what is missing is None or
"", what is unknown is kept."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Any
"""A decoded JSON value."""

HALVES = re.compile(rb"\\u(0000|[dD][89a-fA-F])|\xed[\xa0-\xbf]")
"""In JSON, what may be text that no database keeps: NUL, or half of a character beyond
the first 65,536."""
READ_ONLY_TYPES = frozenset({"rollup", "roll_up", "rollup_summary", "roll_up_summary"})


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of a dropdown or multiselect field: `value` is the tag that is sent,
    `name` the label people see."""

    value: str
    name: str


@dataclass(frozen=True, slots=True)
class Field:
    key: str
    title: str
    type: str
    required: bool = False
    active: bool = True
    readonly: bool = False
    description: str = ""
    regexp: str = ""
    options: tuple[Option, ...] = ()
    target_type: str = ""
    """What a lookup or parent points at: "zen:user", "zen:custom_object:KEY", ...; ""
    for other types."""
    currencies: tuple[str, ...] = ()

    @classmethod
    def from_api(cls, data: Mapping[str, Json]) -> "Field":
        properties = data.get("properties") or {}
        kind = str(data.get("type") or "text")
        return cls(
            key=str(data.get("key") or ""),
            title=str(
                data.get("title") or data.get("raw_title") or data.get("key") or ""
            ),
            type=kind,
            required=bool(data.get("required")),
            active=data.get("active") is not False,
            readonly=bool(data.get("readonly")) or kind in READ_ONLY_TYPES,
            description=str(data.get("description") or ""),
            regexp=str(data.get("regexp_for_validation") or ""),
            options=tuple(
                Option(
                    str(option.get("value") or ""),
                    str(option.get("name") or option.get("value") or ""),
                )
                for option in data.get("custom_field_options") or ()
            ),
            target_type=str(data.get("relationship_target_type") or ""),
            currencies=tuple(properties.get("allowed_currencies") or ()),
        )


@dataclass(frozen=True, slots=True)
class NameRules:
    """How records of an object get their names. Autonumbering and uniqueness exclude
    each other (docs/zendesk.md)."""

    autonumbered: bool = False
    unique: bool = False
    prefix: str = ""
    padding: int = 0


@dataclass(frozen=True, slots=True)
class Schema:
    """An object's own fields (inactive ones left out, standard ones apart) and its name
    rules."""

    object_key: str
    fields: tuple[Field, ...] = ()
    name_rules: NameRules = NameRules()
    fingerprint: str = ""
    """Changes exactly when something a row is checked against changes."""

    @classmethod
    def from_api(
        cls, object_key: str, fields: Iterable[Mapping[str, Json]]
    ) -> "Schema":
        """From the answer of `GET .../fields?include_standard_fields=true`."""
        own: list[Field] = []
        rules = NameRules()
        for data in fields:
            key = str(data.get("key") or "")
            if key == "standard::name":
                properties = data.get("properties") or {}
                rules = NameRules(
                    autonumbered=bool(properties.get("autoincrement_enabled")),
                    unique=bool(properties.get("is_unique")),
                    prefix=str(properties.get("autoincrement_prefix") or ""),
                    padding=int(properties.get("autoincrement_padding") or 0),
                )
            elif key and not key.startswith("standard::"):
                own.append(Field.from_api(data))
        active = tuple(entry for entry in own if entry.active)
        facts = [
            (
                entry.key,
                entry.type,
                entry.required,
                entry.readonly,
                entry.regexp,
                entry.target_type,
                [option.value for option in entry.options],
                entry.currencies,
            )
            for entry in active
        ]
        text = json.dumps([facts, rules.autonumbered, rules.unique])
        return cls(object_key, active, rules, hashlib.sha256(text.encode()).hexdigest())

    def field(self, key: str) -> Field | None:
        return next((entry for entry in self.fields if entry.key == key), None)


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    key: str
    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    id: str
    name: str
    external_id: str
    fields: Mapping[str, Json]
    created_at: str
    """ISO 8601 text as sent, "" when absent."""


@dataclass(frozen=True, slots=True)
class User:
    """Who the credentials act as. `id` is None for the anonymous user an
    unauthenticated call may get (assumed)."""

    id: int | None
    name: str
    email: str
    role: str


@dataclass(frozen=True, slots=True)
class Token:
    """An answer of /oauth/tokens. Seconds are from now; None: Zendesk did not say."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int | None
    scope: str = ""


class Verdict(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(
    slots=True
)  # Not frozen, which costs three times as much: there is one for every row.
class ItemResult:
    """What a job status says of one item (docs/zendesk.md)."""

    index: int | None
    verdict: Verdict
    status: str = ""
    """Zendesk's word: "Created", "Updated", "CreateOrUpdate", "Deleted", "Failed", or
    ""."""
    record_id: str = ""
    external_id: str = ""
    error_code: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class JobStatus:
    id: str
    status: str
    total: int | None = None
    progress: int | None = None
    message: str = ""
    results: tuple[ItemResult, ...] | None = None
    """None until Zendesk gives a list."""
    raw: Mapping[str, Json] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_over(self) -> bool:
        """Unknown words count as still running (docs/zendesk.md)."""
        return self.status in {"completed", "failed", "killed", "aborted"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read whole."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes = field(repr=False)
    elapsed: float
    """Seconds from sending to the last byte."""

    def json(self) -> Json:
        """Raises as `parsed`."""
        return parsed(self.body)


def parsed(body: bytes) -> Json:
    """The JSON of a body. Its text can be stored: half a character, as where an error
    text was cut, becomes the replacement sign.

    Raises ValueError when it is not JSON, or is nested beyond reason.
    """
    try:
        data = json.loads(body)
        return _whole(data) if HALVES.search(body) else data
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _whole(value: Json) -> Json:
    if isinstance(value, str):
        text = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(each) for name, each in value.items()}
    return value
