import io
import threading
from collections.abc import Callable, Iterable

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models.functions import Now

from jobsui.connections.models import CustomObject
from jobsui.files.intake import stage
from jobsui.jobs import leases
from jobsui.jobs.enums import Action, BatchState, EventKind, JobState, Outcome
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.models import Batch, BatchBlob, Cause, File, Job, RowError
from jobsui.jobs.preparation import checker, file_reading, pending_rows, planner
from tests.conftest import TaskQueue
from tests.factories import make_connection, make_job, make_object
from tests.harness import GADGET

pytestmark = pytest.mark.django_db
Launch = Callable[..., Job]


@pytest.fixture
def launched(task_queue: TaskQueue) -> Launch:  # noqa: ARG001
    """A job of these rows that was checked and launched, and is not planned yet."""
    gadget = make_object(make_connection(), "gadget", fields=GADGET)

    def launch(
        rows: Iterable[str],
        action: Action = Action.UPSERT_BY_EXTERNAL_ID,
        header: str = "external_id,price",
    ) -> Job:
        job = make_job(
            "\n".join([header, *rows]) + "\n", action, to=gadget, invalid="skip"
        )
        checker.start(job, by=None)
        checker.check(job, stopping=threading.Event())
        Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)
        job.refresh_from_db()
        return job

    return launch


def plan(job: Job) -> Job:
    planner.plan(job, stopping=threading.Event())
    job.refresh_from_db()
    return job


def planned(job: Job) -> list[tuple[int, int, int, int]]:
    return list(
        Batch.objects.filter(job=job).values_list(
            "seq", "size", "first_row", "last_row"
        )
    )


def test_rows_become_batches_in_the_order_of_the_file(
    launched: Launch,
) -> None:
    job = plan(launched(f"g-{n},{n}" for n in range(250)))

    assert planned(job) == [(1, 100, 2, 101), (2, 100, 102, 201), (3, 50, 202, 251)]
    assert job.batches_total == 3
    assert job.planned_row == 251
    assert job.invalid == 0
    assert job.state == JobState.QUEUED
    assert job.planned_at is not None
    blob = BatchBlob.objects.get(batch__job=job, batch__seq=3)
    assert blob.items[0] == {
        "external_id": "g-200",
        "custom_object_fields": {"price": 200},
    }
    assert blob.row_numbers == list(range(202, 252))
    assert blob.row_results == [None] * 50


def test_items_of_a_delete_are_plain_ids(launched: Launch) -> None:
    job = plan(launched(["a", "b"], Action.DELETE_BY_EXTERNAL_ID, "external_id"))

    assert BatchBlob.objects.get(batch__job=job).lines == [b'"a"', b'"b"']


def test_invalid_rows_leave_no_gaps_in_batches(launched: Launch) -> None:
    job = plan(launched(f"g-{n},{'x' if n % 3 == 0 else n}" for n in range(900)))

    assert [(seq, size) for seq, size, _, _ in planned(job)] == [
        (n, 100) for n in range(1, 7)
    ]
    assert job.invalid == 300
    assert job.rows_invalid == 300
    assert job.pending == 600
    assert (
        RowError.objects.filter(job=job, outcome=Outcome.INVALID, batch=None).count()
        == 300
    )


def test_invalid_row_names_column_value_and_every_problem(launched: Launch) -> None:
    job = plan(launched(["g-1,1,2", ",x,y"], header="external_id,price,seats"))

    error = RowError.objects.get(job=job)
    assert error.row == 3
    assert error.column == "external_id"
    assert error.value == ""
    assert error.code == "empty"
    assert (
        error.message
        == "External ID is empty. price: “x” is not a number. seats: “y” is not a whole number."
    )


