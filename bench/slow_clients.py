"""Clients that send half a request, or take nothing of a response, and what people feel
meanwhile."""

import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

import requests

from bench import uploads
from bench.hostile_requests import Target

LARGE_MEGABYTES = 30
POLL_SECONDS = 0.5
PROBE_INTERVAL = 0.2
PROBE_TIMEOUT = 30.0
SMALL_BUFFER = 4096
NUMBERS = (20, 200)
PAGE_READERS = "readers that take nothing of a page"
Clients = Callable[[], AbstractContextManager[None]]
"""Connects the clients for as long as the context lasts."""


def attacks(target: Target) -> dict[str, Clients]:
    page = urlsplit(target.page).path
    cookies = "; ".join(
        f"{name}={value}" for name, value in target.browser.cookies.get_dict().items()
    )
    person = f"Cookie: {cookies}\r\n"
    program = f"Authorization: Bearer {target.token}\r\n"
    kinds = {
        "silent connections": "",
        "half-sent headers": "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "half-sent bodies of strangers": _post("/accounts/login/", 1_000, ""),
        "half-sent bodies of strangers, API": _post("/api/v1/jobs", 5_000_000, ""),
        "half-sent bodies, API": _post("/api/v1/jobs", 5_000_000, program),
        "half-sent uploads": _post("/api/v1/files", 500_000_000, program),
        "readers that take nothing of a style": _get(
            "/static/vendor/tabler.min.css", ""
        ),
        PAGE_READERS: _get(page, person),
        "readers that take nothing of a download": _get(_download(target), person),
        "requests that wait 60 s": _get(f"/api/v1{page.rstrip('/')}?wait=60", program),
    }
    return {
        f"{number} {name}": _clients(target, sent, number)
        for name, sent in kinds.items()
        for number in NUMBERS
        # To make 200 pages alone keeps two cores busy.
        if number == NUMBERS[0] or name != PAGE_READERS
    }


def _download(target: Target) -> str:
    """Path of the results of a job with LARGE_MEGABYTES of rows, which was cancelled soon."""
    api = f"{target.url}/api/v1"
    with tempfile.TemporaryFile() as file:
        uploads.fill(file, LARGE_MEGABYTES)
        file.seek(0)
        uploaded = requests.post(
            f"{api}/files", files={"file": ("large.csv", file)}, headers=target.headers
        )
    job = {
        "connection": target.connection,
        "object": "asset",
        "action": "create_or_update_by_external_id",
        "file": uploaded.json()["id"],
        "mapping": {"external_id": "external_id", "name": "name"},
        "launch": True,
    }
    created = requests.post(f"{api}/jobs", json=job, headers=target.headers).json()
    address = f"{api}/jobs/{created['id']}"
    while requests.get(address, headers=target.headers).json()["state"] != "running":
        time.sleep(POLL_SECONDS)
    requests.post(f"{address}/cancel", headers=target.headers).raise_for_status()
    while requests.get(address, headers=target.headers).json()["state"] != "cancelled":
        time.sleep(POLL_SECONDS)
    return f"/jobs/{created['id']}/results.csv"


def probe(target: Target, seconds: float) -> dict[str, list[float]]:
    """Ask for /healthz and a page all the time. Returns the seconds of each response."""
    waits: dict[str, list[float]] = {"/healthz": [], "page": []}
    browsers = {
        "/healthz": (requests.Session(), f"{target.url}/healthz"),
        "page": (target.browser, target.page),
    }
    deadline = time.monotonic() + seconds

    def ask(what: str) -> None:
        browser, address = browsers[what]
        while time.monotonic() < deadline:
            started = time.monotonic()
            try:
                browser.get(
                    address,
                    headers={"Connection": "close"},
                    timeout=PROBE_TIMEOUT,
                ).raise_for_status()
            except requests.RequestException:
                waits[what].append(PROBE_TIMEOUT)
            else:
                waits[what].append(time.monotonic() - started)
            time.sleep(PROBE_INTERVAL)

    threads = [threading.Thread(target=ask, args=(what,)) for what in waits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def p95(durations: list[float]) -> float:
    if len(durations) < 2:
        return durations[0]
    return statistics.quantiles(durations, n=20, method="inclusive")[18]


def _get(path: str, header: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n"


def _post(path: str, length: int, header: str) -> str:
    """With the first byte of its body."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}"
        "Content-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n{{"
    )


def _clients(target: Target, sent: str, number: int) -> Clients:
    address = urlsplit(target.url)

    @contextmanager
    def connected() -> Iterator[None]:
        clients = []
        for _ in range(number):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            client.connect((address.hostname, address.port))
            client.sendall(sent.encode())
            clients.append(client)
        try:
            yield
        finally:
            for client in clients:
                client.close()

    return connected
