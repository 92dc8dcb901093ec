"""Where the actions of a request come from."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Origin:
    address: str
    """Of the client."""
    person: str = ""
    """The username; "" until somebody is signed in."""
    means: str = ""
    """The first characters of the token of a program; "" for a person at a page."""
    request: str = field(default_factory=lambda: uuid.uuid4().hex)
    """The same for all actions of the request."""


COMMAND_LINE = Origin("", request="")
_current: ContextVar[Origin] = ContextVar("origin", default=COMMAND_LINE)


def current() -> Origin:
    return _current.get()


@contextmanager
def of_request(address: str) -> Iterator[Origin]:
    """The origin of what happens inside. Its person and means are set when they are known."""
    origin = Origin(address)
    token = _current.set(origin)
    try:
        yield origin
    finally:
        _current.reset(token)
