"""How a request reaches Zendesk and its response comes back: by HTTP over sockets, or by
what a simulation puts in its place."""

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from jobsui.zendesk.deadlines import Adapter, exchange
from jobsui.zendesk.errors import NotSent, Unconfirmed

CHUNK_BYTES = 64 * 1024
MAX_IDLE_SECONDS = 3.0
"""A connection that was idle for longer is not reused for a write: the server may have
closed it. The reset would leave the request unconfirmed, although the server never read
it."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    params: Mapping[str, str] | None = None
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """A response as it arrived, read to its end."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes = field(repr=False)


class Transport(Protocol):
    def exchange(self, request: Request, *, deadline: float) -> Received:
        """Send the request once and read its response, within `deadline` seconds.

        Raises NotSent when the request certainly did not go out, Unconfirmed when it
        may have."""


class HttpTransport:
    """HTTP over sockets. Threads may share a transport: each thread has a connection of
    its own."""

    def __init__(
        self,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        max_body_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._max_body_bytes = max_body_bytes
        self._local = threading.local()

    def exchange(self, request: Request, *, deadline: float) -> Received:
        try:
            # This comes first: if anything below failed before it, the thread's last
            # request would decide whether this one had begun.
            exchange.begin(deadline)
            received = self._send(request, deadline)
        except (requests.RequestException, UnicodeError) as error:
            self._drop_adapter()
            raise _translated(error, request.url, has_begun=exchange.begun) from None
        self._local.used_at = time.monotonic()
        return received

    def _send(self, request: Request, deadline: float) -> Received:
        # An adapter, not a requests.Session: proxies and .netrc of the environment must
        # not decide who receives a secret, and no cookie of one response belongs to the
        # next request. It also costs less.
        prepared = requests.Request(
            request.method,
            request.url,
            request.headers,
            data=request.body,
        ).prepare()
        if request.params:
            # Not by requests, which checks and encodes what is encoded character by character.
            prepared.url = f"{prepared.url}?{urlencode(request.params)}"
        adapter = self._adapter(is_write=request.method != "GET")
        timeouts = (
            min(self._connect_timeout, deadline),
            min(self._read_timeout, deadline),
        )
        with adapter.send(prepared, stream=True, timeout=timeouts) as response:
            body = self._content(response)
            return Received(response.status_code, response.headers, body)

    def _adapter(self, *, is_write: bool) -> Adapter:
        idle = time.monotonic() - getattr(self._local, "used_at", 0.0)
        if is_write and idle > MAX_IDLE_SECONDS:
            self._drop_adapter()
        adapter: Adapter | None = getattr(self._local, "adapter", None)
        if adapter is None:
            adapter = Adapter()
            self._local.adapter = adapter
        return adapter

    def _drop_adapter(self) -> None:
        if adapter := getattr(self._local, "adapter", None):
            adapter.close()
            self._local.adapter = None

    def _content(self, response: requests.Response) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_content(CHUNK_BYTES):
            size += len(chunk)
            if size > self._max_body_bytes:
                raise requests.exceptions.ContentDecodingError("too large")
            chunks.append(chunk)
        return b"".join(chunks)


def _translated(
    error: Exception, url: str, *, has_begun: bool
) -> NotSent | Unconfirmed:
    """Our error for a transport failure. The text of `error` stays out: it may contain
    what was sent."""
    failure = _failure(error)
    host = url.partition("://")[2].partition("/")[0]
    kind = Unconfirmed if has_begun else NotSent
    return kind(failure.sentence.format(host), code=failure.code, host=host)


@dataclass(frozen=True, slots=True)
class _Failure:
    code: str
    sentence: str
    """With {} for the host."""
    kinds: tuple[type[BaseException], ...]
    """Errors that show this failure when one of them is among the causes."""


_NO_SUCH_HOST = _Failure("no_such_host", "DNS has no host {}.", ())
_RESET = _Failure(
    "reset", "The connection to {} broke before the response was complete.", ()
)
_FAILURES = (
    _Failure(
        "tls",
        "The certificate of {} could not be verified.",
        (ssl.SSLCertVerificationError,),
    ),
    _Failure(
        "tls",
        "The secure connection to {} failed.",
        (ssl.SSLError, requests.exceptions.SSLError),
    ),
    _Failure("dns", "The name {} could not be resolved.", (NameResolutionError,)),
    _Failure("refused", "{} refused the connection.", (NewConnectionError,)),
    _Failure(
        "connect_timeout",
        "{} did not accept a connection in time.",
        (ConnectTimeoutError,),
    ),
    _Failure(
        "timeout", "{} did not respond in time.", (TimeoutError, ReadTimeoutError)
    ),
    _Failure(
        "body",
        "The response of {} was too large or damaged.",
        (requests.exceptions.ContentDecodingError,),
    ),
    _Failure(
        "invalid",
        "The request to {} could not be created.",
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidHeader,
            UnicodeError,
        ),
    ),
)
"""The first match counts."""
_NOT_FOUND_IN_DNS = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA")
    if hasattr(socket, name)
}
"""The resolver says that there is no such name. With other errors it says nothing."""


def _failure(error: BaseException) -> _Failure:
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, socket.gaierror) and cause.errno in _NOT_FOUND_IN_DNS:
            return _NO_SUCH_HOST
    for failure in _FAILURES:
        if any(isinstance(cause, failure.kinds) for cause in causes):
            return failure
    return _RESET


def _causes(error: BaseException) -> list[BaseException]:
    """The error with everything it was raised from or wraps."""
    found: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        current = pending.pop()
        if not isinstance(current, BaseException) or current in found:
            continue
        found.append(current)
        pending += [
            current.__cause__,
            current.__context__,
            getattr(current, "reason", None),
            *current.args,
        ]
    return found
