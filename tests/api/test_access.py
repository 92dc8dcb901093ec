"""Permissions of every operation, for programs of every kind. A new operation without a
row fails."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from jobsui.access import roles, tokens
from jobsui.access.models import Role, Scope
from jobsui.api.v1.api import api
from jobsui.jobs.models import Batch
from tests.api.conftest import Program, Programs
from tests.factories import make_connection, make_user
from tests.web.routes import Things, create_things

pytestmark = pytest.mark.django_db

CLIENT = {"client_id": "c", "client_secret": "s"}
JOB = {
    "connection": "Acme",
    "object": "gadget",
    "action": "create",
    "items": [{"name": "One"}],
}


@dataclass(frozen=True)
class Row:
    """How the operation is called, and how it responds."""

    scope: str
    """The smallest scope that is allowed."""
    status: int
    """With this scope."""
    elsewhere: int
    """With a token of an administrator that is bound to another connection."""
    body: Any = None


MATRIX = {
    "list_connections": Row("read", 200, 200),
    "create_connection": Row(
        "admin", 201, 403, {"name": "New", "subdomain": "new", "auth": CLIENT}
    ),
    "get_connection": Row("read", 200, 404),
    "change_connection": Row("admin", 200, 404, {"name": "Renamed"}),
    "delete_connection": Row("admin", 409, 404),  # It has jobs.
    "test_connection": Row("run", 200, 404),
    "list_objects": Row("read", 200, 404),
    "add_object": Row("run", 200, 404, {"key": "gadget"}),
    "sync_objects": Row("run", 502, 404),  # Its host cannot be reached.
    "get_object": Row("read", 200, 404),
    "list_saved_mappings": Row("read", 200, 404),
    "upload_file": Row("run", 422, 422),  # No file is in it.
    "get_file": Row("read", 200, 404),
    "create_job": Row("run", 502, 422, JOB),  # As sync_objects.
    "list_jobs": Row("read", 200, 200),
    "get_job": Row("read", 200, 404),
    "change_job": Row(
        "run", 409, 404, {"run_settings": {}}
    ),  # It is over, here and below.
    "delete_job": Row("run", 409, 404),
    "launch_job": Row("run", 409, 404),
    "pause_job": Row("run", 409, 404),
    "resume_job": Row("run", 409, 404),
    "cancel_job": Row("run", 409, 404),
    "stop_waiting": Row("run", 409, 404),
    "retry_job": Row("run", 201, 404),
    "continue_job": Row("run", 409, 404),
    "resolve_job": Row("run", 409, 404, {"uncertain": "accept"}),
    "start_comparison": Row("run", 409, 404),
    "cancel_comparison": Row("run", 404, 404),  # There is none, here and below.
    "get_comparison": Row("read", 404, 404),
    "delete_comparison": Row("run", 404, 404),
    "list_compared_rows": Row("read", 404, 404),
    "choose_compared_rows": Row("run", 404, 404, {}),
    "get_plan": Row("read", 404, 404),
    "undo_job": Row("run", 201, 404),
    "get_undo_plan": Row("read", 404, 404),
    "read_undo_again": Row("run", 404, 404),
    "list_undone_rows": Row("read", 404, 404),
    "choose_undone_rows": Row("run", 404, 404, {}),
    "start_proof": Row("run", 201, 404),
    "get_proof": Row("read", 404, 404),
    "list_proved_rows": Row("read", 404, 404),
    "get_record_history": Row("read", 422, 422),  # No record is named.
    "list_rows": Row("read", 200, 404),
    "get_results": Row("read", 200, 404),
    "list_errors": Row("read", 200, 404),
    "list_batches": Row("read", 200, 404),
    "get_batch": Row("read", 200, 404),
    "test_request": Row("read", 200, 422, {"connection": "Acme", "object": "gadget"}),
}
SCOPE_OF = {
    Role.VIEWER: Scope.READ,
    Role.OPERATOR: Scope.RUN,
    Role.APPROVER: Scope.RUN,
    Role.ADMINISTRATOR: Scope.ADMIN,
}
SCOPES = [scope.value for scope in Scope]


@pytest.fixture
def harness(db: None) -> Things:  # noqa: ARG001
    return create_things()


def operations() -> dict[str, tuple[str, str]]:
    """{operation ID: (method, path)}."""
    paths = api.get_openapi_schema()["paths"].items()
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in paths
        for method, operation in methods.items()
    }


def address(path: str, harness: Things) -> str:
    """The path with the IDs of existing things."""
    batch = Batch.objects.filter(job=harness.job).values_list("pk", flat=True).first()
    ids = {
        "connections": harness.connection.code,
        "jobs": harness.job.code,
        "files": harness.job.file.code,
        "batches": batch,
    }
    kind = path.split("/")[3]
    path = path.replace("{id}", str(ids.get(kind)))
    path = path.replace("{key}", harness.object.key)
    return path.removeprefix("/api/v1")


def statuses(program: Program, harness: Things) -> dict[str, int]:
    """{operation ID: status}. Changes are rolled back."""
    found = {}
    known = operations()
    for name, row in MATRIX.items():
        method, path = known[name]
        with transaction.atomic():
            response = program.call(method, address(path, harness), row.body)
            transaction.set_rollback(True)
        found[name] = response.status_code
    return found


def allowed(scope: str) -> dict[str, int]:
    included = SCOPES[: SCOPES.index(scope) + 1]
    return {
        name: row.status if row.scope in included else 403
        for name, row in MATRIX.items()
    }


def test_every_operation_has_a_row() -> None:
    assert set(operations()) == set(MATRIX)


def test_request_without_token_is_401(harness: Things) -> None:
    assert statuses(Program(""), harness) == dict.fromkeys(MATRIX, 401)


def test_session_without_token_is_401(harness: Things) -> None:
    program = Program("")
    program.client.force_login(make_user("ana", admin=True))

    assert statuses(program, harness) == dict.fromkeys(MATRIX, 401)


@pytest.mark.parametrize("scope", SCOPES)
def test_scope_decides_what_a_program_may_do(
    program: Programs, harness: Things, scope: str
) -> None:
    assert statuses(program(scope), harness) == allowed(scope)


@pytest.mark.parametrize("scope", SCOPES)
def test_bound_program_may_do_the_same_in_its_connection(
    program: Programs, harness: Things, scope: str
) -> None:
    exceptions = {"create_connection": 403}
    bound = program(scope, harness.connection)

    assert statuses(bound, harness) == allowed(scope) | exceptions


def test_program_bound_elsewhere_sees_nothing(
    program: Programs, harness: Things
) -> None:
    other = make_connection(name="Other", host="other.zendesk.com")

    found = statuses(program("admin", other), harness)

    assert found == {name: row.elsewhere for name, row in MATRIX.items()}


def test_program_never_exceeds_its_owner(owner: User, harness: Things) -> None:
    _, text = tokens.create(owner, "Nightly", scope=Scope.ADMIN)
    roles.assign(owner, Role.OPERATOR)

    assert statuses(Program(text), harness) == allowed("run")


def test_program_of_a_viewer_sees_no_bodies(owner: User, harness: Things) -> None:
    _, text = tokens.create(owner, "Nightly", scope=Scope.ADMIN)
    roles.assign(owner, Role.VIEWER)

    assert statuses(Program(text), harness) == allowed("read") | {"get_batch": 403}


@pytest.mark.parametrize("role", Role)
def test_role_for_the_connection_decides_what_a_program_may_do(
    harness: Things, role: Role
) -> None:
    owner = make_user("ana", role=None)
    roles.assign(owner, role, connection=harness.connection)
    _, text = tokens.create(owner, "Nightly", scope=SCOPE_OF[role])

    expected = allowed(SCOPE_OF[role]) | {"create_connection": 403}
    if role is Role.VIEWER:
        expected["get_batch"] = 403
    assert statuses(Program(text), harness) == expected


def test_role_for_another_connection_shows_nothing_of_this_one(harness: Things) -> None:
    owner = make_user("ana", role=None)
    other = make_connection(name="Other", host="other.zendesk.com")
    roles.assign(owner, Role.ADMINISTRATOR, connection=other)
    _, text = tokens.create(owner, "Nightly", scope=Scope.ADMIN)

    found = statuses(Program(text), harness)

    assert found == {name: row.elsewhere for name, row in MATRIX.items()}
