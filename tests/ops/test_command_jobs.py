from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError
from django.utils import timezone

from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import Action, EventKind, JobState
from jobsui.jobs.models import Cause, Job
from jobsui.ops import lookup, wait
from tests.factories import make_connection, make_job, make_object, make_user
from tests.ops.commands import run

pytestmark = pytest.mark.django_db

CODE = "11111111-2222-4333-8444-555555555555"
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
    """A job of two rows, completed unless said otherwise."""
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
        f"{name}  2026-07-01 13:30  running    {key}  asset   Acme        rows.csv     2          0        2",
        f"11111111  2026-07-01 12:30  completed  {key}  asset   Acme        rows.csv     2          1        0",
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
def test_list_is_narrowed(target: CustomObject, words: list[str]) -> None:
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
    assert run("jobs", "list").err == "There are no such jobs.\n"


def test_job_is_shown_with_what_went_wrong(target: CustomObject) -> None:
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
        "Does      create_or_update_by_external_id asset in Acme",
        "File      rows.csv",
        "Rows      1 created or updated, 1 failed of 2 rows",
        "Created   2026-07-01 12:30:00 UTC by ana",
        "Finished  2026-07-01 12:30:00 UTC",
        "      1 x note: Too long. (row 3)",
        "          Shorten it.",
    ]


def test_job_is_shown_as_the_api_tells_it(target: CustomObject) -> None:
    job = make(
        target, code=CODE, state=JobState.RUNNING, limited_by="window", batches_total=1
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
        "parent": None,
        "created_by": None,
        "created_at": "2026-07-01T12:30:00Z",
        "started_at": None,
        "finished_at": None,
        "error": None,
        "limited_by": "workers",
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
        "errors": [],
    }


@pytest.mark.parametrize("verb", ["show", "wait", "cancel", "results"])
@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "1111111",
            "'1111111' is no code of a job. Give at least the first 8 characters, see jobs list.",
        ),
        (
            "1111%111",
            "'1111%111' is no code of a job. Give at least the first 8 characters, see jobs list.",
        ),
        (
            "11111111",
            "Several jobs begin with 11111111. Give more characters of the code.",
        ),
        ("99999999", "There is no job 99999999. See jobs list."),
    ],
)
def test_code_that_tells_no_job_is_refused(
    target: CustomObject, verb: str, code: str, sentence: str
) -> None:
    make(target, code=CODE)
    make(target, code=CODE.replace("2", "3"))

    ran = run("jobs", verb, code)

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
def test_wait_tells_how_a_job_stands_by_its_status(
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
        ran.err
        == f"This job is a draft, not launched. Two columns fill Name. Its page: /jobs/{CODE}/\n"
    )


@pytest.mark.django_db(transaction=True)
def test_wait_outlasts_a_database_that_is_away_for_a_moment(
    target: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make(target, code=CODE, state=JobState.RUNNING)
    naps = iter((1, 2))

    def nap(_: float) -> None:
        if next(naps) == 1:
            monkeypatch.setattr(lookup, "jobs", away)
        else:
            monkeypatch.undo()
            Job.objects.filter(pk=job.pk).update(state=JobState.COMPLETED, created=2)

    def away() -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(wait, "sleep", nap)

    ran = run("jobs", "wait", CODE)

    assert ran.status == 0
    assert ran.err == ""
    assert ran.lines[:1] == ["Completed: 2 created of 2 rows."]


def test_database_that_cannot_be_used_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def jobs() -> None:
        raise ProgrammingError('relation "jobs_job" does not exist\nLINE 1: SELECT ...')

    monkeypatch.setattr(lookup, "jobs", jobs)

    ran = run("jobs", "list")

    assert ran.status == 2
    assert ran.out == ""
    assert ran.err == (
        'The database cannot be used: relation "jobs_job" does not exist. If it was never set up, run manage.py '
        "migrate.\n"
    )


def test_cancel_stops_a_job(target: CustomObject) -> None:
    job = make(target, code=CODE, state=JobState.PAUSED, planned_at=AT)

    ran = run("jobs", "cancel", "11111111")

    job.refresh_from_db()
    assert ran.status == 0
    assert ran.err == "Cancelling. Records already sent stay in Zendesk.\n"
    assert job.state in {JobState.CANCELLING, JobState.CANCELLED}
    assert job.events.filter(kind=EventKind.CANCEL_REQUESTED).count() == 1


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (JobState.COMPLETED, "It is too late to cancel this job: it is completed."),
        (
            JobState.DRAFT,
            f"This job is a draft, never launched. Throw it away on its page: /jobs/{CODE}/",
        ),
    ],
)
def test_cancel_of_what_does_not_run_is_refused(
    target: CustomObject, state: JobState, sentence: str
) -> None:
    job = make(target, code=CODE, state=state)

    ran = run("jobs", "cancel", CODE)

    job.refresh_from_db()
    assert ran.status == 2
    assert ran.err == f"{sentence}\n"
    assert job.state == state


def test_results_are_safe_for_spreadsheets_unless_raw(target: CustomObject) -> None:
    make(target, code=CODE, state=JobState.CANCELLED, cancelled=2)

    safe = run("jobs", "results", CODE)
    raw = run("jobs", "results", CODE, "--raw")

    header = "\ufeffexternal_id,note,_row,_outcome,_record_id,_error_code,_error\r\n"
    assert safe.out == f"{header}A,'=1+1,2,cancelled,,,\r\nB,,3,cancelled,,,\r\n"
    assert raw.out == f"{header}A,=1+1,2,cancelled,,,\r\nB,,3,cancelled,,,\r\n"
    assert run("jobs", "results", CODE, "--outcome", "failed").out == header


def test_results_whose_file_is_elsewhere_are_told(target: CustomObject) -> None:
    job = make(target, code=CODE)
    job.file.storage_id = "host-b"
    job.file.save()

    assert run("jobs", "results", CODE).err == (
        "The file of this job is kept on another host, host-b. Download it there.\n"
    )


@pytest.mark.parametrize(
    "words", [["list", "--limit", "0"], ["list", "--state", "asleep"], ["show"], []]
)
def test_words_that_make_no_sense_are_refused(words: list[str]) -> None:
    assert run("jobs", *words).status != 0
