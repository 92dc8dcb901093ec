"""The step on which a draft is compared with the account."""

import csv
import io
import re

import pytest
from django.test import Client

from jobsui.connections.models import Connection
from jobsui.jobs import tasks
from jobsui.jobs.control import account_match, actions, comparisons
from jobsui.jobs.enums import Action, JobState, ReadState
from jobsui.jobs.mapping.options import Match, Options
from jobsui.jobs.models import Job, RecordRead, RecordWatch
from jobsui.jobs.preparation import checker
from jobsui.web import wizard_texts
from tests.conftest import TaskQueue
from tests.harness import Harness, gadgets
from tests.web import stages
from tests.web.pages import buttons, counters, visible

pytestmark = pytest.mark.django_db
transactional = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true"}
UPSERT = Action.UPSERT_BY_EXTERNAL_ID


def path(job: Job, step: str = "compare/") -> str:
    return f"/jobs/new/{job.code}/{step}"


def page(client: Client, job: Job, query: str = "") -> str:
    return visible(client.get(f"{path(job)}{query}").text)


def compared(harness: Harness) -> Job:
    """A draft of five rows: two changes, a new record, and two that are the same."""
    harness.object()
    before = gadgets(4)
    before[0]["notes"] = "=1+1"
    harness.run(before, Action.CREATE)
    rows = gadgets(5)
    rows[0] |= {"price": "100", "notes": ""}
    rows[2]["price"] = "300"
    rows[4]["name"] = "<b>New</b>"
    job = harness.checked(rows, UPSERT, blank="clear")
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    return job


def test_offer_says_what_a_comparison_costs(operator: Client) -> None:
    job = stages.checked(
        "external_id\n" + "".join(f"g-{n}\n" for n in range(1_000)),
    )
    job.connection.requests_per_minute = 10
    job.connection.share = 50
    job.connection.save()

    text = page(operator, job)

    assert "Compare 1,000 rows with Zendesk" in text
    assert "Takes 10 requests, about 2 min at your share of the limit" in text
    assert "Saves no requests" in text
    assert "Skip comparison" in text


def test_new_records_have_nothing_to_compare(operator: Client) -> None:
    job = stages.checked("name,serial\nOne,AB-000001\n", Action.CREATE)

    check = operator.get(path(job, "check/")).text
    step = operator.get(path(job))

    assert path(job) not in check
    assert path(job, "review/") in check
    assert step["Location"] == path(job, "review/")


def test_draft_that_is_not_checked_is_not_compared(operator: Client) -> None:
    job = stages.draft()

    assert operator.get(path(job))["Location"] == path(job, "check/")


def test_check_leads_to_the_comparison(operator: Client) -> None:
    job = stages.checked("external_id,price\ng-1,1\n")

    text = operator.get(path(job, "check/")).text

    assert f'<a class="btn btn-primary" href="{path(job)}">' in text


def test_progress_is_shown_until_there_is_nothing_new(operator: Client) -> None:
    job = stages.checked()
    operator.post(path(job, "compare/start/"))
    read = RecordRead.objects.get()
    RecordRead.objects.update(
        state=ReadState.READING, pages_total=1_200, pages_read=300, version=7
    )
    seen = path(job, f"compare/progress/?v={read.pk}-7")

    text = operator.get(path(job)).text
    unchanged = operator.get(seen, headers=HTMX)
    RecordRead.objects.update(pages_read=301, version=8)
    changed = operator.get(seen, headers=HTMX)

    assert "300 of 1,200 pages of up to 100 rows read" in visible(text)
    assert f'hx-get="{path(job, "compare/progress/")}?v={read.pk}-7"' in text
    assert "Cancel comparison" in buttons(text)
    assert unchanged.status_code == 204
    assert "301 of 1,200 pages" in visible(changed.text)


def test_comparison_is_cancelled(operator: Client) -> None:
    job = stages.checked()
    operator.post(path(job, "compare/start/"))

    answer = operator.post(path(job, "compare/cancel/"), follow=True)

    assert RecordRead.objects.get().state == ReadState.CANCELLED
    assert "The comparison was cancelled." in answer.text
    assert "Compare again" in buttons(answer.text)
    assert "Cancel comparison" not in answer.text


