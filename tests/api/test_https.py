"""Behind a TLS proxy, programs that speak plain http are refused, never redirected."""

from typing import Any

import pytest
from django.test import Client

from jobsui.api.https import HTTPS_REQUIRED
from tests.api.conftest import Programs

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def behind_tls(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def test_plain_http_is_refused_and_not_redirected(program: Programs) -> None:
    response = program("read").call("GET", "/jobs")

    assert response.status_code == 403
    assert response.json()["code"] == "https_required"
    assert response.json()["detail"] == HTTPS_REQUIRED


def test_plain_http_is_refused_as_zendesk_does() -> None:
    response = Client().get("/api/v2/job_statuses")

    assert response.status_code == 403
    assert response.json() == {"error": "HttpsRequired", "description": HTTPS_REQUIRED}


def test_https_is_served(program: Programs) -> None:
    response = program("read").call("GET", "/jobs", X_Forwarded_Proto="https")

    assert response.status_code == 200


def test_pages_are_redirected() -> None:
    assert Client().get("/jobs/").status_code == 301
