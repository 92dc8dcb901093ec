import itertools
import re
from typing import Any

SIBILANTS = ("ch", "s", "sh", "x")


def counted(number: int, thing: str) -> str:
    """ "1 row", "12,000 rows", "2 batches"; `thing` is a singular with a regular plural."""
    if number == 1:
        return f"1 {thing}"
    ending = "es" if thing.endswith(SIBILANTS) else "s"
    return f"{number:,} {thing}{ending}"


MAX_SHOWN = 120
"""Characters of a value."""
CONTEXT = 30
"""Characters that a shortened text keeps before its first difference."""


def from_difference(one: str, other: str) -> tuple[str, str]:
    """Both texts from just before their first difference, if one of them is long."""
    if max(len(one), len(other)) <= MAX_SHOWN:
        return one, other
    same = itertools.takewhile(
        lambda pair: pair[0] == pair[1], zip(one, other, strict=False)
    )
    common = sum(1 for _ in same)
    start = max(0, common - CONTEXT)
    return _cut(one, start), _cut(other, start)


def _cut(text: str, start: int) -> str:
    if len(text) <= MAX_SHOWN and not start:
        return text
    shown = text[start : start + MAX_SHOWN]
    before = "…" if start and shown else ""
    after = "…" if start + MAX_SHOWN < len(text) else ""
    return f"{before}{shown}{after}"


UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""Characters that a database refuses: NUL, and half of a surrogate pair."""


def storable_text(text: str) -> str:
    if not UNSTORABLE.search(text):
        return text
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def storable(value: Any) -> Any:
    """A decoded JSON value with all its texts storable."""
    match value:
        case str():
            return storable_text(value)
        case list() | tuple():
            return [storable(each) for each in value]
        case dict():
            return {storable(name): storable(each) for name, each in value.items()}
    return value
