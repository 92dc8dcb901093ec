"""A small HTTP/1.1 server with keep-alive, for bodies of known length. Knows nothing of
Zendesk."""

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

type JsonObject = dict[str, Json]

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
    address_length: int = 0
    """Characters of its path and query, as they came."""

    @property
    def origin(self) -> str:
        """The address under which the caller reached this server, used in links."""
        return "http://" + self.headers.get("host", "127.0.0.1")


@dataclass(slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds to wait before it is sent."""
    dropped: bool = False
    """Close the connection without a response."""


type Handler = Callable[[Request], Response]


ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def to_json(data: Json) -> bytes:
    return ENCODER.encode(data).encode()


def json_response(status: int, data: Json) -> Response:
    return Response(
        status, to_json(data), {"Content-Type": "application/json; charset=utf-8"}
    )


class Malformed(Exception):
    """The bytes are not an HTTP request that this server accepts. It responds with
    `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection(asyncio.Protocol):
    """One client connection. Requests are handled one after another, in order."""

    def __init__(self, handle: Handler) -> None:
        self.handle = handle
        self.received = bytearray()
        self.waiting: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A TCP server has no other kind of transport.
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self.transport = transport

    def connection_lost(self, _exc: Exception | None) -> None:
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
                self._send(Response(problem.status), close=True)
                return
            if request is None:
                return
            self._answer(request, self._safely_handled(request))

    def _safely_handled(self, request: Request) -> Response:
        try:
            return self.handle(request)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return Response(
                500, b"The sandbox itself failed. Its console shows the error.\n"
            )

    def _answer(self, request: Request, response: Response) -> None:
        close = request.headers.get("connection", "").lower() == "close"
        if response.delay > 0:
            self.waiting = asyncio.get_running_loop().call_later(
                response.delay, self._late, response, close
            )
        else:
            self._send(response, close=close)

    def _late(self, response: Response, close: bool) -> None:
        self.waiting = None
        self._send(response, close=close)
        self._serve()

    def _send(self, response: Response, *, close: bool) -> None:
        if not response.dropped:
            self.transport.write(head_of(response, close=close) + response.body)
        if close or response.dropped:
            self.transport.close()

    def _next_request(self) -> Request | None:
        """The first complete request received; None until there is one."""
        end = self.received.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD:
            if len(self.received) > MAX_HEAD:
                raise Malformed(431)
            return None
        request = parse_head(bytes(self.received[:end]))
        start = end + len(b"\r\n\r\n")
        stop = start + body_length(request.headers)
        if len(self.received) < stop:
            self._invite_body(request, received=len(self.received) - start)
            return None
        request.body = bytes(self.received[start:stop])
        del self.received[:stop]
        return request

    def _invite_body(self, request: Request, *, received: int) -> None:
        expected = request.headers.get("expect", "").lower()
        if not received and expected == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def head_of(response: Response, *, close: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}",
        f"Date: {formatdate(usegmt=True)}",
    ]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if response.status != 204:
        lines.append(f"Content-Length: {len(response.body)}")
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def parse_head(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = first.split(" ")
        headers = dict(parse_header(line) for line in lines)
    except ValueError:
        raise Malformed(400) from None
    if version not in {"HTTP/1.1", "HTTP/1.0"} or not target.startswith("/"):
        raise Malformed(400)
    path, _, query_string = target.partition("?")
    query = dict(parse_qsl(query_string, keep_blank_values=True))
    return Request(method, unquote(path), query, headers, address_length=len(target))


def parse_header(line: str) -> tuple[str, str]:
    """Raises ValueError for a line without a colon."""
    name, value = line.split(":", 1)
    return name.lower(), value.strip()


def body_length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise Malformed(411)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Malformed(400)
    if int(length) > MAX_BODY:
        raise Malformed(413)
    return int(length)
