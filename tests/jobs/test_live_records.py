"""Reading and comparing the live records of a job."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobsui.connections import objects, proxy_reads
from jobsui.connections.models import CustomObject, ReadPace
from jobsui.jobs import account_client, leases
from jobsui.jobs.control import actions, comparisons
from jobsui.jobs.enums import Action, JobState, ReadState, Verdict
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.live import left_out, pages, plan, planned_rows, reader
from jobsui.jobs.mapping.options import Match
from jobsui.jobs.models import BatchImages, Job, ReadPage, RecordRead
from jobsui.jobs.preparation import checker, planner
from jobsui.jobs.records import images, keyed_reads
from jobsui.jobs.records.compare import Image
from jobsui.jobs.reports import compared_rows, row_results
from jobsui.zendesk.errors import Unconfirmed
from jobsui.zendesk.payloads import Response
from tests.factories import make_connection, make_job, make_object
from tests.harness import GADGET, Harness, gadgets
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)

FIELDS = [*GADGET, {"key": "weight", "title": "Weight", "type": "decimal"}]


def record(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "name": f"Gadget {number}",
        "external_id": f"g-{number}",
        "custom_object_fields": {"serial": f"AB-{number:06}"} | fields,
    }


@pytest.fixture
def gadget(sandbox: Sandbox) -> CustomObject:
    sandbox.make_object("gadget", fields=FIELDS)
    connection = make_connection(host=sandbox.host, email=sandbox.email)
    connection.requests_per_minute = 6_000
    connection.set_secret("api_token", sandbox.api_token)
    connection.save()
    return objects.refresh(make_object(connection, "gadget"))


def checked(content: str, action: Action, to: CustomObject, **options: Any) -> Job:
    job = make_job(content, action, to=to, **options)
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    assert job.state == JobState.READY
    return job


def compared(job: Job) -> RecordRead:
    read = comparisons.start(job, by=None)
    pages.divide(read, stopping=threading.Event())
    reader.run(read, stopping=threading.Event())
    read.refresh_from_db()
    return read


def verdicts(read: RecordRead) -> list[str]:
    codes = b"".join(bytes(page.blob.verdicts) for page in read.pages.all())
    return [Verdict(code).name for code in codes]


def found_images(read: RecordRead) -> list[dict[int, Image]]:
    return [images.unpacked(page.blob.images) for page in read.pages.all()]


def test_upsert_is_compared_row_by_row(sandbox: Sandbox, gadget: CustomObject) -> None:
    ids = sandbox.add_records(
        "gadget",
        [record(1, weight=2.5, tags=["gps", "wifi"]), record(2, weight=1), record(3)],
    )
    job = checked(
        "external_id,name,serial,weight,tags\n"
        'g-1,Gadget 1,AB-000001,2.50,"wifi;gps"\n'
        "g-2,Gadget 2,AB-000002,3,\n"
        "g-3,Gadget,AB-000003,,\n"
        "g-4,Gadget 4,AB-000004,,\n",
        Action.UPSERT_BY_EXTERNAL_ID,
        gadget,
    )

    read = compared(job)

    assert read.state == ReadState.DONE
    assert verdicts(read) == ["SAME", "CHANGE", "CHANGE", "CREATE"]
    assert read.counts == {"same": 1, "change": 2, "create": 1}
    assert read.changed_cells == {
        "custom_object_fields.weight": [1, 0],
        "name": [1, 0],
    }
    [page] = found_images(read)
    assert {index: (image.record_id, image.old) for index, image in page.items()} == {
        1: (ids[1], {"custom_object_fields.weight": 1}),
        2: (ids[2], {"name": "Gadget 3"}),
    }


def test_cleared_values_are_counted(sandbox: Sandbox, gadget: CustomObject) -> None:
    sandbox.add_records("gadget", [record(1, weight=2.5), record(2)])
    job = checked(
        "external_id,name,serial,weight\n"
        "g-1,Gadget 1,AB-000001,\n"
        "g-2,Gadget 2,AB-000002,\n",
        Action.UPSERT_BY_EXTERNAL_ID,
        gadget,
        blank="clear",
    )

    read = compared(job)

    assert verdicts(read) == ["CHANGE", "SAME"]
    assert read.changed_cells == {"custom_object_fields.weight": [1, 1]}


def test_delete_keeps_the_whole_record(sandbox: Sandbox, gadget: CustomObject) -> None:
    [record_id] = sandbox.add_records("gadget", [record(1, weight=2.5)])
    job = checked("external_id\ng-1\ng-2\n", Action.DELETE_BY_EXTERNAL_ID, gadget)

    read = compared(job)

    assert verdicts(read) == ["DELETE", "MISSING"]
    [page] = found_images(read)
    assert page[0].record_id == record_id
    assert page[0].old["name"] == "Gadget 1"
    assert page[0].old["custom_object_fields.weight"] == 2.5


def test_pages_take_one_request_each(sandbox: Sandbox, gadget: CustomObject) -> None:
    sandbox.add_records("gadget", [record(number) for number in range(250)])
    rows = "".join(f"g-{n},Gadget {n},AB-{n:06}\n" for n in range(250))
    job = checked(
        f"external_id,name,serial\n{rows}", Action.UPSERT_BY_EXTERNAL_ID, gadget
    )
    before = len(sandbox.log())

    read = compared(job)

    assert read.counts == {"same": 250}
    assert (read.pages_total, read.pages_read) == (3, 3)
    assert len(sandbox.log()) - before == 3


def test_interrupted_read_continues(sandbox: Sandbox, gadget: CustomObject) -> None:
    sandbox.add_records("gadget", [record(number) for number in range(250)])
    rows = "".join(f"g-{n},Gadget {n},AB-{n:06}\n" for n in range(250))
    job = checked(
        f"external_id,name,serial\n{rows}", Action.UPSERT_BY_EXTERNAL_ID, gadget
    )
    read = compared(job)
    # As if it had been killed after its first page.
    again = ReadPage.objects.filter(read=read, seq__gt=1)
    again.update(read_at=None)
    RecordRead.objects.filter(pk=read.pk).update(
        state=ReadState.READING, pages_read=1, counts={"same": 100}
    )
    before = len(sandbox.log())

    reader.run(read, stopping=threading.Event())

    read.refresh_from_db()
    assert read.state == ReadState.DONE
    assert read.counts == {"same": 250}
    assert read.pages_read == 3
    assert len(sandbox.log()) - before == 2


def test_cancelled_read_stores_nothing(gadget: CustomObject) -> None:
    job = checked(
        "external_id,name,serial\ng-1,Gadget 1,AB-000001\n",
        Action.UPSERT_BY_EXTERNAL_ID,
        gadget,
    )
    read = comparisons.start(job, by=None)
    comparisons.cancel(read)

    pages.divide(read, stopping=threading.Event())

    read.refresh_from_db()
    assert read.state == ReadState.CANCELLED
    assert read.pages_total == 0


def test_key_with_a_comma_is_found_or_unknown(
    sandbox: Sandbox, gadget: CustomObject
) -> None:
    sandbox.add_records(
        "gadget",
        [record(1), record(2), {**record(3), "external_id": "g-1,g-2"}],
    )
    client = account_client.client_for(gadget.connection)

    found = keyed_reads.read(
        client, "gadget", "external_id", ["g-1", "g-1,g-2", "g-8,g-9", "g-7"]
    )

    assert {
        key: [each.name for each in records] for key, records in found.records.items()
    } == {
        "g-1": ["Gadget 1"],
        "g-1,g-2": ["Gadget 3"],
    }
    assert found.unknown == {"g-8,g-9"}


def test_only_what_differs_is_planned(sandbox: Sandbox, gadget: CustomObject) -> None:
    ids = sandbox.add_records("gadget", [record(number) for number in range(250)])
    changed = {7, 150, 249}
    rows = [
        f"g-{n},{'New' if n in changed else 'Gadget'} {n},AB-{n:06}\n"
        for n in range(252)
    ]
    rows.append("g-bad,Bad,AB\n")
    job = checked(
        f"external_id,name,serial\n{''.join(rows)}",
        Action.UPSERT_BY_EXTERNAL_ID,
        gadget,
        invalid="skip",
    )
    read = compared(job)
    assert read.counts == {"same": 247, "change": 3, "create": 2}
    Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)

    planner.plan(job, stopping=threading.Event(), source=plan.source_of(read))

    job.refresh_from_db()
    batches = job.batches.order_by("seq").select_related("blob", "job")
    sent = [batch for batch in batches if not batch.done_at]
    assert [(batch.action, batch.blob.items) for batch in sent] == [
        (
            Action.UPDATE,
            [{"id": ids[n], "name": f"New {n}"} for n in sorted(changed)],
        ),
        (
            Action.CREATE,
            [
                {
                    "external_id": f"g-{n}",
                    "name": f"Gadget {n}",
                    "custom_object_fields": {"serial": f"AB-{n:06}"},
                }
                for n in (250, 251)
            ],
        ),
    ]
    assert job.unchanged == 247
    assert job.invalid == 1
    assert job.pending == 5
    outcomes = [each.outcome for each in row_results.outcome_rows(job)]
    assert outcomes.count("unchanged") == 247
    assert [outcomes[n] for n in (7, 8, 250, 252)] == [
        "pending",
        "unchanged",
        "pending",
        "invalid",
    ]


def compare_and_launch(harness: Harness, job: Job) -> Job:
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    actions.launch(job, by=None)
    harness.task_queue.run_all()
    job.refresh_from_db()
    return job


def test_compared_upsert_touches_only_what_differs(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(300), Action.CREATE)
    before = harness.records()
    rows = gadgets(305)
    rows[41]["price"] = "1000"
    job = harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID)
    harness.sandbox.forget_requests()

    job = compare_and_launch(harness, job)

    requests = harness.sandbox.requests()
    assert job.state == JobState.COMPLETED
    assert job.counts["unchanged"] == 299
    assert job.counts["updated"] == 1
    assert job.counts["created"] == 5
    after = harness.records()
    assert after["g-42"]["custom_object_fields"]["price"] == 1000
    assert after["g-42"]["name"] == before["g-42"]["name"]
    untouched = before.keys() - {"g-42"}
    assert {key: after[key] for key in untouched} == {
        key: before[key] for key in untouched
    }
    assert requests["records-by-external-id"] == 4
    assert requests["jobs"] == 2
    results = {row["external_id"]: row["_outcome"] for row in harness.results(job)}
    assert results["g-41"] == "unchanged"
    assert results["g-42"] == "updated"
    assert results["g-303"] == "created"


def test_compared_delete_reports_what_is_gone(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(2), Action.CREATE)
    rows = [{"external_id": key} for key in ("g-1", "g-2", "g-9")]
    job = harness.checked(rows, Action.DELETE_BY_EXTERNAL_ID)

    job = compare_and_launch(harness, job)

    assert job.counts["deleted"] == 2
    assert job.counts["unchanged"] == 1
    assert harness.records() == {}


def test_rows_stay_left_out_when_they_are_compared_again(harness: Harness) -> None:
    harness.object()
    job = harness.checked(gadgets(300), Action.UPSERT_BY_EXTERNAL_ID)

    comparisons.leave_out(compared(job), [2, 103, 301], is_left_out=True, by=None)
    comparisons.leave_out(compared(job), [103], is_left_out=False, by=None)
    last = compared(job)

    assert left_out.among(last, [2, 103, 301]) == {2, 301}
    assert planned_rows.of(last).left_out == 2
    assert last.left_out == {}


def test_other_rows_of_a_draft_are_not_left_out(harness: Harness) -> None:
    harness.object()
    job = harness.checked(gadgets(3), Action.UPSERT_BY_EXTERNAL_ID)
    comparisons.leave_out(compared(job), [2], is_left_out=True, by=None)
    Job.objects.filter(pk=job.pk).update(checked_fingerprint="of other rows")
    job.refresh_from_db()

    other = compared(job)

    assert left_out.among(other, [2]) == set()


def test_rows_left_out_are_not_sent(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(2), Action.CREATE)
    before = harness.records()
    rows = gadgets(3)
    rows[0]["price"] = "100"
    rows[1]["price"] = "200"
    job = harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID)
    read = comparisons.start(job, by=None)
    harness.task_queue.run_all()
    read.refresh_from_db()

    comparisons.leave_out(read, [2, 4], is_left_out=True, by=None)
    comparisons.leave_out(read, [4], is_left_out=False, by=None)
    actions.launch(job, by=None)
    harness.task_queue.run_all()

    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    assert job.counts["cancelled"] == 1
    after = harness.records()
    assert after["g-1"] == before["g-1"]
    assert after["g-2"]["custom_object_fields"]["price"] == 200
    assert sorted(after) == ["g-1", "g-2", "g-3"]
    assert [row["_outcome"] for row in harness.results(job)] == [
        "cancelled",
        "updated",
        "created",
    ]


def test_job_finished_since_the_comparison_makes_it_useless(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(2), Action.CREATE)
    job = harness.checked(gadgets(2), Action.UPSERT_BY_EXTERNAL_ID)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    harness.run([{"external_id": "g-1", "price": "7"}], Action.UPSERT_BY_EXTERNAL_ID)

    with pytest.raises(NotPossibleNow, match="Compare again"):
        actions.launch(job, by=None)

    comparisons.skip(job, by=None)
    actions.launch(job, by=None)
    harness.task_queue.run_all()
    assert harness.records()["g-1"]["custom_object_fields"]["price"] == 1.5


def test_rows_of_an_open_job_are_sent_whatever_was_found(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(3), Action.CREATE)
    earlier = harness.checked(
        [{"external_id": "g-2", "price": "7"}], Action.UPSERT_BY_EXTERNAL_ID
    )
    job = harness.checked(gadgets(3), Action.UPSERT_BY_EXTERNAL_ID)
    read = comparisons.start(job, by=None)
    harness.task_queue.run_all()
    read.refresh_from_db()
    assert read.counts == {"same": 3}
    actions.launch(earlier, by=None)

    actions.launch(job, by=None)
    harness.task_queue.run_all()

    job.refresh_from_db()
    assert job.counts["unchanged"] == 2
    assert job.counts["created_or_updated"] == 1
    assert harness.records()["g-2"]["custom_object_fields"]["price"] == 2.5


def test_what_is_changed_or_deleted_is_kept(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(3), Action.CREATE)
    ids = {key: each["id"] for key, each in harness.records().items()}
    rows = gadgets(4)
    rows[1]["price"] = "9"
    job = compare_and_launch(
        harness, harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID)
    )
    [change] = BatchImages.objects.filter(batch__job=job)
    [image] = images.unpacked(change.images).values()

    assert image.record_id == ids["g-2"]
    assert image.old == {"custom_object_fields.price": 2.5}

    deletion = compare_and_launch(
        harness,
        harness.checked([{"external_id": "g-1"}], Action.DELETE_BY_EXTERNAL_ID),
    )
    [deleted] = BatchImages.objects.filter(batch__job=deletion)
    [image] = images.unpacked(deleted.images).values()

    assert image.record_id == ids["g-1"]
    assert image.old["external_id"] == "g-1"
    assert image.old["custom_object_fields.serial"] == "AB-000001"


def test_job_that_only_updates_creates_nothing(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(2), Action.CREATE)
    rows = gadgets(3)
    rows[0]["price"] = "100"
    job = harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID, only_existing=True)
    comparisons.skip(job, by=None)

    with pytest.raises(NotPossibleNow, match="Compare its rows"):
        actions.launch(job, by=None)
    job = compare_and_launch(harness, job)

    assert [(row["_outcome"], row["_error_code"]) for row in harness.results(job)] == [
        ("updated", ""),
        ("unchanged", ""),
        ("failed", "NotFound"),
    ]
    assert sorted(harness.records()) == ["g-1", "g-2"]


@pytest.mark.parametrize("match", [None, Match(only_in_file="leave")])
def test_plan_of_a_job_that_only_updates_creates_nothing(
    harness: Harness, match: Match | None
) -> None:
    harness.object()
    harness.run(gadgets(2), Action.CREATE)
    rows = [*gadgets(3), {"external_id": "g-8,g-9", "name": "Two keys"}]
    rows[0]["price"] = "100"
    job = harness.checked(
        rows, Action.UPSERT_BY_EXTERNAL_ID, only_existing=True, match=match
    )
    read = comparisons.start(job, by=None)
    harness.task_queue.run_all()
    read.refresh_from_db()

    plan = planned_rows.of(read)
    lines = b"".join(compared_rows.plan_csv(read)).decode().splitlines()

    assert read.counts == {"change": 1, "same": 1, "create": 1, "unknown": 1}
    assert (plan.sent, plan.missing, plan.left_alone) == (1, 2, 0)
    assert [line.split(",")[-4] for line in lines[1:]] == [
        "update",
        "key_not_found",
        "key_not_found",
    ]


def test_dividing_that_fails_advises_no_other_file(
    gadget: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = checked("external_id,price\ng-1,1\n", Action.UPSERT_BY_EXTERNAL_ID, gadget)
    read = comparisons.start(job, by=None)

    def broken(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(pages, "_divide", broken)
    for _ in range(leases.MAX_TRIES):
        with pytest.raises(OSError):  # noqa: PT011
            pages.divide(read, stopping=threading.Event())

    read.refresh_from_db()
    assert read.state == ReadState.FAILED
    assert read.reason.endswith(pages.TRY_AGAIN)


def test_reads_wait_as_long_as_zendesk_asks_for() -> None:
    connection = make_connection()
    pace = ReadPace.objects.create(host=connection.host, next_at=proxy_reads.LONG_AGO)
    broken = Response(500, {}, b"", 0.1)
    busy = Response(503, {"Retry-After": "20"}, b"", 0.1)
    in_20_seconds = timezone.now() + timedelta(seconds=20)

    account_client.postpone(connection, Unconfirmed("Broken.", response=broken))
    pace.refresh_from_db()
    after_broken = pace.next_at
    account_client.postpone(connection, Unconfirmed("Busy.", response=busy))
    pace.refresh_from_db()

    assert after_broken == proxy_reads.LONG_AGO
    assert pace.next_at >= in_20_seconds


def test_launched_job_keeps_its_comparison(harness: Harness) -> None:
    """Somebody who still has the draft on the screen compares it again."""
    harness.object()
    harness.run(gadgets(2), Action.CREATE)
    rows = gadgets(2)
    rows[0]["price"] = "100"
    job = harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID)
    read = comparisons.start(job, by=None)
    harness.task_queue.run_all()
    draft = Job.objects.get(pk=job.pk)
    actions.launch(job, by=None)

    with pytest.raises(NotPossibleNow):
        comparisons.start(draft, by=None)

    assert RecordRead.objects.get() == read
