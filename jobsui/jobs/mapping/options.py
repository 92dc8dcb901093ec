"""How the rows of a job are read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self


@dataclass(frozen=True, slots=True)
class Options:
    blank: Literal["skip", "clear"] = "skip"
    """An empty cell leaves the record's field as it is, or empties it."""
    invalid: Literal["stop", "skip"] = "stop"
    """Rows with problems keep the job from being launched, or are left out of it."""
    generate_external_ids: bool = True
    """Rows to `create` without an external id get one of ours, so that a broken
    connection can be settled."""
    prefix: str = ""
    """What those begin with; retries inherit it, so that a row has the same one in all
    of them."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Unknown members are left out."""
        return cls(**{name: data[name] for name in cls.__slots__ if name in data})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
