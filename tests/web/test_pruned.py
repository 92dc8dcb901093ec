"""Pages of a job of which the retention settings deleted something."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from jobsui.jobs.enums import JobState, Purpose, ReadState
from jobsui.jobs.models import File, Job, RecordRead
from tests.jobs import old_jobs
from tests.web.pages import buttons, visible

pytestmark = pytest.mark.django_db
FINISHED = datetime(2027, 2, 1, tzinfo=UTC)
PRUNED = datetime(2027, 5, 3, tzinfo=UTC)
AGE = "deleted on 3 May 2027, 91 days after the job finished"


def pruned(*marks: str, state: JobState = JobState.COMPLETED) -> Job:
    """A job with one failed and one invalid row, of which this was deleted."""
    job = old_jobs.finished()
    fields: dict[str, Any] = dict.fromkeys(marks, PRUNED)
    if "file" in fields:
        File.objects.filter(pk=job.file_id).update(content_pruned_at=fields.pop("file"))
    Job.objects.filter(pk=job.pk).update(finished_at=FINISHED, state=state, **fields)
    job.refresh_from_db()
    return job


def shown(client: Client, job: Job, path: str = "") -> str:
    return visible(client.get(f"/jobs/{job.code}/{path}").text)


def test_batch_says_that_its_request_was_deleted(operator: Client) -> None:
    job = pruned("bodies_pruned_at")

    text = shown(operator, job, "batches/1/")

    assert (
        "The request of this batch and the responses to it were "
        f"{AGE} (JOBSUI_KEEP_BODIES_DAYS)." in text
    )
    assert "Copy as curl" not in text
    assert "No response yet" not in text
    assert "Taken: The ID is taken." in text


def test_batch_says_that_its_attempts_were_deleted(operator: Client) -> None:
    job = pruned("attempts_pruned_at")

    text = shown(operator, job, "batches/1/")

    assert (
        f"The attempts to send this batch were {AGE} (JOBSUI_KEEP_ATTEMPTS_DAYS)."
        in text
    )


def test_batch_says_that_its_results_were_deleted(operator: Client) -> None:
    job = pruned("bodies_pruned_at", "results_pruned_at")

    text = shown(operator, job, "batches/1/")

    assert (
        f"The results of the rows of this batch were {AGE} (JOBSUI_KEEP_RESULTS_DAYS)."
        in text
    )
    assert "99 of 100 rows saved, 1 failed" in text


def test_job_page_says_that_results_were_deleted(operator: Client) -> None:
    job = pruned("bodies_pruned_at", "results_pruned_at")

    page = operator.get(f"/jobs/{job.code}/").text

    assert (
        f"The results of the rows of this job were {AGE} (JOBSUI_KEEP_RESULTS_DAYS). "
        "The counts on this page stay." in visible(page)
    )
    assert "Retry 1 failed row" not in buttons(page)
    assert "results.csv" not in page


def test_rows_page_says_that_results_were_deleted(operator: Client) -> None:
    job = pruned("bodies_pruned_at", "results_pruned_at")

    text = shown(operator, job, "rows/")

    assert f"The results of the rows of this job were {AGE}" in text
    assert "Row Outcome Column" not in text


def test_download_of_deleted_results_explains_itself(operator: Client) -> None:
    job = pruned("bodies_pruned_at", "results_pruned_at")

    response = operator.get(f"/jobs/{job.code}/results.csv", follow=True)

    assert f"The results of the rows of this job were {AGE}" in visible(response.text)


def test_job_page_says_that_the_file_was_deleted(operator: Client) -> None:
    job = pruned("file")

    page = operator.get(f"/jobs/{job.code}/").text

    assert f"The file of this job was {AGE} (JOBSUI_KEEP_FILES_DAYS)." in visible(page)
    assert "Retry 1 failed row" not in buttons(page)


def test_download_without_the_file_has_the_results_alone(operator: Client) -> None:
    job = pruned("file")

    response = operator.get(f"/jobs/{job.code}/results.csv?outcome=failed")

    lines = b"".join(response).decode("utf-8-sig").splitlines()
    assert lines == [
        "_row,_outcome,_record_id,_error_code,_error",
        "2,failed,,Taken,The ID is taken.",
    ]


def test_retry_of_deleted_rows_is_refused_with_the_reason(operator: Client) -> None:
    job = pruned("file")

    response = operator.post(f"/jobs/{job.code}/retry/", follow=True)

    assert (
        f"The rows of this job cannot be sent again. The file of this job was {AGE}"
        in visible(response.text)
    )
    assert not job.retries.exists()


def test_unsent_rows_that_were_deleted_offer_no_new_job(operator: Client) -> None:
    job = pruned("file", state=JobState.CANCELLED)
    Job.objects.filter(pk=job.pk).update(cancelled=3, rows=254)

    page = operator.get(f"/jobs/{job.code}/").text

    assert "New job from the 3 rows not sent" not in buttons(page)
    assert "To send failed or unsent rows again, upload them in a new job." in visible(
        page
    )


@pytest.mark.parametrize("path", ["", "rows/", "events/", "api/", "batches/"])
def test_every_page_of_a_pruned_job_opens(operator: Client, path: str) -> None:
    job = pruned("bodies_pruned_at", "attempts_pruned_at", "results_pruned_at", "file")
    job.batches.all()[0].blob.delete()

    response = operator.get(f"/jobs/{job.code}/{path}")

    assert response.status_code == 200


def test_storage_page_shows_what_is_due(administrator: Client, settings: Any) -> None:
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"bodies": 30, "jobs": 0}
    old_jobs.finished()

    text = visible(administrator.get("/storage/").text)

    assert "Requests and responses" in text
    assert "30 days JOBSUI_KEEP_BODIES_DAYS Now: 1 job, about" in text
    assert "Forever JOBSUI_KEEP_JOBS_DAYS –" in text


def test_storage_page_shows_how_much_old_values_take(
    administrator: Client, settings: Any
) -> None:
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"undo": 30}
    settings.MAX_UNDO_MB = 50
    job = old_jobs.finished()
    Job.objects.filter(pk=job.pk).update(image_bytes=2_000_000)

    text = visible(administrator.get("/storage/").text)

    assert "Old values of records take 2.0" in text
    assert "of at most 50.0 MB ( JOBSUI_MAX_UNDO_MB )" in text
    assert "Now: 1 job, about 2.0 MB; then 0 bytes" in text


def test_undo_page_says_that_old_values_were_deleted(operator: Client) -> None:
    job = pruned("undo_pruned_at")
    Job.objects.filter(pk=job.pk).update(image_bytes=1, updated=248)

    text = shown(operator, job, "undo/")

    assert (
        "cannot be undone. The old values of the records of this job were "
        f"{AGE} (JOBSUI_KEEP_UNDO_DAYS)." in text
    )


def test_proof_whose_rows_were_deleted_claims_nothing(operator: Client) -> None:
    job = pruned("undo_pruned_at")
    RecordRead.objects.create(
        job=job,
        purpose=Purpose.PROVE,
        state=ReadState.DONE,
        pages_total=3,
        counts={"exact": 240, "altered": 8},
    )

    text = shown(operator, job, "proof/")

    assert f"These rows were {AGE} (JOBSUI_KEEP_UNDO_DAYS)." in text
    assert "Every record is what was sent" not in text