def test_causes_of_invalid_rows_are_counted(
    launched: Launch,
) -> None:
    job = plan(launched(["g-1,x", "g-2,y", "g-1,5"]))

    causes = Cause.objects.filter(job=job, phase=Cause.Phase.SEND).values_list(
        "count", "message", "sample_rows"
    )
    assert list(causes) == [(2, "The value is not a number, for example “x”.", [2, 3])]
    # Row 2 is not sent, so row 4 is the first of its external id that is.
    assert [blob.items for blob in BatchBlob.objects.filter(batch__job=job)] == [
        [{"external_id": "g-1", "custom_object_fields": {"price": 5}}]
    ]


def test_job_of_invalid_rows_alone_completes(launched: Launch) -> None:
    job = plan(launched(["g-1,x", "g-2,y"]))

    assert job.state == JobState.COMPLETED
    assert job.invalid == 2
    assert job.pending == 0
    assert job.batches_total == 0
    assert job.finished_at is not None


def test_planning_again_changes_nothing(
    launched: Launch,
) -> None:
    job = launched(f"g-{n},{n}" for n in range(250))
    with leases.held(f"plan:{job.pk}"):
        plan(job)
    assert planned(job) == []

    before = planned(plan(job))
    assert planned(plan(job)) == before


def test_interrupted_planner_continues_behind_its_last_commit(
    launched: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_rows, "BATCHES_PER_COMMIT", 1)
    rows = [f"g-{n},{'x' if n in (5, 150, 320) else n}" for n in range(350)] + ["g-7,1"]
    job = launched(rows)
    stopping = threading.Event()
    commit = planner._commit

    def interrupted(*args: object) -> None:
        commit(*args)  # type: ignore[arg-type]
        stopping.set()

    monkeypatch.setattr(planner, "_commit", interrupted)
    while job.planned_at is None:
        stopping.clear()
        rows_before = job.planned_row
        planner.plan(job, stopping=stopping)
        job.refresh_from_db()
        assert job.planned_at or job.planned_row > rows_before

    assert [(seq, size) for seq, size, _, _ in planned(job)] == [
        (1, 100),
        (2, 100),
        (3, 100),
        (4, 47),
    ]
    assert job.invalid == 4
    assert job.pending == 347
    assert list(RowError.objects.filter(job=job).values_list("row", "code")) == [
        (7, "not_a_number"),
        (152, "not_a_number"),
        (322, "not_a_number"),
        (352, "duplicate_external_id"),
    ]


