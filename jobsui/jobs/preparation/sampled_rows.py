"""Rows from all over a file, for what only the account knows about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SampledRow:
    text: str
    """What the cell of the key has."""
    key: str
    """What it becomes by the mapping."""
    item: Any
    """As it would be sent."""
    texts: tuple[str, ...]
    """The cells of all columns of the file."""


def spread[T](found: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of them, from all over."""
    if len(found) <= limit:
        return list(found)
    return [found[index * len(found) // limit] for index in range(limit)]
