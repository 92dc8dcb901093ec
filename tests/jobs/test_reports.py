import csv
import io
import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobsui.files.errors import FileRefused
from jobsui.jobs import leases
from jobsui.jobs.enums import Action, BatchState, JobState, LimitedBy, Outcome
from jobsui.jobs.ledger import settlement
from jobsui.jobs.models import Attempt, Batch, Job, RowResult
from jobsui.jobs.models.batch import pack
from jobsui.jobs.preparation import checker, planner
from jobsui.jobs.reports import job_progress, row_results
from tests.factories import make_connection, make_file, make_job, make_object
from tests.harness import GADGET

pytestmark = pytest.mark.django_db
ROWS = (
    "external_id,price,extra\n"
    + "".join(f"g-{n},{n},=1+{n}\n" for n in range(1, 251))
    + "g-251,x,\n"
)


def planned(
    content: str = ROWS, action: Action = Action.UPSERT_BY_EXTERNAL_ID, **fields: str
) -> Job:
    """A job of these rows, cut into batches that are not sent yet."""
    connection = make_connection(**fields)
    job = make_job(
        content,
        action,
        to=make_object(connection, "gadget", fields=GADGET),
        invalid="skip",
    )
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)
    planner.plan(job, stopping=threading.Event())
    job.refresh_from_db()
    return job


def settle(job: Job, seq: int, *results: RowResult) -> None:
    """Give the first items of a batch these results, the others success."""
    batch = Batch.objects.get(job=job, seq=seq)
    done = RowResult(Outcome.CREATED_OR_UPDATED, "01REC")
    ledger = settlement.JobCounters()
    settlement.settle(
        batch,
        {i: results[i] if i < len(results) else done for i in range(batch.size)},
        ledger,
    )
    ledger.write()
    job.refresh_from_db()


def table(chunks: object) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(chunks).decode("utf-8-sig"))))  # type: ignore[arg-type]


def test_results_have_every_row_once_in_the_order_of_the_file() -> None:
    job = planned()
    settle(job, 2, RowResult(Outcome.FAILED, code="C", message="Because."))

    rows = table(row_results.results_csv(job, raw=True))

    assert rows[0] == [
        "external_id",
        "price",
        "extra",
        "_row",
        "_outcome",
        "_record_id",
        "_error_code",
        "_error",
    ]
    assert [int(row[3]) for row in rows[1:]] == list(range(2, 253))
    assert rows[1] == ["g-1", "1", "=1+1", "2", "pending", "", "", ""]
    assert rows[101] == ["g-101", "101", "=1+101", "102", "failed", "", "C", "Because."]
    assert rows[102] == [
        "g-102",
        "102",
        "=1+102",
        "103",
        "created_or_updated",
        "01REC",
        "",
        "",
    ]
    assert rows[251] == [
        "g-251",
        "x",
        "",
        "252",
        "invalid",
        "",
        "not_a_number",
        "“x” is not a number.",
    ]


def test_results_are_harmless_to_spreadsheets_unless_raw() -> None:
    job = planned()

    assert table(row_results.results_csv(job))[1][2] == "'=1+1"
    assert table(row_results.results_csv(job, raw=True))[1][2] == "=1+1"


def test_results_of_one_outcome() -> None:
    job = planned()
    settle(job, 1, *[RowResult(Outcome.FAILED, code="C", message="No.")] * 2)

    assert [
        row[0] for row in table(row_results.results_csv(job, outcome="failed"))[1:]
    ] == ["g-1", "g-2"]
    assert [
        row[0] for row in table(row_results.results_csv(job, outcome="invalid"))[1:]
    ] == ["g-251"]


def test_rows_of_a_cancelled_job_are_cancelled_planned_or_not() -> None:
    job = planned()
    settle(job, 1)
    Batch.objects.filter(job=job, seq=2).update(
        state=BatchState.CANCELLED, done_at=timezone.now()
    )
    Batch.objects.filter(job=job, seq=3).delete()
    Job.objects.filter(pk=job.pk).update(state=JobState.CANCELLED)
    job.refresh_from_db()

    found = [row[4] for row in table(row_results.results_csv(job))[1:]]

    assert found == ["created_or_updated"] * 100 + ["cancelled"] * 150 + ["invalid"]


