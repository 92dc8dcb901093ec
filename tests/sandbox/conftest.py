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
    """Calls the sandbox as any program would."""

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

    def status_of(
        self, method: str, path: str, json: Any = None, **options: Any
    ) -> int:
        """The HTTP status of the response to a call."""
        return self.call(method, path, json, **options).status_code

    def get(self, path: str, **params: Any) -> Any:
        response = self.call("GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def post_job(self, key: str, action: str, items: list[Any]) -> requests.Response:
        path = f"/api/v2/custom_objects/{key}/jobs"
        return self.call("POST", path, {"job": {"action": action, "items": items}})

    def start_job(self, key: str, action: str, items: list[Any]) -> str:
        """Post a job. Returns its id."""
        response = self.post_job(key, action, items)
        assert response.status_code == 201, response.text
        return str(response.json()["job_status"]["id"])

    def run_job(self, key: str, action: str, items: list[Any]) -> list[dict[str, Any]]:
        """Post a job and wait for its end. Returns its results."""
        status = self.wait_for(self.start_job(key, action, items))
        results: list[dict[str, Any]] = status["results"]
        return results

    def wait_for(self, job_id: str) -> dict[str, Any]:
        """Wait for the end of a job. Returns its job status."""
        for _ in range(500):
            response = self.call("GET", f"/api/v2/job_statuses/{job_id}")
            if response.ok:
                status: dict[str, Any] = response.json()["job_status"]
                if status["status"] not in {"queued", "working"}:
                    return status
            time.sleep(0.01)
        raise AssertionError(f"The job did not end: {response.text}")


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Api]:
    """An API with the object `thing`: any name, fields note, count and colour."""
    sandbox.make_object("thing", fields=FIELDS)
    client = Api(sandbox)
    yield client
    client.session.close()
