"""Invisible characters: with them, texts that look the same are different."""

import re

INVISIBLE = frozenset("\u00ad\u200b\u2060\u2061\u2062\u2063\ufeff")
DIRECTIONS = frozenset(
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""Invisible, too, but right in texts with right-to-left letters."""
RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
REMOVED = str.maketrans("", "", "".join(INVISIBLE))
ALL_REMOVED = str.maketrans("", "", "".join(INVISIBLE | DIRECTIONS))


def has_invisible(text: str) -> bool:
    characters = set(text)
    if not characters.isdisjoint(INVISIBLE):
        return True
    return not (characters.isdisjoint(DIRECTIONS) or RIGHT_TO_LEFT.search(text))


def removed(text: str) -> str:
    """The text without them. Those that a text with right-to-left letters needs stay."""
    return text.translate(REMOVED if RIGHT_TO_LEFT.search(text) else ALL_REMOVED)
