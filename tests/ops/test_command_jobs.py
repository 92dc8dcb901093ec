from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError
from django.utils import timezone

from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import Action, EventKind, JobState
from jobsui.jobs.models import Cause, File, Job
from jobsui.ops import lookup, wait
from tests.factories import (
    make_connection,
    make_job,
    make_object,
    make_user,
    make_warning,
)
from tests.ops.commands import run

pytestmark = pytest.mark.django_db

CODE = "11111111-2222-4333-8444-555555555555"
NOT_A_CODE = (
    "is not the code of a job. Enter at least its first 8 characters. "
    "List the jobs: manage.py jobs list"
)
AT = timezone.now().replace(2026, 7, 1, 12, 30, 0, 0)


@pytest.fixture
def target() -> CustomObject:
    return make_object(make_connection())


def make(
    target: CustomObject,
    *,
    action: Action = Action.UPSERT_BY_EXTERNAL_ID,
    **fields: Any,
) -> Job:
    """A job of two rows, completed by default."""
    job = make_job("external_id,note\nA,=1+1\nB,\n", action, to=target)
    values = {"state": JobState.COMPLETED, "rows": 2, "created_at": AT} | fields
    Job.objects.filter(pk=job.pk).update(**values)
    job.refresh_from_db()
    return job


def test_launched_jobs_are_listed_newest_first(target: CustomObject) -> None:
    make(target, state=JobState.DRAFT)
    make(target, code=CODE, created_or_updated=1, failed=1)
    newest = make(target, state=JobState.RUNNING, created_at=AT.replace(hour=13))

    ran = run("jobs", "list")

    name = str(newest.code)[:8]
    key = "create_or_update_by_external_id"
    assert ran.status == 0
    assert ran.lines == [
        "CODE      CREATED           STATE      ACTION                           OBJECT  "
        "CONNECTION  FILE      ROWS  SUCCEEDED  PENDING",
        f"{name}  2026-07-01 13:30  running    "
        f"{key}  asset   Acme        rows.csv     2          0        2",
        "11111111  2026-07-01 12:30  completed  "
        f"{key}  asset   Acme        rows.csv     2          1        0",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["--state", "paused"],
        ["--connection", "Trial"],
        ["--object", "car"],
        ["--action", "create"],
        ["--limit", "1"],
    ],
)
def test_list_is_filtered(target: CustomObject, words: list[str]) -> None:
    trial = make_connection(name="Trial", host="trial.zendesk.com")
    make(target)
    late = AT.replace(year=2027)
    wanted = make(
        make_object(trial, "car"),
        action=Action.CREATE,
        state=JobState.PAUSED,
        created_at=late,
    )

    ran = run("jobs", "list", "--json", *words)

    assert [job["id"] for job in ran.data] == [str(wanted.code)]


def test_drafts_are_listed_by_their_state(target: CustomObject) -> None:
    draft = make(target, state=JobState.DRAFT)

    assert [
        job["url"] for job in run("jobs", "list", "--json", "--state", "draft").data
    ] == [f"/jobs/{draft.code}/"]
    assert run("jobs", "list").err == "No jobs found.\n"


def test_show_includes_the_causes(target: CustomObject) -> None:
    job = make(
        target,
        code=CODE,
        created_by=make_user("ana"),
        created_or_updated=1,
        failed=1,
        finished_at=AT,
    )
    Cause.objects.create(
        job=job,
        phase="send",
        signature="s",
        column="note",
        message="Too long.",
        fix="Shorten it.",
        count=1,
        sample_rows=[3],
    )

    ran = run("jobs", "show", "11111111")

    assert ran.status == 0
    assert ran.lines == [
        f"Job       {CODE}",
        f"Page      /jobs/{CODE}/",
        "State     Completed",
        "Action    create_or_update_by_external_id asset in Acme",
        "File      rows.csv",
        "Rows      1 created or updated, 1 failed of 2 rows",
        "Created   2026-07-01 12:30:00 UTC by ana",
        "Finished  2026-07-01 12:30:00 UTC",
        "      1 x note: Too long. (row 3)",
        "          Shorten it.",
    ]