def test_failed_comparison_says_why(operator: Client) -> None:
    job = stages.checked()
    comparisons.start(job, by=None)
    RecordRead.objects.update(state=ReadState.FAILED, reason="The token has expired.")

    text = page(operator, job)
    review = visible(operator.get(path(job, "review/")).text)

    assert "The comparison failed. The token has expired." in text
    assert "The comparison with Zendesk failed: all rows are sent." in review


def test_comparison_of_other_rows_is_not_shown(operator: Client) -> None:
    job = stages.checked()
    comparisons.start(job, by=None)
    RecordRead.objects.update(state=ReadState.DONE, fingerprint="earlier")

    text = page(operator, job)
    review = visible(operator.get(path(job, "review/")).text)

    assert "The rows have changed since the last comparison." in text
    assert "The rows have changed since they were compared" in review


@pytest.mark.django_db(transaction=True)
def test_result_says_what_each_row_changes(operator: Client, harness: Harness) -> None:
    job = compared(harness)

    answer = operator.get(path(job))

    text = visible(answer.text)
    assert (
        "Sends 3 of 5 rows: 2 changes, 1 new record; 2 are as in the file already"
        in text
    )
    assert "A person or program may have changed records since." in text
    assert "2 to change 1 to create 2 the same, not sent" in text
    assert "Price 2 0 Notes 1 1" in text
    rows = answer.context["rows"]
    assert [
        (
            line.row.row,
            line.row.key,
            [(label, each.old, each.new) for label, each in line.values],
        )
        for line in rows
    ] == [
        (2, "g-1", [("Price", "1.5", "100"), ("Notes", "=1+1", "")]),
        (4, "g-3", [("Price", "3.5", "300")]),
        (
            6,
            "g-5",
            [
                ("Name", "", "<b>New</b>"),
                ("Serial", "", "AB-000005"),
                ("Price", "", "5.5"),
            ],
        ),
    ]
    assert "<b>New</b>" not in answer.text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", [2, 4, 6]),
        ("?verdict=same", [3, 5]),
        ("?verdict=create", [6]),
        ("?verdict=missing", []),
        ("?verdict=nonsense", [2, 4, 6]),
        ("?field=custom_object_fields.notes", [2]),
        ("?field=nonsense", [2, 4, 6]),
        ("?verdict=create&field=custom_object_fields.notes", []),
        ("?after=2", [4, 6]),
        ("?after=6", []),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_rows_are_filtered_by_the_address(
    operator: Client, harness: Harness, query: str, shown: list[int]
) -> None:
    job = compared(harness)

    rows = operator.get(f"{path(job)}{query}").context["rows"]

    assert [line.row.row for line in rows] == shown


@pytest.mark.django_db(transaction=True)
def test_long_comparison_has_pages(operator: Client, harness: Harness) -> None:
    harness.object()
    job = harness.checked(gadgets(230), UPSERT)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()

    shown: list[int] = []
    query = ""
    sizes = []
    while True:
        answer = operator.get(f"{path(job)}{query}")
        rows = [line.row.row for line in answer.context["rows"]]
        shown += rows
        sizes.append(len(rows))
        older = answer.context["older"]
        if not older:
            break
        query = f"?after={older}"

    assert shown == list(range(2, 232))
    assert sizes == [50, 50, 50, 50, 30]


@pytest.mark.django_db(transaction=True)
def test_plan_is_downloaded(operator: Client, harness: Harness) -> None:
    job = compared(harness)

    answer = operator.get(f"/jobs/{job.code}/plan.csv")

    text = answer.getvalue().decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(text)))
    ids = {key: record["id"] for key, record in harness.records().items()}
    assert lines == [
        ["row", "key", "record_id", "action", "field", "old", "new"],
        ["2", "g-1", ids["g-1"], "update", "price", "1.5", "100"],
        ["2", "g-1", ids["g-1"], "update", "notes", "'=1+1", ""],
        ["4", "g-3", ids["g-3"], "update", "price", "3.5", "300"],
        ["6", "g-5", "", "create", "", "", ""],
    ]
    assert answer["Content-Disposition"] == 'attachment; filename="rows-plan.csv"'


