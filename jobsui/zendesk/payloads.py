"""Zendesk's data as frozen values. Reading is tolerant: what is missing is None or "",
what is unknown is kept."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from jobsui.text import storable

Json = Any
"""A decoded JSON value."""

UNSTORABLE = (
    re.compile(rb"\\u(?:0000|[dD][89a-fA-F])"),
    re.compile(rb"\xed[\xa0-\xbf]"),
)
"""They match what may be text in JSON that a database refuses: NUL, or half of a surrogate
pair. Two patterns that begin with a literal are found in a tenth of the time of one."""
READ_ONLY_TYPES = frozenset({"rollup", "roll_up", "rollup_summary", "roll_up_summary"})


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of a dropdown or multiselect field."""

    value: str
    """The tag that is sent."""
    name: str
    """The label people see."""


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
    """What a lookup or parent is related to: "zen:user", "zen:custom_object:KEY", ...;
    "" for other types."""
    currencies: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The target type as people know it: "user", or the key of an object."""
        return self.target_type.rpartition(":")[2]

    @property
    def target_noun(self) -> str:
        """What a lookup or parent refers to one of: "user", "ticket", ..., or "record"."""
        is_record = self.target_type.startswith("zen:custom_object:")
        return self.target if self.target and not is_record else "record"

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
    """How records of an object are named. Names cannot be both autonumbered and unique
    (docs/zendesk.md)."""

    autonumbered: bool = False
    unique: bool = False
    prefix: str = ""
    padding: int = 0

    @classmethod
    def from_api(cls, name_field: Mapping[str, Json]) -> "NameRules":
        """From the standard field "standard::name"."""
        properties = name_field.get("properties") or {}
        return cls(
            autonumbered=bool(properties.get("autoincrement_enabled")),
            unique=bool(properties.get("is_unique")),
            prefix=str(properties.get("autoincrement_prefix") or ""),
            padding=int(properties.get("autoincrement_padding") or 0),
        )


@dataclass(frozen=True, slots=True)
class Schema:
    """An object's own active fields, and its name rules in place of the standard
    fields."""

    object_key: str
    fields: tuple[Field, ...] = ()
    name_rules: NameRules = NameRules()
    fingerprint: str = ""
    """Changes exactly when something changes that rows are checked against."""
    stored_forms: Mapping[str, Collection[str]] = field(
        default_factory=dict, compare=False
    )
    """{key of a field: the forms that the account gives to its values}, as proofs have shown
    (jobs/mapping/comparison.py)."""
    _by_key: Mapping[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_key = {entry.key: entry for entry in reversed(self.fields)}
        object.__setattr__(self, "_by_key", by_key)

    @classmethod
    def from_api(
        cls, object_key: str, fields: Iterable[Mapping[str, Json]]
    ) -> "Schema":
        """From the response to `GET .../fields?include_standard_fields=true`."""
        own: list[Field] = []
        rules = NameRules()
        for data in fields:
            key = str(data.get("key") or "")
            if key == "standard::name":
                rules = NameRules.from_api(data)
            elif key and not key.startswith("standard::"):
                own.append(Field.from_api(data))
        active = tuple(entry for entry in own if entry.active)
        return cls(object_key, active, rules, _fingerprint(active, rules))

    def field(self, key: str) -> Field | None:
        return self._by_key.get(key)

    def type_of(self, key: str) -> str:
        """Zendesk's name of a field's type; "" if there is no such field."""
        known = self._by_key.get(key)
        return known.type if known else ""


def _fingerprint(fields: Iterable[Field], rules: NameRules) -> str:
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
        for entry in fields
    ]
    text = json.dumps([facts, rules.autonumbered, rules.unique])
    return hashlib.sha256(text.encode()).hexdigest()


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
    """ISO 8601 text as it came, "" when absent."""
    updated_at: str = ""
    """Like created_at."""
    updated_by: str = ""
    """ID of the user who changed it last; "" when absent."""


@dataclass(frozen=True, slots=True)
class User:
    """The user the credentials belong to."""

    id: int | None
    """None for the anonymous user that an unauthenticated call may get (assumed)."""
    name: str
    email: str
    role: str


@dataclass(frozen=True, slots=True)
class Token:
    """A response of /oauth/tokens."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int | None
    """Seconds from now; None when Zendesk did not say."""
    refresh_expires_in: int | None = None
    """The same of the refresh token."""
    scope: str | None = None
    """The scopes it has, separated by spaces; None when Zendesk did not say."""

    def has_scopes(self, asked: str) -> bool:
        """Whether it has the scopes that were asked for, if Zendesk said so."""
        if self.scope is None:
            return True
        return set(asked.split()) <= set(self.scope.split())


class Verdict(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NAMED = "named"
    """It names a record and says nothing else."""
    UNKNOWN = "unknown"


# Not frozen, which costs three times as much: there is one for every row.
@dataclass(slots=True)
class ItemResult:
    """The result of one item in a job status (docs/zendesk.md)."""

    index: int | None
    verdict: Verdict
    status: str = ""
    """As Zendesk says it: "Created", "Updated", "CreateOrUpdate", "Deleted", "Failed",
    or ""."""
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
        """An unknown status counts as still running (docs/zendesk.md)."""
        return self.status in {"completed", "failed", "killed", "aborted"}


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes = field(repr=False)
    elapsed: float
    """Seconds from sending to the last byte."""

    def json(self) -> Json:
        """Raises like `parsed`."""
        return parsed(self.body)


def time_of(text: str) -> datetime | None:
    """Of a text as a Record has it. None for a text that is not a time; UTC if it names no
    zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parsed(body: bytes) -> Json:
    """The JSON of a body, with texts that can be stored: half a character, as where an
    error message was cut, becomes the replacement character.

    Raises ValueError when it is not JSON, or is nested too deeply.
    """
    try:
        data = json.loads(body)
        return storable(data) if _may_be_unstorable(body) else data
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _may_be_unstorable(body: bytes) -> bool:
    return any(pattern.search(body) for pattern in UNSTORABLE)
