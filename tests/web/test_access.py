"""Who may do what: every route against everybody. A new route has no row, and fails."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from jobsui.web.addresses import page_of
from tests.web.conftest import signed_in
from tests.web.routes import Things, create_things, routes

ADMINISTRATORS, EVERYBODY = "administrators", "everybody"


@dataclass(frozen=True)
class Row:
    """The responses to a GET and to an empty POST of somebody who is allowed."""

    get: int
    post: int
    who: str = "operators"


LEADS = Row(302, 405)
PAGE, ACT, FORM = Row(200, 405), Row(405, 302), Row(200, 200)
MATRIX = {
    "": PAGE,
    "live/": PAGE,
    "first-run/": Row(404, 404, EVERYBODY),
    "accounts/login/": Row(200, 200, EVERYBODY),
    "accounts/logout/": Row(200, 302, EVERYBODY),
    "accounts/inactive/": Row(200, 405, EVERYBODY),
    "accounts/reauthenticate/": FORM,
    "accounts/password/change/": FORM,
    "connections/": PAGE,
    "connections/add/": Row(200, 200, ADMINISTRATORS),
    "connections/<uuid:code>/": PAGE,
    "connections/<uuid:code>/edit/": Row(200, 200, ADMINISTRATORS),
    "connections/<uuid:code>/test/": ACT,
    "connections/<uuid:code>/fetch-objects/": ACT,
    "connections/<uuid:code>/remove/": Row(200, 302, ADMINISTRATORS),
    "objects/": PAGE,
    "objects/add/": FORM,
    "objects/<int:pk>/": PAGE,
    "objects/<int:pk>/refresh/": ACT,
    "objects/<int:pk>/template.csv": PAGE,
    "objects/<int:pk>/template.xlsx": PAGE,
    "objects/<int:pk>/forget-form/": ACT,
    "objects/<int:pk>/mappings/": PAGE,
    "objects/<int:pk>/records/": PAGE,
    "objects/<int:pk>/request/": PAGE,
    "objects/<int:pk>/request/send/": Row(405, 200),
    "objects/<int:pk>/request/status/<str:status_id>/": PAGE,
    "mappings/<int:pk>/": PAGE,
    "mappings/<int:pk>/new-job/": FORM,
    "mappings/<int:pk>/delete/": Row(200, 302),
    "people/": Row(200, 405, ADMINISTRATORS),
    "people/add/": Row(200, 200, ADMINISTRATORS),
    "people/<int:pk>/": Row(200, 200, ADMINISTRATORS),
    "people/<int:pk>/password/": Row(200, 200, ADMINISTRATORS),
    "people/<int:pk>/deactivate/": Row(200, 302, ADMINISTRATORS),
    "people/<int:pk>/reactivate/": Row(405, 302, ADMINISTRATORS),
    "tokens/": PAGE,
    "tokens/add/": FORM,
    "tokens/<int:pk>/revoke/": Row(
        200, 302, ADMINISTRATORS
    ),  # And who made it (test_tokens.py).
    "storage/": Row(200, 405, ADMINISTRATORS),
    "jobs/": PAGE,
    "jobs/new/": FORM,
    "jobs/new/<uuid:code>/": FORM,
    "jobs/new/<uuid:code>/file/": PAGE,
    "jobs/new/<uuid:code>/replace-file/": ACT,
    "jobs/new/<uuid:code>/layout/": ACT,
    "jobs/new/<uuid:code>/use-mapping/": ACT,
    "jobs/new/<uuid:code>/map/": FORM,
    "jobs/new/<uuid:code>/map/<str:target>/": FORM,
    "jobs/new/<uuid:code>/check/": Row(200, 302),
    "jobs/new/<uuid:code>/check/progress/": PAGE,
    "jobs/new/<uuid:code>/check/again/": ACT,
    "jobs/new/<uuid:code>/check/cancel/": ACT,
    "jobs/new/<uuid:code>/check/warnings/": ACT,
    "jobs/new/<uuid:code>/check/keys/": ACT,
    "jobs/new/<uuid:code>/check/rows/": PAGE,
    "jobs/new/<uuid:code>/check/rows/correct/": ACT,
    "jobs/new/<uuid:code>/check/values/": Row(302, 302),
    "jobs/new/<uuid:code>/check/problems.xlsx": PAGE,
    "jobs/new/<uuid:code>/check/workbook/": Row(302, 302),
    "jobs/new/<uuid:code>/corrections/<int:pk>/undo/": ACT,
    "jobs/new/<uuid:code>/compare/": PAGE,
    "jobs/new/<uuid:code>/compare/progress/": PAGE,
    "jobs/new/<uuid:code>/compare/start/": ACT,
    "jobs/new/<uuid:code>/compare/match/": ACT,
    "jobs/new/<uuid:code>/compare/rows/": ACT,
    "jobs/new/<uuid:code>/compare/skip/": ACT,
    "jobs/new/<uuid:code>/compare/cancel/": ACT,
    "jobs/new/<uuid:code>/review/": PAGE,
    "jobs/new/<uuid:code>/review/progress/": PAGE,
    "jobs/new/<uuid:code>/launch/": ACT,
    "jobs/new/<uuid:code>/discard/": Row(200, 302),
    "jobs/<uuid:code>/": PAGE,
    "jobs/<uuid:code>/progress/": PAGE,
    "jobs/<uuid:code>/rows/": PAGE,
    "jobs/<uuid:code>/events/": PAGE,
    "jobs/<uuid:code>/api/": PAGE,
    "jobs/<uuid:code>/save-mapping/": FORM,
    "jobs/<uuid:code>/results.csv": PAGE,
    "jobs/<uuid:code>/problems.csv": PAGE,
    "jobs/<uuid:code>/plan.csv": Row(404, 405),
    "jobs/<uuid:code>/corrections/": PAGE,
    "jobs/<uuid:code>/batches/": PAGE,
    "jobs/<uuid:code>/batches/<int:seq>/": PAGE,
    "jobs/<uuid:code>/pause/": ACT,
    "jobs/<uuid:code>/resume/": ACT,
    "jobs/<uuid:code>/cancel/": Row(302, 302),
    "jobs/<uuid:code>/stop-waiting/": Row(302, 302),
    "jobs/<uuid:code>/settings/": Row(302, 302),
    "jobs/<uuid:code>/retry/": ACT,
    "jobs/<uuid:code>/continue/": ACT,
    "jobs/<uuid:code>/resolve/": Row(302, 302),
    "jobs/<uuid:code>/undo/": Row(200, 302),
    "jobs/<uuid:code>/undo-plan/": PAGE,
    "jobs/<uuid:code>/undo-plan/progress/": PAGE,
    "jobs/<uuid:code>/undo-plan/read-again/": ACT,
    "jobs/<uuid:code>/undo-plan/fields/": ACT,
    "jobs/<uuid:code>/undo-plan/rows/": ACT,
    "jobs/<uuid:code>/undo-plan/launch/": ACT,
    "jobs/<uuid:code>/proof/": PAGE,
    "jobs/<uuid:code>/proof/progress/": PAGE,
    "jobs/<uuid:code>/proof/start/": ACT,
    "jobs/<uuid:code>/record/": LEADS,
}
CLOSED = (
    "accounts/signup/",
    "accounts/email/",
    "accounts/confirm-email/",
    "accounts/confirm-email/some-key/",
    "accounts/password/set/",
    "accounts/password/reset/",
    "accounts/password/reset/done/",
    "accounts/password/reset/key/1-set-password/",
    "accounts/password/reset/key/done/",
    "accounts/login/code/confirm/",
    "accounts/3rdparty/",
    "accounts/2fa/",
    "accounts/sessions/",
)
"""Other pages of allauth, which Jobs UI does not have."""
OURS = [route for route, row in MATRIX.items() if row.who != EVERYBODY]
UNKNOWN = "00000000-0000-4000-8000-000000000000"
WALL = "accounts/^(?:signup|email|confirm-email|password/(?:set|reset)|login/code)/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def things(db: None) -> Things:  # noqa: ARG001
    return create_things()


def everything() -> dict[str, list[Any]]:
    """All that the database holds."""
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values_list())
        for model in apps.get_models()
        if model._meta.managed
    }


def statuses(client: Client, path: str) -> list[int]:
    """The responses to a GET and to an empty POST. All changes are rolled back."""
    found, cookies = [], client.cookies.output()
    for send in (client.get, client.post):
        with transaction.atomic():
            found.append(send(path).status_code)
            transaction.set_rollback(True)
        client.cookies.load(
            cookies.replace("Set-Cookie: ", "")
        )  # A log-out takes them.
    return found


def nowhere(route: str) -> str:
    """An address of the route, with ids that do not exist."""
    for written, value in {
        "<uuid:code>": UNKNOWN,
        "<int:pk>": "1",
        "<int:seq>": "1",
        "<str:status_id>": "x",
    }.items():
        route = route.replace(written, value)
    return f"/{route}"


def test_every_route_has_a_row() -> None:
    closed = [
        route
        for route in routes()
        if route.startswith("accounts/") and route not in MATRIX
    ]

    assert [route for route in routes() if route not in closed] == list(MATRIX)
    assert closed[0] == WALL
    assert all(
        any(name in route for name in ("signup", "email", "password/", "login/code"))
        for route in closed
    )


def test_stranger_is_redirected_to_sign_in(client: Client, things: Things) -> None:
    paths = [things.path(route) for route in OURS]
    before = everything()

    answers = {path: [client.get(path), client.post(path)] for path in paths}

    led = {
        path: [(a.status_code, a["Location"]) for a in both]
        for path, both in answers.items()
    }
    sign_in = "/accounts/login/?next="
    assert led == {
        path: [
            (302, f"{sign_in}{page_of(path)}"),
            (302, f"{sign_in}{page_of(path)}&unsent=1"),
        ]
        for path in paths
    }
    assert everything() == before


@pytest.mark.parametrize("route", OURS)
def test_stranger_who_polls_gets_a_last_fragment(client: Client, route: str) -> None:
    answer = client.get(nowhere(route), headers={"HX-Request": "true"})

    assert answer.status_code == 200
    assert "You are signed out." in answer.text
    assert "hx-" not in answer.text
    assert "<html" not in answer.text


def test_operator_may_do_what_operators_do(operator: Client, things: Things) -> None:
    done = {route: statuses(operator, things.path(route)) for route in MATRIX}

    allowed = {route: [row.get, row.post] for route, row in MATRIX.items()}
    hidden = {
        route: [404 if status != 405 else 405 for status in allowed[route]]
        for route, row in MATRIX.items()
        if row.who == ADMINISTRATORS
    }
    assert done == allowed | hidden | {"accounts/login/": [302, 302]}


def test_administrator_may_do_everything(administrator: Client, things: Things) -> None:
    done = {route: statuses(administrator, things.path(route)) for route in MATRIX}

    assert done == {route: [row.get, row.post] for route, row in MATRIX.items()} | {
        "accounts/login/": [302, 302]
    }


def test_stranger_may_only_sign_in(client: Client, things: Things) -> None:
    opened = {route: row for route, row in MATRIX.items() if row.who == EVERYBODY}

    done = {route: statuses(client, things.path(route)) for route in opened}

    assert done == {route: [row.get, row.post] for route, row in opened.items()} | {
        "accounts/logout/": [302, 302]
    }


@pytest.mark.parametrize("path", CLOSED)
def test_pages_of_allauth_we_do_not_use_are_not_there(
    client: Client, operator: Client, path: str
) -> None:
    assert [
        client.get(f"/{path}").status_code,
        client.post(f"/{path}").status_code,
    ] == [404, 404]
    assert [
        operator.get(f"/{path}").status_code,
        operator.post(f"/{path}").status_code,
    ] == [404, 404]


def test_looking_changes_nothing(administrator: Client, things: Things) -> None:
    before = everything()

    for route in MATRIX:
        answer = administrator.get(things.path(route))
        if answer.streaming:
            answer.getvalue()

        assert everything() == before, route


def test_posting_without_a_token_is_refused(boss: User, things: Things) -> None:
    strict = signed_in(boss, enforce_csrf_checks=True)
    before = everything()

    answers = {
        route: strict.post(things.path(route), {"confirm": "2"}) for route in MATRIX
    }

    assert {
        route: answer.status_code for route, answer in answers.items()
    } == dict.fromkeys(MATRIX, 403)
    assert ["Access denied" in answer.text for answer in answers.values()] == [
        True
    ] * len(MATRIX)
    assert everything() == before


def test_deactivated_person_is_signed_out_immediately(
    operator: Client, ana: User
) -> None:
    before = operator.get("/jobs/").status_code
    ana.is_active = False
    ana.save()

    assert before == 200
    assert operator.get("/jobs/").status_code == 302


@pytest.mark.parametrize(
    "path",
    [
        "connections/{}/",
        "connections/{}/edit/",
        "jobs/{}/",
        "jobs/{}/progress/",
        "jobs/{}/results.csv",
        "jobs/new/{}/",
        "jobs/{}/batches/1/",
    ],
)
def test_unknown_code_is_not_found(administrator: Client, path: str) -> None:
    assert administrator.get("/" + path.format(UNKNOWN)).status_code == 404


@pytest.mark.parametrize("number", ["0", "9223372036854775807", "9" * 30, "9" * 5000])
@pytest.mark.parametrize(
    "path", ["objects/{}/", "people/{}/", "objects/{}/request/", "tokens/{}/revoke/"]
)
def test_unknown_number_is_not_found_however_large(
    administrator: Client, path: str, number: str
) -> None:
    assert administrator.get("/" + path.format(number)).status_code == 404


def test_batch_of_a_huge_number_is_not_found(operator: Client, things: Things) -> None:
    assert (
        operator.get(f"/jobs/{things.job.code}/batches/{'9' * 30}/").status_code == 404
    )


def test_poll_of_a_deleted_draft_gets_a_last_fragment(
    operator: Client, things: Things
) -> None:
    path = things.path("jobs/new/<uuid:code>/check/progress/")
    operator.post(things.path("jobs/new/<uuid:code>/discard/"))

    answer = operator.get(path, headers={"HX-Request": "true"})

    assert answer.status_code == 200
    assert "hx-" not in answer.text
    assert "This was deleted." in answer.text
    assert operator.get(path).status_code == 404
