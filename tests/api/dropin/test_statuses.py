"""Job statuses of the drop-in endpoint."""

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobsui.jobs.control import actions, automation
from jobsui.jobs.enums import Action, JobState, Outcome
from jobsui.jobs.models import BatchBlob, File, Job, RowResult
from jobsui.jobs.preparation import checker
from tests.api.dropin.conftest import Program, item, make_token, read
from tests.factories import make_connection
from tests.harness import Harness, gadgets

pytestmark = pytest.mark.django_db(transaction=True)
MOMENT = re.compile(r"Completed at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000")


def run(
    harness: Harness, program: Program, action: str, items: list[Any]
) -> dict[str, Any]:
    queued = program.post_job(action, items)
    harness.task_queue.run_all()
    return program.status(queued["id"])


def test_results_that_were_deleted_are_null_and_say_so(
    harness: Harness, program: Program
) -> None:
    made = run(harness, program, "create", [item(1)])
    Job.objects.update(results_pruned_at=timezone.now())

    status = program.status(made["id"])

    assert status["status"] == "completed"
    assert status["results"] is None
    message = "The results of the rows of this job were deleted"
    assert re.match(f"{MOMENT.pattern}. {message}", status["message"])


def test_finished_job_has_a_result_for_each_item(
    harness: Harness, program: Program
) -> None:
    made = run(harness, program, "create", [item(1), item(2), item(3, serial="wrong")])
    ids = {key: record["id"] for key, record in harness.records().items()}

    status = run(
        harness,
        program,
        "create_or_update_by_external_id",
        [item(2, price=2), item(4), {"name": "x"}, item(4)],
    )

    assert made["results"][0] == {
        "index": 0,
        "id": ids["g-1"],
        "external_id": "g-1",
        "status": "Created",
    }
    assert made["results"][2]["status"] == "Failed"
    [error] = made["results"][2]["errors"]
    assert error["code"] == "Record validation errors"
    assert error["title"] == "Record validation errors"
    assert "serial" in error["detail"].lower()
    assert status["status"] == "completed"
    assert status["total"] == 4
    assert status["progress"] == 4
    assert MOMENT.fullmatch(status["message"])
    assert status["results"][:2] == [
        {
            "index": 0,
            "id": ids["g-2"],
            "external_id": "g-2",
            "status": "CreateOrUpdate",
        },
        {
            "index": 1,
            "id": harness.records()["g-4"]["id"],
            "external_id": "g-4",
            "status": "CreateOrUpdate",
        },
    ]
    nameless = {
        "code": "not_an_item",
        "title": "Not sent",
        "detail": "The item has no external_id to identify the record.",
    }
    assert status["results"][2] == {
        "index": 2,
        "status": "Failed",
        "errors": [nameless],
    }
    assert status["results"][3]["errors"][0]["code"] == "duplicate_external_id"


def test_deletions_and_updates_identify_their_records(
    harness: Harness, program: Program
) -> None:
    run(harness, program, "create", [item(1), item(2), item(3)])
    ids = {key: record["id"] for key, record in harness.records().items()}

    updated = run(harness, program, "update", [{"id": ids["g-1"], "name": "Changed"}])
    deleted = run(harness, program, "delete", [ids["g-1"], "01UNKNOWN"])
    by_external_id = run(harness, program, "delete_by_external_id", ["g-2", "g-9"])

    assert updated["results"] == [
        {"index": 0, "id": ids["g-1"], "status": "Updated"} | _external(updated)
    ]
    assert [(each["id"], each["status"]) for each in deleted["results"]] == [
        (ids["g-1"], "Deleted"),
        ("01UNKNOWN", "Failed"),
    ]
    assert [
        (each["external_id"], each["status"]) for each in by_external_id["results"]
    ] == [
        ("g-2", "Deleted"),
        ("g-9", "Failed"),
    ]
    assert by_external_id["results"][1]["errors"][0] == {
        "code": "CustomObjectRecordDeleteFailed",
        "title": "Record not found",
    }


def _external(status: dict[str, Any]) -> dict[str, Any]:
    """The external ID of its first result, if it has one."""
    return {
        key: value
        for key, value in status["results"][0].items()
        if key == "external_id"
    }


