"""The words of names that people give to columns and fields."""

import re
from collections.abc import Iterable

CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
WORD = re.compile(r"[^\W_]+|#")
FILLERS = frozenset(
    [
        *("a", "an", "the", "of", "for", "in", "and", "our", "your", "my", "this"),
        *("field", "value", "column", "record", "custom", "object"),
    ]
)
UNITS = frozenset(
    [
        *("eur", "euro", "usd", "dollar", "gbp", "pound", "chf", "jpy", "aud", "cad"),
        *(
            "sek",
            "nok",
            "dkk",
            "pln",
            "czk",
            "brl",
            "inr",
            "cny",
            "mxn",
            "net",
            "gross",
        ),
        *("kg", "g", "lb", "t", "km", "m", "cm", "mm", "mi", "ft", "h", "hr", "hour"),
        *("min", "sec", "pct", "percent"),
    ]
)
"""What may stand behind the name of a number."""
GENERIC = frozenset({"number", "id", "name", "date", "code", "text"})
"""Words that name no subject of their own."""
SYNONYMS = {
    word: words[0]
    for words in (
        ("status", "state", "stati"),
        ("number", "no", "nr", "num", "#"),
        ("id", "identifier", "ident"),
        ("description", "desc", "descr"),
        ("note", "notes", "comment", "comments", "remark", "remarks"),
        ("quantity", "qty"),
        ("phone", "telephone", "tel"),
        ("email", "mail"),
        ("address", "addr"),
        ("organization", "organisation", "org"),
        ("manufacturer", "mfr", "mfg"),
        ("department", "dept"),
        ("location", "loc"),
        ("category", "cat"),
        ("date", "dt"),
        ("external", "ext"),
    )
    for word in words
}


def words_of(name: str) -> frozenset[str]:
    """Without case, and the same word for those that mean the same."""
    found = WORD.findall(CAMEL.sub(" ", name))
    # "E-mail" is one word.
    text = " ".join(found).casefold().replace("e mail", "email")
    return frozenset(map(_canonical, text.split()))


def subject_of(
    name: str, of_object: Iterable[str] = (), *, has_unit: bool = False
) -> frozenset[str]:
    """The words that say what a column or field is about: without fillers, those of the
    object and, with `has_unit`, units. All words when nothing would be left."""
    words = words_of(name)
    without = {*FILLERS, *of_object, *(UNITS if has_unit else ())}
    return words - without or words


def _canonical(word: str) -> str:
    if word in SYNONYMS:
        return SYNONYMS[word]
    is_plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us"))
    return word[:-1] if is_plural else word
