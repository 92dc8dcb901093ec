"""Failures of single items that pass by themselves, so that sending the item again is
worth it. Zendesk documents none of them. docs/zendesk.md lists these texts with their
grades."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TemporaryFailure:
    text: str
    """Lower case; found anywhere in the code or the message."""
    grade: str
    """How sure it is (docs/zendesk.md)."""
    evidence: str
    is_from_load: bool = True
    """Whether it becomes rarer when fewer jobs run at once on the object. Other failures
    may as well come from the item itself."""


TEMPORARY_FAILURES = (
    TemporaryFailure("deadlock", "B", "503 `DatabaseDeadlock` of direct writes"),
    TemporaryFailure(
        "databaseconflict", "B", "409 `DatabaseConflict` of direct writes"
    ),
    TemporaryFailure(
        "lock wait timeout", "C", "MySQL's own words for a similar failure"
    ),
    TemporaryFailure("try again", "C", "usual words of services under load"),
    TemporaryFailure("timed out", "C", "usual words of services under load"),
    TemporaryFailure("service unavailable", "C", "the words of HTTP 503"),
    TemporaryFailure(
        "internal error", "C", "usual words of services", is_from_load=False
    ),
    TemporaryFailure(
        "internalservererror", "C", "the words of HTTP 500", is_from_load=False
    ),
)


def temporary_failure(code: str, message: str) -> TemporaryFailure | None:
    """Why an item that failed so may succeed when it is sent again; None: it may not."""
    text = f"{code} {message}".lower()
    for failure in TEMPORARY_FAILURES:
        if failure.text in text:
            return failure
    return None