def test_uncertain_and_cancelled_items_have_their_own_errors(
    harness: Harness, program: Program
) -> None:
    run(harness, program, "create", [item(1), item(2), item(3)])
    job = Job.objects.get()
    blob = BatchBlob.objects.get()
    results_of_rows = blob.row_results
    results_of_rows[1:] = [
        RowResult(Outcome.UNCERTAIN, message="No answer came."),
        RowResult(Outcome.CANCELLED),
    ]
    blob.results = BatchBlob.packed_results(results_of_rows)
    blob.save()
    Job.objects.filter(pk=job.pk).update(
        state=JobState.NEEDS_DECISION, created=1, uncertain=1, cancelled=1
    )

    status = program.status(f"V3-{job.code.hex}")

    assert [each["status"] for each in status["results"]] == [
        "Created",
        "Failed",
        "Failed",
    ]
    assert [each["errors"] for each in status["results"][1:]] == [
        [
            {
                "code": "Uncertain",
                "title": "Could not confirm whether this item was saved",
                "detail": "No answer came.",
            }
        ],
        [
            {
                "code": "Cancelled",
                "title": "Not sent",
                "detail": "The job ended before this item was sent.",
            }
        ],
    ]
    assert status["status"] == "completed"
    assert status["progress"] == 3


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({"state": JobState.DRAFT}, ("queued", None, None)),
        ({"state": JobState.CHECKING}, ("queued", None, None)),
        ({"state": JobState.QUEUED, "auto_target": ""}, ("queued", None, None)),
        ({"state": JobState.RUNNING, "created": 2}, ("working", 2, None)),
        (
            {"state": JobState.PAUSED, "reason": "Too many rows failed."},
            ("working", 0, "Too many rows failed."),
        ),
        ({"state": JobState.CANCELLING}, ("working", 0, None)),
        (
            {"state": JobState.DRAFT, "auto_target": "", "reason": "Fix it."},
            ("failed", None, "Fix it."),
        ),
        (
            {"state": JobState.READY, "auto_target": ""},
            ("failed", None, "The job waits in Jobs UI for a person to launch it."),
        ),
    ],
)
def test_unfinished_job_has_no_results(
    program: Program, fields: dict[str, Any], data: tuple[str, int | None, str | None]
) -> None:
    queued = program.post_job("create", [item(1), item(2), item(3)])
    rows = 0 if fields["state"] in {JobState.DRAFT, JobState.CHECKING} else 3
    Job.objects.update(**{"auto_target": "queued", "rows": rows} | fields)

    status = program.status(queued["id"])

    assert (status["status"], status["progress"], status["message"]) == data
    assert status["total"] == 3
    assert status["results"] is None


def test_cancelled_job_reports_items_that_were_not_sent(
    harness: Harness, program: Program
) -> None:
    queued = program.post_job("create", [item(1), item(2)])
    job = Job.objects.get()
    automation.advance(job)
    checker.check(job, stopping=threading.Event())
    automation.advance(job)
    actions.cancel(job, by=None)
    harness.task_queue.run_all()

    status = program.status(queued["id"])

    assert status["status"] == "failed"
    assert status["message"][-23:] == ": cancelled in Jobs UI."
    assert [
        (each["index"], each["external_id"], each["errors"][0]["code"])
        for each in status["results"]
    ] == [
        (0, "g-1", "Cancelled"),
        (1, "g-2", "Cancelled"),
    ]


def test_status_is_readable_on_another_machine(
    harness: Harness, program: Program
) -> None:
    status = run(harness, program, "create", [item(1), {"name": "x"}, "nonsense"])
    File.objects.update(storage_id="another machine")

    elsewhere = program.status(status["id"])

    nameless = [
        {k: v for k, v in each.items() if k != "external_id"}
        for each in status["results"]
    ]
    assert elsewhere["results"] == nameless


