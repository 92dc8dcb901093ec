"""Pages and downloads of a job with a batch whose stored content is damaged."""

import csv
import io

import pytest
from django.test import Client
from django.utils import timezone

from jobsui.jobs.ledger import unreadable
from jobsui.jobs.models import Attempt, Batch, BatchBlob, Job
from jobsui.jobs.reports.batch_details import DAMAGED
from tests.web import stages

pytestmark = pytest.mark.django_db
COLUMNS = ("payload", "rows", "results", "job_status_body")


def damaged(job: Job, *columns: str) -> Job:
    blobs = BatchBlob.objects.filter(batch__job=job)
    blobs.update(**dict.fromkeys(columns, b"garbage"))
    return job


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return b"".join(response).decode("utf-8-sig")


@pytest.mark.parametrize("page", ["", "rows/", "batches/", "batches/1/", "api/"])
@pytest.mark.parametrize("column", COLUMNS)
def test_pages_of_a_damaged_batch_are_shown(
    operator: Client, column: str, page: str
) -> None:
    job = damaged(stages.settled(), column)

    text_of(operator, f"/jobs/{job.code}/{page}")


@pytest.mark.parametrize("page", ["", "rows/", "batches/1/", "api/"])
def test_pages_of_a_batch_without_content_are_shown(
    operator: Client, page: str
) -> None:
    job = stages.settled()
    BatchBlob.objects.filter(batch__job=job).delete()

    text_of(operator, f"/jobs/{job.code}/{page}")


def test_batch_page_says_what_is_damaged(operator: Client) -> None:
    job = damaged(stages.settled(), *COLUMNS)
    Attempt.objects.create(
        batch=Batch.objects.get(job=job),
        number=1,
        epoch=1,
        at=timezone.now(),
        items=2,
        response_body=b"garbage",
    )

    assert DAMAGED in text_of(operator, f"/jobs/{job.code}/batches/1/")


@pytest.mark.parametrize(
    ("columns", "outcomes"),
    [
        (("rows",), ["failed", "created_or_updated", "invalid"]),
        (("results",), ["failed", "created_or_updated", "invalid"]),
        (("rows", "results"), ["failed", "created_or_updated", "invalid"]),
    ],
)
def test_results_say_what_is_still_known(
    operator: Client, columns: tuple[str, ...], outcomes: list[str]
) -> None:
    job = damaged(stages.settled(stages.ROWS, stages.failed()), *columns)

    content = text_of(operator, f"/jobs/{job.code}/results.csv")

    lines = list(csv.DictReader(io.StringIO(content)))
    assert [line["_outcome"] for line in lines] == outcomes
    assert lines[0]["_error"] == "Because."


def test_results_of_which_some_are_unknown_say_so(operator: Client) -> None:
    job = damaged(stages.settled(), "results")
    Batch.objects.filter(job=job).update(succeeded=1)

    content = text_of(operator, f"/jobs/{job.code}/results.csv")

    lines = list(csv.DictReader(io.StringIO(content)))
    assert [line["_outcome"] for line in lines] == ["uncertain", "uncertain", "invalid"]
    assert lines[0]["_error_code"] == unreadable.CODE
