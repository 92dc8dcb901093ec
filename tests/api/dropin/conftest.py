import base64
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobsui.access import tokens
from jobsui.access.models import Scope
from jobsui.connections.models import Connection
from tests.factories import make_user
from tests.harness import Harness


def make_token(
    user: User, connection: Connection | None, scope: Scope = Scope.RUN
) -> str:
    return tokens.create(user, "Importer", scope=scope, connection=connection)[1]


def basic(token: str, user: str = "ops@acme.example/token") -> str:
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


@dataclass
class Program:
    """Calls the drop-in endpoint like a client of Zendesk, without a network."""

    token: str
    client: Client = field(default_factory=Client)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(
            f"/api/v2/{path}", query, headers={"Authorization": basic(self.token)}
        )

    def post(
        self,
        path: str,
        body: Any,
        content_type: str = "application/json",
        **headers: Any,
    ) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(
            f"/api/v2/{path}",
            content,
            content_type=content_type,
            # In the headers too: the test client sends no type with an empty body.
            headers={"Authorization": basic(self.token), "Content-Type": content_type}
            | headers,
        )

    def post_job(self, action: str, items: Any, key: str = "gadget") -> dict[str, Any]:
        """The job status of the response."""
        response = self.post(
            f"custom_objects/{key}/jobs", {"job": {"action": action, "items": items}}
        )
        assert response.status_code == 201, read(response)
        status: dict[str, Any] = read(response)["job_status"]
        return status

    def status(self, status_id: str) -> dict[str, Any]:
        body = read(self.get(f"job_statuses/{status_id}.json"))
        status: dict[str, Any] = body["job_status"]
        return status


def read(response: Any) -> Any:
    """The JSON of a response, streamed or not."""
    return json.loads(response.getvalue())


def item(number: int, **fields: Any) -> dict[str, Any]:
    """A gadget in Zendesk's form."""
    values = {"serial": f"AB-{number:06}"} | fields
    return {
        "external_id": f"g-{number}",
        "name": f"Gadget {number}",
        "custom_object_fields": values,
    }


@pytest.fixture
def ana(db: None) -> User:  # noqa: ARG001
    return make_user("ana")


@pytest.fixture
def program(harness: Harness, ana: User) -> Program:
    """With a token for the connection to the sandbox, which has the object gadget."""
    harness.object()
    return Program(make_token(ana, harness.connection))
