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
        """The answer of /api/v1 to this body, a text as it is, anything else as
        JSON."""
        text = (
            body
            if isinstance(body, str | bytes)
            else ""
            if body is None
            else json.dumps(body)
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(
            method, f"/api/v1{path}", text, "application/json", headers=named
        )


Programs = Callable[..., Program]


@pytest.fixture
def boss(db: None) -> User:
    """An administrator."""
    return make_user("boss", admin=True)


@pytest.fixture
def program(boss: User) -> Programs:
    """A program of the administrator, with a token of this scope, bound to a connection
    or to none."""

    def made(scope: str, connection: Connection | None = None) -> Program:
        return Program(
            tokens.create(boss, "Nightly", scope=Scope(scope), connection=connection)[1]
        )

    return made
