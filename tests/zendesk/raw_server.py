"""A server of raw bytes, for responses that no proper server gives."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

type Behavior = Callable[[socket.socket], None]


@dataclass
class RawServer:
    """Has a behavior for each connection; the last one is for all later connections.
    `received` holds the requests."""

    listener: socket.socket
    behaviors: list[Behavior]
    received: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        count = 0
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            behavior = self.behaviors[min(count, len(self.behaviors) - 1)]
            count += 1
            threading.Thread(
                target=self._handle, args=(behavior, peer), daemon=True
            ).start()

    def _handle(self, behavior: Behavior, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            self.received.append(read_request(peer))
            behavior(peer)


@contextlib.contextmanager
def serving(*behaviors: Behavior) -> Iterator[RawServer]:
    server = RawServer(socket.create_server(("127.0.0.1", 0)), list(behaviors))
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    thread.join(5)


def read_request(peer: socket.socket) -> bytes:
    """One request with its body; b"" when the connection was closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (part := peer.recv(65536)):
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += peer.recv(65536)
    return head + b"\r\n\r\n" + body


def http_response(
    body: bytes, status: str = "200 OK", *headers: str, length: int | None = None
) -> bytes:
    size = len(body) if length is None else length
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {size}",
        "Content-Type: application/json",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(head).encode() + body


def responds(*args: bytes | str, **options: int) -> Behavior:
    """Respond with this to every request of a connection."""
    response = http_response(*args, **options)  # type: ignore[arg-type]

    def behavior(peer: socket.socket) -> None:
        peer.sendall(response)
        while read_request(peer):
            peer.sendall(response)

    return behavior


def resets(peer: socket.socket) -> None:
    """Cut the connection hard."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs_up(peer: socket.socket) -> None:
    """Close without a response."""


def drips(start: bytes, drop: bytes, *, every: float = 0.05) -> Behavior:
    """`start`, then `drop` again and again."""

    def behavior(peer: socket.socket) -> None:
        peer.sendall(start)
        pause = threading.Event()
        while not pause.wait(every):
            peer.sendall(drop)

    return behavior
