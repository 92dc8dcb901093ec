"""How long the old values of records are kept, and what is said once they are deleted."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from jobsui.connections.models import CustomObject
from jobsui.jobs import retention
from jobsui.jobs.control import actions, comparisons, proofs, pruning, undo
from jobsui.jobs.control.pruning import Step
from jobsui.jobs.enums import Action, JobState, Verdict
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.live import history_index, reasons
from jobsui.jobs.models import BatchImages, Job, ReadPage, ReadPageBlob
from jobsui.jobs.reports import compared_rows, record_history, storage
from jobsui.jobs.retention import Kind
from tests.harness import Harness, gadgets


@pytest.fixture(autouse=True)
def _keep(settings: Any) -> None:
    forever = dict.fromkeys(settings.KEEP_DAYS, 0)
    settings.KEEP_DAYS = forever | {"undo": 30, "undo_deletes": 90}


def finish(harness: Harness, job: Job) -> Job:
    actions.launch(job, by=None)
    harness.task_queue.run_all()
    history_index.add(job)
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    return job


def changed(harness: Harness, price: int, rows: int = 3) -> Job:
    """A compared job that has changed the price of each record."""
    prices = [
        {"external_id": row["external_id"], "price": str(price), "name": row["name"]}
        for row in gadgets(rows)
    ]
    return compared(harness, prices, Action.UPSERT_BY_EXTERNAL_ID)


def compared(harness: Harness, rows: list[dict[str, Any]], action: Action) -> Job:
    job = harness.checked(rows, action)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    return finish(harness, job)


def created(harness: Harness, count: int = 3) -> Job:
    harness.object()
    return finish(harness, harness.checked(gadgets(count), Action.CREATE))


def deleted_job(harness: Harness) -> Job:
    keys = [{"external_id": row["external_id"]} for row in gadgets(3)]
    return compared(harness, keys, Action.DELETE_BY_EXTERNAL_ID)


def ended(job: Job, days_ago: int) -> None:
    finished_at = F("finished_at") - timedelta(days=days_ago)
    Job.objects.filter(pk=job.pk).update(finished_at=finished_at)


def prune() -> list[Step]:
    return [step for step in pruning.steps() if step[0] not in {"", "lease"}]


def has_old_values(job: Job) -> bool:
    return BatchImages.objects.filter(batch__job=job).exists()


def test_old_values_are_deleted_after_their_days(harness: Harness) -> None:
    created(harness)
    old = changed(harness, 100)
    young = changed(harness, 200)
    ended(old, 31)
    ended(young, 29)

    deleted = prune()

    old.refresh_from_db()
    assert ("batch of old values", 1) in deleted
    assert not has_old_values(old)
    assert not ReadPage.objects.filter(read__job=old).exists()
    assert old.undo_pruned_at is not None
    assert old.image_bytes > 0
    assert has_old_values(young)
    assert ReadPage.objects.filter(read__job=young).exists()
    assert prune() == []


def test_deleted_records_are_kept_for_longer(harness: Harness) -> None:
    created(harness)
    job = deleted_job(harness)
    ended(job, 89)
    prune()
    assert has_old_values(job)

    ended(job, 2)
    prune()

    assert not has_old_values(job)


def test_limit_drops_the_oldest_first(harness: Harness, settings: Any) -> None:
    created(harness)
    jobs = [changed(harness, price) for price in (100, 200, 300)]
    for job, days in zip(jobs, (3, 2, 1), strict=True):
        ended(job, days)
    per_job = 600_000
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(image_bytes=per_job)
    settings.MAX_UNDO_MB = 1

    prune()

    assert [has_old_values(job) for job in jobs] == [False, False, True]
    jobs[0].refresh_from_db()
    assert (
        "3 days after the job finished (JOBSUI_MAX_UNDO_MB)"
        in retention.undo_notice(jobs[0])
    )


def test_open_undo_keeps_old_values(harness: Harness) -> None:
    created(harness)
    job = changed(harness, 100)
    ended(job, 31)
    undo.create(job, by=None)

    prune()

    assert has_old_values(job)


def test_undo_says_when_old_values_were_deleted(harness: Harness) -> None:
    created(harness)
    prices = changed(harness, 100, rows=2)
    ended(prices, 31)
    prune()

    undone = undo.create(prices, by=None)
    harness.task_queue.run_all()

    read = undo.current(undone)
    assert read is not None
    [page] = read.pages.all()
    assert set(bytes(page.blob.verdicts)) == {Verdict.IMPOSSIBLE}
    prices.refresh_from_db()
    stored = reasons.unpacked(page.blob.notes).values()
    found = set(map(reasons.sentences, stored))
    assert found == {retention.undo_notice(prices)}
    [note] = found
    assert note.startswith("The old values of the records of this job were deleted on ")
    assert note.endswith("31 days after the job finished (JOBSUI_KEEP_UNDO_DAYS).")


def test_created_records_can_be_undone_without_old_values(harness: Harness) -> None:
    job = created(harness)
    ended(job, 31)
    prune()

    undone = undo.create(job, by=None)
    harness.task_queue.run_all()
    finish(harness, undone)

    assert harness.records() == {}


def test_history_still_tells_who_and_when(harness: Harness) -> None:
    created(harness)
    job = changed(harness, 100)
    ended(job, 31)
    prune()

    gadget = CustomObject.objects.get(key="gadget")
    record_id = harness.records()["g-1"]["id"]
    newest, _ = record_history.page(gadget, [record_id]).entries

    assert newest.job == job
    assert newest.row == 2
    assert newest.at is not None
    assert newest.item["custom_object_fields"]["price"] == 100
    assert newest.image is None


def test_plan_of_deleted_rows_is_refused(harness: Harness) -> None:
    created(harness)
    job = changed(harness, 100)
    ended(job, 31)
    prune()
    read = comparisons.latest(job)
    assert read is not None

    with pytest.raises(NotPossibleNow, match="These rows were deleted on"):
        compared_rows.plan_csv(read)


def test_storage_shows_size_before_and_after(harness: Harness) -> None:
    created(harness)
    old = changed(harness, 100)
    young = changed(harness, 200)
    ended(old, 31)
    Job.objects.filter(pk=old.pk).update(image_bytes=700)
    Job.objects.filter(pk=young.pk).update(image_bytes=300)

    sizes = storage.sizes()

    [kind] = [each for each in sizes.kinds if each.kind is Kind.UNDO]
    assert (kind.days, kind.bytes) == (30, 1_000)
    assert (kind.due, kind.due_bytes, kind.left_bytes) == (1, 700, 300)
    assert sizes.undo == 1_000
    assert sizes.max_undo is None


def test_storage_counts_old_values_that_an_open_undo_needs(harness: Harness) -> None:
    created(harness)
    job = changed(harness, 100)
    undo.create(job, by=None)
    ended(job, 31)
    Job.objects.filter(pk=job.pk).update(image_bytes=700)

    sizes = storage.sizes()

    [kind] = [each for each in sizes.kinds if each.kind is Kind.UNDO]
    assert (kind.bytes, kind.due, kind.left_bytes) == (700, 0, 700)
    assert sizes.undo == 700


def test_size_is_that_of_images_of_batches_and_pages(harness: Harness) -> None:
    created(harness)
    job = changed(harness, 100)
    [before] = BatchImages.objects.filter(batch__job=job)
    [page] = ReadPageBlob.objects.filter(page__read__job=job)

    assert job.image_bytes == len(before.images) + len(page.images)


def test_proof_counts_among_old_values(harness: Harness) -> None:
    created(harness)
    job = changed(harness, 100)
    before = job.image_bytes
    changed(harness, 200)
    proofs.start(job, by=None)
    harness.task_queue.run_all()

    job.refresh_from_db()
    assert job.image_bytes > before
