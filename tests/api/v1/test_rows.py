import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobsui.jobs.models import Job
from jobsui.jobs.reports import row_results
from tests.api.conftest import Program, Programs
from tests.web import stages

pytestmark = pytest.mark.django_db
MIXED = "external_id,price\n" + "".join(
    f"g-{n},{'x' if n % 100 == 0 else n}\n" for n in range(1, 351)
)
"""Rows 2 to 351. The 100th, 200th and 300th of them are invalid."""


def pages(program: Program, path: str) -> list[list[dict[str, Any]]]:
    """All pages of a list."""
    found = []
    address: str | None = path
    while address:
        page = program.call("GET", address.rpartition("/api/v1")[2]).json()
        found.append(page["items"])
        address = page["next"]
    return found


def mixed() -> Job:
    return stages.settled(MIXED, stages.failed(), stages.failed("Other."))


def test_rows_are_listed_in_the_order_of_the_file(program: Programs) -> None:
    job = stages.settled(
        "external_id,price\ng-1,1\ng-2,x\ng-3,3\n", stages.failed("Because.", "Code")
    )

    data = pages(program("read"), f"/jobs/{job.code}/rows")

    assert data == [
        [
            {
                "row": 2,
                "outcome": "failed",
                "record_id": None,
                "error_code": "Code",
                "error": "Because.",
            },
            {
                "row": 3,
                "outcome": "invalid",
                "record_id": None,
                "error_code": "not_a_number",
                "error": "price: “x” is not a number.",
            },
            {
                "row": 4,
                "outcome": "created_or_updated",
                "record_id": "01REC",
                "error_code": None,
                "error": None,
            },
        ]
    ]


@pytest.mark.parametrize("max_batches", [1, 200])
def test_pages_contain_each_row_once(
    program: Programs, monkeypatch: pytest.MonkeyPatch, max_batches: int
) -> None:
    monkeypatch.setattr(row_results, "MAX_BATCHES", max_batches)
    job = mixed()

    data = pages(program("read"), f"/jobs/{job.code}/rows?limit=40")

    rows = [row for page in data for row in page]
    assert [row["row"] for row in rows] == list(range(2, 352))
    assert [row["outcome"] for row in rows] == [
        row.outcome for row in row_results.outcome_rows(job)
    ]


@pytest.mark.parametrize("max_batches", [1, 200])
@pytest.mark.parametrize(
    ("outcome", "rows"),
    [
        ("failed", [2, 3]),
        ("invalid", [101, 201, 301]),
        ("uncertain", []),
        ("pending", []),
        ("cancelled", []),
        ("created_or_updated", [n for n in range(4, 352) if n not in {101, 201, 301}]),
    ],
)
def test_rows_are_filtered_by_outcome(
    program: Programs,
    monkeypatch: pytest.MonkeyPatch,
    max_batches: int,
    outcome: str,
    rows: list[int],
) -> None:
    monkeypatch.setattr(row_results, "MAX_BATCHES", max_batches)
    job = mixed()

    data = pages(program("read"), f"/jobs/{job.code}/rows?limit=200&outcome={outcome}")

    assert [row["row"] for page in data for row in page] == rows


def test_planned_rows_are_pending(program: Programs) -> None:
    job = stages.planned("external_id,price\ng-1,1\ng-2,2\n")

    data = pages(program("read"), f"/jobs/{job.code}/rows?outcome=pending")

    assert [(row["row"], row["outcome"]) for row in data[0]] == [
        (2, "pending"),
        (3, "pending"),
    ]


def test_page_deep_in_a_job_reads_few_batches(program: Programs) -> None:
    job = mixed()
    reader = program("read")

    with CaptureQueriesContext(connection) as asked:
        data = reader.call("GET", f"/jobs/{job.code}/rows?limit=10&cursor=340").json()

    opened = [query["sql"] for query in asked if "jobs_batchblob" in query["sql"]]
    assert [row["row"] for row in data["items"]] == list(range(341, 351))
    assert len(opened) == 1


@pytest.mark.parametrize("path", ["/jobs", "/jobs/{job}/rows", "/jobs/{job}/batches"])
def test_invalid_cursor_is_refused(program: Programs, path: str) -> None:
    job = stages.settled()

    response = program("read").call(
        "GET", f"{path.format(job=job.code)}?cursor=nonsense"
    )

    message = "is not a cursor of this list; use next from a page, or leave it out"
    assert response.status_code == 422
    assert response.json()["code"] == "bad_cursor"
    assert response.json()["errors"] == [{"where": "query.cursor", "message": message}]


def test_results_add_outcomes_to_the_file(program: Programs) -> None:
    job = mixed()
    reader = program("read")

    whole = reader.call("GET", f"/jobs/{job.code}/results.csv")
    failed = reader.call("GET", f"/jobs/{job.code}/results.csv?outcome=failed&raw=true")

    content = b"".join(whole.streaming_content)
    rows = list(
        csv.DictReader(
            io.StringIO(b"".join(failed.streaming_content).decode("utf-8-sig"))
        )
    )
    assert whole["Content-Type"] == "text/csv; charset=utf-8"
    assert content == b"".join(row_results.results_csv(job))
    assert [(row["external_id"], row["_row"], row["_error"]) for row in rows] == [
        ("g-1", "2", "Because."),
        ("g-2", "3", "Other."),
    ]


def test_results_without_the_stored_file_are_refused(program: Programs) -> None:
    job = mixed()
    job.file.delete_content()

    response = program("read").call("GET", f"/jobs/{job.code}/results.csv")

    assert response.status_code == 409
    assert (
        response.json()["detail"]
        == "The stored file of this job is gone, so its rows cannot be downloaded."
    )


def test_errors_are_grouped_by_cause(program: Programs) -> None:
    jobs = [stages.checked(MIXED), mixed()]

    data = [
        program("read").call("GET", f"/jobs/{job.code}/errors").json()["items"]
        for job in jobs
    ]

    found = [
        [
            (cause["phase"], cause["column"], cause["count"], cause["sample_rows"])
            for cause in causes
        ]
        for causes in data
    ]
    assert found == [
        [("check", "price", 3, [101, 201, 301])],
        [
            ("send", "price", 3, [101, 201, 301]),
            ("send", None, 1, [2]),
            ("send", None, 1, [3]),
        ],
    ]
    assert [cause["message"] for cause in data[1][1:]] == ["Because.", "Other."]