@pytest.mark.django_db(transaction=True)
def test_plan_of_deletions_names_each_record(
    operator: Client, harness: Harness
) -> None:
    harness.object()
    harness.run(gadgets(1), Action.CREATE)
    rows = [{"external_id": "g-1"}, {"external_id": "g-9"}]
    job = harness.checked(rows, Action.DELETE_BY_EXTERNAL_ID)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()

    text = page(operator, job)
    answer = operator.get(f"/jobs/{job.code}/plan.csv")
    review = operator.get(path(job, "review/"))

    assert "Sends 1 of 2 rows: 1 deletion; 1 is already gone" in text
    lines = answer.getvalue().decode("utf-8-sig").splitlines()
    record_id = harness.records()["g-1"]["id"]
    assert lines[1:] == [f"2,g-1,{record_id},delete,,,", "3,g-9,,key_not_found,,,"]
    assert "Type 1 to delete 1 record" in visible(review.text)


@pytest.mark.django_db(transaction=True)
def test_review_says_what_is_sent_after_a_comparison(
    operator: Client, harness: Harness
) -> None:
    job = compared(harness)

    review = operator.get(path(job, "review/"))

    text = visible(review.text)
    assert "Sends 3 of 5 rows: 2 changes, 1 new record; 2 are as in the file" in text
    assert "3 rows in about 2 batches" in text
    assert "A person or program may have changed records since." in text
    assert "Launch 3 rows" in buttons(review.text)


@pytest.mark.parametrize("chosen", ["off", "watched", "strict"])
@pytest.mark.django_db(transaction=True)
def test_review_offers_to_refuse_rows_that_change(
    operator: Client, harness: Harness, chosen: str
) -> None:
    job = compared(harness)

    review = operator.get(path(job, "review/"))
    operator.post(path(job, "launch/"), {"refuse_changed": chosen})

    job.refresh_from_db()
    text = visible(review.text)
    assert "Rows whose records change after the comparison" in text
    assert "right before it is sent. About 2 more requests." in text
    assert "in the 3 to 10 seconds between the read and the write is not seen" in text
    assert "the last 2 minutes before a batch is sent is not seen" in text
    assert "Keep what the records hold" not in text
    assert job.state == JobState.QUEUED
    assert job.options["refuse_changed"] == chosen
    assert RecordWatch.objects.filter(pk=job.pk).exists() == (chosen == "watched")


@pytest.mark.django_db(transaction=True)
def test_review_offers_to_keep_what_records_hold(
    operator: Client, harness: Harness
) -> None:
    harness.object()
    job = harness.checked(gadgets(120), UPSERT)

    review = operator.get(path(job, "review/"))
    operator.post(path(job, "launch/"), {"keep_undo": "on"})

    job.refresh_from_db()
    text = visible(review.text)
    assert "Keep what the records hold, so that the job can be undone" in text
    assert "right before it is sent: 2 more requests." in text
    assert job.options["keep_undo"]


@pytest.mark.django_db(transaction=True)
def test_what_is_deleted_is_kept_unless_somebody_chooses_otherwise(
    operator: Client, harness: Harness
) -> None:
    harness.object()
    job = harness.checked([{"external_id": "g-1"}], Action.DELETE_BY_EXTERNAL_ID)

    review = operator.get(path(job, "review/"))
    operator.post(path(job, "launch/"), {"confirm": "1"})

    job.refresh_from_db()
    form = review.context["form"]
    assert form["keep_undo"].value() is True
    assert not job.options["keep_undo"]


@pytest.mark.django_db(transaction=True)
def test_skipped_comparison_sends_all_rows(operator: Client, harness: Harness) -> None:
    job = compared(harness)

    answer = operator.post(path(job, "compare/skip/"), follow=True)

    assert "Not compared with Zendesk: all rows are sent." in visible(answer.text)
    assert "Launch 5 rows" in buttons(answer.text)


