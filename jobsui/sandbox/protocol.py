"""A small HTTP/1.1 server: keep-alive, bodies of known length, limits on both. Knows
nothing of Zendesk."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

logger = logging.getLogger(__name__)

type Json = Any
"""A decoded JSON value."""

MAX_HEAD = 64 * 1024
MAX_BODY = 32 * 1024 * 1024
REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""

    @property
    def origin(self) -> str:
        """Where the caller reached this server; links in answers lead back there."""
        return "http://" + self.headers.get("host", "127.0.0.1")


@dataclass(slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds to hold it back."""
    dropped: bool = False
    """Say nothing and close the connection."""


type Handler = Callable[[Request], Answer]


ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def to_json(data: Json) -> bytes:
    return ENCODER.encode(data).encode()


def json_answer(status: int, data: Json) -> Answer:
    return Answer(
        status, to_json(data), {"Content-Type": "application/json; charset=utf-8"}
    )


class Malformed(Exception):
    """The bytes are no HTTP request this server takes; `status` is the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection(asyncio.Protocol):
    """One caller. Requests are answered one after the other, in the order they came."""

    def __init__(self, handle: Handler) -> None:
        self.handle = handle
        self.received = bytearray()
        self.waiting: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server makes no other
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiting:
            self.waiting.cancel()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._serve()

    def _serve(self) -> None:
        while not self.waiting and not self.transport.is_closing():
            try:
                request = self._next_request()
            except Malformed as problem:
                self._send(Answer(problem.status), close=True)
                return
            if request is None:
                return
            self._answer(request, self._safely_handled(request))

    def _safely_handled(self, request: Request) -> Answer:
        try:
            return self.handle(request)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return Answer(
                500, b"The sandbox has a fault of its own; its console says more.\n"
            )

    def _answer(self, request: Request, answer: Answer) -> None:
        close = request.headers.get("connection", "").lower() == "close"
        if answer.delay > 0:
            self.waiting = asyncio.get_running_loop().call_later(
                answer.delay, self._late, answer, close
            )
        else:
            self._send(answer, close=close)

    def _late(self, answer: Answer, close: bool) -> None:
        self.waiting = None
        self._send(answer, close=close)
        self._serve()

    def _send(self, answer: Answer, *, close: bool) -> None:
        if not answer.dropped:
            self.transport.write(head_of(answer, close=close) + answer.body)
        if close or answer.dropped:
            self.transport.close()

    def _next_request(self) -> Request | None:
        """The first complete request received; None until there is one."""
        end = self.received.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD:
            if len(self.received) > MAX_HEAD:
                raise Malformed(431)
            return None
        request = parse_head(bytes(self.received[:end]))
        length = body_length(request.headers)
        start, stop = end + 4, end + 4 + length
        if len(self.received) < stop:
            self._invite_body(request, received=len(self.received) - start)
            return None
        request.body = bytes(self.received[start:stop])
        del self.received[:stop]
        return request

    def _invite_body(self, request: Request, *, received: int) -> None:
        if not received and request.headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def head_of(answer: Answer, *, close: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Unknown')}",
        f"Date: {formatdate(usegmt=True)}",
    ]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if answer.status != 204:
        lines.append(f"Content-Length: {len(answer.body)}")
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def parse_head(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = first.split(" ")
        headers = {
            name.lower(): value.strip()
            for name, value in (line.split(":", 1) for line in lines)
        }
    except ValueError:
        raise Malformed(400) from None
    if version not in {"HTTP/1.1", "HTTP/1.0"} or not target.startswith("/"):
        raise Malformed(400)
    path, _, query = target.partition("?")
    return Request(
        method, unquote(path), dict(parse_qsl(query, keep_blank_values=True)), headers
    )


def body_length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise Malformed(411)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Malformed(400)
    if int(length) > MAX_BODY:
        raise Malformed(413)
    return int(length)
