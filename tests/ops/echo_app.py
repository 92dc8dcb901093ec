"""What the web server serves in test_web_worker.py."""

from collections.abc import Callable, Iterable
from typing import Any

PIECE = b"x" * 1024**2
PIECES = 8


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """/large: a response of 8 MB at once. /stream: the same in pieces. Else: how many bytes
    the body had; /unread: without reading it."""
    path = environ["PATH_INFO"]
    if path == "/large":
        start("200 OK", [("Content-Length", str(len(PIECE) * PIECES))])
        return [PIECE * PIECES]
    if path == "/stream":
        start("200 OK", [])
        return (PIECE for _ in range(PIECES))
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = b"" if path == "/unread" else environ["wsgi.input"].read(length)
    answer = str(len(body)).encode()
    start("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]
