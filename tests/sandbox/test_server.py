import re
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path

import pytest

from tests.sandbox.conftest import Api
from tests.sandbox_server import Sandbox, start

AUTHORIZATION = (
    "Basic " + b64encode(b"admin@sandbox.example/token:sandbox-api-token").decode()
)


def talk(sandbox: Sandbox, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send bytes as they are; everything answered until the server closes."""
    host, port = sandbox.host.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        response = b""
        while received := connection.recv(65536):
            response += received
        return response


def request(path: str, *headers: str, method: str = "GET", close: bool = True) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: {AUTHORIZATION}",
        *headers,
    ]
    return "\r\n".join(
        [*lines, *(["Connection: close"] if close else []), "", ""]
    ).encode()


def test_requests_on_one_connection_are_handled_in_order(sandbox: Sandbox) -> None:
    response = talk(
        sandbox,
        request("/api/v2/custom_objects", close=False) + request("/api/v2/nothing"),
    )

    assert re.findall(rb"HTTP/1.1 (\d+)", response) == [b"200", b"404"]


def test_request_may_come_in_pieces(sandbox: Sandbox) -> None:
    whole = request("/api/v2/users/me")

    assert talk(sandbox, whole[:20], whole[20:], pause=0.05).startswith(
        b"HTTP/1.1 200 OK"
    )


def test_body_is_requested_with_100_continue(sandbox: Sandbox) -> None:
    head = request(
        "/api/v2/custom_objects",
        "Content-Length: 2",
        "Expect: 100-continue",
        method="POST",
    )

    response = talk(sandbox, head, b"{}", pause=0.05)

    assert response.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad Request")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (request("/", "Content-Length: many"), 400),
        (request("/", "Content-Length: 99999999999"), 413),
        (request("/", "Transfer-Encoding: chunked"), 411),
        (request("/" + "x" * 70_000), 431),
        (
            request("/api/v2/custom_objects", "Content-Length: 1", method="POST")
            + b"{",
            400,
        ),
    ],
)
def test_malformed_request_is_refused(
    sandbox: Sandbox, sent: bytes, status: int
) -> None:
    assert talk(sandbox, sent).startswith(f"HTTP/1.1 {status} ".encode())


def test_rate_limit_is_shown_and_enforced(api: Api) -> None:
    api.sandbox.reset()
    api.sandbox.settings(requests_per_minute=2, window_seconds=30)
    responses = [api.call("GET", "/api/v2/users/me") for _ in range(3)]

    assert [response.status_code for response in responses] == [200, 200, 429]
    assert [response.headers["X-Rate-Limit-Remaining"] for response in responses] == [
        "1",
        "0",
        "0",
    ]
    assert responses[0].headers["ratelimit-limit"] == "2"
    assert responses[2].text == "Number of allowed API requests per minute exceeded"
    assert responses[2].headers["Content-Type"].startswith("text/plain")
    assert 1 <= int(responses[2].headers["Retry-After"]) <= 30
    api.sandbox.settings(window_seconds=0)
    assert api.status_of("GET", "/api/v2/users/me") == 200


def test_latency_is_added(api: Api) -> None:
    api.sandbox.settings(latency_ms=200)
    started = time.monotonic()

    api.get("/api/v2/users/me")

    assert time.monotonic() - started >= 0.2


def test_sigterm_stops_the_sandbox_within_a_second() -> None:
    sandbox = start()
    connection = socket.create_connection(
        ("127.0.0.1", int(sandbox.host.split(":")[1]))
    )
    sandbox.process.send_signal(signal.SIGTERM)

    assert sandbox.process.wait(timeout=1) == 0
    connection.close()
    sandbox.stop()


def test_taken_port_is_named(sandbox: Sandbox) -> None:
    port = sandbox.host.split(":")[1]

    ended = subprocess.run(
        [sys.executable, "-m", "jobsui.sandbox", "--port", port],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    address = f"127.0.0.1:{port}"
    reason = "Address already in use"
    assert ended.stderr == f"The sandbox can't listen on {address}: {reason}.\n"


@pytest.mark.parametrize(
    "fault", ["--fault=unknown=1", "--fault=503=2", "--fault=503=often"]
)
def test_invalid_fault_on_the_command_line_is_refused(fault: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "jobsui.sandbox", "--port", "0", fault],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "--fault" in ended.stderr


def test_records_survive_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "sandbox.jsonl"
    first = start(data=data, samples=True, job_seconds=0.05)
    api = Api(first)
    api.run_job("contract", "create", [contract("n-1"), contract("n-2")])
    api.run_job(
        "contract",
        "create_or_update_by_external_id",
        [contract("n-1", supplier="Changed")],
    )
    api.run_job("contract", "delete_by_external_id", ["n-2", "C-1003"])
    before = (
        first.records("contract"),
        first.records("vehicle"),
        first.applied("contract"),
    )
    api.session.close()
    first.process.kill()
    first.stop()

    second = start(data=data, samples=True, job_seconds=0.05)
    after = (
        second.records("contract"),
        second.records("vehicle"),
        second.applied("contract"),
    )
    api = Api(second)
    api.run_job("contract", "create", [contract("n-3")])
    newest = second.records("contract")[-1]
    api.session.close()
    second.stop()

    def without_urls(records: object) -> str:
        return str(records).replace(first.url, "").replace(second.url, "")

    assert without_urls(after[:2]) == without_urls(before[:2])
    assert after[2] == before[2]
    assert newest["name"] == "CON-00006"


def contract(external_id: str, supplier: str = "Someone") -> dict[str, object]:
    fields = {"supplier": supplier, "kind": "lease", "starts_on": "2026-01-01"}
    return {"external_id": external_id, "custom_object_fields": fields}
