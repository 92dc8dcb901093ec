"""Where the actions of a request come from."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Origin:
    address: str = ""
    """Of the client; "" without a request."""
    person: str = ""
    """The username; "" until somebody is signed in."""
    means: str = ""
    """The first characters of the token of a program; "" for a person at a page."""
    request: str = ""
    """The same for all actions of the request."""


_current: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039


def current() -> Origin:
    return _current.get()


@contextmanager
def of_request(address: str, person: str) -> Iterator[None]:
    """The origin of what happens inside."""
    token = _current.set(Origin(address, person, request=uuid.uuid4().hex))
    try:
        yield
    finally:
        _current.reset(token)


def is_program(person: str, means: str) -> None:
    """The rest of the request is that of a program with this owner and token. Nothing without
    a request, whose end would forget it."""
    if current().request:
        _current.set(replace(current(), person=person, means=means))
