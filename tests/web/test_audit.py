"""What the audit log has of the pages and the APIs, and its own page."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobsui.access import tokens
from jobsui.access.models import Scope
from jobsui.audit import log
from jobsui.audit.log import Subject
from jobsui.audit.models import Action, Entry
from jobsui.connections.models import Connection
from jobsui.jobs.enums import JobState
from tests.factories import make_connection, make_user
from tests.web import stages
from tests.web.conftest import signed_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"
SECRET = "canary-of-the-client-secret"
FORM = {
    "name": "Acme",
    "host": "acme",
    "sign_in": "oauth_client",
    "client_id": "jobs-ui",
    "client_secret": SECRET,
    "requests_per_minute": "700",
    "share": "90",
    "max_running_jobs": "30",
}


def told(since: int = 0) -> list[tuple[str, str, str]]:
    """(who, what, on what) of the entries behind this number, oldest first."""
    entries = Entry.objects.filter(number__gt=since).order_by("number")
    return [(each.person, each.action, each.subject) for each in entries]


def last() -> Entry:
    return Entry.objects.latest("number")


def sign_in(client: Client, username: str, password: str) -> None:
    client.post("/accounts/login/", {"login": username, "password": password})


def test_sign_ins_are_logged_with_those_that_fail(client: Client) -> None:
    make_user("ana", password=PASSWORD)
    sign_in(client, "ana", "wrong")
    sign_in(client, "hunter2-my-password", "ana")
    sign_in(client, "ana", PASSWORD)
    client.post("/accounts/logout/")

    assert told() == [
        ("", "sign_in_failed", "ana"),
        ("", "sign_in_failed", "unknown"),
        ("ana", "signed_in", "ana"),
        ("ana", "signed_out", "ana"),
    ]
    assert {entry.address for entry in Entry.objects.all()} == {"127.0.0.1"}


def test_people_and_roles_are_logged(administrator: Client) -> None:
    acme = make_connection()
    administrator.post("/people/add/", {"username": "leo", "role": "operator"})
    leo = User.objects.get(username="leo")
    administrator.post(
        f"/people/{leo.pk}/",
        {"username": "leo", "role": "viewer", f"connection_{acme.pk}": "operator"},
    )
    changed = last()
    administrator.post(f"/people/{leo.pk}/password/")
    administrator.post(f"/people/{leo.pk}/deactivate/")
    administrator.post(f"/people/{leo.pk}/reactivate/")

    assert [what for _, what, _ in told()] == [
        "signed_in",
        "person_added",
        "person_changed",
        "password_reset",
        "person_deactivated",
        "person_reactivated",
    ]
    assert changed.person == "boss"
    assert changed.changes == {
        "role": ("operator", "viewer"),
        "role for Acme": ("", "operator"),
    }


def test_connections_are_logged_without_their_secrets(administrator: Client) -> None:
    administrator.post("/connections/add/", FORM)
    added = last()
    acme = Connection.objects.get()
    administrator.post(
        f"/connections/{acme.code}/edit/", FORM | {"share": "50", "client_secret": ""}
    )
    changed = last()
    administrator.post(f"/connections/{acme.code}/remove/")

    assert [what for _, what, _ in told(since=1)] == [
        "connection_added",
        "connection_changed",
        "connection_removed",
    ]
    assert added.after["replaced secrets"] == "client_secret"
    assert changed.changes == {"share": ("90", "50")}
    assert SECRET not in json.dumps([entry.content for entry in Entry.objects.all()])


def test_tokens_are_logged_without_their_text(operator: Client, ana: User) -> None:
    operator.post("/tokens/add/", {"name": "Nightly", "scope": "run", "days": "30"})
    created = last()
    token = ana.api_tokens.get()
    operator.post(f"/tokens/{token.pk}/revoke/")

    assert told(since=1) == [
        ("ana", "token_created", str(token)),
        ("ana", "token_revoked", str(token)),
    ]
    assert created.after["scope"] == "run"


def test_actions_on_jobs_are_logged(operator: Client) -> None:
    job = stages.planned(state=JobState.RUNNING)
    path = f"/jobs/{job.code}/"
    operator.post(f"{path}pause/")
    operator.post(f"{path}resume/")
    operator.post(f"{path}cancel/")

    assert told(since=1) == [
        ("ana", "job_paused", "rows.csv"),
        ("ana", "job_resumed", "rows.csv"),
        ("ana", "job_cancelled", "rows.csv"),
    ]
    assert last().subject_id == str(job.code)
    assert last().connection == job.connection.name


def test_downloads_and_looks_at_requests_are_logged(operator: Client) -> None:
    job = stages.settled(stages.ROWS, stages.failed())
    path = f"/jobs/{job.code}/"
    operator.get(f"{path}results.csv?outcome=failed").getvalue()
    operator.get(f"{path}problems.csv").getvalue()
    operator.get(f"{path}batches/1/")

    entries = Entry.objects.order_by("number")[1:]
    assert [(entry.action, entry.after) for entry in entries] == [
        ("exported", {"file": "results.csv", "outcome": "failed"}),
        ("exported", {"file": "problems.csv"}),
        ("bodies_seen", {"batch": 1}),
    ]


@pytest.mark.parametrize(
    ("path", "action"),
    [("jobs/{}/results.csv", "exported"), ("batches/{}", "bodies_seen")],
)
def test_programs_are_logged_by_their_token(path: str, action: str) -> None:
    boss = make_user("boss", admin=True)
    token, text = tokens.create(boss, "Nightly", scope=Scope.READ)
    job = stages.settled(stages.ROWS, stages.failed())
    which: Any = job.code if "jobs" in path else job.batches.get().pk

    Client(headers={"Authorization": f"Bearer {text}"}).get(
        f"/api/v1/{path.format(which)}"
    )

    assert (last().person, last().means, last().action) == (
        "boss",
        token.prefix,
        action,
    )
    assert last().address == "127.0.0.1"


def test_page_shows_filters_and_downloads_the_log(administrator: Client) -> None:
    job = stages.planned(state=JobState.RUNNING)
    signed_in(make_user("ana")).post(f"/jobs/{job.code}/pause/")
    administrator.post("/people/add/", {"username": "=leo()", "role": "viewer"})
    administrator.post("/people/add/", {"username": "leo", "role": "viewer"})

    page = administrator.get("/audit/").text
    of_ana = administrator.get("/audit/?person=ana")
    lines = (
        administrator.get("/audit/audit.jsonl?action=job_paused").getvalue().decode()
    )
    table = administrator.get("/audit/audit.csv").getvalue().decode()

    [line] = [json.loads(line) for line in lines.splitlines()]
    assert "Paused a job" in page
    assert [entry.action for entry in of_ana.context["page"].entries] == [
        "job_paused",
        "signed_in",
    ]
    assert (line["person"], line["subject"]) == ("ana", "rows.csv")
    assert line["digest"] == Entry.objects.get(action="job_paused").digest
    assert table.splitlines()[0].startswith("number,at,person,means,address,request")
    assert last().action == "audit_exported"
    assert log.mistake() == ""


def test_page_takes_as_many_queries_for_many_entries(
    administrator: Client, django_assert_num_queries: Any
) -> None:
    job = stages.planned()
    for _ in range(60):
        log.record(Action.JOB_PAUSED, Subject("job", str(job.code), "rows.csv"))

    with django_assert_num_queries(3):  # session, user, entries
        page = administrator.get("/audit/")
    older = administrator.get(f"/audit/?before={page.context['page'].older}")

    assert len(page.context["page"].entries) == 50
    assert len(older.context["page"].entries) == 11