def test_statuses_of_other_connections_and_files_are_404(
    harness: Harness, program: Program, ana: User
) -> None:
    status = program.post_job("create", [item(1)])
    other = Program(
        make_token(ana, make_connection(name="Other", host="other.zendesk.com"))
    )
    from_file = harness.planned(gadgets(2, first=5), Action.CREATE)

    responses = [
        other.get(f"job_statuses/{status['id']}"),
        program.get(f"job_statuses/V3-{from_file.code.hex}"),
        program.get("job_statuses/nonsense"),
        program.get(f"job_statuses/{status['id'].upper()}"),
        program.get(f"job_statuses/{status['id'][3:]}"),
    ]

    assert [
        (response.status_code, read(response)["error"]) for response in responses
    ] == [(404, "RecordNotFound")] * 5
    assert read(other.get("job_statuses"))["job_statuses"] == []
    assert read(other.get("job_statuses/show_many", ids=status["id"])) == {
        "job_statuses": []
    }
    assert [
        each["id"] for each in read(program.get("job_statuses"))["job_statuses"]
    ] == [status["id"]]


def test_many_are_returned_in_the_requested_order(program: Program) -> None:
    ids = [program.post_job("create", [item(number)])["id"] for number in range(3)]

    response = program.get(
        "job_statuses/show_many.json", ids=f"{ids[2]},unknown,{ids[0]},{ids[2]},"
    )

    assert [each["id"] for each in read(response)["job_statuses"]] == [ids[2], ids[0]]


@pytest.mark.parametrize("ids", ["", ",", ",".join(map(str, range(101)))])
def test_too_many_or_no_ids_are_refused(program: Program, ids: str) -> None:
    response = program.get("job_statuses/show_many", ids=ids)

    assert response.status_code == 400
    assert read(response)["error"]["title"] == "Invalid attribute"
    assert (
        "ids must have 1 to 100 ids from api/v2/job_statuses/show_many"
        in read(response)["error"]["message"]
    )


def follow(program: Program, response: Any, direction: str) -> list[list[str]]:
    """The IDs of this page and of the pages its links lead to."""
    pages = []
    while True:
        data = read(response)
        pages.append([each["id"] for each in data["job_statuses"]])
        link = data["links"][direction]
        if link is None:
            return pages
        assert link.startswith("http://testserver/api/v2/job_statuses?")
        response = program.client.get(
            link, headers={"Authorization": f"Bearer {program.token}"}
        )


def test_list_has_pages_both_ways(program: Program) -> None:
    oldest_first = [
        program.post_job("create", [item(number)])["id"] for number in range(5)
    ]
    ids = oldest_first[::-1]

    first = program.get("job_statuses", **{"page[size]": 2, "locale": "en"})
    data = read(program.get("job_statuses", **{"page[size]": 2}))
    last = read(
        program.get(
            "job_statuses",
            **{"page[size]": 4, "page[after]": data["meta"]["after_cursor"]},
        )
    )
    before = program.get(
        "job_statuses",
        **{"page[size]": 2, "page[before]": last["meta"]["after_cursor"]},
    )

    assert follow(program, first, "next") == [ids[:2], ids[2:4], ids[4:]]
    assert data["meta"]["has_more"]
    assert data["links"]["prev"] is None
    assert not last["meta"]["has_more"]
    assert last["links"]["next"] is None
    assert follow(program, before, "prev") == [ids[2:4], ids[:2]]


@pytest.mark.parametrize(
    "query",
    [
        {"page[size]": "0"},
        {"page[size]": "101"},
        {"page[size]": "x"},
        {"page[after]": "nonsense"},
        {"page[after]": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"},
        {"page[after]": "MQ==", "page[before]": "MQ=="},
    ],
)
def test_invalid_page_is_refused(program: Program, query: dict[str, str]) -> None:
    response = program.get("job_statuses", **query)

    assert response.status_code == 400
    assert read(response)["error"]["title"] == "Invalid attribute"


@pytest.fixture
def queries(program: Program) -> Callable[[], int]:
    def count() -> int:
        with CaptureQueriesContext(connection) as seen:
            read(program.get("job_statuses"))
        return len(seen)

    return count


def test_list_takes_the_same_queries_for_more_jobs(
    program: Program, queries: Callable[[], int]
) -> None:
    program.post_job("create", [item(1)])
    few = queries()
    for number in range(2, 5):
        program.post_job("create", [item(number)])

    assert queries() == few
