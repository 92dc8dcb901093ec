"""A server of raw bytes, for answers no decent server gives."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

type Play = Callable[[socket.socket], None]


@dataclass
class RawServer:
    """Plays its plays, one for each connection, the last one for all later ones.
    `heard` holds what it was sent."""

    listener: socket.socket
    plays: list[Play]
    heard: list[bytes] = field(default_factory=list)

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
            play = self.plays[min(count, len(self.plays) - 1)]
            count += 1
            threading.Thread(target=self._play, args=(play, peer), daemon=True).start()

    def _play(self, play: Play, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            self.heard.append(read_request(peer))
            play(peer)


@contextlib.contextmanager
def serving(*plays: Play) -> Iterator[RawServer]:
    server = RawServer(socket.create_server(("127.0.0.1", 0)), list(plays))
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    thread.join(5)


def read_request(peer: socket.socket) -> bytes:
    """One request with its body."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        if not (part := peer.recv(65536)):
            return heard
        heard += part
    head, _, body = heard.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += peer.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(
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


def says(*args: bytes | str, **options: int) -> Play:
    """Answer, and go on answering the same on this connection."""
    told = answer(*args, **options)  # type: ignore[arg-type]

    def play(peer: socket.socket) -> None:
        peer.sendall(told)
        while read_request(peer):
            peer.sendall(told)

    return play


def resets(peer: socket.socket) -> None:
    """Cut the connection hard."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs_up(peer: socket.socket) -> None:
    """Close without a word."""


def drips(start: bytes, drop: bytes, *, every: float = 0.05) -> Play:
    """`start`, then `drop` again and again."""

    def play(peer: socket.socket) -> None:
        peer.sendall(start)
        pause = threading.Event()
        while not pause.wait(every):
            peer.sendall(drop)

    return play
