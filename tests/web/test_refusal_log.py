"""The server's log says what was refused, and to whom."""

import uuid

import pytest
from django.test import Client

from jobsui.access import tokens
from jobsui.access.models import Role, Scope
from tests.factories import make_user
from tests.web.conftest import signed_in

LOGGER = "jobsui.web.middleware"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == LOGGER]


@pytest.mark.django_db
def test_refused_people_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    viewer = signed_in(make_user("ana", role=Role.VIEWER))
    missing = uuid.uuid4()
    viewer.get("/jobs/new/")
    viewer.get(f"/jobs/{missing}/")
    viewer.get("/jobs/")

    assert lines(caplog) == [
        "GET /jobs/new/: 403 for ana from 127.0.0.1",
        f"GET /jobs/{missing}/: 404 for ana from 127.0.0.1",
    ]


@pytest.mark.django_db
def test_refused_programs_are_logged_by_their_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    token, text = tokens.create(make_user("leo"), "Nightly", scope=Scope.READ)
    for sent in (text, "wrong"):
        Client(headers={"Authorization": f"Bearer {sent}"}).post("/api/v1/jobs")

    assert lines(caplog) == [
        f"POST /api/v1/jobs: 403 for leo {token.prefix} from 127.0.0.1",
        "POST /api/v1/jobs: 401 for a stranger from 127.0.0.1",
    ]
    assert text not in caplog.text


@pytest.mark.django_db
def test_strangers_are_sent_to_sign_in_without_a_line(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    make_user("boss", admin=True)

    client.get("/jobs/")

    assert lines(caplog) == []
