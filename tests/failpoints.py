"""Points of a process where a crash matters: end the process at the n-th passage of one,
or run a hook there.

The product has no hooks for this. Its database commits and its requests are wrapped from
outside. The edges are

    begin                         before the BEGIN of a transaction
    commit:before, commit:after   the COMMIT of a transaction, or of a single write
    http:before-connect           a request is about to be made
    http:before-write             nothing of a request has been sent
    http:after-write              all of it has been sent, nothing of the response read
    http:after-read               the response has been read to its end

A failpoint names an edge, optionally which passages count, and the number of the
passage at which it acts:

    commit:before:17
    commit:after:Driver._commit:2   only below a function (the end of its dotted name)
    http:after-write:POST /jobs:3   only requests of this method with this in their path
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
from urllib.parse import urlsplit

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from jobsui.zendesk import deadlines
from jobsui.zendesk.transport import HttpTransport, Request

VARIABLE = "JOBSUI_FAILPOINT"
EXIT_STATUS = 77
_EDGES = (
    "begin",
    "commit:before",
    "commit:after",
    "http:before-connect",
    "http:before-write",
    "http:after-write",
    "http:after-read",
)
_FAILPOINT = re.compile(rf"({'|'.join(_EDGES)})(?::(.+))?:([1-9]\d*)")
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Edge:
    name: str
    request: str = ""
    """ "POST /api/v2/..." at an http edge."""
    body: bytes = field(default=b"", repr=False)
    """The body of the request, before and after it is written."""


Hook = Callable[[Edge], None]
_hooks: list[Hook] = []


def watch(hook: Hook) -> None:
    """Call the hook at every edge that this process passes from now on, in the thread
    that passes it."""
    wrap_product()
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
    """End the process at once, without writing or flushing anything."""
    os._exit(EXIT_STATUS)


def arm(failpoint: str, then: Callable[[], None] = end) -> None:
    """End this process at a failpoint, or do something else there."""
    watch(_Failpoint.parsed(failpoint, then))


def arm_from_environment() -> None:
    """Arm the failpoint in JOBSUI_FAILPOINT, if there is one."""
    if failpoint := os.environ.get(VARIABLE):
        arm(failpoint)


class _Failpoint:
    """A hook that acts at the n-th matching passage."""

    def __init__(
        self, edge: str, where: str, number: int, then: Callable[[], None]
    ) -> None:
        self._edge = edge
        self._where = where
        self._left = number
        self._then = then
        self._lock = threading.Lock()

    @classmethod
    def parsed(cls, text: str, then: Callable[[], None]) -> "_Failpoint":
        match = _FAILPOINT.fullmatch(text)
        if match is None:
            raise ValueError(f"This is not a failpoint: {text}")
        edge, where, number = match.groups()
        return cls(edge, where or "", int(number), then)

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
        module = frame.f_globals.get("__name__", "")
        name = f".{module}.{frame.f_code.co_qualname}"
        if name.endswith(f".{function}"):
            return True
        frame = frame.f_back
    return False


def _pass(name: str, request: str = "", body: bytes = b"") -> None:
    edge = Edge(name, request, body)
    for hook in tuple(_hooks):
        hook(edge)


@cache
def wrap_product() -> None:
    """Once for each process. Without a hook, the wrapped functions work as before. Call
    this before replacing one of them for a while. Otherwise the function that is put back is not
    wrapped."""
    _wrap(BaseDatabaseWrapper, "set_autocommit", _beginning)
    _wrap(BaseDatabaseWrapper, "_commit", _committing)
    for name in ("_execute", "_executemany"):
        _wrap(CursorWrapper, name, _executing)
    for kind in (deadlines._Connection, deadlines._SecureConnection):
        _wrap(kind, "request", _writing)
    _wrap(HttpTransport, "exchange", _reading)


def _wrap(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    original = getattr(owner, name)

    def wrapped(self: Any, *args: Any, **options: Any) -> Any:
        return wrapper(original, self, *args, **options)

    setattr(owner, name, wrapped)


def _beginning(
    original: Callable[..., Any],
    database: BaseDatabaseWrapper,
    autocommit: bool,
    *args: Any,
    **options: Any,
) -> Any:
    if not autocommit and not database.in_atomic_block:
        _pass("begin")
    return original(database, autocommit, *args, **options)


def _committing(original: Callable[..., Any], *args: Any) -> Any:
    _pass("commit:before")
    result = original(*args)
    _pass("commit:after")
    return result


def _executing(
    original: Callable[..., Any], cursor: CursorWrapper, sql: str, *args: Any
) -> Any:
    if cursor.db.in_atomic_block or not _WRITES.match(sql):
        return original(cursor, sql, *args)
    return _committing(original, cursor, sql, *args)


def _writing(
    original: Callable[..., Any],
    connection: Any,
    method: str,
    url: str,
    body: bytes | None = None,
    **options: Any,
) -> Any:
    request = f"{method} {url}"
    _pass("http:before-write", request, body or b"")
    result = original(connection, method, url, body=body, **options)
    _pass("http:after-write", request, body or b"")
    return result


def _reading(
    original: Callable[..., Any],
    transport: HttpTransport,
    request: Request,
    **options: Any,
) -> Any:
    name = f"{request.method} {urlsplit(request.url).path}"
    _pass("http:before-connect", name)
    result = original(transport, request, **options)
    _pass("http:after-read", name)
    return result
