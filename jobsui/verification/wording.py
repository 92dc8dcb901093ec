"""Reduces what an account returns to what a report may contain: shapes, and words that
are in no name, no secret and no value.

A text of the account passes only word by word, and only words of a fixed vocabulary.
So a report can show Zendesk's error messages without any data in them."""

import re
from collections.abc import Iterable, Mapping
from datetime import date

from jobsui.zendesk.client import read_error
from jobsui.zendesk.payloads import Json, Response

HIDDEN = "…"
MAX_TEXT = 120
ERROR_MEMBERS = ("code", "title", "detail", "error", "details", "message")
"""Members of a failed result that describe the failure."""
SAFE_NUMBERS = frozenset({"26", "100"})
"""Limits that error messages name."""
MAX_DIGITS = 6
CHUNK = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)
EDGE = re.compile(r"[^.,:;!?()\[\]]")
"""What of the punctuation around a word is left out."""
PARTS = re.compile(r"v[23]\b|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|.")
JOINTS = "._/:-'’"
REPEATED = re.compile(rf"{HIDDEN}(\W*{HIDDEN})+")
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
JOB_ID = re.compile(r"V3-[0-9a-f]{32}")
OLD_JOB_ID = re.compile(r"[0-9a-f]{32}")
SCOPE = re.compile(r"(custom_objects|tickets|users|organizations):(read|write)")
PLAIN_SCOPES = frozenset({"read", "write", "impersonate"})
WORDS = """
a aborted access according action admin after again agent all allowed already amount
an and another any api
are array as assets at attribute attributes authenticate authentication autoincrement
autonumbered bad base be been before blank body boolean bulk but by bytes can cannot
changed character characters checkbox children code collision column completed concurrent
conflict contain contains could couldn count create created currency currently custom
data database date deadlock decimal default delete deleted deletion description
detail details did digits do does doesn double drop dropdown duplicate either empty
endpoint enabled entity error errors exceed exceeded exceeds exist exists expected
expired external fail failed field fields filter following for forbidden format found free from
greater has have help id ids in includes inclusion integer internal into invalid is
isn item items job jobs json key keys killed later least length less limit limited
list locked long lookup malformed many match maximum member members message minimum missing
more most multiselect must my name names needs no not null number object objects of on one only
option options or order out owner page parameter parameters parent parse passed per
permission permitted pattern present process processable processed progress provided
queued quota range rate re reached read readonly record records refused regexp
regular relationship reload removed request requests required resource restricted
result results retry running same schema scope scopes see sent server service set
should size slow some status string support sync syntax system t tag taken temporarily text textarea
than that the there these this ticketing time timed timeout title to token too try
type types ulid unable unauthorized unavailable undefined unexpected unique unknown
unprocessable unpermitted unsupported until update updated upsert upserted url use
used user users uuid v v2 v3 valid validation value values was whitelist with without
working write wrong you your
"""
VOCABULARY = frozenset(WORDS.split())


def reduced(text: str) -> str:
    """`text` with every word that is not in the vocabulary replaced."""
    chunks = [_reduced_chunk(chunk) for chunk in text[: 4 * MAX_TEXT].split()]
    joined = REPEATED.sub(HIDDEN, " ".join(chunks))
    return joined if len(joined) <= MAX_TEXT else f"{joined[:MAX_TEXT]}{HIDDEN}"


def _reduced_chunk(chunk: str) -> str:
    match = CHUNK.match(chunk)
    if match is None:
        return HIDDEN
    before, core, after = match.groups()
    parts = PARTS.findall(core)
    if not all(map(_is_safe, parts)):
        core = HIDDEN
    return EDGE.sub("", before) + core + EDGE.sub("", after)


def _is_safe(part: str) -> bool:
    if part.isdecimal():
        return part in SAFE_NUMBERS
    return part.lower() in VOCABULARY or part in JOINTS


def shape(value: Json) -> str:
    """The kind of a JSON value, without the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return f"a list of {_kinds(value)}" if value else "an empty list"
        case dict():
            return f"an object with {names(value)}" if value else "an empty object"
    return "something else"


def _kinds(values: Iterable[Json]) -> str:
    return " and ".join(sorted({shape(value) for value in values}))


def names(members: Iterable[str]) -> str:
    """Names of members that a report may show, in alphabetical order."""
    return listed(sorted({reduced(name) for name in members})) or "no members"


def listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def id_form(value: Json) -> str:
    """How an ID looks, without the ID."""
    if not isinstance(value, str):
        return shape(value)
    for pattern, form in (
        (ULID, "26 characters of a ULID"),
        (JOB_ID, "V3- and 32 hexadecimal digits"),
        (OLD_JOB_ID, "32 hexadecimal digits"),
    ):
        if pattern.fullmatch(value):
            return form
    return f"another text of {len(value)} characters"


def date_form(value: Json, sent: date) -> str:
    """How a date that Jobs UI sent comes back."""
    if value == sent.isoformat():
        return "YYYY-MM-DD"
    if isinstance(value, str) and value.startswith(f"{sent.isoformat()}T"):
        return "YYYY-MM-DD with a time"
    return f"another form ({shape(value)})"


def small_number(text: str) -> int | None:
    """A number of a header; None when it is none, or too large to be a limit."""
    is_small = text.isdecimal() and len(text) <= MAX_DIGITS
    return int(text) if is_small else None


def scope_names(scopes: Iterable[Json]) -> str:
    """Scopes of a token; those that no other account may have are only counted."""
    texts = [str(scope) for scope in scopes]
    known = [text for text in texts if text in PLAIN_SCOPES or SCOPE.fullmatch(text)]
    others = len(texts) - len(known)
    shown = sorted(known)
    if others:
        shown.append(f"{others} more")
    return listed(shown) or "none"


def item_error(result: Mapping[str, Json]) -> str:
    """What the result of an item says of its failure, reduced."""
    errors = result.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else result
    if not isinstance(first, dict):
        return f"an error that is {shape(first)}"
    shown = [
        f"{reduced(name)} “{reduced(text)}”"
        for name, text in first.items()
        if name in ERROR_MEMBERS and isinstance(text, str)
    ]
    return listed(shown) or f"the members {names(first)}"


def response_error(response: Response) -> str:
    """The status of a refusal and what it says, reduced."""
    code, message, _ = read_error(response)
    shown = [f"status {response.status}"]
    if code:
        shown.append(f"code “{reduced(code)}”")
    if message and message != code:
        shown.append(f"message “{reduced(message)}”")
    return listed(shown)


def warning(headers: Mapping[str, str]) -> str:
    """What X-Zendesk-API-Warn says, reduced; "" without it."""
    text = headers.get("X-Zendesk-API-Warn") or ""
    return reduced(text)
