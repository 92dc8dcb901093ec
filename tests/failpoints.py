"""Edges of a process where a crash matters, and ways to be there: to end the process at
the n-th passage of one, or to look at the harness from it.

The product has no hooks for this; its database commits and its requests are wrapped
from outside. Edges are

    commit:before, commit:after       a transaction's COMMIT, or a single writing statement outside a transaction
    http:before-connect               a request is about to be made: nobody keeps it back any more
    http:before-write                 nothing of a request has left
    http:after-write                  all of it has left, nothing of the answer was read
    http:after-read                   the answer was read to its end

A failpoint names an edge, perhaps which of its passages count, and the how-manieth of
these is the last:

    commit:before:17
    commit:after:Driver._commit:2     only below a function (the end of its dotted name)
    http:after-write:POST /jobs:3     only requests of this method whose path contains this
"""

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import FrameType
from typing import Any, NoReturn

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from jobsui.zendesk import transport
from jobsui.zendesk.client import Client

VARIABLE = "JOBSUI_FAILPOINT"
EXIT_STATUS = 77
_FAILPOINT = re.compile(
    r"(commit:before|commit:after|http:before-connect|http:before-write|http:after-write|http:after-read)"
    r"(?::(.+))?:([1-9]\d*)"
)
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Edge:
    name: str
    request: str = ""
    """ "POST /api/v2/..." at an http edge."""
    body: bytes = field(default=b"", repr=False)
    """The request's, before and after it is written."""


Hook = Callable[[Edge], None]
_hooks: list[Hook] = []


def watch(hook: Hook) -> None:
    """Call the hook at every passage of every edge of this process from now on, in the
    thread that passes it."""
    _wrap_product()
    _hooks.append(hook)


@contextmanager
def watching(hook: Hook) -> Iterator[None]:
    """`watch`, for a `with` block."""
    watch(hook)
    try:
        yield
    finally:
        _hooks.remove(hook)


def end() -> NoReturn:
    """At once, nothing written or flushed."""
    os._exit(EXIT_STATUS)


def arm(failpoint: str, then: Callable[[], None] = end) -> None:
    """Let this process end at a failpoint, or do something else there."""
    watch(_Failpoint.parsed(failpoint, then))


def arm_from_environment() -> None:
    """`arm` what JOBSUI_FAILPOINT says, if it says anything."""
    if failpoint := os.environ.get(VARIABLE):
        arm(failpoint)


class _Failpoint:
    """A hook that acts when as many passages have matched as there are to be."""

    def __init__(
        self, edge: str, where: str, number: int, then: Callable[[], None]
    ) -> None:
        self._edge, self._where, self._left, self._then = edge, where, number, then
        self._lock = threading.Lock()

    @classmethod
    def parsed(cls, text: str, then: Callable[[], None]) -> "_Failpoint":
        edge = _FAILPOINT.fullmatch(text)
        if edge is None:
            raise ValueError(f"This is no failpoint: {text}")
        return cls(edge[1], edge[2] or "", int(edge[3]), then)

    def __call__(self, edge: Edge) -> None:
        if edge.name != self._edge or not self._matches(edge):
            return
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._then()

    def _matches(self, edge: Edge) -> bool:
        if not edge.request:
            return not self._where or _is_below(self._where)
        method, _, path = self._where.rpartition(" ")
        return edge.request.startswith(method) and path in edge.request


def _is_below(function: str) -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if f".{frame.f_globals.get('__name__', '')}.{frame.f_code.co_qualname}".endswith(
            f".{function}"
        ):
            return True
        frame = frame.f_back
    return False


def _pass(name: str, request: str = "", body: bytes = b"") -> None:
    edge = Edge(name, request, body)
    for hook in tuple(_hooks):
        hook(edge)


@cache
def _wrap_product() -> None:
    """Once a process. What is wrapped works as before while nobody watches."""
    _wrap(BaseDatabaseWrapper, "_commit", _committing)
    for name in ("_execute", "_executemany"):
        _wrap(CursorWrapper, name, _executing)
    for kind in (transport._Connection, transport._SafeConnection):
        _wrap(kind, "request", _writing)
    _wrap(Client, "_exchange", _reading)


def _wrap(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    works = getattr(owner, name)
    setattr(
        owner, name, lambda self, *args, **more: wrapper(works, self, *args, **more)
    )


def _committing(works: Callable[..., Any], *args: Any) -> Any:
    _pass("commit:before")
    answer = works(*args)
    _pass("commit:after")
    return answer


def _executing(
    works: Callable[..., Any], cursor: CursorWrapper, sql: str, *args: Any
) -> Any:
    if cursor.db.in_atomic_block or not _WRITES.match(sql):
        return works(cursor, sql, *args)
    return _committing(works, cursor, sql, *args)


def _writing(
    works: Callable[..., Any],
    conn: Any,
    method: str,
    url: str,
    body: bytes | None = None,
    **more: Any,
) -> Any:
    _pass("http:before-write", f"{method} {url}", body or b"")
    answer = works(conn, method, url, body=body, **more)
    _pass("http:after-write", f"{method} {url}", body or b"")
    return answer


def _reading(
    works: Callable[..., Any], client: Client, method: str, path: str, *args: Any
) -> Any:
    _pass("http:before-connect", f"{method} {path}")
    answer = works(client, method, path, *args)
    _pass("http:after-read", f"{method} {path}")
    return answer
