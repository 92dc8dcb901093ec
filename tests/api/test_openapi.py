"""The API responds to generated requests as its OpenAPI document describes, and never
with a server error. docs/api.md says how to send many requests."""

from collections.abc import Iterator
from typing import Any

import ninja.main
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jobsui import waits
from jobsui.access.models import Scope
from jobsui.api.v1.api import api
from jobsui.jobs.models import Batch
from jobsui.wsgi import application
from tests.api.conftest import Programs
from tests.harness import Harness
from tests.web import stages

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = {Scope.READ: 1, Scope.RUN: 2, Scope.ADMIN: 4}


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """Keep the database connection open: requests that bypass the test client would close
    it."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def existing(
    harness: Harness, _one_connection: None, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Any]]:
    """{prefix of a path: its parameters}."""
    known = harness.object()
    job = stages.settled(stages.ROWS, stages.failed())
    monkeypatch.setattr(waits.places, "acquire", lambda **_: False)
    return {
        "/api/v1/connections": {"id": known.connection.code, "key": known.key},
        "/api/v1/files": {"id": job.file.code},
        "/api/v1/jobs": {"id": job.code},
        "/api/v1/batches": {"id": Batch.objects.get().pk},
    }


@pytest.mark.parametrize("scope", Scope)
def test_every_operation_responds_as_described(
    program: Programs, existing: dict[str, dict[str, Any]], scope: Scope
) -> None:
    headers = {"Authorization": f"Bearer {program(scope.value).token}"}
    schema: Any = schemathesis.openapi.from_wsgi(
        "/api/v1/openapi.json", closing_application
    )
    operations = []

    for found in schema.get_all_operations():
        operation = found.ok()
        ids = next(
            (ids for path, ids in existing.items() if operation.path.startswith(path)),
            {},
        )
        _check_examples(operation, ids, headers, EXAMPLES[scope])
        operations.append(operation.label)

    assert len(operations) > 15


def closing_application(environ: Any, start_response: Any) -> list[bytes]:
    """The application, with its responses closed. schemathesis leaves them open, and with
    them the uploaded files."""
    response = application(environ, start_response)
    try:
        return [b"".join(response)]
    finally:
        response.close()


def _check_examples(
    operation: Any, ids: dict[str, Any], headers: dict[str, str], examples: int
) -> None:
    """Every example starts with the same data: its changes are rolled back."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def responds_as_described(case: Any) -> None:
        for name in case.path_parameters or {}:
            case.path_parameters[name] = str(ids[name])
        with transaction.atomic():
            case.call_and_validate(headers=headers, checks=CHECKS)
            transaction.set_rollback(True)

    responds_as_described()


def test_document_is_built_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []

    def build(path_prefix: str, **_: Any) -> dict[str, Any]:
        built.append(path_prefix)
        return {"paths": {}}

    monkeypatch.setattr(api, "_schema", None)
    monkeypatch.setattr(ninja.main, "get_schema", build)

    documents = [client.get("/api/v1/openapi.json").json() for _ in range(2)]

    assert documents == [{"paths": {}}] * 2
    assert built == ["/api/v1/"]


def test_docstrings_of_members_are_in_the_openapi_document() -> None:
    schemas = api.get_openapi_schema()["components"]["schemas"]

    member = schemas["RowOut"]["properties"]["row"]
    assert member["description"].startswith("Row number in the file")
