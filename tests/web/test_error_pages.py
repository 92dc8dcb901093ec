"""Pages for requests that fail before or outside of a view."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client, RequestFactory, override_settings
from django.views.defaults import server_error

from tests.web.conftest import signed_in
from tests.web.test_sign_in import LOGIN

pytestmark = pytest.mark.django_db
PROXY = "https://jobs.example.com"


@pytest.mark.usefixtures("ana")
def test_untrusted_origin_names_the_setting() -> None:
    client = Client(enforce_csrf_checks=True)

    answer = client.post("/accounts/login/", LOGIN, headers={"Origin": PROXY})

    assert answer.status_code == 403
    assert f"add <code>{PROXY}</code> to the setting" in answer.text
    assert "CSRF_TRUSTED_ORIGINS" in answer.text


@pytest.mark.usefixtures("ana")
def test_untrusted_referer_behind_tls_names_the_setting() -> None:
    client = Client(enforce_csrf_checks=True)
    headers = {"Referer": f"{PROXY}/accounts/login/"}

    answer = client.post("/accounts/login/", LOGIN, headers=headers, secure=True)

    assert answer.status_code == 403
    assert f"add <code>{PROXY}</code> to the setting" in answer.text


@pytest.mark.usefixtures("ana")
def test_named_origin_is_trusted() -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/accounts/login/")
    token = client.cookies["jobsui_csrf"].value
    form = LOGIN | {"csrfmiddlewaretoken": token}

    with override_settings(CSRF_TRUSTED_ORIGINS=[PROXY]):
        answer = client.post("/accounts/login/", form, headers={"Origin": PROXY})

    assert answer.status_code == 302


def test_form_of_an_earlier_session_leads_back_to_its_page(ana: User) -> None:
    strict = signed_in(ana, enforce_csrf_checks=True)
    headers = {"Referer": "http://testserver/objects/add/?connection=1"}

    answer = strict.post("/objects/add/", {"key": "x"}, headers=headers)

    assert answer.status_code == 403
    assert "The page was opened before you last signed in," in answer.text
    assert 'href="/objects/add/?connection=1"' in answer.text
    assert "CSRF_TRUSTED_ORIGINS" not in answer.text


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/jobs/"])
@pytest.mark.parametrize("host", ["jobs.example.com", "jobs.example.com:8443"])
def test_unknown_host_names_the_setting(client: Client, path: str, host: str) -> None:
    with override_settings(ALLOWED_HOSTS=["localhost"]):
        answer = client.get(path, headers={"Host": host})

    assert answer.status_code == 400
    assert "add <code>jobs.example.com</code> to the setting" in answer.text
    assert "ALLOWED_HOSTS" in answer.text
    assert "default-src 'none'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["<script>alert(1)</script>", "a b", "a/b"])
def test_invalid_host_is_a_bad_request(client: Client, host: str) -> None:
    answer = client.get("/", headers={"Host": host})

    assert answer.status_code == 400
    assert "Nothing was changed." in answer.text
    assert "ALLOWED_HOSTS" not in answer.text
    assert "<script>" not in answer.text


def test_crash_page_is_styled_and_needs_nothing(
    django_assert_num_queries: Any,
) -> None:
    request = RequestFactory().get("/")
    template = Path(settings.BASE_DIR) / "templates" / "standalone.html"
    source = template.read_text(encoding="utf-8")

    with django_assert_num_queries(0), override_settings(STORAGES={}):
        answer = server_error(request)

    page = answer.content.decode()
    stylesheet = "/static/css/standalone.css"
    assert answer.status_code == 500
    assert f'<link rel="stylesheet" href="{stylesheet}">' in page
    assert (Path(settings.BASE_DIR) / stylesheet.removeprefix("/")).exists()
    assert "{% load" not in source
    assert "{% static" not in source
