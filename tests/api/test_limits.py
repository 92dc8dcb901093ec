"""Which operations of the REST API are limited."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from jobsui import waits
from jobsui.access import tokens
from jobsui.access.limits import LIMITS, Limit, Limited
from jobsui.access.models import LimitUse, Scope
from tests.api.conftest import Program, Programs
from tests.api.test_access import MATRIX, statuses
from tests.web.routes import create_things

pytestmark = pytest.mark.django_db
LIMITED = {
    "upload_file",
    "create_job",
    "launch_job",
    "retry_job",
    "continue_job",
    "undo_job",
    "test_connection",
    "sync_objects",
    "get_results",
    "get_plan",
}
"""And `test_request` with `send`, `get_object` with `refresh`."""


def test_costly_operations_are_limited(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = create_things()
    token, text = tokens.create(owner, "Nightly", scope=Scope.ADMIN)
    for what in Limited:
        monkeypatch.setitem(LIMITS, what, Limit(1, timedelta(days=1)))
        LimitUse.objects.create(
            who=f"apitoken:{token.pk}",
            what=what,
            next_at=timezone.now() + timedelta(hours=20),
        )
    program = Program(text)

    found = statuses(program, things)
    sent = program.call(
        "POST",
        "/requests",
        {"connection": "Acme", "object": "gadget", "send": True},
    )
    refreshed = program.call(
        "GET", f"/connections/{things.connection.code}/objects/gadget?refresh=true"
    )

    assert {name for name, status in found.items() if status == 429} == LIMITED
    assert set(MATRIX) >= LIMITED
    assert [sent.status_code, refreshed.status_code] == [429, 429]


def test_operations_that_wait_for_zendesk_need_a_place(
    program: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = create_things().connection
    monkeypatch.setattr("jobsui.waits.places", threading.BoundedSemaphore(1))
    waits.places.acquire()

    answers = [
        program("admin").call("POST", path)
        for path in (
            f"/connections/{connection.code}/test",
            f"/connections/{connection.code}/objects/sync",
            "/requests",
        )
    ]

    assert [answer.json()["code"] for answer in answers] == ["busy"] * 3