def test_retry_reports_only_its_own_rows() -> None:
    parent = planned()
    settle(parent, 1, *[RowResult(Outcome.FAILED, code="C", message="No.")] * 2)
    child = Job.objects.create(
        connection=parent.connection,
        object_key="gadget",
        action=parent.action,
        file=parent.file,
        parent=parent,
        mapping=parent.mapping,
        options=parent.options,
        rows=2,
    )

    assert [row[0] for row in table(row_results.results_csv(child))[1:]] == [
        "g-1",
        "g-2",
    ]


def test_problems_name_row_column_value_and_cure() -> None:
    rows = table(row_results.problems_csv(planned()))

    assert rows[0] == ["row", "column", "value", "code", "problem", "fix"]
    assert rows[1] == [
        "252",
        "price",
        "x",
        "not_a_number",
        "“x” is not a number.",
        "Write digits with a point, such as 1250.50.",
    ]
    assert len(rows) == 2


def test_template_has_columns_that_map_themselves() -> None:
    schema = make_object(make_connection(), "gadget", fields=GADGET).schema

    header = table([row_results.template_csv(schema)])[0]

    assert header == ["external_id", "name", *[field["key"] for field in GADGET]]


def test_progress_tells_how_far_and_how_fast() -> None:
    job = planned()
    settle(job, 1)
    now = time.time()
    Job.objects.filter(pk=job.pk).update(
        state=JobState.RUNNING, pace=[[now - 50, 0]], started_at=timezone.now()
    )
    job.refresh_from_db()

    told = job_progress.progress(job)

    assert (told.percent, told.in_flight, told.waiting) == (40, 0, 2)
    assert told.records_per_second is not None
    assert round(told.records_per_second) == 2
    assert told.eta_seconds == round(job.pending / told.records_per_second)


def test_progress_counts_what_is_in_flight_in_batches_and_open_rows() -> None:
    job = planned()
    Batch.objects.filter(job=job, seq=1).update(state=BatchState.ACCEPTED)
    Batch.objects.filter(job=job, seq=3).update(
        state=BatchState.UNCONFIRMED, succeeded=20, failed=5
    )
    Job.objects.filter(pk=job.pk).update(state=JobState.PAUSING)
    job.refresh_from_db()

    told = job_progress.progress(job)

    assert (told.in_flight, told.rows_in_flight, told.waiting) == (2, 125, 1)


APPROVAL = {"state": JobState.PAUSED, "hold_after_first_batch": True, "batches_done": 1}
IS_PLANNED = timezone.now()


@pytest.mark.parametrize(
    ("fields", "is_driven", "is_stocked", "limit"),
    [
        ({"state": JobState.RUNNING}, True, True, LimitedBy.WINDOW),
        ({"state": JobState.QUEUED}, True, True, LimitedBy.WINDOW),
        ({"state": JobState.RUNNING, "limited_by": ""}, True, True, LimitedBy.NOTHING),
        # Whatever was written down last: nobody is at it.
        ({"state": JobState.RUNNING}, False, True, LimitedBy.WORKERS),
        ({"state": JobState.PAUSING}, False, True, LimitedBy.WORKERS),
        ({"state": JobState.CANCELLING}, False, True, LimitedBy.WORKERS),
        # The planner is behind, or there is nothing left to plan.
        ({"state": JobState.RUNNING}, True, False, LimitedBy.WORKERS),
        (
            {"state": JobState.RUNNING, "planned_at": IS_PLANNED},
            True,
            False,
            LimitedBy.WINDOW,
        ),
        ({"state": JobState.PAUSING}, True, True, LimitedBy.PAUSED),
        ({"state": JobState.CANCELLING}, True, True, LimitedBy.NOTHING),
        ({"state": JobState.PAUSED}, False, True, LimitedBy.PAUSED),
        (APPROVAL, False, True, LimitedBy.APPROVAL),
        (APPROVAL | {"batches_done": 0}, False, True, LimitedBy.PAUSED),
        (APPROVAL | {"hold_after_first_batch": False}, False, True, LimitedBy.PAUSED),
        ({"state": JobState.COMPLETED}, True, True, LimitedBy.NOTHING),
        ({"state": JobState.NEEDS_DECISION}, True, True, LimitedBy.NOTHING),
    ],
)
def test_holder_is_what_is_true_now(
    fields: dict[str, Any], is_driven: bool, is_stocked: bool, limit: LimitedBy
) -> None:
    job = planned()
    if not is_stocked:
        Batch.objects.filter(job=job).update(state=BatchState.ACCEPTED)
    Job.objects.filter(pk=job.pk).update(
        **{"limited_by": LimitedBy.WINDOW, "planned_at": None} | fields
    )

    with leases.held(
        f"account:{job.connection.host}" if is_driven else "account:other.zendesk.com"
    ):
        assert Job.objects.with_limit().get(pk=job.pk).current_limit == limit


