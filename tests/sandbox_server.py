"""A running sandbox for tests: `start()` by hand, or the fixtures `sandbox_process` and
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
    """One sandbox process and the way to look behind its scenes."""

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
        return self._said(
            requests.post(f"{self.url}/sandbox/{path}", json=body, timeout=60)
        )

    def seen(self, path: str, **query: str) -> Any:
        """GET /sandbox/PATH."""
        return self._said(
            requests.get(f"{self.url}/sandbox/{path}", params=query, timeout=60)
        )

    @staticmethod
    def _said(answer: requests.Response) -> Any:
        assert answer.status_code == 200, answer.text
        return answer.json()

    def faults(self, **rates: float | Mapping[str, Any]) -> None:
        """Set exactly these; underscores stand for dashes:
        faults(drop_after_accept=0.5), faults(**{"503": 1})."""
        self.control(
            "faults", **{name.replace("_", "-"): rate for name, rate in rates.items()}
        )

    def settings(self, **changes: Any) -> None:
        self.control("settings", **changes)

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
        """An object with these fields (as the API takes them) and rules of the name, in
        place of one of that key."""
        self.control("objects", key=key, fields=fields or [], name=name or {}, **more)

    def add_records(self, object_key: str, records: list[dict[str, Any]]) -> list[str]:
        """Put records there without the API; their ids."""
        ids: list[str] = self.control("records", object=object_key, records=records)[
            "ids"
        ]
        return ids

    def records(self, object_key: str) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = self.seen("records", object=object_key)[
            "records"
        ]
        return records

    def applied(self, object_key: str) -> dict[str, int]:
        """How often each record was written, by external id or else by name."""
        applied: dict[str, int] = self.seen("applied", object=object_key)["applied"]
        return applied

    def log(self) -> list[dict[str, Any]]:
        """The API requests it got, oldest first: method, path, query, status (0: no
        answer given), faults."""
        requests_got: list[dict[str, Any]] = self.seen("log")["requests"]
        return requests_got

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
    samples: bool = False,
    port: int = 0,
    **options: Any,
) -> Sandbox:
    """Start one on a free port; options are those of the command line: job_seconds=0.2,
    seed=1, data=path."""
    command = [sys.executable, "-m", "jobsui.sandbox", "--port", str(port)]
    command += [
        word
        for name, value in options.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    command += [
        word
        for name, rate in (fault or {}).items()
        for word in ("--fault", f"{name}={rate}")
    ]
    command += ["--samples"] if samples else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    address = process.stdout.readline().partition(" at ")[2].strip()
    assert address, f"The sandbox did not start: {command}"
    return Sandbox(process, address)


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    """One process for all tests of a run, quick and with a rate limit nobody meets."""
    running = start(job_seconds=0.05, requests_per_minute=100_000, seed=1)
    yield running
    running.stop()


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    """As after its start: no objects, no records, no faults."""
    sandbox_process.reset()
    return sandbox_process