def test_show_includes_warnings_about_the_file(target: CustomObject) -> None:
    job = make(target)
    warning = make_warning(message="Rounded.", fix="Fix it.", rows=[2], values=["1E+9"])
    File.objects.filter(pk=job.file_id).update(warnings=[warning])

    ran = run("jobs", "show", str(job.code))

    assert ran.lines[-1] == "Rounded. Fix it. (row 2: “1E+9”)"


def test_show_as_json_is_the_body_of_the_api(target: CustomObject) -> None:
    job = make(
        target,
        code=CODE,
        state=JobState.RUNNING,
        limited_by="job_slots",
        batches_total=1,
    )

    shown = run("jobs", "show", CODE, "--json").data[0]

    assert shown == {
        "id": CODE,
        "url": f"/jobs/{CODE}/",
        "state": "running",
        "connection": str(target.connection.code),
        "connection_name": "Acme",
        "object": "asset",
        "action": "create_or_update_by_external_id",
        "file": str(job.file.code),
        "file_name": "rows.csv",
        "saved_mapping": None,
        "parent": None,
        "created_by": None,
        "created_at": "2026-07-01T12:30:00Z",
        "started_at": None,
        "finished_at": None,
        "error": None,
        "approval": None,
        "waits_for": [],
        "limited_by": "worker",
        "counts": {
            "rows": 2,
            "pending": 2,
            "created": 0,
            "updated": 0,
            "created_or_updated": 0,
            "deleted": 0,
            "unchanged": 0,
            "invalid": 0,
            "failed": 0,
            "uncertain": 0,
            "cancelled": 0,
        },
        "batches": {"total": 1, "waiting": 1, "in_flight": 0, "done": 0},
        "records_per_second": None,
        "eta_seconds": None,
        "continues_at": None,
        "temporary_failures": 0,
        "warnings": [],
        "api_warnings": [],
        "comparison": None,
        "proof": None,
        "undo_plan": None,
        "pruned": dict.fromkeys(("undo", "bodies", "attempts", "results", "file")),
        "errors": [],
    }


@pytest.mark.parametrize("command", ["show", "wait", "cancel", "results"])
@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "1111111",
            f"'1111111' {NOT_A_CODE}",
        ),
        (
            "1111%111",
            f"'1111%111' {NOT_A_CODE}",
        ),
        (
            "11111111",
            "Several jobs start with 11111111. Enter more characters of the code.",
        ),
        ("99999999", "There is no job 99999999. List the jobs: manage.py jobs list"),
    ],
)
def test_code_of_no_job_is_refused(
    target: CustomObject, command: str, code: str, sentence: str
) -> None:
    make(target, code=CODE)
    make(target, code=CODE.replace("2", "3"))

    ran = run("jobs", command, code)

    assert ran.status == 2
    assert ran.out == ""
    assert ran.err == f"{sentence}\n"


@pytest.mark.parametrize(
    ("fields", "status", "first"),
    [
        ({"created": 2}, 0, "Completed: 2 created of 2 rows."),
        (
            {"created": 1, "unchanged": 1},
            0,
            "Completed: 1 created, 1 unchanged of 2 rows.",
        ),
        ({"created": 1, "failed": 1}, 1, "Completed: 1 created, 1 failed of 2 rows."),
        (
            {"state": JobState.CANCELLED, "created": 1, "cancelled": 1},
            1,
            "Cancelled: 1 created, 1 cancelled of 2 rows.",
        ),
        (
            {"state": JobState.NEEDS_DECISION, "uncertain": 2},
            1,
            "Needs a decision: 2 uncertain of 2 rows.",
        ),
        (
            {"state": JobState.PAUSED, "reason": "Too many fail."},
            1,
            "Paused: 2 pending of 2 rows.",
        ),
        (
            {"state": JobState.FAILED, "cancelled": 2},
            1,
            "Failed: 2 cancelled of 2 rows.",
        ),
    ],
)
def test_exit_status_of_wait_follows_the_result(
    target: CustomObject, fields: dict[str, Any], status: int, first: str
) -> None:
    make(target, code=CODE, **fields)

    ran = run("jobs", "wait", CODE)

    assert ran.status == status
    assert ran.lines[0] == first
    assert str(fields.get("reason", "")) in ran.lines[1]


