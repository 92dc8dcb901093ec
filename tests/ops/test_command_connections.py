import pytest
from django.utils import timezone

from jobsui.jobs.enums import JobState
from jobsui.jobs.models import Job
from tests.factories import make_connection, make_job, make_object
from tests.ops.commands import run

pytestmark = pytest.mark.django_db


def test_connections_are_listed_with_their_open_jobs() -> None:
    acme = make_connection(
        production=True,
        test_passed=True,
        tested_at=timezone.now().replace(2026, 7, 1),
        last_used_at=timezone.now().replace(2026, 11, 2),
    )
    make_connection(name="Trial", host="trial.zendesk.com")
    target = make_object(acme)
    for state in (
        JobState.DRAFT,
        JobState.RUNNING,
        JobState.PAUSED,
        JobState.COMPLETED,
    ):
        Job.objects.filter(pk=make_job("external_id\nA\n", to=target).pk).update(
            state=state
        )

    ran = run("connections")

    assert ran.status == 0
    assert ran.lines == [
        "NAME   HOST               PRODUCTION  AUTHENTICATION      LAST USED   ENDS        "
        "TESTED             OPEN JOBS",
        "Acme   acme.zendesk.com   yes         API token (legacy)  2026-11-02  2027-04-30  "
        "passed 2026-07-01          2",
        "Trial  trial.zendesk.com  no          API token (legacy)  never       2027-04-30  "
        "never                      0",
    ]


def test_connections_as_json_hold_no_secret() -> None:
    acme = make_connection()

    ran = run("connections", "--json")

    assert ran.data == [
        {
            "id": str(acme.code),
            "name": "Acme",
            "host": "acme.zendesk.com",
            "production": False,
            "auth_method": "api_token",
            "credential": {
                "kind": "api_token",
                "scopes": [],
                "authenticated_as": None,
                "last_used_at": None,
                "expires_at": "2027-04-30T00:00:00+00:00",
            },
            "tested_at": None,
            "test_passed": False,
            "open_jobs": 0,
        }
    ]


def test_empty_list_is_reported_on_standard_error() -> None:
    ran = run("connections")

    assert ran.status == 0
    assert ran.out == ""
    assert (
        ran.err == "There are no connections. Create one on the page /connections/.\n"
    )
