"""What was done stays readable when the host of its connection is no longer allowed."""

from typing import Any

import pytest

from tests.api.conftest import Programs
from tests.web import stages

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path",
    [
        "/jobs",
        "/jobs/{job}",
        "/jobs/{job}/rows",
        "/jobs/{job}/errors",
        "/jobs/{job}/results.csv",
        "/jobs/{job}/batches",
        "/batches/{batch}",
        "/connections/{connection}",
        "/connections/{connection}/objects",
    ],
)
def test_api_is_readable(program: Programs, settings: Any, path: str) -> None:
    job = stages.settled()
    batch = job.batches.get()
    settings.API_HOSTS = []

    response = program("read").call(
        "GET",
        path.format(job=job.code, batch=batch.pk, connection=job.connection.code),
    )

    assert response.status_code == 200
