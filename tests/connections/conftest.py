from typing import Any

import pytest

from jobsui.connections import credentials
from jobsui.connections.models import Connection, SignIn
from tests.sandbox_server import Sandbox


@pytest.fixture
def oauth_client(db: None, sandbox: Sandbox) -> Connection:  # noqa: ARG001
    """To the sandbox, by client credentials."""
    connection = made(sandbox.host, SignIn.OAUTH_CLIENT, client_id=sandbox.client_id)
    credentials.save_secrets(
        connection, {"client_secret": sandbox.client_secret}, by=None
    )
    return connection


@pytest.fixture
def oauth_token(db: None, sandbox: Sandbox) -> Connection:  # noqa: ARG001
    """To the sandbox, by a token that can be refreshed."""
    connection = made(sandbox.host, SignIn.OAUTH_TOKEN, client_id=sandbox.client_id)
    secrets = {
        "access_token": sandbox.bearer,
        "refresh_token": sandbox.refresh_token,
        "client_secret": sandbox.client_secret,
    }
    credentials.save_secrets(connection, secrets, by=None)
    return connection


@pytest.fixture
def api_token(db: None, sandbox: Sandbox) -> Connection:  # noqa: ARG001
    """To the sandbox, by an API token."""
    connection = made(sandbox.host, SignIn.API_TOKEN, email=sandbox.email)
    credentials.save_secrets(connection, {"api_token": sandbox.api_token}, by=None)
    return connection


def made(host: str, sign_in: SignIn, **fields: Any) -> Connection:
    return Connection.objects.create(
        name="Sandbox", host=host, sign_in=sign_in, **fields
    )