def test_planner_without_its_lease_writes_nothing(
    launched: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = launched(f"g-{n},{n}" for n in range(250))
    monkeypatch.setattr(leases.Held, "renew", lambda _: False)

    plan(job)

    assert planned(job) == []
    assert job.planned_at is None
    assert job.planned_row == 0


@pytest.mark.parametrize("content", [b"external_id,price\ng-2,1\n", None])
def test_changed_file_fails_the_job(launched: Launch, content: bytes | None) -> None:
    job = launched(["g-1,1", "g-2,x"])
    default_storage.delete(job.file.stored_as)
    if content:
        default_storage.save(job.file.stored_as, ContentFile(content))

    plan(job)

    assert job.state == JobState.FAILED
    assert planned(job) == []
    assert job.counts["cancelled"] == 2
    assert job.pending == 0
    assert job.reason.startswith("The stored file ")
    failed = job.events.get(kind=EventKind.FAILED)
    assert failed.facts == {"reason": job.reason}


def test_changed_fields_fail_the_job(
    launched: Launch,
) -> None:
    job = launched(["g-1,1"])
    CustomObject.objects.update(fields=GADGET[:2])

    assert (
        plan(job).reason
        == "The object's fields or how the file is read have changed since the check. "
        "Check and launch again."
    )
    assert job.state == JobState.FAILED


def test_file_changed_while_sending_fails_the_other_rows(
    launched: Launch,
) -> None:
    job = launched(f"g-{n},{n}" for n in range(250))
    plan(job)
    Batch.objects.filter(job=job, seq__gt=1).delete()
    Batch.objects.filter(job=job).update(state=BatchState.ACCEPTED)
    Job.objects.filter(pk=job.pk).update(
        planned_at=None, planned_row=101, batches_total=1, state=JobState.RUNNING
    )
    default_storage.delete(job.file.stored_as)

    assert plan(job).state == JobState.CANCELLING

    Batch.objects.filter(job=job).update(
        state=BatchState.DONE, done_at=Now(), succeeded=100
    )
    Job.objects.filter(pk=job.pk).update(created_or_updated=100)
    lifecycle.finish_if_over(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert job.reason == "The stored file is gone. Upload it again."
    assert job.counts["cancelled"] == 150
    assert job.pending == 0


@pytest.mark.parametrize("damaged_byte", [20, -20])
def test_damaged_staged_rows_fail_the_job(launched: Launch, damaged_byte: int) -> None:
    job = launched(["g-1,1", "g-2,2"])
    content = bytearray(staged(job.file))
    content[damaged_byte] ^= 1
    job.file.staged_as = default_storage.save("staged/test", ContentFile(content))
    job.file.save()

    plan(job)

    assert job.state == JobState.FAILED
    assert planned(job) == []
    assert job.reason == "The stored file is gone or incomplete. Upload it again."


def test_staged_rows_are_planned_without_the_upload(launched: Launch) -> None:
    job = launched(["g-1,1", "g-2,2"])
    job.file.staged_as = default_storage.save(
        "staged/test", ContentFile(staged(job.file))
    )
    job.file.save()
    default_storage.delete(job.file.stored_as)

    plan(job)

    assert planned(job) == [(1, 2, 2, 3)]


def staged(file: File) -> bytes:
    out = io.BytesIO()
    with default_storage.open(file.stored_as) as content:
        stage(io.BytesIO(content.read()), file_reading.layout_of(file), out)
    return out.getvalue()


def test_cancelled_job_is_not_planned(launched: Launch) -> None:
    job = launched(f"g-{n},{n}" for n in range(250))
    Job.objects.filter(pk=job.pk).update(state=JobState.CANCELLING)

    plan(job)

    assert job.state == JobState.CANCELLED
    assert planned(job) == []
    assert job.counts["cancelled"] == 250
    assert job.pending == 0


def test_job_cancelled_during_planning_has_a_result_for_every_row(
    launched: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = launched(
        [
            *(f"g-{n},{n}" for n in range(150)),
            "g-x,x",
            *(f"h-{n},{n}" for n in range(100)),
        ]
    )
    write = planner._create_batches

    def cancelled_meanwhile(*args: object) -> int:
        Job.objects.filter(pk=job.pk).update(state=JobState.CANCELLING)
        return write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(planner, "_create_batches", cancelled_meanwhile)
    plan(job)

    assert list(Batch.objects.filter(job=job).values_list("state", "cancelled")) == [
        ("cancelled", 100)
    ]
    assert job.state == JobState.CANCELLED
    assert job.counts["cancelled"] == 251
    assert job.invalid == 0
    assert job.pending == 0


def test_paused_job_is_planned_but_stays_paused(launched: Launch) -> None:
    job = launched(["g-1,1"])
    Job.objects.filter(pk=job.pk).update(state=JobState.PAUSED)

    assert plan(job).state == JobState.PAUSED
    assert len(planned(job)) == 1


def test_driver_is_enqueued_after_the_first_batch_and_the_last(
    launched: Launch, task_queue: TaskQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "django.db.transaction.on_commit",
        lambda function, **_: function(),
    )
    monkeypatch.setattr(pending_rows, "BATCHES_PER_COMMIT", 20)
    job = launched(f"g-{n},{n}" for n in range(2150))
    task_queue.clear()

    plan(job)

    assert list(task_queue) == [("drive", ())] * 4
    assert [size for _, size, _, _ in planned(job)] == [100] * 21 + [50]
