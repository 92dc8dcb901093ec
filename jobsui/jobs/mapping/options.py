"""How the rows of a job are read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

from jobsui.jobs.enums import Action

UNDO_ROWS = "undo_rows"
"""The option of an undo with the rows that were chosen, as RowRanges; without it, all are
undone."""
UNDO_FIELDS = "undo_fields"
"""The option of an undo with the values that were chosen, by their names as in an Image;
without it, all are undone."""


type RefuseChanged = Literal["off", "watched", "strict"]


@dataclass(frozen=True, slots=True)
class Match:
    """What is done so that the account matches the file."""

    only_in_file: Literal["create", "leave"] = "create"
    different: Literal["update", "leave"] = "update"
    only_in_account: Literal["delete", "leave"] = "leave"
    max_percent: float = 2.0
    """No more than this percentage of the account's records is deleted."""
    max_records: int = 1_000
    """No more than this number of records is deleted."""

    @property
    def deletes(self) -> bool:
        return self.only_in_account == "delete"

    @property
    def sends_rows(self) -> bool:
        """Whether any row of the file may be sent."""
        return self.only_in_file == "create" or self.different == "update"


@dataclass(frozen=True, slots=True)
class Options:
    blank: Literal["skip", "clear"] = "skip"
    """A blank cell leaves the record's field as it is, or empties it."""
    invalid: Literal["stop", "skip"] = "stop"
    """Rows with problems stop the job from being launched, or are left out."""
    warnings: Literal["send", "skip", "stop"] = "send"
    """Rows that Zendesk may refuse are sent, are left out, or stop the job from being
    launched."""
    decimal_mark: Literal["auto", "point", "comma"] = "auto"
    """How numbers are written: 1,234.5 or 1.234,5. "auto": as their column shows."""
    generate_external_ids: bool = True
    """Rows to `create` without an external ID get one that Jobs UI generates, so that a
    lost response can be reconciled."""
    only_existing: bool = False
    """An upsert by external ID updates records and creates none. It has to be compared
    first."""
    compare: bool = False
    """A job that is launched without a person is compared with the account first, and
    sends only what differs."""
    keep_undo: bool = False
    """What the records hold is read and kept right before each batch is sent, so that the job
    can be undone without a comparison."""
    refuse_changed: RefuseChanged = "off"
    """Rows of a compared job whose records have changed since the comparison are not sent.
    "strict": the records of each batch are read again right before it is sent. "watched": only
    those of batches of which the incremental export shows a record, while it was read
    lately."""
    match: Match | None = None
    """Find the records that only the account has too, so that the account matches the file.
    Upserts by external ID only, which have to be compared first."""
    prefix: str = ""
    """The beginning of generated external IDs. Retries inherit it, so that a row keeps
    its ID."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Unknown members are ignored."""
        known = {name: data[name] for name in cls.__slots__ if name in data}
        if known.get("match"):
            known["match"] = Match(**known["match"])
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def for_action(self, action: Action) -> Self:
        """Those that do not apply to the action have their defaults."""
        has_key = bool(action.key)
        is_matched = action is Action.UPSERT_BY_EXTERNAL_ID
        return replace(
            self,
            generate_external_ids=self.generate_external_ids or has_key,
            only_existing=self.only_existing and is_matched,
            keep_undo=self.keep_undo and has_key,
            refuse_changed=self.refuse_changed if has_key else "off",
            match=self.match if is_matched else None,
        )
