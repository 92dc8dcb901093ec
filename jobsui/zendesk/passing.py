"""Failures of single items that pass by themselves, so that sending the item again is
worth it. Zendesk documents none of them: each text was seen somewhere or is assumed
(docs/zendesk.md)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PassingFailure:
    text: str
    """Lower case; found anywhere in the code or the message."""
    evidence: str
    """Where it was seen."""


PASSING_FAILURES = (
    PassingFailure("deadlock", "503 DatabaseDeadlock of direct writes"),
    PassingFailure("databaseconflict", "409 DatabaseConflict of direct writes"),
    PassingFailure("lock wait timeout", "assumed: what MySQL calls the same"),
    PassingFailure("try again", "assumed"),
    PassingFailure("timed out", "assumed"),
    PassingFailure("internal error", "assumed"),
    PassingFailure("internalservererror", "assumed"),
    PassingFailure("service unavailable", "assumed"),
)


def is_passing(code: str, message: str) -> bool:
    """Whether an item that failed so may succeed when it is sent again."""
    text = f"{code} {message}".lower()
    return any(failure.text in text for failure in PASSING_FAILURES)
