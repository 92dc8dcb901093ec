"""What requests does not do itself: a deadline for a whole exchange, and whether any of
a request was sent.

A read timeout starts again with every byte, so a server that sends its response byte by
byte could keep a call open for hours. Here each socket operation gets no more time than
the exchange has left. An error alone does not show whether it occurred while connecting
or after the request was sent. That decides whether sending again is safe, so the
connection records it."""

import io
import socket
import threading
import time
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

CHUNK_BYTES = 256 * 1024


class Exchange(threading.local):
    """The one request that this thread is making."""

    deadline = float("inf")
    """Of time.monotonic()."""
    begun = False
    """Whether some of the request may have been sent."""

    def begin(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.begun = False

    def limit(self, sock: socket.socket) -> None:
        """Give the socket's next operation the time that is left. Raises TimeoutError
        when there is none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The deadline has passed.")
        timeout = sock.gettimeout()
        if timeout is None or timeout > left:
            sock.settimeout(left)


exchange = Exchange()


class Adapter(HTTPAdapter):
    """Sends no request twice, and keeps one connection."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pools = {"http": _Pool, "https": _SecurePool}
        self.poolmanager.pool_classes_by_scheme = pools


class _Reader(io.RawIOBase):
    """The socket's own reader, which checks the deadline before each read."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        exchange.limit(self._sock)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach()))


class _WithDeadline:
    """Mixed into urllib3's connections."""

    response_class: type[HTTPResponse] = _Response
    sock: Any

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        exchange.begun = True
        for start in range(0, len(data), CHUNK_BYTES):
            exchange.limit(self.sock)
            super().send(data[start : start + CHUNK_BYTES])  # type: ignore[misc]


class _Connection(_WithDeadline, HTTPConnection):
    pass


class _SecureConnection(_WithDeadline, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
