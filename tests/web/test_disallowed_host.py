"""What was done stays readable when the host of its connection is no longer allowed."""

from typing import Any

import pytest
from django.test import Client

from jobsui.jobs.control import actions
from jobsui.jobs.enums import JobState
from jobsui.jobs.errors import NotPossibleNow
from tests.web import stages
from tests.web.routes import create_things, routes

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("route", [r for r in routes() if r.startswith("jobs/")])
def test_page_is_readable(operator: Client, settings: Any, route: str) -> None:
    path = create_things().path(route)
    before = operator.get(path)
    settings.API_HOSTS = []

    after = operator.get(path)

    assert after.status_code == before.status_code


def test_launch_is_refused_with_the_reason(settings: Any) -> None:
    job = stages.checked()
    settings.API_HOSTS = []

    with pytest.raises(NotPossibleNow, match="not listed in JOBSUI_API_HOSTS"):
        actions.launch(job, by=None)

    job.refresh_from_db()
    assert job.state == JobState.READY
