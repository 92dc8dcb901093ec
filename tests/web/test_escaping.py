"""Every page shows content of files, of Zendesk and of people as text."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobsui.access import tokens
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.control import saved_mappings, undo
from jobsui.jobs.enums import EventKind, FileState
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.models import (
    Attempt,
    Batch,
    BatchBlob,
    Cause,
    Correction,
    CorrectionUpload,
    File,
    Job,
    SavedMapping,
)
from jobsui.jobs.models.batch import pack
from jobsui.notifications import outbox
from jobsui.notifications.models import Delivery
from tests.factories import make_channel, make_user, make_warning
from tests.web import stages
from tests.web.routes import Things
from tests.web.test_access import MATRIX

pytestmark = pytest.mark.django_db
EVIL = "<img src=x onerror=alert(1)>\"'"
SHOWN = (
    "&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;",
    "&lt;img src=x onerror=alert(1)&gt;\\&quot;&#x27;",
)
FIELD: dict[str, Any] = {
    "key": EVIL,
    "title": EVIL,
    "type": "dropdown",
    "active": True,
    "description": EVIL,
    "custom_field_options": [{"value": EVIL, "name": EVIL}],
}


@pytest.fixture
def evil(boss: User) -> Things:
    """A harness in which every name and every text is markup."""
    content = (
        f'external_id,"{EVIL.replace(chr(34), chr(34) * 2)}"\n'
        + f'"{EVIL.replace(chr(34), chr(34) * 2)}",1\nb,2\n'
    )
    thing = stages.gadget()
    job = stages.settled(content, stages.failed(EVIL, EVIL))
    draft = stages.checked(content, created_by=boss)
    Cause.objects.update(
        column=EVIL, message=EVIL, fix=EVIL, sample_values=[EVIL, EVIL]
    )
    Cause.objects.create(
        job=draft,
        phase="check",
        signature="x",
        code="x",
        column=EVIL,
        message=EVIL,
        fix=EVIL,
        count=1,
        sample_values=[EVIL, EVIL],
        sample_rows=[EVIL],
    )
    job.row_errors.update(column=EVIL, value=EVIL, message=EVIL)
    lifecycle.record(job, EventKind.NOTE, by=boss, facts={"text": EVIL})
    batch = Batch.objects.get(job=job)
    body = json.dumps({"error": EVIL}).encode()
    Attempt.objects.create(
        batch=batch,
        number=1,
        epoch=1,
        at=timezone.now(),
        items=2,
        note=EVIL,
        response_body=pack(body),
    )
    BatchBlob.objects.filter(batch=batch).update(job_status_body=pack(body))
    CustomObject.objects.update(
        title=EVIL, description=EVIL, fields=[*thing.fields, FIELD]
    )
    Connection.objects.update(
        name=EVIL,
        production=True,
        tested_at=timezone.now(),
        test_result={"error": EVIL, "user": EVIL, "role": EVIL},
    )
    warning = make_warning(message=EVIL, fix=EVIL, column=EVIL, rows=[2], values=[EVIL])
    File.objects.update(
        name=EVIL, warnings=[warning], sample=[[2, [EVIL, EVIL]]], sheet=EVIL
    )
    Job.objects.update(reason=EVIL)
    User.objects.filter(pk=boss.pk).update(username=EVIL)
    person = make_user("person")
    User.objects.filter(pk=person.pk).update(username=f"{EVIL}2")
    token, _ = tokens.create(boss, EVIL, connection=thing.connection)
    job.refresh_from_db()
    mapping = saved_mappings.save(job, EVIL, by=boss)
    facts = {"external_id": {"label": EVIL, "type": EVIL}}
    SavedMapping.objects.update(
        columns=[EVIL], mapping={EVIL: "external_id"}, fields=facts
    )
    Job.objects.filter(pk=draft.pk).update(saved_mapping=mapping)
    correction = Correction.objects.create(
        job=draft, column=EVIL, before=EVIL, after=EVIL, by=person
    )
    CorrectionUpload.objects.create(
        job=draft, name=EVIL, refused=1, refusals=[[2, EVIL]]
    )
    undone = undo.create(job, by=boss)
    channel = make_channel(thing.connection, name=EVIL)
    outbox.write_test(channel)
    Delivery.objects.update(error=EVIL)
    return Things(
        thing.connection,
        thing,
        job,
        draft,
        undone,
        correction,
        person,
        token,
        mapping,
        channel,
    )


def test_every_page_shows_markup_as_text(administrator: Client, evil: Things) -> None:
    pages = {
        route: administrator.get(evil.path(route))
        for route, row in MATRIX.items()
        if row.get == 200
    }

    texts = {
        route: page.text
        for route, page in pages.items()
        if page["Content-Type"].startswith("text/html")
    }
    assert {
        route
        for route, text in texts.items()
        if "<img src=x" in text or 'onerror=alert(1)>"' in text
    } == set()
    # Each page shows something that could have been markup, except these.
    silent = {
        route
        for route, text in texts.items()
        if not any(shown in text for shown in SHOWN)
    }
    assert silent == {
        "accounts/login/",
        "accounts/logout/",
        "accounts/inactive/",
        "accounts/reauthenticate/",
        "objects/<int:pk>/request/status/<str:status_id>/",
        "jobs/new/<uuid:code>/compare/progress/",
        "jobs/<uuid:code>/undo-plan/progress/",
        "jobs/<uuid:code>/proof/progress/",
    }


@pytest.mark.parametrize("state", [FileState.READING, FileState.REJECTED])
def test_file_that_is_not_read_shows_markup_as_text(
    administrator: Client, evil: Things, state: FileState
) -> None:
    File.objects.update(state=state, error=EVIL)

    text = administrator.get(evil.path("jobs/new/<uuid:code>/")).text

    assert SHOWN[0] in text
    assert "<img src=x" not in text


def test_what_was_typed_comes_back_as_text(administrator: Client, evil: Things) -> None:
    answers = [
        administrator.get("/jobs/", {"q": EVIL, "object": EVIL}),
        administrator.get("/objects/", {"q": EVIL}),
        administrator.get(evil.path("objects/<int:pk>/request/"), {"action": EVIL}),
        administrator.get(
            evil.path("jobs/<uuid:code>/rows/"), {"outcome": EVIL, "cause": EVIL}
        ),
        administrator.get("/objects/add/", {"connection": EVIL}),
        administrator.post(
            "/objects/add/", {"key": EVIL, "connection": str(evil.connection.code)}
        ),
        administrator.post("/people/add/", {"username": EVIL}),
        administrator.post("/tokens/add/", {"name": EVIL, "scope": EVIL}),
        administrator.post("/tokens/add/", {"name": EVIL, "scope": "run"}),
        administrator.post(
            "/connections/add/", {"name": EVIL, "host": EVIL, "client_id": EVIL}
        ),
        administrator.post(
            evil.path("objects/<int:pk>/request/send/"),
            {"method": "POST", "path": EVIL, "body": EVIL},
        ),
    ]

    assert [
        (answer.status_code, "<img src=x" in answer.text) for answer in answers
    ] == [(200, False)] * 11


def test_messages_show_markup_as_text(administrator: Client, evil: Things) -> None:
    answer = administrator.post(
        evil.path("connections/<uuid:code>/remove/"), follow=True
    )

    assert f"{SHOWN[0]} cannot be removed: it has jobs" in answer.text
    assert "<img src=x" not in answer.text
