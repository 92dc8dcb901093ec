"""Headers that every response has."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from jobsui.access.models import Session
from jobsui.jobs.models import File
from tests.factories import make_user
from tests.web.conftest import signed_in
from tests.web.routes import create_things
from tests.web.test_access import MATRIX

pytestmark = pytest.mark.django_db
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
HTMX = {"HX-Request": "true"}


def safe(answer: Any) -> dict[str, str]:
    return {name: answer.headers.get(name, "") for name in SAFE}


def test_every_page_is_safe_and_stays_in_no_cache(administrator: Client) -> None:
    harness = create_things()
    paths = [harness.path(route) for route, row in MATRIX.items() if row.get == 200]

    answers = {
        (path, as_fragment): administrator.get(
            path, headers=HTMX if as_fragment else {}
        )
        for path in paths
        for as_fragment in (False, True)
    }

    assert {key: safe(answer) for key, answer in answers.items()} == dict.fromkeys(
        answers, SAFE
    )
    kept = {
        key
        for key, answer in answers.items()
        if "no-store" not in answer.headers.get("Cache-Control", "")
    }
    assert kept == set()


def test_downloads_are_attachments(operator: Client) -> None:
    harness = create_things()
    File.objects.update(name='a";b\r\nX: 1\u202e.csv')

    names = {
        name: operator.get(harness.path(f"{name}.csv"))["Content-Disposition"]
        for name in (
            "jobs/<uuid:code>/results",
            "jobs/<uuid:code>/problems",
            "objects/<int:pk>/template",
        )
    }

    encoded = "attachment; filename*=utf-8''a%22%3Bb%0D%0AX%3A%201%E2%80%AE"
    assert names == {
        "jobs/<uuid:code>/results": f"{encoded}-results.csv",
        "jobs/<uuid:code>/problems": f"{encoded}-problems.csv",
        "objects/<int:pk>/template": 'attachment; filename="gadget-template.csv"',
    }


@pytest.mark.parametrize(
    "path", ["/accounts/login/", "/accounts/inactive/", "/nothing/", "/"]
)
def test_pages_for_strangers_are_safe(client: Client, path: str) -> None:
    make_user()

    assert safe(client.get(path)) == SAFE


def test_first_run_is_safe(client: Client) -> None:
    assert safe(client.get("/first-run/")) == SAFE


def test_refusals_are_safe_and_stay_in_no_cache(
    operator: Client, settings: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    strict = signed_in(make_user("strict"), enforce_csrf_checks=True)

    answers = [
        operator.get("/nothing/"),
        operator.post("/"),
        strict.post("/jobs/new/"),
        operator.post("/objects/add/", {"key": "x" * 200}),
    ]

    assert [answer.status_code for answer in answers] == [404, 405, 403, 413]
    assert [safe(answer) for answer in answers] == [SAFE] * 4
    assert [answer["Cache-Control"] for answer in answers] == ["no-store, private"] * 4


def test_crash_is_safe_and_tells_nothing(
    ana: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in(ana, raise_request_exception=False)
    monkeypatch.setattr("jobsui.paging.by_time", lambda *_: 1 / 0)

    answer = client.get("/jobs/")

    assert answer.status_code == 500
    assert safe(answer) == SAFE
    assert "ZeroDivisionError" not in answer.text
    assert "Something went wrong" in answer.text


def test_no_page_has_script_or_style_in_it(administrator: Client) -> None:
    harness = create_things()
    pages = {
        route: administrator.get(harness.path(route))
        for route, row in MATRIX.items()
        if row.get == 200
    }

    texts = {
        route: page.text
        for route, page in pages.items()
        if page["Content-Type"].startswith("text/html")
    }

    assert len(texts) > 25
    inline = (
        "<style",
        "style=",
        "<script>",
        "onclick=",
        " onload=",
        "javascript:",
        "hx-on",
        "hx-vals",
    )
    assert {
        (route, word)
        for route, text in texts.items()
        for word in inline
        if word in text
    } == set()


def test_cookies_are_out_of_reach_for_scripts_and_other_sites(client: Client) -> None:
    make_user()

    client.get("/accounts/login/")
    client.post(
        "/accounts/login/", {"login": "ana", "password": "correct-horse-battery"}
    )

    cookies = {
        name: (c["httponly"], c["samesite"], c["path"])
        for name, c in client.cookies.items()
    }
    assert cookies == dict.fromkeys(
        ("jobsui_csrf", "jobsui_session"), (True, "Strict", "/")
    )


def test_cookies_behind_tls_are_bound_to_it(
    client: Client, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSRF_TRUSTED_ORIGINS", "https://jobs.example.com")
    monkeypatch.setenv("JOBSUI_DATA_DIR", str(tmp_path))
    for name, value in _secure_settings().items():
        setattr(settings, name, value)
    make_user()

    plain = client.get("/accounts/login/")
    login = {"login": "ana", "password": "correct-horse-battery"}
    answer = client.post("/accounts/login/", login, secure=True)
    client.get("/accounts/password/change/", secure=True)

    assert plain.status_code == 301
    assert plain["Location"] == "https://testserver/accounts/login/"
    assert (
        answer["Strict-Transport-Security"]
        == "max-age=31536000; includeSubDomains; preload"
    )
    cookies = {
        name: (c["secure"], c["httponly"], c["samesite"], c["path"], c["domain"])
        for name, c in client.cookies.items()
    }
    assert cookies == dict.fromkeys(
        ("__Host-session", "__Host-csrf"), (True, True, "Strict", "/", "")
    )


def test_poll_does_not_prolong_the_session(operator: Client) -> None:
    harness = create_things()
    before = list(Session.objects.values())

    answers = [
        operator.get(harness.path(route), headers=HTMX)
        for route in (
            "live/",
            "jobs/<uuid:code>/progress/",
            "jobs/new/<uuid:code>/check/progress/",
        )
    ]

    assert ["jobsui_session" in answer.cookies for answer in answers] == [False] * 3
    assert list(Session.objects.values()) == before


def _secure_settings() -> dict[str, Any]:
    """The product's own settings, as they are behind TLS."""
    loaded = runpy.run_path(str(Path(settings.BASE_DIR) / "jobsui" / "settings.py"))
    names = ("SESSION_COOKIE_", "CSRF_COOKIE_", "SECURE_")
    return {name: value for name, value in loaded.items() if name.startswith(names)}
