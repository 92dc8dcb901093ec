"""What the retention settings delete, and what they leave."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from jobsui.jobs import leases, retention
from jobsui.jobs.control import actions, drafts, pruning, uncertain_rows
from jobsui.jobs.control.pruning import Pruner
from jobsui.jobs.enums import JobState
from jobsui.jobs.errors import FileRefused, NotPossibleNow, UploadRefused
from jobsui.jobs.models import (
    Attempt,
    Batch,
    BatchBlob,
    Cause,
    ColumnFacts,
    Correction,
    CorrectionUpload,
    File,
    Job,
    JobEvent,
    Lease,
    RowError,
)
from jobsui.jobs.preparation import file_reading
from jobsui.jobs.retention import Kind
from tests.factories import make_file, make_warning
from tests.jobs import old_jobs

pytestmark = pytest.mark.django_db
FOREVER = dict.fromkeys([str(kind) for kind in Kind], 0)


@pytest.fixture
def keep(settings: Any) -> Any:
    """Sets retention settings; kinds that are left out are kept forever."""

    def set_days(**days: int) -> None:
        settings.KEEP_DAYS = FOREVER | days

    return set_days


def prune() -> Counter[str]:
    """What the retention settings delete: not what only open jobs need."""
    deleted: Counter[str] = Counter()
    for what, number in pruning.steps():
        deleted[what] += number
    del deleted["lease"]
    del deleted["key list"], deleted["row list"]
    return +deleted


def kept(job: Job) -> dict[str, int]:
    """How much of a job is there."""
    blobs = BatchBlob.objects.filter(batch__job=job)
    return {
        "bodies": blobs.exclude(payload=b"").count(),
        "results": blobs.count(),
        "row errors": RowError.objects.filter(job=job).count(),
        "attempts": Attempt.objects.filter(batch__job=job).count(),
        "batches": Batch.objects.filter(job=job).count(),
        "files": int(default_storage.exists(job.file.stored_as)),
    }


EVERYTHING = {
    "bodies": 3,
    "results": 3,
    "row errors": 2,
    "attempts": 3,
    "batches": 3,
    "files": 1,
}


def test_old_bodies_are_deleted_and_results_stay(keep: Any) -> None:
    old = old_jobs.finished(91)
    young = old_jobs.finished(89, name="Young")
    keep(bodies=90)

    deleted = prune()

    assert deleted == {"request": 3}
    assert kept(old) == EVERYTHING | {"bodies": 0}
    assert kept(young) == EVERYTHING
    blob = BatchBlob.objects.filter(batch__job=old).order_by("pk")[0]
    assert blob.job_status_body == b""
    assert blob.row_results[0] == old_jobs.FAILED
    attempt = Attempt.objects.filter(batch__job=old)[0]
    assert (attempt.response_headers, attempt.response_body) == ({}, b"")


def test_old_results_are_deleted_and_counts_stay(keep: Any) -> None:
    job = old_jobs.finished()
    counts = job.counts
    Cause.objects.filter(job=job).update(sample_values=["secret"])
    keep(results=90)

    prune()

    job.refresh_from_db()
    assert kept(job) == EVERYTHING | {"bodies": 0, "results": 0, "row errors": 0}
    assert job.counts == counts
    causes = Cause.objects.filter(job=job)
    assert causes.filter(count=1).count() == 3
    assert not causes.exclude(sample_values=[]).exists()


def test_old_attempts_are_deleted(keep: Any) -> None:
    job = old_jobs.finished()
    keep(attempts=90)

    assert prune() == {"attempt": 3}
    assert kept(job) == EVERYTHING | {"attempts": 0}


def test_old_files_are_deleted_with_their_sample(keep: Any) -> None:
    job = old_jobs.finished()
    File.objects.update(warnings=[make_warning(values=["secret"])])
    keep(files=90)

    assert prune() == {"file": 1}
    file = File.objects.get(pk=job.file_id)
    assert kept(job) == EVERYTHING | {"files": 0}
    assert file.sample == []
    assert file.warnings == []
    assert file.content_pruned_at is not None
    assert prune() == {}


def test_corrections_and_facts_go_with_the_file(keep: Any) -> None:
    job = old_jobs.finished()
    young = old_jobs.finished(10, name="Young")
    for each in (job, young):
        Correction.objects.create(job=each, row=2, column="price", after="secret")
        CorrectionUpload.objects.create(job=each, refusals=[[2, "secret"]])
        ColumnFacts.objects.create(
            file=each.file, position=0, name="price", filled=1, longest=6
        )
    keep(files=90)

    assert prune() == {
        "correction": 1,
        "corrected workbook": 1,
        "column": 1,
        "file": 1,
    }
    assert Correction.objects.get().job == young
    assert CorrectionUpload.objects.get().job == young
    assert ColumnFacts.objects.get().file == young.file


def test_files_that_no_job_has_are_deleted_after_a_week(keep: Any) -> None:
    keep()
    ages = {"old": 8, "young": 6, "elsewhere": 8}
    for name, days in ages.items():
        file = make_file("external_id\n1\n", name=name)
        at = timezone.now() - timedelta(days=days)
        File.objects.filter(pk=file.pk).update(created_at=at)
    File.objects.filter(name="elsewhere").update(storage_id="elsewhere")

    prune()

    left = File.objects.order_by("name").values_list("name", flat=True)
    assert list(left) == ["elsewhere", "young"]


def test_files_of_other_storages_stay(keep: Any) -> None:
    job = old_jobs.finished()
    File.objects.update(storage_id="elsewhere")
    keep(files=90)

    assert prune() == {}
    assert kept(job) == EVERYTHING


def test_deletion_of_a_file_continues_after_a_kill(
    keep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = old_jobs.finished()
    keep(files=90)
    with monkeypatch.context() as killed:
        killed.setattr(File, "delete_content", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prune()
    marked = File.objects.get(pk=job.file_id).content_pruned_at

    prune()

    file = File.objects.get(pk=job.file_id)
    assert kept(job)["files"] == 0
    assert file.content_pruned_at == marked
    assert not file.has_content


def test_uncertain_rows_without_items_cannot_be_checked_again(keep: Any) -> None:
    job = old_jobs.finished()
    Job.objects.filter(pk=job.pk).update(state=JobState.CANCELLED, uncertain=1)
    job.refresh_from_db()
    before = actions.may(job)
    keep(bodies=90)
    prune()

    with pytest.raises(
        NotPossibleNow, match=r"can no longer be checked\. The requests"
    ):
        uncertain_rows.resolve(job, "check_again", by=None)

    job.refresh_from_db()
    assert before["resolve"] == 1
    assert "resolve" not in actions.may(job)
    assert job.state == JobState.CANCELLED


def test_deleted_file_is_refused_for_another_job(keep: Any) -> None:
    job = old_jobs.finished()
    keep(files=90)
    prune()
    file = File.objects.get(pk=job.file_id)

    with pytest.raises(
        UploadRefused, match=r"The file was deleted on .* Upload it again"
    ):
        drafts.create_draft(job.connection, "gadget", job.action, file, by=None)
    with pytest.raises(FileRefused), file_reading.open_rows(file):
        pass


@pytest.mark.parametrize(
    "state",
    [
        state
        for state in JobState
        if state not in {JobState.COMPLETED, JobState.CANCELLED, JobState.FAILED}
    ],
)
def test_jobs_that_are_not_over_keep_everything(keep: Any, state: JobState) -> None:
    job = old_jobs.finished()
    Job.objects.update(state=state)
    keep(bodies=1, attempts=1, results=1, files=1, jobs=1)

    assert prune() == {}
    assert kept(job) == EVERYTHING


def test_everything_is_kept_forever_with_zero_days(keep: Any) -> None:
    job = old_jobs.finished(10_000)
    keep()

    assert prune() == {}
    assert kept(job) == EVERYTHING


@pytest.mark.parametrize("state", [JobState.DRAFT, JobState.READY, JobState.PAUSED])
def test_job_keeps_results_and_file_that_an_open_retry_needs(
    keep: Any, state: JobState
) -> None:
    job = old_jobs.finished()
    old_jobs.child_of(job, state)
    keep(results=90, files=90)

    prune()

    assert kept(job) == EVERYTHING | {"bodies": 0}


def test_job_keeps_results_as_long_as_its_retry_has_its_own(keep: Any) -> None:
    job = old_jobs.finished(400)
    retry = old_jobs.child_of(job, JobState.COMPLETED)
    old_jobs.finish(retry, 10)
    keep(results=90)

    prune()
    with_young_retry = kept(job)["results"]
    old_jobs.finish(retry, 91)
    prune()
    prune()

    assert with_young_retry == 3
    assert kept(job)["results"] == 0


def test_retry_created_during_the_search_protects_its_parent(
    keep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = old_jobs.finished()
    keep(results=90)
    lock = pruning._lock

    def lock_after_retry(ids: Any) -> None:
        if not job.retries.exists() and Job.objects.exclude(bodies_pruned_at=None):
            old_jobs.child_of(job, JobState.DRAFT)
        lock(ids)

    monkeypatch.setattr(pruning, "_lock", lock_after_retry)

    prune()

    job.refresh_from_db()
    assert job.results_pruned_at is None
    assert kept(job)["results"] == 3


def test_old_jobs_are_deleted_after_their_retries(keep: Any) -> None:
    job = old_jobs.finished(800)
    retry = old_jobs.child_of(job, JobState.COMPLETED)
    old_jobs.finish(retry, 750)
    keep(jobs=730)

    for _ in range(3):
        prune()

    counts = {model: model._default_manager.count() for model in (Job, Batch, JobEvent)}
    assert counts == {Job: 0, Batch: 0, JobEvent: 0}
    assert File.objects.count() == 0
    assert not default_storage.exists(job.file.stored_as)


def test_pruning_continues_after_an_interruption_at_any_step(
    keep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "MAX_BATCHES", 1)
    monkeypatch.setattr(pruning, "MAX_ROWS", 1)
    job = old_jobs.finished()
    keep(bodies=90, attempts=90, results=90)

    interruptions = 0
    while next(pruning.steps(), None):
        interruptions += 1

    job.refresh_from_db()
    gone = {"bodies": 0, "attempts": 0, "results": 0, "row errors": 0}
    assert kept(job) == EVERYTHING | gone
    assert not job.is_pruning
    assert interruptions > 10


def test_steps_of_a_large_job_are_small(
    keep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "MAX_BATCHES", 2)
    old_jobs.finished()
    keep(bodies=90)

    steps = [number for what, number in pruning.steps() if what == "request"]

    assert steps == [2, 1]


def test_small_jobs_are_pruned_together(keep: Any) -> None:
    for name in ("One", "Two", "Three"):
        old_jobs.finished(name=name)
    keep(bodies=90)

    steps = [number for what, number in pruning.steps() if what == "request"]

    assert steps == [9]


def test_leases_of_finished_work_are_deleted(keep: Any) -> None:
    keep()
    over = old_jobs.finished()
    opened = old_jobs.finished(name="Open")
    Job.objects.filter(pk=opened.pk).update(state=JobState.PAUSED)
    names = [f"{kind}:{over.pk}" for kind in ("plan", "check", "advance")]
    names += [f"read:{over.file_id}", f"plan:{opened.pk}", "account:acme", "prune"]
    names += ["plan:123456", "read:123456"]
    Lease.objects.all().delete()
    for name in names:
        with leases.held(name):
            pass
    leases.acquire(f"check:{opened.pk}")
    leases.acquire("check:999999")

    prune()

    left = set(Lease.objects.values_list("name", flat=True))
    assert left == {
        f"plan:{opened.pk}",
        f"check:{opened.pk}",
        "check:999999",
        "account:acme",
        "prune",
    }


def test_only_one_process_prunes_at_a_time() -> None:
    with leases.held(pruning.LEASE):
        deleted = Pruner(pruning.steps).run(threading.Event())

    assert deleted is None


def test_pruner_continues_where_its_time_ended(keep: Any) -> None:
    old_jobs.finished()
    keep(bodies=90)
    pruner = Pruner(pruning.steps)

    runs = [pruner.run(threading.Event(), seconds=0) for _ in range(9)]

    assert [run for run in runs if run] == [
        {"request": 3},
        {"lease": 2},
        {"key list": 1},
        {"row list": 3},
    ]


def test_pruner_deletes_nothing_once_it_is_stopped(keep: Any) -> None:
    job = old_jobs.finished()
    keep(bodies=90)
    stopping = threading.Event()
    stopping.set()

    deleted = Pruner(pruning.steps).run(stopping)

    assert deleted == {}
    assert kept(job) == EVERYTHING


@pytest.mark.parametrize(
    ("days", "kind", "kept_days"),
    [
        ({"bodies": 90, "results": 30}, Kind.BODIES, 30),
        ({"bodies": 30, "results": 90}, Kind.BODIES, 30),
        ({"bodies": 0, "results": 0}, Kind.BODIES, None),
        ({"bodies": 0, "jobs": 700}, Kind.BODIES, 700),
        ({"bodies": 10**9}, Kind.BODIES, None),
        ({"attempts": 0, "results": 30}, Kind.ATTEMPTS, None),
    ],
)
def test_nothing_is_kept_longer_than_what_it_belongs_to(
    keep: Any, days: dict[str, int], kind: Kind, kept_days: int | None
) -> None:
    keep(**days)

    assert retention.days(kind) == kept_days


ON_SQLITE = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL scans tables that are empty"
)


@ON_SQLITE
@pytest.mark.parametrize(
    ("kind", "index"),
    [
        (Kind.UNDO, "job_with_old_values"),
        (Kind.BODIES, "job_with_bodies"),
        (Kind.ATTEMPTS, "job_with_attempts"),
        (Kind.RESULTS, "job_with_results"),
        (Kind.JOBS, "job_by_end"),
    ],
)
def test_due_jobs_are_found_by_an_index(kind: Kind, index: str) -> None:
    plan = pruning.ready_jobs(kind, timezone.now()).explain()

    assert f"USING INDEX {index} " in plan
    assert "TEMP B-TREE" not in plan


@ON_SQLITE
def test_due_files_are_found_by_an_index() -> None:
    plan = retention.due_files(timezone.now()).explain()

    assert "USING INDEX file_with_content " in plan
    assert "TEMP B-TREE" not in plan
    assert "file_with_content" in retention.unused_files(timezone.now()).explain()


@ON_SQLITE
def test_marked_jobs_are_found_by_an_index() -> None:
    assert "job_pruning" in pruning.marked_jobs().explain()
