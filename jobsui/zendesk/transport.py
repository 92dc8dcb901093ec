"""What requests does not know of itself: when a whole exchange must be over, and
whether any of a request went out.

A read timeout starts anew with every byte, so a server that drips its answer could hold
us for hours. Here each socket operation gets no more time than the exchange has left.
And an error alone does not tell whether it struck while connecting or after the request
had left, which decides whether sending again is safe; so the connection notes it."""

import io
import socket
import threading
import time
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

PIECE = 256 * 1024


class Exchange(threading.local):
    """The one request this thread is making."""

    ends = float("inf")
    """time.monotonic() by which it must be over."""
    begun = False
    """Some of the request may have left."""

    def begin(self, deadline: float) -> None:
        self.ends, self.begun = time.monotonic() + deadline, False

    def hurry(self, sock: socket.socket) -> None:
        """Give the socket's next operation what is left of the time. Raises
        TimeoutError when nothing is."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("The deadline is over.")
        timeout = sock.gettimeout()
        if timeout is None or timeout > left:
            sock.settimeout(left)


exchange = Exchange()


class Adapter(HTTPAdapter):
    """Sends no request twice and keeps one connection."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SafePool}


class _Reader(io.RawIOBase):
    """The socket's own reader, with the clock looked at before each read."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        exchange.hurry(self._sock)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach()))


class _Watched:
    """Mixed into urllib3's connections."""

    response_class: type[HTTPResponse] = _Response
    sock: Any

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        exchange.begun = True
        for start in range(0, len(data), PIECE):
            exchange.hurry(self.sock)
            super().send(data[start : start + PIECE])  # type: ignore[misc]


class _Connection(_Watched, HTTPConnection):
    pass


class _SafeConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SafePool(HTTPSConnectionPool):
    ConnectionCls = _SafeConnection
