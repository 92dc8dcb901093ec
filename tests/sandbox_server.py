"""A running sandbox for tests: `start()`, or the fixtures `sandbox_process` and
`sandbox`."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests


@dataclass
class Sandbox:
    """A sandbox process with its control endpoints."""

    process: subprocess.Popen[str]
    url: str
    email: str = "admin@sandbox.example"
    api_token: str = "sandbox-api-token"
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-client-secret"
    bearer: str = "sandbox-bearer-token"
    refresh_token: str = "sandbox-refresh-token"

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def control(self, path: str, **body: Any) -> Any:
        """POST to /sandbox/PATH."""
        url = f"{self.url}/sandbox/{path}"
        return self._body(requests.post(url, json=body, timeout=60))

    def seen(self, path: str, **query: str) -> Any:
        """GET /sandbox/PATH."""
        url = f"{self.url}/sandbox/{path}"
        return self._body(requests.get(url, params=query, timeout=60))

    @staticmethod
    def _body(response: requests.Response) -> Any:
        assert response.status_code == 200, response.text
        return response.json()

    def faults(self, **rates: float | Mapping[str, Any]) -> None:
        """Replace the faults. Underscores become dashes: faults(drop_after_accept=0.5),
        faults(**{"503": 1})."""
        named = {name.replace("_", "-"): rate for name, rate in rates.items()}
        self.control("faults", **named)

    def settings(self, **changes: Any) -> None:
        self.control("settings", **changes)

    def assume(self, **values: str | float) -> None:
        """Change assumptions. Underscores become dashes: assume(read_lag=5)."""
        named = {name.replace("_", "-"): value for name, value in values.items()}
        self.control("assumptions", **named)

    def reset(self) -> None:
        self.control("reset")

    def make_object(
        self,
        key: str,
        *,
        fields: list[dict[str, Any]] | None = None,
        name: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Create an object with these fields (in the API's form) and name rules.
        Replaces an object of the same key."""
        self.control("objects", key=key, fields=fields or [], name=name or {}, **more)

    def add_records(
        self, object_key: str, records: list[dict[str, Any]], **author: Any
    ) -> list[str]:
        """Add records of the hour before, without the API. Returns their ids. `author` as
        for `edit_records`."""
        author = {"age": 3600} | author
        added = self.control("records", object=object_key, records=records, **author)
        ids: list[str] = added["ids"]
        return ids

    def edit_records(
        self, object_key: str, records: list[dict[str, Any]], **author: Any
    ) -> None:
        """Change records without the API, named by id or else by external_id. `author`:
        user="26000000000002", and age=60 (seconds ago; negative: in the future)."""
        self.control("edits", object=object_key, records=records, **author)

    def delete_records(
        self, object_key: str, records: list[dict[str, Any]], **author: Any
    ) -> None:
        """Delete records as `edit_records` changes them."""
        self.control("deletions", object=object_key, records=records, **author)

    def hide_records(self, object_key: str, records: list[dict[str, Any]]) -> None:
        """Leave these records, and no others, out of what the API shows."""
        self.control("hidden", object=object_key, records=records)

    def alterations(self) -> list[dict[str, Any]]:
        """What the faults altered-values and dropped-values did: object, id, external_id,
        fault, field, sent, stored."""
        made: list[dict[str, Any]] = self.seen("alterations")["alterations"]
        return made

    def requests(self) -> dict[str, int]:
        """How many API requests of each kind came since `forget_requests`."""
        received: dict[str, int] = self.seen("requests")["requests"]
        return received

    def forget_requests(self) -> None:
        self.control("requests")

    def records(self, object_key: str) -> list[dict[str, Any]]:
        listed = self.seen("records", object=object_key)
        records: list[dict[str, Any]] = listed["records"]
        return records

    def applied(self, object_key: str) -> dict[str, int]:
        """How often each record was written, by external id or else by name."""
        applied: dict[str, int] = self.seen("applied", object=object_key)["applied"]
        return applied

    def log(self) -> list[dict[str, Any]]:
        """The API requests it received, oldest first: method, path, query, status (0: no
        response), faults."""
        received: list[dict[str, Any]] = self.seen("log")["requests"]
        return received

    def jobs(self) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = self.seen("jobs")["jobs"]
        return jobs

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)
        if self.process.stdout:
            self.process.stdout.close()


def start(
    *,
    fault: Mapping[str, float] | None = None,
    assume: Mapping[str, str | float] | None = None,
    samples: bool = False,
    port: int = 0,
    **options: Any,
) -> Sandbox:
    """Start a sandbox on a free port, with the options of its command line, such as
    job_seconds=0.2, seed=1, data=path."""
    command = [sys.executable, "-m", "jobsui.sandbox", f"--port={port}"]
    for name, value in options.items():
        command.append(f"--{name.replace('_', '-')}={value}")
    for name, rate in (fault or {}).items():
        command.append(f"--fault={name}={rate}")
    for name, value in (assume or {}).items():
        command.append(f"--assume={name}={value}")
    if samples:
        command.append("--samples")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    address = process.stdout.readline().partition(" at ")[2].strip()
    assert address, f"The sandbox did not start: {command}"
    return Sandbox(process, address)


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    """One process for all tests of a run, with short jobs and a rate limit too high to
    matter."""
    running = start(job_seconds=0.05, requests_per_minute=100_000, seed=1)
    yield running
    running.stop()


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    """The sandbox in its state at the start: no objects, no records, no faults."""
    sandbox_process.reset()
    return sandbox_process
