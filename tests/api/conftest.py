import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobsui.access import tokens
from jobsui.access.models import Scope
from jobsui.connections.models import Connection
from tests.factories import make_user


class Program:
    """Calls the API with a token."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.client = Client(
            headers={"Authorization": f"Bearer {token}"} if token else {}
        )

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The response of /api/v1. A body that is not a text is encoded as JSON. Names
        of `headers` have underscores for hyphens."""
        if body is None:
            content: str | bytes = ""
        elif isinstance(body, str | bytes):
            content = body
        else:
            content = json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(
            method, f"/api/v1{path}", content, "application/json", headers=named
        )


Programs = Callable[..., Program]


@pytest.fixture
def owner(db: None) -> User:  # noqa: ARG001
    """An administrator."""
    return make_user("boss", admin=True)


@pytest.fixture
def program(owner: User) -> Programs:
    """Creates programs with a token of the administrator."""

    def create(scope: str, connection: Connection | None = None) -> Program:
        _, text = tokens.create(
            owner, "Nightly", scope=Scope(scope), connection=connection
        )
        return Program(text)

    return create