def test_wait_for_a_draft_is_refused(target: CustomObject) -> None:
    make(target, code=CODE, state=JobState.DRAFT, reason="Two columns fill Name.")

    ran = run("jobs", "wait", CODE)

    assert ran.status == 2
    assert (
        ran.err == "This job is a draft and was not launched. Two columns fill Name. "
        f"Job page: /jobs/{CODE}/\n"
    )


@pytest.mark.django_db(transaction=True)
def test_wait_survives_a_short_database_outage(
    target: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make(target, code=CODE, state=JobState.RUNNING)
    sleeps = iter((1, 2))

    def sleep(_: float) -> None:
        if next(sleeps) == 1:
            monkeypatch.setattr(lookup, "jobs", unavailable)
        else:
            monkeypatch.undo()
            Job.objects.filter(pk=job.pk).update(state=JobState.COMPLETED, created=2)

    def unavailable() -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(wait, "sleep", sleep)

    ran = run("jobs", "wait", CODE)

    assert ran.status == 0
    assert ran.err == ""
    assert ran.lines[:1] == ["Completed: 2 created of 2 rows."]


def test_unavailable_database_is_reported_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def jobs() -> None:
        raise ProgrammingError('relation "jobs_job" does not exist\nLINE 1: SELECT ...')

    monkeypatch.setattr(lookup, "jobs", jobs)

    ran = run("jobs", "list")

    assert ran.status == 2
    assert ran.out == ""
    assert ran.err == (
        'The database is not available: relation "jobs_job" does not exist. '
        "If it is new, run manage.py migrate.\n"
    )


def test_cancel_stops_a_job(target: CustomObject) -> None:
    job = make(target, code=CODE, state=JobState.PAUSED, planned_at=AT)

    ran = run("jobs", "cancel", "11111111")

    job.refresh_from_db()
    assert ran.status == 0
    assert ran.err == "Cancelling. Records that were sent stay in Zendesk.\n"
    assert job.state in {JobState.CANCELLING, JobState.CANCELLED}
    assert job.events.filter(kind=EventKind.CANCEL_REQUESTED).count() == 1


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (JobState.COMPLETED, "It is too late to cancel this job: it is completed."),
        (
            JobState.DRAFT,
            f"This job is a draft and was not launched. Discard it on its page: /jobs/{CODE}/",
        ),
    ],
)
def test_cancel_of_a_job_at_rest_is_refused(
    target: CustomObject, state: JobState, sentence: str
) -> None:
    job = make(target, code=CODE, state=state)

    ran = run("jobs", "cancel", CODE)

    job.refresh_from_db()
    assert ran.status == 2
    assert ran.err == f"{sentence}\n"
    assert job.state == state


def test_results_escape_formulas_unless_raw(target: CustomObject) -> None:
    make(target, code=CODE, state=JobState.CANCELLED, cancelled=2)

    safe = run("jobs", "results", CODE)
    raw = run("jobs", "results", CODE, "--raw")

    header = "\ufeffexternal_id,note,_row,_outcome,_record_id,_error_code,_error\r\n"
    assert safe.out == f"{header}A,'=1+1,2,cancelled,,,\r\nB,,3,cancelled,,,\r\n"
    assert raw.out == f"{header}A,=1+1,2,cancelled,,,\r\nB,,3,cancelled,,,\r\n"
    assert run("jobs", "results", CODE, "--outcome", "failed").out == header


def test_results_of_a_file_on_another_machine_are_refused(target: CustomObject) -> None:
    job = make(target, code=CODE)
    job.file.storage_id = "host-b"
    job.file.save()

    assert run("jobs", "results", CODE).err == (
        "The file of this job is stored on another machine, host-b. Download it there.\n"
    )


@pytest.mark.parametrize(
    "words", [["list", "--limit", "0"], ["list", "--state", "asleep"], ["show"], []]
)
def test_invalid_arguments_are_refused(words: list[str]) -> None:
    assert run("jobs", *words).status != 0
