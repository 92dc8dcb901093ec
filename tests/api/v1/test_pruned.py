"""What programs see of a job of which the retention settings deleted something."""

from typing import Any

from django.utils import timezone

from jobsui.jobs.models import File, Job
from tests.api.conftest import Programs
from tests.jobs import old_jobs


def pruned(*marks: str) -> Job:
    job = old_jobs.finished()
    now = timezone.now()
    fields: dict[str, Any] = dict.fromkeys(marks, now)
    if fields.pop("file", None):
        File.objects.filter(pk=job.file_id).update(content_pruned_at=now)
    Job.objects.filter(pk=job.pk).update(**fields)
    job.refresh_from_db()
    return job


def test_job_says_what_was_deleted(program: Programs) -> None:
    job = pruned("results_pruned_at", "file")

    body = program("read").call("GET", f"/jobs/{job.code}").json()

    deleted = {name for name, at in body["pruned"].items() if at}
    assert deleted == {"results", "file"}
    assert body["counts"]["failed"] == 1


def test_rows_say_that_they_were_deleted(program: Programs) -> None:
    job = pruned("bodies_pruned_at", "results_pruned_at")
    reader = program("read")

    rows = reader.call("GET", f"/jobs/{job.code}/rows").json()
    download = reader.call("GET", f"/jobs/{job.code}/results.csv")

    assert rows["items"] == []
    assert rows["next"] is None
    assert rows["pruned_at"] is not None
    assert download.status_code == 409
    assert "(JOBSUI_KEEP_RESULTS_DAYS)" in download.json()["detail"]


def test_batch_says_that_its_bodies_were_deleted(program: Programs) -> None:
    job = pruned("bodies_pruned_at", "attempts_pruned_at")
    batch = job.batches.get(seq=1)

    body = program("read").call("GET", f"/batches/{batch.pk}").json()

    assert body["request"]["body"] is None
    assert body["response"] is None
    assert body["job_status_body"] is None
    assert body["attempts"] == []
    assert None not in body["pruned"].values()


def test_file_says_that_its_content_was_deleted(program: Programs) -> None:
    job = pruned("file")

    body = program("read").call("GET", f"/files/{job.file.code}").json()

    assert body["pruned_at"] is not None


def test_retry_of_deleted_rows_is_refused(program: Programs) -> None:
    job = pruned("bodies_pruned_at", "results_pruned_at")

    response = program("run").call("POST", f"/jobs/{job.code}/retry", {})

    assert response.status_code == 409
    assert "cannot be sent again" in response.json()["detail"]