@pytest.mark.django_db(transaction=True)
def test_batches_of_a_compared_job_say_what_they_do(
    operator: Client, harness: Harness
) -> None:
    job = compared(harness)
    actions.launch(job, by=None)
    harness.task_queue.run_all()

    batches = operator.get(f"/jobs/{job.code}/batches/")
    unsent = operator.get(f"/jobs/{job.code}/batches/?state=not_sent")

    text = visible(batches.text)
    assert "Done Update 2 2 to 4 2 0 1" in text
    assert "Done Create 1 6 to 6 1 0 1" in text
    assert "Not sent – 2 3 to 5 2 0 0" in text
    [batch] = unsent.context["page"].entries
    page = visible(operator.get(f"/jobs/{job.code}/batches/{batch.seq}/").text)
    assert "2 of 2 rows unchanged, 0 failed" in page
    assert "None: the comparison with Zendesk found that these rows need no" in page
    assert "Response" not in page


@pytest.mark.django_db(transaction=True)
def test_compared_job_counts_what_it_did_not_send(
    operator: Client, harness: Harness
) -> None:
    job = compared(harness)
    actions.launch(job, by=None)
    harness.task_queue.run_all()

    text = operator.get(f"/jobs/{job.code}/").text

    assert counters(text)["created or updated"] == "3"
    assert counters(text)["unchanged, not sent"] == "2"


def test_review_while_rows_are_compared_leads_back(
    operator: Client, task_queue: TaskQueue
) -> None:
    job = stages.checked("external_id,price\ng-1,1\n")
    operator.post(path(job, "compare/start/"))
    task_queue.clear()

    review = operator.get(path(job, "review/")).text
    answer = operator.post(path(job, "launch/"), {"start": "all"}, follow=True)

    assert "The rows are still being compared." in visible(review)
    assert is_launch_disabled(review)
    assert "The rows are still being compared." in visible(answer.text)
    assert Job.objects.get().state == JobState.READY


@transactional
def test_review_follows_a_comparison_to_its_end(
    operator: Client, harness: Harness
) -> None:
    harness.object()
    job = harness.checked(gadgets(2), UPSERT)
    comparisons.start(job, by=None)
    progress = path(job, "review/progress/")

    review = operator.get(path(job, "review/")).text
    running = operator.get(progress, headers=HTMX)
    harness.task_queue.run_all()
    ended = operator.get(progress, headers=HTMX)

    assert progress in review
    assert "Run settings" not in visible(review)
    assert "Can be undone, except for values changed since" in visible(review)
    assert running.status_code == 204
    assert "Sends 2 of 2 rows: 2 new records" in visible(ended.text)
    assert "Run settings" in visible(ended.text)
    assert "<html" not in ended.text
    assert progress not in ended.text
    assert not is_launch_disabled(ended.text)


def test_review_that_follows_leads_to_the_check_of_a_changed_draft(
    operator: Client,
) -> None:
    job = stages.draft()

    answer = operator.get(path(job, "review/progress/"), headers=HTMX)

    assert answer["HX-Redirect"] == path(job, "check/")


@pytest.mark.django_db(transaction=True)
def test_rows_are_left_out_and_sent_after_all(
    operator: Client, harness: Harness
) -> None:
    job = compared(harness)
    choose = path(job, "compare/rows/")
    shown = {"shown": ["2", "4", "6"]}

    first = operator.post(choose, shown | {"row": ["6"]}, headers=HTMX)
    then = operator.post(f"{choose}?verdict=change", shown | {"row": ["4", "6"]})

    left_out = [
        line.row.row
        for line in operator.get(path(job)).context["rows"]
        if line.row.is_left_out
    ]
    plan = operator.get(f"/jobs/{job.code}/plan.csv").getvalue().decode("utf-8-sig")
    assert (
        "Sends 1 of 5 rows: 1 new record; 2 are as in the file already; 2 are left out"
        in visible(first.text)
    )
    assert then["Location"] == f"{path(job)}?verdict=change#rows"
    assert left_out == [2]
    assert [line.split(",")[0] for line in plan.splitlines()[1:]] == ["4", "6"]


def test_rows_of_a_job_without_a_comparison_are_not_chosen(operator: Client) -> None:
    job = stages.checked()

    answer = operator.post(path(job, "compare/rows/"), {"shown": ["2"]})

    assert answer["Location"] == path(job)


# By itself