def test_held_seconds_tell_the_longest_first_and_count_on() -> None:
    since = timezone.now() - timedelta(seconds=100)
    job = Job(
        state=JobState.RUNNING,
        limited_by=LimitedBy.RATE,
        limited_since=since,
        limited_seconds={"": 500, "rate": 20.5, "window": 300, "paused": 0.4},
    )

    told = job_progress.limited_seconds(job)
    job.state = JobState.COMPLETED
    over = job_progress.limited_seconds(job)

    assert [(by, round(seconds)) for by, seconds in told] == [
        ("Zendesk's job slots", 300),
        ("request rate", pytest.approx(120, abs=2)),
    ]
    assert over == [
        ("Zendesk's job slots", 300.0),
        ("request rate", 20.5),
    ]


def test_retries_tell_what_is_left_of_them() -> None:
    job = planned()
    common: dict[str, Any] = {
        "connection": job.connection,
        "object_key": "gadget",
        "action": job.action,
        "file": job.file,
        "state": JobState.COMPLETED,
    }
    first = Job.objects.create(parent=job, rows=9, failed=5, **common)
    second = Job.objects.create(parent=job, rows=4, failed=2, **common)
    for rows in (2, 1):
        Job.objects.create(parent=first, rows=rows, **common)
    Job.objects.create(parent=second, rows=2, **common | {"state": JobState.DRAFT})
    Job.objects.create(parent=job, rows=7, **common | {"state": JobState.CHECKING})

    assert [(retry, vars(retry)["left"]) for retry in job_progress.retries(job)] == [
        (first, 2),
        (second, 2),
    ]


@pytest.mark.parametrize(
    ("state", "age", "quiet", "interval"),
    [
        (JobState.RUNNING, 5, 0, 1),
        (JobState.RUNNING, 60, 0, 2),
        (JobState.RUNNING, 600, 90, 5),
        (JobState.PAUSED, 600, 90, 30),
        (JobState.COMPLETED, 600, 90, None),
        (JobState.NEEDS_DECISION, 600, 90, None),
    ],
)
def test_interval_follows_what_the_job_does(
    state: JobState, age: int, quiet: int, interval: int | None
) -> None:
    job = make_job(
        "external_id\n1\n", to=make_object(make_connection(), "gadget", fields=GADGET)
    )
    job.state, job.started_at = state, timezone.now() - timedelta(seconds=age)
    job.pace = [[time.time() - quiet, 0]]

    assert job_progress.progress(job).interval == interval


def test_rate_is_of_the_last_minute_and_unknown_without_news() -> None:
    now = time.time()
    job = Job(
        state=JobState.RUNNING,
        created=900,
        rows=2000,
        pace=[[now - 300, 0], [now - 30, 600], [now - 10, 800]],
    )
    old = Job(state=JobState.RUNNING, created=900, rows=2000, pace=[[now - 300, 0]])

    assert job_progress.records_per_second(job) == pytest.approx(10, rel=0.01)
    assert job_progress.records_per_second(old) is None
    assert (
        job_progress.records_per_second(Job(state=JobState.RUNNING, rows=2000)) is None
    )
    job.state = JobState.PAUSED
    assert job_progress.records_per_second(job) is None


def test_strip_shows_the_worst_of_each_stretch() -> None:
    job = planned()
    settle(job, 1, RowResult(Outcome.FAILED, code="C", message="No."))
    Batch.objects.filter(job=job, seq=2).update(state=BatchState.SENDING)

    assert [
        (cell.state, cell.first, cell.last) for cell in job_progress.strip(job)
    ] == [
        ("failed", 1, 1),
        ("moving", 2, 2),
        ("waiting", 3, 3),
    ]


