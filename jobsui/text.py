import re
from typing import Any

SIBILANTS = ("ch", "s", "sh", "x")


def counted(number: int, thing: str) -> str:
    """ "1 row", "12,000 rows", "2 batches"; `thing` is a singular with a regular plural."""
    if number == 1:
        return f"1 {thing}"
    ending = "es" if thing.endswith(SIBILANTS) else "s"
    return f"{number:,} {thing}{ending}"


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
