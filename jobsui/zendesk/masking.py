"""Hides the credentials of a request where its response repeats them. What is stored and
shown of a response never had them.

They are found as they were sent, and where the response encodes them: in JSON, in a URL,
in HTML, and within a longer text in base64."""

import base64
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from requests.structures import CaseInsensitiveDict

MASK = "[hidden]"
MIN_LENGTH = 8
"""Characters. A shorter secret could be any part of a text."""
RUN = re.compile("[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class _Form:
    """One way in which a secret may appear."""

    probe: bytes
    """In every text with the form: searching it takes a fraction of the pattern's time."""
    pattern: re.Pattern[bytes]


def masked(text: bytes, secrets: tuple[str, ...]) -> bytes:
    for form in _forms(secrets):
        if form.probe in text:
            text = form.pattern.sub(MASK.encode(), text)
    return text


def masked_text(text: str, secrets: tuple[str, ...]) -> str:
    return masked(text.encode(errors="surrogatepass"), secrets).decode(
        errors="surrogatepass"
    )


def masked_headers(
    headers: Mapping[str, str], secrets: tuple[str, ...]
) -> Mapping[str, str]:
    """Case-insensitive, as the headers given."""
    together = "\n".join((*headers, *headers.values()))
    if masked_text(together, secrets) == together:
        return headers
    hidden = {
        masked_text(name, secrets): masked_text(value, secrets)
        for name, value in headers.items()
    }
    return CaseInsensitiveDict(hidden)


def secrets_of(authorization: str) -> tuple[str, ...]:
    """What is secret in an Authorization header."""
    scheme, _, credentials = authorization.partition(" ")
    found = [credentials]
    if scheme == "Basic":
        found.append(base64.b64decode(credentials).decode().partition(":")[2])
    return tuple(found)


# Processes use the tokens of a few accounts, and new ones replace them.
@lru_cache(maxsize=64)
def _forms(secrets: tuple[str, ...]) -> tuple[_Form, ...]:
    return tuple(
        _form(text)
        for secret in secrets
        if len(secret) >= MIN_LENGTH
        for text in (secret, *_base64_cores(secret.encode()))
    )


def _form(text: str) -> _Form:
    runs = RUN.findall(text)
    probe = max(runs, key=len, default="")
    pattern = "".join(map(_encodings, text))
    return _Form(probe.encode(), re.compile(pattern.encode()))


def _encodings(character: str) -> str:
    """A pattern for the character, however it is encoded."""
    if RUN.fullmatch(character):
        return character
    code = ord(character)
    # A member of JSON may be escaped although it need not be.
    forms = {
        character,
        f"\\{character}",
        json.dumps(character)[1:-1],
        f"\\u{code:04x}",
        quote(character, safe=""),
        f"%{code:02x}",
        html.escape(character),
        f"&#{code};",
        f"&#x{code:x};",
    }
    # In URLs, base64 has other characters.
    forms.add({"+": "-", "/": "_", " ": "+"}.get(character, character))
    longest_first = sorted(forms, key=len, reverse=True)
    return f"(?i:{'|'.join(map(re.escape, longest_first))})"


def _base64_cores(secret: bytes) -> list[str]:
    """What base64 of any text with the secret contains, by the three places where the
    secret may begin in a group of three bytes."""
    cores = []
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode()
        # The first characters also depend on the bytes before, the last on those behind.
        first = -(-before * 4 // 3)
        whole = (before + len(secret)) * 4 // 3
        cores.append(encoded[first:whole])
    return cores
