"""The web server with one thread: a client that kept it would block all others."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from jobsui.ops import web_worker
from jobsui.waits import MAX_SMALL_BODY
from tests.acceptance.product import ROOT, free_port
from tests.ops.echo_app import PIECE, PIECES

TIMEOUT = 30
SEVERAL = 20
START = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "tests.ops.echo_app",
        "--worker-class",
        "jobsui.ops.web_worker.WebWorker",
        "--bind",
        f"127.0.0.1:{port}",
        "--threads",
        "1",
        "--keep-alive",
        "75",
        "--graceful-timeout",
        "1",
        "--no-control-socket",
    ]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr
        for line in server.stderr:
            if "Booting worker" in line:
                break
        yield port
        server.send_signal(signal.SIGTERM)
        server.stderr.read()


def connect(port: int, sent: str | bytes = b"") -> socket.socket:
    client = socket.socket()
    # What a client does not take stays with the server.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(TIMEOUT)
    client.connect(("127.0.0.1", port))
    client.sendall(sent.encode() if isinstance(sent, str) else sent)
    return client


def answered(client: socket.socket) -> tuple[int, bytes]:
    response = http.client.HTTPResponse(client)
    response.begin()
    return response.status, response.read()


def ask(port: int, path: str = "/") -> tuple[int, bytes]:
    with connect(port, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        return answered(client)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "\r\n\r\n",
        f"{START}1000\r\n\r\nx",
        f"{START}{'0' * 20}1000\r\n\r\nx",
        f"{START}1000\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx",
        f"{START.replace(' / ', ' /unread ')}1000000\r\n\r\nx",
        "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ],
    ids=[
        "silent",
        "headers",
        "blank",
        "body",
        "zeros",
        "expect",
        "chunked",
        "unread body",
        "reader",
        "open",
    ],
)
def test_slow_clients_keep_no_thread(port: int, sent: str) -> None:
    slow = [connect(port, sent) for _ in range(SEVERAL)]

    assert ask(port) == (200, b"0")

    for client in slow:
        client.close()


def test_stream_arrives_whole(port: int) -> None:
    with connect(port, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        status, body = answered(client)

    assert status == 200
    assert body == PIECE * PIECES


def test_large_response_arrives_although_it_is_taken_late(port: int) -> None:
    client = connect(port, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    others = [ask(port) for _ in range(3)]

    status, body = answered(client)

    client.close()
    assert others == [(200, b"0")] * 3
    assert status == 200
    assert body == PIECE * PIECES


@pytest.mark.parametrize("size", [0, 10, MAX_SMALL_BODY, MAX_SMALL_BODY + 1, 5_000_000])
def test_body_that_comes_in_pieces_arrives_whole(port: int, size: int) -> None:
    with connect(port, f"{START}{size}\r\n") as client:
        client.sendall(b"\r\n")
        client.sendall(b"x" * (size // 2))
        client.sendall(b"x" * (size - size // 2))

        assert answered(client) == (200, str(size).encode())


def test_connection_serves_several_requests_that_come_at_once(port: int) -> None:
    request = f"{START}3\r\n\r\nabc"
    with connect(port, request * 3) as client:
        answers = b""
        while answers.count(b"\r\n\r\n3") < 3:
            answers += client.recv(10_000)

    assert answers.count(b"HTTP/1.1 200 OK") == 3


def test_body_that_was_not_read_ends_the_connection(port: int) -> None:
    request = f"{START.replace(' / ', ' /unread ')}100000\r\n\r\nGET / HTTP/1.1\r\n"
    with connect(port, request) as client:
        assert answered(client) == (200, b"0")
        assert client.recv(10) == b""


def test_client_that_waits_for_100_continue_sends_a_small_body(port: int) -> None:
    with connect(port, f"{START}3\r\nExpect: 100-continue\r\n\r\n") as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"abc")
        assert answered(client) == (200, b"3")


def test_endless_headers_are_refused(port: int) -> None:
    field = "A: " + "x" * 8000 + "\r\n"
    with connect(port, "GET / HTTP/1.1\r\nHost: a\r\n" + field * 30) as client:
        status, _ = answered(client)

    assert status == 431


def test_client_that_sends_nothing_more_is_too_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web_worker, "MAX_PATIENCE_SECONDS", 0.0)
    ours, client = socket.socketpair()
    connection = web_worker.ClientSocket(ours)
    connection.may_wait = True
    client.send(b"abc")

    assert connection.recv(10) == b"abc"
    with pytest.raises(web_worker.ClientTooSlow):
        connection.recv(10)
    connection.close()
    client.close()


def test_client_that_takes_nothing_of_a_stream_is_too_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web_worker, "MAX_PATIENCE_SECONDS", 0.0)
    ours, client = socket.socketpair()
    connection = web_worker.ClientSocket(ours)

    connection.sendall(PIECE * PIECES)
    with pytest.raises(web_worker.ClientTooSlow):
        connection.sendall(b"more")
    connection.close()
    client.close()