@transactional
def test_comparison_starts_when_the_check_is_done(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(2), Action.CREATE)

    job = harness.checked(gadgets(3), UPSERT, compare=True)

    read = comparisons.finished(job)
    assert read is not None
    assert read.counts == {"same": 2, "create": 1}


@pytest.mark.parametrize(
    ("content", "options", "requests_per_minute"),
    [
        ("external_id,price\ng-1,x\ng-2,1\n", {"compare": True}, 100),
        ("external_id,price\ng-1,1\n", {"compare": False}, 100),
        (
            "external_id\n" + "".join(f"g-{n}\n" for n in range(8_000)),
            {"compare": True},
            1,
        ),
    ],
    ids=["invalid rows", "not chosen", "too long"],
)
def test_comparison_waits_for_a_person(
    content: str, options: dict[str, bool], requests_per_minute: int
) -> None:
    job = stages.draft(content)
    stages.changed(job, options=job.options | {"invalid": "stop"} | options)
    Connection.objects.update(requests_per_minute=requests_per_minute)
    checker.start(job, by=None)

    tasks.check_job(job.pk)

    job.refresh_from_db()
    assert job.state == JobState.READY
    assert comparisons.latest(job) is None


def test_comparison_starts_when_invalid_rows_are_skipped(operator: Client) -> None:
    job = stages.checked()
    options = job.options | {"compare": True, "invalid": "stop"}
    stages.changed(job, options=options)

    answer = operator.post(path(job, "check/"), {"invalid": "skip"})

    assert answer["Location"] == path(job)
    assert comparisons.latest(job) is not None


def test_check_leads_to_a_comparison_that_has_not_started(operator: Client) -> None:
    job = stages.checked("external_id,price\ng-1,1\n")
    stages.changed(job, options=job.options | {"compare": True})

    text = operator.get(path(job, "check/")).text
    operator.post(path(job, "compare/start/"))
    started = operator.get(path(job, "check/")).text

    assert f'action="{path(job, "compare/start/")}"' in text
    assert f'action="{path(job, "compare/start/")}"' not in started
    assert f'href="{path(job)}"' in started


def test_skipped_comparison_does_not_start_again(
    operator: Client, task_queue: TaskQueue
) -> None:
    job = stages.checked("external_id,price\ng-1,1\n")
    stages.changed(job, options=job.options | {"compare": True})
    operator.post(path(job, "compare/start/"))

    answer = operator.post(path(job, "compare/skip/"))
    checker.start(job, by=None)
    tasks.check_job(job.pk)

    job.refresh_from_db()
    assert answer["Location"] == path(job, "review/")
    assert job.state == JobState.READY
    assert comparisons.latest(job) is None
    task_queue.clear()


def test_running_comparison_says_what_it_costs_and_is_skipped(
    operator: Client, task_queue: TaskQueue
) -> None:
    job = stages.checked("external_id,price\ng-1,1\n")
    operator.post(path(job, "compare/start/"))
    task_queue.clear()

    page_text = operator.get(path(job)).text

    assert "Takes 1 request" in visible(page_text)
    assert "Saves no requests" in visible(page_text)
    assert "Skip comparison" in buttons(page_text)


def test_comparison_that_takes_long_is_offered(operator: Client) -> None:
    job = stages.checked("external_id\n" + "".join(f"g-{n}\n" for n in range(200)))
    Connection.objects.update(requests_per_minute=1, share=1)

    text = page(operator, job)

    assert "It takes more than an hour, so it does not start by itself." in text


def test_mapping_offers_to_update_only(operator: Client) -> None:
    job = stages.checked("external_id,price\ng-1,1\n")

    text = operator.get(path(job, "map/")).text
    operator.post(
        path(job, "map/"),
        {
            "source_external_id": "external_id",
            "source_field:price": "price",
            "blank": "skip",
            "only_existing": "on",
            "then": "save",
        },
    )

    job.refresh_from_db()
    assert "Only update records that exist" in text
    assert job.options["only_existing"] is True


def is_launch_disabled(text: str) -> bool:
    """Whether the last button of a review is."""
    last = re.findall(r"<button\b[^>]*>", text)[-1]
    return " disabled " in last


def matched(harness: Harness) -> Job:
    """A draft of two rows, for an account with four records, of which two are only there."""
    harness.object()
    harness.run(gadgets(4), Action.CREATE)
    return harness.checked(gadgets(2), UPSERT)


