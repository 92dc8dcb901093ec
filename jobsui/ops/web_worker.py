"""The worker of the web server. Its threads wait for no client that a stranger can make slow:

- A thread gets a request when its headers have come, with its body if that is small.
- What a client does not take of a response at once is sent by the loop, not by the thread.
- A connection is closed by the loop, after what the client still sends is discarded.

A thread waits for a client only while it reads a large body or writes a stream. Both hold one of
the places for waiting requests (`jobsui.waits`), which middleware takes. They end when the client
is slower than MIN_BYTES_PER_SECOND for too long."""

import errno
import re
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from jobsui.waits import MAX_SMALL_BODY

REQUEST_SECONDS = 15.0
"""For the headers and a small body."""
SEND_SECONDS = 30.0
"""Without any byte that the client takes of a response."""
LINGER_SECONDS = 2.0
"""For what a client still sends when its connection is closed. Otherwise it would not see the
response."""
MAX_LINGER_BYTES = 16 * 1024**2
MIN_BYTES_PER_SECOND = 1024
MAX_PATIENCE_SECONDS = 30.0
"""How long a thread waits for a client that sends or takes nothing."""
MAX_HEAD = 64 * 1024
MAX_UNSENT = 64 * 1024
"""Bytes of a response that may be unsent when a thread writes more."""
MAX_UNSENT_OF_ALL = 64 * 1024**2
"""Beyond it, the connections that have waited longest are closed."""
MAX_READ = 64 * 1024
CHECK_INTERVAL = 0.5
HEAD_END = b"\r\n\r\n"
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*0*(\d{1,15})[ \t]*\r\n", re.I)
"""Longer ones are refused later."""
EXPECT = re.compile(rb"\r\nexpect:[^\r\n]*", re.I)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientTooSlow(TimeoutError):
    """Ends a connection. The server logs it as one that the client has reset."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "The client is too slow.")


class ClientSocket(socket.socket):
    """A connection that keeps what its client does not take."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(fileno=connected.detach())
        self.unsent = bytearray()
        self.may_wait = False
        """Whether a read may wait for the client."""
        self._patience = MAX_PATIENCE_SECONDS

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Raises ClientTooSlow."""
        while True:
            try:
                data = super().recv(size, flags | socket.MSG_DONTWAIT)
            except BlockingIOError:
                if not self.may_wait:
                    raise ClientTooSlow from None
                self._wait(selectors.EVENT_READ)
            else:
                self._regain_patience(len(data))
                return data

    def received(self) -> bytes | None:
        """What has come; b"" at the end, None if there is nothing yet."""
        try:
            return super().recv(MAX_READ, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Keeps what the client does not take, and waits only for what earlier calls kept.
        Raises ClientTooSlow."""
        while len(self.unsent) > MAX_UNSENT:
            self._wait(selectors.EVENT_WRITE)
            self.flush()
        sent = 0
        if not self.unsent:
            with suppress(BlockingIOError):
                sent = self.send(data, flags | socket.MSG_DONTWAIT)
        self.unsent += memoryview(data)[sent:]

    def flush(self) -> int:
        """Send what the client takes of what was kept. Returns the number of bytes."""
        sent = 0
        with suppress(BlockingIOError):
            sent = self.send(self.unsent, socket.MSG_DONTWAIT)
        del self.unsent[:sent]
        self._regain_patience(sent)
        return sent

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Only for static files, which are small."""
        file.seek(offset)
        data: bytes = file.read(-1 if count is None else count)
        self.sendall(data)
        return len(data)

    def _wait(self, event: int) -> None:
        started = time.monotonic()
        with selectors.PollSelector() as selector:
            selector.register(self, event)
            is_ready = selector.select(self._patience)
        self._patience -= time.monotonic() - started
        if not is_ready:
            raise ClientTooSlow

    def _regain_patience(self, number: int) -> None:
        regained = self._patience + number / MIN_BYTES_PER_SECOND
        self._patience = min(MAX_PATIENCE_SECONDS, regained)


@dataclass(slots=True)
class Wait:
    """For the client of a connection that no thread serves."""

    deadline: float
    refusal: HTTPStatus | None = None
    """What the client gets when the time is over; None: nothing."""


class WebWorker(ThreadWorker):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waits: dict[TConn, Wait] = {}
        self._check_at = 0.0

    def accept(self, listener: socket.socket) -> None:
        try:
            connected, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED):
                return
            raise
        self.nr_conns += 1
        client = ClientSocket(connected)
        conn = TConn(self.cfg, client, address, listener.getsockname())
        conn.data_ready = True
        conn.init()
        self.enqueue_req(conn)

    def enqueue_req(self, conn: TConn) -> None:
        """Have a thread serve the next request of a connection as soon as it has come."""
        request = bytearray(conn.parser.unreader.take_buffered())
        wait = Wait(time.monotonic() + REQUEST_SECONDS, HTTPStatus.REQUEST_TIMEOUT)
        self._wait_for(
            conn, selectors.EVENT_READ, wait, partial(self._receive, conn, request)
        )
        self._receive(conn, request)

    def finish_request(self, conn: TConn, served: "Future[bool]") -> None:
        """Send what is left of the response."""
        conn.sock.may_wait = False
        if not conn.sock.unsent:
            self._after_response(conn, served)
            return
        wait = Wait(time.monotonic() + SEND_SECONDS)
        self._wait_for(
            conn, selectors.EVENT_WRITE, wait, partial(self._send, conn, served)
        )
        self._limit_unsent()

    def murder_pending(self) -> None:
        """Close the connections whose clients are too slow. Called by the server's loop."""
        now = time.monotonic()
        if now < self._check_at:
            return
        self._check_at = now + CHECK_INTERVAL
        for conn, wait in list(self._waits.items()):
            if wait.deadline > now:
                continue
            if wait.refusal:
                self._refuse(conn, wait.refusal)
            else:
                self._drop(conn)

    def handle_request(self, req: Any, conn: TConn) -> bool:
        # Its headers are complete.
        conn.sock.may_wait = True
        return bool(super().handle_request(req, conn))

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """A body that was not read, and has not come yet, ends the connection."""
        conn.sock.may_wait = False
        return keepalive and bool(conn.parser.finish_body(max_bytes=MAX_SMALL_BODY))

    def _cap_keepalive(self, deadline: float) -> None:
        """The server stops."""
        super()._cap_keepalive(deadline)
        for wait in self._waits.values():
            if wait.refusal:
                wait.deadline = min(wait.deadline, deadline)

    def _receive(
        self, conn: TConn, request: bytearray, _client: ClientSocket | None = None
    ) -> None:
        try:
            data = conn.sock.received()
        except OSError:
            data = b""
        if data == b"":
            self._drop(conn)
            return
        request += data or b""
        if _is_complete(request):
            self._stop_waiting(conn)
            conn.parser.unreader.unread(request)
            super().enqueue_req(conn)
        elif len(request) > MAX_HEAD + MAX_SMALL_BODY:
            self._refuse(conn, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            self._ask_for_body(conn, request)

    def _ask_for_body(self, conn: TConn, request: bytearray) -> None:
        """A client may wait for that. The header goes, so that it is answered once."""
        end = request.find(HEAD_END)
        expect = EXPECT.search(request, 0, end + 2) if end >= 0 else None
        if expect:
            del request[expect.start() : expect.end()]
            with suppress(OSError):
                conn.sock.send(CONTINUE, socket.MSG_DONTWAIT)

    def _send(self, conn: TConn, served: "Future[bool]", _client: ClientSocket) -> None:
        try:
            sent = conn.sock.flush()
        except OSError:
            self._drop(conn)
            return
        if not conn.sock.unsent:
            self._stop_waiting(conn)
            self._after_response(conn, served)
        elif sent:
            self._waits[conn].deadline = time.monotonic() + SEND_SECONDS

    def _after_response(self, conn: TConn, served: "Future[bool]") -> None:
        is_kept = not served.cancelled() and not served.exception() and served.result()
        if is_kept:
            super().finish_request(conn, served)
        else:
            self._close(conn)

    def _close(self, conn: TConn) -> None:
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(conn)
            return
        wait = Wait(time.monotonic() + LINGER_SECONDS)
        discarded = [0]
        self._wait_for(
            conn, selectors.EVENT_READ, wait, partial(self._discard, conn, discarded)
        )

    def _discard(
        self, conn: TConn, discarded: list[int], _client: ClientSocket
    ) -> None:
        try:
            data = conn.sock.received()
        except OSError:
            data = b""
        if data == b"" or discarded[0] > MAX_LINGER_BYTES:
            self._drop(conn)
        elif data:
            discarded[0] += len(data)

    def _refuse(self, conn: TConn, status: HTTPStatus) -> None:
        self._stop_waiting(conn)
        answer = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            "Connection: close\r\nContent-Length: 0\r\n\r\n"
        )
        with suppress(OSError):
            conn.sock.send(answer.encode(), socket.MSG_DONTWAIT)
        self._close(conn)

    def _limit_unsent(self) -> None:
        kept = sum(len(conn.sock.unsent) for conn in self._waits)
        for conn in list(self._waits):
            if kept <= MAX_UNSENT_OF_ALL:
                return
            if conn.sock.unsent:
                kept -= len(conn.sock.unsent)
                self._drop(conn)

    def _wait_for(
        self, conn: TConn, event: int, wait: Wait, act: Callable[[ClientSocket], None]
    ) -> None:
        self._waits[conn] = wait
        self.poller.register(conn.sock, event, act)

    def _stop_waiting(self, conn: TConn) -> None:
        del self._waits[conn]
        self.poller.unregister(conn.sock)

    def _drop(self, conn: TConn) -> None:
        self._stop_waiting(conn)
        self._end(conn)

    def _end(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()


def _is_complete(request: bytearray) -> bool:
    """Whether a thread can serve it without waiting for a stranger. Large bodies are read while
    they come."""
    end = request.find(HEAD_END)
    if end < 0:
        return False
    length = CONTENT_LENGTH.search(request, 0, end + 2)
    if not length:
        return True
    missing = int(length[1]) - (len(request) - end - len(HEAD_END))
    return missing <= 0 or int(length[1]) > MAX_SMALL_BODY
