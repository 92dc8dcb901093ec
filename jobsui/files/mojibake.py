"""Text that was decoded with the wrong encoding before the upload: "MÃ¼ller" for
"Müller"."""

import re
from collections.abc import Iterator
from functools import cache

ENCODINGS = ("cp1252", "cp1251", "cp1250", "mac_roman", "cp850", "cp437")
"""What UTF-8 is mistaken for."""
LEADS = (*range(0xC2, 0xC6), *range(0xCE, 0xDA), 0xE0, *range(0xE2, 0xEE), 0xEF, 0xF0)
"""The first bytes of the characters of LIKELY in UTF-8."""
CONTINUATIONS = range(0x80, 0xC0)
LOST = "\ufffd"
"""Stands for a character that could not be decoded."""
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
LATIN = r"\u00a0-\u017f\u2010-\u2044\u20ac\u2116\u2122"
LIKELY = re.compile(
    rf"[{LATIN}\u0386-\u03ce\u0401-\u045f\u0490-\u0491\u05d0-\u05ea\u0621-\u064a"
    r"\u0e01-\u0e5b\u2190-\u25ff\u2600-\u27bf\uff01-\uff5e\U0001f300-\U0001faff]+"
    # Accented letters before signs look like a single one of these: "Café™®".
    r"|[\u3001-\u30ff\u4e00-\u9fff\uac00-\ud7a3]{2,}"
)
LIKELY_LATIN = re.compile(rf"[{LATIN}]+")
"""Of Mac Roman, only these: a dash and an accented letter look like Cyrillic in it."""


def is_mojibake(text: str) -> bool:
    if LOST in text:
        return True
    return any(map(_restored_run, NOT_ASCII.findall(text)))


def restored(text: str) -> str:
    """The text as it was before. What was lost stays lost."""
    return NOT_ASCII.sub(lambda run: _restored_run(run[0]) or run[0], text)


def pattern() -> str:
    """Matches every text that `is_mojibake` may be true of, for RE2. Almost no other text
    matches."""
    return "|".join([LOST, *_pairs()])


def _pairs() -> Iterator[str]:
    """The first two bytes of a character in UTF-8, as they look in each encoding."""
    for encoding in ENCODINGS:
        leads = "".join(_character(byte, encoding) for byte in LEADS)
        following = "".join(_character(byte, encoding) for byte in CONTINUATIONS)
        yield f"[{re.escape(leads)}][{re.escape(following)}]"


def _restored_run(run: str) -> str:
    """ "" for a run that is not garbled."""
    if len(run) < 2:
        return ""
    for encoding in ENCODINGS:
        original = _original(run, encoding)
        likely = LIKELY_LATIN if encoding == "mac_roman" else LIKELY
        if original and likely.fullmatch(original):
            return original
    return ""


def _original(run: str, encoding: str) -> str:
    """The text that looks like this in the encoding; "" if there is none."""
    table = _bytes_of(encoding)
    try:
        return bytes(table[character] for character in run).decode()
    except (KeyError, UnicodeDecodeError):
        return ""


@cache
def _bytes_of(encoding: str) -> dict[str, int]:
    return {_character(byte, encoding): byte for byte in range(0x80, 0x100)}


def _character(byte: int, encoding: str) -> str:
    """Browsers and spreadsheets take undefined bytes for control characters."""
    return bytes([byte]).decode(encoding, "replace").replace(LOST, chr(byte))
