import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.sandbox_server import Sandbox

OPTIONS = [{"value": "red", "name": "Red"}, {"value": "blue", "name": "Blue"}]
FIELDS: list[dict[str, Any]] = [
    {"key": "note", "title": "Note", "type": "text"},
    {"key": "count", "title": "Count", "type": "integer"},
    {
        "key": "colour",
        "title": "Colour",
        "type": "dropdown",
        "custom_field_options": OPTIONS,
    },
]


class Api:
    """Speaks to the sandbox as any program would."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = (f"{sandbox.email}/token", sandbox.api_token)

    def call(
        self, method: str, path: str, json: Any = None, **options: Any
    ) -> requests.Response:
        return self.session.request(
            method, self.sandbox.url + path, json=json, timeout=30, **options
        )

    def get(self, path: str, **params: Any) -> Any:
        answer = self.call("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post_job(self, key: str, action: str, items: list[Any]) -> requests.Response:
        return self.call(
            "POST",
            f"/api/v2/custom_objects/{key}/jobs",
            {"job": {"action": action, "items": items}},
        )

    def run_job(self, key: str, action: str, items: list[Any]) -> list[dict[str, Any]]:
        """Post a job, wait for its end, give its results."""
        answer = self.post_job(key, action, items)
        assert answer.status_code == 201, answer.text
        results: list[dict[str, Any]] = self.ended(answer.json()["job_status"]["id"])[
            "results"
        ]
        return results

    def ended(self, job_id: str) -> dict[str, Any]:
        for _ in range(500):
            answer = self.call("GET", f"/api/v2/job_statuses/{job_id}")
            if answer.ok and answer.json()["job_status"]["status"] not in {
                "queued",
                "working",
            }:
                status: dict[str, Any] = answer.json()["job_status"]
                return status
            time.sleep(0.01)
        raise AssertionError(f"The job did not end: {answer.text}")


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Api]:
    """With an object `thing`: any name, fields note, count and colour."""
    sandbox.make_object("thing", fields=FIELDS)
    speaker = Api(sandbox)
    yield speaker
    speaker.session.close()
