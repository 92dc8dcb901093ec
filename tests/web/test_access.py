"""Who may do what: every route against everybody. A new route has no row, and fails."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import resolve

from jobsui.access import roles
from jobsui.access.models import LimitUse, Role, Session
from jobsui.web.addresses import page_of
from tests.factories import make_connection, make_user
from tests.web.conftest import signed_in
from tests.web.routes import Things, create_things, routes

EVERYBODY = "everybody"
VIEWERS = "viewers"
OPERATORS = "operators"
APPROVERS = "approvers"
MANAGERS = "administrators of the connection"
ADMINISTRATORS = "administrators"


@dataclass(frozen=True)
class Row:
    """The responses to a GET and to an empty POST of somebody who is allowed."""

    get: int
    post: int
    who: str = OPERATORS


LEADS = Row(302, 405, VIEWERS)
SEEN = Row(200, 405, VIEWERS)
PAGE, ACT, FORM = Row(200, 405), Row(405, 302), Row(200, 200)
MATRIX = {
    "": SEEN,
    "live/": SEEN,
    "first-run/": Row(404, 404, EVERYBODY),
    "accounts/login/": Row(200, 200, EVERYBODY),
    "accounts/2fa/webauthn/": Row(302, 302, VIEWERS),
    "accounts/logout/": Row(200, 302, EVERYBODY),
    "accounts/inactive/": Row(200, 405, EVERYBODY),
    "accounts/reauthenticate/": Row(200, 200, VIEWERS),
    "accounts/password/change/": Row(200, 200, VIEWERS),
    "accounts/2fa/": SEEN,
    "accounts/2fa/authenticate/": Row(302, 302, EVERYBODY),
    "accounts/2fa/reauthenticate/": Row(302, 302, VIEWERS),
    "accounts/2fa/totp/activate/": Row(200, 200, VIEWERS),
    "accounts/2fa/totp/deactivate/": Row(404, 404, VIEWERS),
    "accounts/2fa/recovery-codes/": Row(404, 405, VIEWERS),
    "accounts/2fa/recovery-codes/generate/": Row(200, 200, VIEWERS),
    "accounts/2fa/webauthn/add/": Row(200, 200, VIEWERS),
    "accounts/2fa/webauthn/reauthenticate/": Row(302, 302, VIEWERS),
    "accounts/2fa/webauthn/keys/<int:pk>/remove/": Row(404, 404, VIEWERS),
    "connections/": SEEN,
    "connections/add/": Row(200, 200, ADMINISTRATORS),
    "connections/credentials/": Row(200, 405, MANAGERS),
    "connections/oauth/": Row(400, 405, MANAGERS),
    "connections/<uuid:code>/": SEEN,
    "connections/<uuid:code>/move/": Row(200, 200, MANAGERS),
    "connections/<uuid:code>/edit/": Row(200, 200, MANAGERS),
    "connections/<uuid:code>/test/": ACT,
    "connections/<uuid:code>/fetch-objects/": ACT,
    "connections/<uuid:code>/approval/": Row(200, 302, MANAGERS),
    "connections/<uuid:code>/remove/": Row(200, 302, MANAGERS),
    "objects/": SEEN,
    "objects/add/": FORM,
    "objects/<int:pk>/": SEEN,
    "objects/<int:pk>/refresh/": ACT,
    "objects/<int:pk>/template.csv": SEEN,
    "objects/<int:pk>/template.xlsx": SEEN,
    "objects/<int:pk>/forget-form/": ACT,
    "objects/<int:pk>/mappings/": SEEN,
    "objects/<int:pk>/records/": SEEN,
    "objects/<int:pk>/request/": PAGE,
    "objects/<int:pk>/request/send/": Row(405, 200),
    "objects/<int:pk>/request/status/<str:status_id>/": PAGE,
    "mappings/<int:pk>/": SEEN,
    "mappings/<int:pk>/new-job/": FORM,
    "mappings/<int:pk>/delete/": Row(200, 302),
    "people/": Row(200, 405, ADMINISTRATORS),
    "people/add/": Row(200, 200, ADMINISTRATORS),
    "people/<int:pk>/": Row(200, 200, ADMINISTRATORS),
    "people/<int:pk>/password/": Row(200, 200, ADMINISTRATORS),
    "people/<int:pk>/sessions/": Row(200, 302, ADMINISTRATORS),
    "people/<int:pk>/second-factor/": Row(200, 302, ADMINISTRATORS),
    "people/<int:pk>/deactivate/": Row(200, 302, ADMINISTRATORS),
    "people/<int:pk>/reactivate/": Row(405, 302, ADMINISTRATORS),
    "me/": SEEN,
    "me/sessions/": Row(200, 302, VIEWERS),
    "tokens/": SEEN,
    "tokens/add/": Row(200, 200, VIEWERS),
    "tokens/<int:pk>/revoke/": Row(
        200, 302, ADMINISTRATORS
    ),  # And who made it (test_tokens.py).
    "approvals/": Row(200, 405, APPROVERS),
    "storage/": Row(200, 405, ADMINISTRATORS),
    "audit/": Row(200, 405, ADMINISTRATORS),
    "audit/audit.csv": Row(200, 405, ADMINISTRATORS),
    "audit/audit.jsonl": Row(200, 405, ADMINISTRATORS),
    "notifications/": Row(200, 405, MANAGERS),
    "notifications/add/": Row(200, 200, MANAGERS),
    "notifications/messages/": Row(200, 405, MANAGERS),
    "notifications/<int:pk>/": Row(200, 200, MANAGERS),
    "notifications/<int:pk>/test/": Row(405, 302, MANAGERS),
    "notifications/<int:pk>/remove/": Row(200, 302, MANAGERS),
    "jobs/": SEEN,
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
    "jobs/<uuid:code>/": SEEN,
    "jobs/<uuid:code>/progress/": SEEN,
    "jobs/<uuid:code>/rows/": SEEN,
    "jobs/<uuid:code>/events/": SEEN,
    "jobs/<uuid:code>/api/": SEEN,
    "jobs/<uuid:code>/save-mapping/": FORM,
    "jobs/<uuid:code>/results.csv": SEEN,
    "jobs/<uuid:code>/problems.csv": SEEN,
    "jobs/<uuid:code>/plan.csv": Row(404, 405, VIEWERS),
    "jobs/<uuid:code>/corrections/": SEEN,
    "jobs/<uuid:code>/batches/": SEEN,
    "jobs/<uuid:code>/batches/<int:seq>/": PAGE,
    "jobs/<uuid:code>/pause/": ACT,
    "jobs/<uuid:code>/resume/": ACT,
    "jobs/<uuid:code>/cancel/": Row(302, 302),
    "jobs/<uuid:code>/stop-waiting/": Row(302, 302),
    "jobs/<uuid:code>/settings/": Row(302, 302),
    "jobs/<uuid:code>/retry/": ACT,
    "jobs/<uuid:code>/continue/": ACT,
    "jobs/<uuid:code>/resolve/": Row(302, 302),
    "jobs/<uuid:code>/approve/": Row(405, 302, APPROVERS),
    "jobs/<uuid:code>/reject/": Row(405, 302, APPROVERS),
    "jobs/<uuid:code>/undo/": Row(200, 302),
    "jobs/<uuid:code>/undo-plan/": PAGE,
    "jobs/<uuid:code>/undo-plan/progress/": PAGE,
    "jobs/<uuid:code>/undo-plan/read-again/": ACT,
    "jobs/<uuid:code>/undo-plan/fields/": ACT,
    "jobs/<uuid:code>/undo-plan/rows/": ACT,
    "jobs/<uuid:code>/undo-plan/launch/": ACT,
    "jobs/<uuid:code>/proof/": SEEN,
    "jobs/<uuid:code>/proof/progress/": SEEN,
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
    "accounts/2fa/recovery-codes/download/",
    "accounts/2fa/webauthn/keys/1/edit/",
    "accounts/sessions/",
)
"""Other pages of allauth, which Jobs UI does not have."""
MAY = {
    Role.VIEWER: {EVERYBODY, VIEWERS},
    Role.OPERATOR: {EVERYBODY, VIEWERS, OPERATORS},
    Role.APPROVER: {EVERYBODY, VIEWERS, OPERATORS, APPROVERS},
    Role.ADMINISTRATOR: {EVERYBODY, VIEWERS, OPERATORS, APPROVERS, MANAGERS},
}
OURS = [route for route, row in MATRIX.items() if row.who != EVERYBODY]
UNKNOWN = "00000000-0000-4000-8000-000000000000"
WALL = (
    "accounts/^(?:signup|email|confirm-email|password/(?:set|reset)|login/code"
    r"|2fa/recovery-codes/download|2fa/webauthn/keys/\d+/edit)/"
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def things(db: None) -> Things:  # noqa: ARG001
    return create_things()


def everything() -> dict[str, list[Any]]:
    """All that the database holds, but how much of the limits is used, the sessions, which
    keep what a page has offered, and the audit log: it also tells who has looked at what was
    sent."""
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values_list())
        for model in apps.get_models()
        if model._meta.managed
        and model not in (LimitUse, Session)
        and model._meta.app_label != "audit"
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


def answers(client: Client, path: str) -> list[tuple[int, str]]:
    """As `statuses`, with the text of what is not found, but for its own address."""
    sent = (client.get(path), client.post(path))
    own = f'content="{page_of(path)}"'
    return [
        (
            each.status_code,
            each.text.replace(own, "") if each.status_code == 404 else "",
        )
        for each in sent
    ]


def offered(client: Client, path: str) -> list[str]:
    """The routes to which the links, forms and live sections of a page lead."""
    text = client.get(path).text
    found = re.findall(r'(?:href|action|hx-get|hx-post)="(/[^"?#]*)', text)
    ours = [each for each in found if not each.startswith(("/static/", "/api/"))]
    return [resolve(each).route for each in ours]


def refused(row: Row, status: int) -> list[int]:
    """As `statuses`, where another method is refused before anything else."""
    return [405 if each == 405 else status for each in (row.get, row.post)]


def nowhere(route: str) -> str:
    """An address of the route, with ids that do not exist."""
    for written, value in {
        "<uuid:code>": UNKNOWN,
        "<int:pk>": "999999",
        "<int:seq>": "1",
        "<str:status_id>": "x",
        "<str:target>": "external_id",
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
        any(
            name in route
            for name in (
                "signup",
                "email",
                "password/",
                "login/code",
                "codes/download",
                "/edit",
            )
        )
        for route in closed
    )


def test_stranger_is_redirected_to_sign_in(client: Client, things: Things) -> None:
    # The way back from Zendesk opens itself again first (test_credentials.py).
    paths = [things.path(route) for route in OURS if route != "connections/oauth/"]
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


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("is_general", [True, False])
def test_role_decides_what_a_person_may_do(
    things: Things, role: Role, *, is_general: bool
) -> None:
    """A general role, or one for this connection."""
    if is_general and role is Role.ADMINISTRATOR:
        pytest.skip("test_administrator_may_do_everything")
    person = make_user("ana", role=role if is_general else None)
    if not is_general:
        roles.assign(person, role, connection=things.connection)

    done = {route: statuses(signed_in(person), things.path(route)) for route in MATRIX}

    assert done == {
        route: refused(row, 404 if row.who == ADMINISTRATORS else 403)
        if row.who not in MAY[role]
        else [row.get, row.post]
        for route, row in MATRIX.items()
    } | {"accounts/login/": [302, 302]}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.APPROVER])
def test_pages_offer_only_what_the_role_allows(things: Things, role: Role) -> None:
    person = make_user("ana", role=None)
    roles.assign(person, role, connection=things.connection)
    client = signed_in(person)
    shown = [
        route
        for route, row in MATRIX.items()
        if row.get == 200 and row.who in MAY[role] and route.endswith("/")
    ]

    offers = {route: offered(client, things.path(route)) for route in shown}

    beyond = {
        route: [each for each in offers[route] if MATRIX[each].who not in MAY[role]]
        for route in shown
    }
    assert beyond == {route: [] for route in shown}
    assert "jobs/<uuid:code>/rows/" in offers["jobs/<uuid:code>/"]


@pytest.mark.parametrize("general", [None, Role.OPERATOR])
def test_what_belongs_to_another_connection_does_not_exist(
    things: Things, general: Role | None
) -> None:
    """Not even for an administrator of another connection, nor for an operator who lost
    the general role."""
    person = make_user("ana", role=general)
    roles.assign(person, Role.ADMINISTRATOR, connection=make_connection(name="Other"))
    roles.assign(person, None)
    client = signed_in(person)
    foreign = [route for route in OURS if "<" in route and "people/" not in route]

    done = {route: answers(client, things.path(route)) for route in foreign}
    missing = {route: answers(client, nowhere(route)) for route in foreign}

    assert {route: [status for status, _ in both] for route, both in done.items()} == {
        route: refused(MATRIX[route], 404) for route in foreign
    }
    assert done == missing


def test_person_without_a_role_sees_nothing(things: Things) -> None:
    client = signed_in(make_user("ana", role=None))

    done = {route: statuses(client, things.path(route)) for route in OURS}

    nothing = {
        route: refused(row, 404 if "<" in route or row.who == ADMINISTRATORS else 403)
        for route, row in MATRIX.items()
    }
    seen = (
        "",
        "live/",
        "connections/",
        "objects/",
        "jobs/",
        "me/",
        "me/sessions/",
        "tokens/",
        "tokens/add/",
    )
    assert done == {
        route: [MATRIX[route].get, MATRIX[route].post]
        if route in seen or route.startswith("accounts/")
        else nothing[route]
        for route in OURS
    }
    assert [client.get(f"/{route}").text.count("gadget") for route in seen] == [
        0
    ] * len(seen)


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
