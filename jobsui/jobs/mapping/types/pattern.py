"""Texts that must match a pattern of their field.

Zendesk does not publish its dialect and anchoring, so a text is a problem only when no
reading of the pattern accepts it."""

import re
import time
import warnings
from functools import lru_cache
from typing import Any

import regex

from jobsui.files.number_styles import Mark
from jobsui.jobs.mapping.types.base import (
    PLAIN_TEXT,
    PLAIN_TEXT_BYTES,
    ValueProblem,
    ValueType,
    problem,
)
from jobsui.zendesk.payloads import Field

MAX_MATCHED = 1000
"""Longer texts are not matched."""
TIMEOUT_SECONDS = 0.25
"""For one text."""
MAX_SLOW_SECONDS = 10.0
"""For all texts of a column that take longer than SLOW_SECONDS each."""
SLOW_SECONDS = 0.001
CACHED_PATTERNS = 200
TOKENS = re.compile(
    r"(?P<escape>\\.)"
    r"|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|\{,(?P<most>\d*)\}",
    re.DOTALL,
)
SPACES = r"\s\x0b\x1c-\x1f"
"""What \\s is in Python; in other engines it is less."""
UNICODE = re.compile(r"\\[wWdDsSbB]|\(\?[a-z]*i")
"""What means more in Python than in RE2, beyond ASCII."""


class Pattern(ValueType, names=("regexp",)):
    plain = PLAIN_TEXT
    plain_bytes = PLAIN_TEXT_BYTES
    is_text = True
    keeps_text = True

    def __init__(self, field: Field, decimal_mark: Mark = ".") -> None:
        super().__init__(field, decimal_mark)
        self._pattern = _compiled(field.regexp)
        self._slow_seconds = 0.0
        self.must_match = for_re2(field.regexp) if self._pattern else ""
        self.is_sure_beyond_ascii = not UNICODE.search(self.must_match)
        self.max_matched = MAX_MATCHED

    def parse(self, text: str) -> str:
        if self._pattern is None or len(text) > MAX_MATCHED:
            return text
        began = time.monotonic()
        try:
            is_match = self._pattern.search(text, timeout=self._timeout(text))
        except TimeoutError:
            raise self._too_slow(text) from None
        finally:
            seconds = time.monotonic() - began
            if seconds > SLOW_SECONDS:
                self._slow_seconds += seconds
        if not is_match:
            raise self.mismatch(text)
        return text

    def mismatch(self, text: str) -> ValueProblem:
        return problem(
            "no_match",
            text,
            f"does not match the pattern of {self.field.title}",
            f"It must match the field's pattern {self.field.regexp}",
        )

    def _timeout(self, text: str) -> float:
        left = MAX_SLOW_SECONDS - self._slow_seconds
        if left <= 0:
            raise self._too_slow(text)
        return min(TIMEOUT_SECONDS, left)

    def _too_slow(self, text: str) -> ValueProblem:
        return problem(
            "slow_pattern",
            text,
            f"takes too long to compare with the pattern of {self.field.title}",
            f"Simplify the field's pattern {self.field.regexp} in Zendesk, refresh the "
            "object and check again.",
        )


@lru_cache(maxsize=CACHED_PATTERNS)
def _compiled(pattern: str) -> Any:
    """None when the pattern is empty, or is of a dialect that Python does not read. Then
    only Zendesk validates the text."""
    if not pattern:
        return None
    pythonic = pattern.replace(r"\z", r"\Z")
    try:
        # Python warns of sets within sets, because they have another meaning in other
        # dialects.
        with warnings.catch_warnings(action="error", category=FutureWarning):
            re.compile(pythonic, re.MULTILINE)
            return regex.compile(  # type: ignore[no-untyped-call]
                TOKENS.sub(_token, pattern), regex.MULTILINE
            )
    except (re.error, regex.error, FutureWarning, OverflowError, RecursionError):
        return None


def for_re2(pattern: str) -> str:
    """The pattern with the same meaning for RE2, which cannot run away. RE2 may be unable to
    read it. "" when it is known to be."""
    sets = (token["set"] or "" for token in TOKENS.finditer(pattern))
    if any(r"\S" in each for each in sets):
        return ""
    return "(?m)" + TOKENS.sub(_token, pattern)


def _token(token: re.Match[str]) -> str:
    """A part of a Python pattern, so that other engines give it the same meaning."""
    if token["escape"]:
        escapes = {r"\Z": r"\z", r"\s": f"[{SPACES}]", r"\S": f"[^{SPACES}]"}
        return escapes.get(token["escape"], token["escape"])
    if token["set"]:
        return token["set"].replace(r"\s", SPACES)
    return f"{{0,{token['most']}}}"