def test_strip_of_many_batches_has_at_most_a_hundred_stretches() -> None:
    job = make_job(
        "external_id\n1\n", to=make_object(make_connection(), "gadget", fields=GADGET)
    )
    ended = {"state": BatchState.DONE, "done_at": timezone.now()}
    Batch.objects.bulk_create(
        Batch(job=job, seq=n, size=1, first_row=n, last_row=n, **ended)
        for n in range(1, 251)
    )
    Batch.objects.filter(job=job, seq=250).update(state=BatchState.UNCERTAIN)
    job.batches_total = 250

    cells = job_progress.strip(job)

    assert (len(cells), cells[0], cells[-1]) == (
        84,
        job_progress.Cell("done", 1, 3),
        job_progress.Cell("uncertain", 250, 250),
    )


def test_next_failed_batch_skips_good_ones() -> None:
    job = planned()
    settle(job, 1)
    settle(job, 3, RowResult(Outcome.FAILED, code="C", message="No."))

    assert (
        job_progress.next_failed_batch(job),
        job_progress.next_failed_batch(job, after=3),
    ) == (3, None)


def test_exchange_shows_what_was_sent_and_answered_without_the_secret() -> None:
    job = planned(host="acme.zendesk.com")
    batch = Batch.objects.select_related("job__connection", "job__file").get(
        job=job, seq=3
    )
    answer = b'{"a":"\\ud83d"}'
    Attempt.objects.create(
        batch=batch,
        number=1,
        epoch=1,
        at=timezone.now(),
        items=50,
        response_body=pack(answer),
    )
    settle(job, 3)

    shown = job_progress.exchange(batch)

    assert shown.parts == {}
    assert (shown.method, shown.url) == (
        "POST",
        "https://acme.zendesk.com/api/v2/custom_objects/gadget/jobs",
    )
    assert shown.headers["Authorization"].endswith(" ********")
    sent = json.loads(shown.body)["job"]
    assert (sent["action"], len(sent["items"])) == (
        "create_or_update_by_external_id",
        50,
    )
    assert sent["items"][0] == {
        "external_id": "g-201",
        "custom_object_fields": {"price": 201},
    }
    assert shown.answer == '{\n  "a": "\N{REPLACEMENT CHARACTER}"\n}'
    assert "$ZENDESK_TOKEN" in shown.curl
    assert json.loads(shown.curl.split("<<'JSON'\n")[1].removesuffix("\nJSON")) == {
        "job": sent
    }
    assert [row.outcome for row in shown.rows] == ["created_or_updated"] * 50


def test_exchange_tells_which_attempts_left_items_for_later() -> None:
    job = planned()
    batch = Batch.objects.select_related("job__connection", "job__file").get(
        job=job, seq=3
    )
    for number, (items, last_item) in enumerate(
        [(50, 99), (25, 24), (12, 11), (38, 49)], 1
    ):
        Attempt.objects.create(
            batch=batch,
            number=number,
            epoch=1,
            at=timezone.now(),
            items=items,
            last_item=last_item,
        )

    assert job_progress.exchange(batch).parts == {2: 226, 3: 213}


def test_mapping_is_told_in_the_words_of_the_wizard() -> None:
    job = make_job(
        "external_id,price\n1,2\n",
        to=make_object(make_connection(), "gadget", fields=GADGET),
    )

    assert job_progress.mapped(job) == [
        ("external_id", "External ID"),
        ("price", "Price"),
    ]


def test_preview_counts_rows_batches_and_the_least_time() -> None:
    job = planned()
    job.connection.requests_per_minute, job.connection.max_running_jobs = 60, 30

    told = job_progress.preview(job)

    assert (told.sent, told.left_out, told.batches, told.seconds) == (250, 1, 3, 13.75)


def test_file_that_is_gone_is_told_before_the_first_line() -> None:
    job = make_job(
        "external_id\n1\n", to=make_object(make_connection(), "gadget", fields=GADGET)
    )
    gone = make_file("external_id\n1\n")
    gone.delete_content()
    job.file = gone

    with pytest.raises(FileRefused, match="Upload it again"):
        list(row_results.outcome_rows(job))