@pytest.mark.django_db(transaction=True)
def test_records_only_in_the_account_are_chosen_and_deleted(
    operator: Client, harness: Harness
) -> None:
    job = matched(harness)
    start = path(job, "compare/start/")
    choose = path(job, "compare/match/")
    choices = {"only_in_file": "create", "different": "update", "max_records": "10"}

    operator.post(start, {"match": "1"})
    harness.task_queue.run_all()
    found = page(operator, job)
    delete = choices | {"only_in_account": "delete"}
    refused = operator.post(choose, delete | {"max_percent": "2"}, follow=True)
    disabled = operator.get(path(job, "review/")).text
    operator.post(choose, delete | {"max_percent": "50"})
    review = operator.get(path(job, "review/"))
    mistyped = operator.post(path(job, "launch/"), {"start": "all", "confirm": "4"})
    launched = operator.post(path(job, "launch/"), {"start": "all", "confirm": "2"})
    harness.task_queue.run_all()
    detail = operator.get(f"/jobs/{job.code}/").text

    assert "The account has 4 records of this object." in found
    assert "2 records of 4 would be deleted, 50 %. The limit is 2 %." in visible(
        refused.text
    )
    assert is_launch_disabled(disabled)
    assert visible(disabled).count("50 %. The limit is 2 %.") == 2
    assert "Type 2 to delete" not in visible(disabled)
    assert not is_launch_disabled(review.text)
    assert "2 deletions in about 1 batch" in visible(review.text)
    assert "Delete 2 records" in buttons(review.text)
    assert "Delete 2 gadget records that only the account has" in visible(review.text)
    assert "0 rows" not in visible(review.text)
    assert "Type 2 to delete 2 records." in visible(mistyped.text)
    assert launched["Location"] == f"/jobs/{job.code}/"
    assert counters(detail)["deleted"] == "2"
    assert harness.records().keys() == {"g-1", "g-2"}


@pytest.mark.django_db(transaction=True)
def test_impossible_limit_is_refused(operator: Client, harness: Harness) -> None:
    job = matched(harness)
    operator.post(path(job, "compare/start/"), {"match": "1"})
    harness.task_queue.run_all()
    choices = {
        "only_in_file": "create",
        "different": "update",
        "only_in_account": "delete",
        "max_percent": "101",
        "max_records": "1",
    }

    answer = operator.post(path(job, "compare/match/"), choices)

    job.refresh_from_db()
    assert "less than or equal to 100" in visible(answer.text)
    assert job.options["match"]["only_in_account"] == "leave"


def test_match_is_offered_for_upserts_by_external_id_only(operator: Client) -> None:
    upsert = stages.checked("external_id\ng-1\n")
    deletion = stages.checked("external_id\ng-1\n", Action.DELETE_BY_EXTERNAL_ID)

    assert "Make the account match this file" in page(operator, upsert)
    assert "Make the account match this file" not in page(operator, deletion)


@pytest.mark.django_db(transaction=True)
def test_comparing_again_keeps_the_choices(operator: Client, harness: Harness) -> None:
    job = matched(harness)
    chosen = Match("leave", "leave", "delete", 7, 8)
    account_match.choose(job, chosen, by=None)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()

    operator.post(path(job, "compare/start/"), {"match": "1"})
    kept = Job.objects.get(pk=job.pk)
    operator.post(path(job, "compare/cancel/"))
    operator.post(path(job, "compare/start/"))
    left = Job.objects.get(pk=job.pk)

    assert account_match.of(kept) == chosen
    assert account_match.of(left) is None


@pytest.mark.parametrize(
    ("match", "is_said"),
    [
        (None, True),
        (Match(only_in_account="delete"), True),
        (Match("leave", "leave", "delete"), False),
    ],
)
def test_what_empty_cells_do_is_said_where_rows_are_sent(
    match: Match | None, *, is_said: bool
) -> None:
    job = stages.draft()
    job.options = Options(match=match).to_json()

    texts = [point.text for point in wizard_texts.points(job, is_compared=True)]

    assert any("mpty cells" in text for text in texts) is is_said
