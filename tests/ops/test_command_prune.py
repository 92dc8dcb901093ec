from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobsui.access.models import Session
from jobsui.api.models import IdempotencyRecord
from jobsui.jobs import leases
from jobsui.jobs.control import pruning
from jobsui.jobs.models import BatchBlob
from jobsui.ops.management.commands import prune
from tests.factories import make_user
from tests.jobs import old_jobs
from tests.ops.commands import run

pytestmark = pytest.mark.django_db


def bodies() -> int:
    return BatchBlob.objects.exclude(payload=b"").count()


@pytest.fixture(autouse=True)
def _keep(settings: Any) -> None:
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"bodies": 30}


def test_prune_deletes_what_is_due() -> None:
    old_jobs.finished()

    ran = run("prune")

    assert ran.status == 0
    assert ran.lines[0] == "Deleted 3 requests."
    # What is free depends on the pages that other tests left.
    assert any(line.startswith("Database: ") for line in ran.lines)
    assert bodies() == 0
    assert run("prune").lines[0] == "Nothing is due."


def test_dry_run_shows_what_is_due_and_deletes_nothing() -> None:
    old_jobs.finished()

    ran = run("prune", "--dry-run")

    assert ran.lines[0].startswith("Requests and responses: about ")
    assert ran.lines[0].endswith("Kept for 30 days (JOBSUI_KEEP_BODIES_DAYS).")
    assert ran.lines[1].startswith("  Due now: 1 job, about ")
    assert bodies() == 3


def test_prune_waits_for_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "LEASE_TIMEOUT_SECONDS", 1)
    old_jobs.finished()

    with leases.held(pruning.LEASE):
        ran = run("prune")

    assert ran.status != 0
    assert "Another process is pruning." in ran.err
    assert bodies() == 3


def test_expired_sessions_and_responses_are_deleted() -> None:
    now = timezone.now()
    for key, expires_at in (("old", now - timedelta(1)), ("new", now + timedelta(1))):
        Session.objects.create(session_key=key, expire_date=expires_at)
    user = make_user()
    for key in ("old", "new"):
        IdempotencyRecord.objects.create(user=user, key=key)
    old = IdempotencyRecord.objects.filter(key="old")
    old.update(created_at=now - timedelta(hours=25))

    run("prune")

    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    assert list(IdempotencyRecord.objects.values_list("key", flat=True)) == ["new"]
