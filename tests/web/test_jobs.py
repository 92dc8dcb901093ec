import csv
import gzip
import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from jobsui.jobs import leases
from jobsui.jobs.enums import (
    Action,
    BatchState,
    EventKind,
    FileState,
    JobState,
    LimitedBy,
    Outcome,
    Weight,
)
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.models import (
    AccountWait,
    ApiWarning,
    Batch,
    Cause,
    File,
    Job,
    RowResult,
    RunSettings,
)
from tests.conftest import TaskQueue
from tests.factories import make_connection, make_user
from tests.web import stages
from tests.web.pages import buttons, counters, visible

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def listed(answer: Any) -> list[int]:
    """The jobs of a history page, as their ids."""
    codes = re.findall(r'<a id="j[0-9]+" href="/jobs/([0-9a-f-]{36})/">', answer.text)
    ids = {str(code): pk for code, pk in Job.objects.values_list("code", "pk")}
    return [ids[code] for code in codes]


def table(answer: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))


def path(job: Job, rest: str = "") -> str:
    return f"/jobs/{job.code}/{rest}"


def said(client: Client, answer: Any) -> str:
    """The page that a response redirects to."""
    return client.get(answer["Location"]).text


@pytest.fixture
def history(ana: User) -> dict[str, Job]:
    """Four jobs that differ in everything, a day apart, oldest first; and a draft,
    which is none of the history."""
    leo = make_user("leo")
    acme = stages.gadget()
    made = {
        "plain": stages.settled(created_by=ana),
        "failed": stages.settled(
            stages.ROWS, stages.failed(), created_by=leo, rows_invalid=0, invalid=0
        ),
        "invalid": stages.settled(
            created_by=leo, action=Action.UPDATE, object_key="vendor"
        ),
        "running": stages.planned(
            "external_id\ng-1\n", state=JobState.RUNNING, created_by=ana
        ),
    }
    beta = make_connection(name="Beta", host="beta.zendesk.com", production=True)
    stages.draft(to=acme, created_by=ana)
    stages.changed(made["plain"], invalid=0)
    stages.changed(made["running"], connection=beta)
    for name, job in made.items():
        File.objects.filter(pk=job.file_id).update(name=f"{name} Ä.csv")
    for days, job in enumerate(made.values()):
        stages.changed(job, created_at=NOON + timedelta(days=days))
    return {name: Job.objects.get(pk=job.pk) for name, job in made.items()}


FILTERS: list[tuple[dict[str, str], str]] = [
    ({}, "running invalid failed plain"),
    ({"state": "running"}, "running"),
    ({"state": "completed"}, "invalid failed plain"),
    ({"state": "failures"}, "invalid failed"),
    ({"state": "cancelled"}, ""),
    ({"object": "VEND"}, "invalid"),
    ({"action": "update"}, "invalid"),
    ({"q": "fail"}, "failed"),
    ({"q": "%"}, ""),
    ({"since": "2026-11-26"}, "running invalid"),
    ({"until": "2026-11-25"}, "failed plain"),
    ({"since": "2026-11-25", "until": "2026-11-25"}, "failed"),
    (
        {
            "since": "2026-11-25",
            "state": "failures",
            "action": "create_or_update_by_external_id",
        },
        "failed",
    ),
    ({"object": "gadget", "state": "running", "q": "plain"}, ""),
    # An invalid value filters nothing.
    ({"state": "nonsense"}, "running invalid failed plain"),
    ({"state": "draft"}, "running invalid failed plain"),
    ({"action": "drop table", "q": "fail"}, "failed"),
    ({"since": "yesterday", "until": "2026-13-45"}, "running invalid failed plain"),
    ({"since": "0001-01-01", "until": "9999-12-31"}, "running invalid failed plain"),
    ({"connection": "x", "by": "x"}, "running invalid failed plain"),
    (
        {"connection": "00000000-0000-4000-8000-000000000000"},
        "running invalid failed plain",
    ),
    ({"by": "9" * 30}, "running invalid failed plain"),
    ({"by": "9" * 5000}, "running invalid failed plain"),
    ({"q": "\x00"}, "running invalid failed plain"),
    ({"q": "x" * 300}, "running invalid failed plain"),
    (
        {"_connector": "OR", "failed__gt": "0", "created_by__password": "x"},
        "running invalid failed plain",
    ),
]


@pytest.mark.parametrize(("filters", "names"), FILTERS)
def test_history_shows_what_matches_newest_first(
    operator: Client, history: dict[str, Job], filters: dict[str, str], names: str
) -> None:
    expected = [history[name].pk for name in names.split()]

    assert listed(operator.get("/jobs/", filters)) == expected
    assert listed(operator.get("/jobs/", filters, headers=HTMX)) == expected


def test_history_narrows_by_person_and_connection(
    operator: Client, history: dict[str, Job], ana: User
) -> None:
    beta = history["running"].connection
    leo = User.objects.get(username="leo")

    by_ana = listed(operator.get("/jobs/", {"by": str(ana.pk)}))
    at_beta = listed(operator.get("/jobs/", {"connection": str(beta.code)}))
    both = listed(
        operator.get("/jobs/", {"connection": str(beta.code), "by": str(leo.pk)})
    )

    assert by_ana == [history["running"].pk, history["plain"].pk]
    assert at_beta == [history["running"].pk]
    assert both == []


@pytest.mark.usefixtures("history")
def test_history_is_a_page_or_its_table(operator: Client) -> None:
    page = operator.get("/jobs/?q=fail")
    fragment = operator.get("/jobs/?q=fail", headers=HTMX)

    assert page.text.startswith("<!DOCTYPE html>")
    assert 'name="q" value="fail"' in page.text
    assert fragment.text.lstrip().startswith('<section class="card mt-3" id="table">')
    assert "HX-Request" in page["Vary"]
    assert "HX-Request" in fragment["Vary"]


def test_history_distinguishes_no_jobs_from_no_matches(operator: Client) -> None:
    empty = operator.get("/jobs/").text
    narrowed = operator.get("/jobs/?q=x").text

    assert ["No jobs yet" in empty, "No job matches" in empty] == [
        True,
        False,
    ]
    assert ["No jobs yet" in narrowed, "No job matches" in narrowed] == [
        False,
        True,
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_history_takes_as_many_queries_for_many_jobs(
    operator: Client,
    ana: User,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(count):
        stages.settled(created_by=ana)

    with django_assert_num_queries(
        6
    ):  # session, user, roles, connections, people, jobs
        operator.get("/jobs/")


def test_history_of_fifty_stays_small(operator: Client, ana: User) -> None:
    pattern = stages.settled(stages.ROWS, stages.failed(), created_by=ana)
    Job.objects.bulk_create(
        Job(
            connection=pattern.connection,
            file=pattern.file,
            object_key="gadget",
            action=pattern.action,
            rows=1000000,
            state=pattern.state,
            created_by=ana,
            failed=100000,
            created_or_updated=900000,
        )
        for _ in range(59)
    )

    page = operator.get("/jobs/")

    assert len(listed(page)) == 50
    assert len(page.content) <= 56_000
    assert len(gzip.compress(page.content)) <= 5_500


def test_job_page_shows_where_the_job_stands(operator: Client) -> None:
    job = stages.settled(
        stages.ROWS, stages.failed("Zendesk says no.", "RecordInvalid")
    )

    text = operator.get(path(job)).text

    assert counters(text) == {
        "of 3 rows": "100 %",
        "created or updated": "1",
        "failed": "1",
        "invalid, not sent": "1",
    }
    assert "Zendesk says no." in text


def test_job_page_draws_the_share_of_failed_rows(operator: Client) -> None:
    content = "external_id\n" + "".join(f"g-{n}\n" for n in range(100))
    job = stages.settled(content, *[stages.failed()] * 7)

    text = operator.get(path(job)).text

    drawing = text[text.index('<svg class="strip"') :].partition("</svg>")[0]
    shapes = " ".join(drawing.partition("</defs>")[2].split())
    assert shapes == (
        '<path class="failed" fill="url(#fill-failed)" d="M0 0h1v5h-1z"/> '
        '<path class="succeeded" d="M0 5h1v19h-1z"/>'
    )


def test_job_page_of_a_draft_is_the_wizard(operator: Client) -> None:
    job = stages.draft()

    assert operator.get(path(job))["Location"] == f"/jobs/new/{job.code}/"
    assert operator.get(path(job, "rows/")).status_code == 404


@pytest.mark.parametrize(
    ("state", "verbs"),
    [
        (JobState.QUEUED, ["pause", "cancel"]),
        (JobState.RUNNING, ["pause", "cancel"]),
        (JobState.PAUSING, ["resume", "cancel"]),
        (JobState.PAUSED, ["resume", "cancel"]),
        (JobState.CANCELLING, []),
        (JobState.CANCELLED, []),
        (JobState.FAILED, []),
        (JobState.COMPLETED, []),
        (JobState.NEEDS_DECISION, ["resolve"]),
    ],
)
def test_job_page_offers_the_possible_actions(
    operator: Client, state: JobState, verbs: list[str]
) -> None:
    job = stages.planned(state=state)

    offered = re.findall(
        rf'(?:action|btn-outline-danger" href)="/jobs/{job.code}/([a-z]+)/"',
        operator.get(path(job)).text,
    )

    assert offered == verbs


def test_progress_is_empty_when_nothing_is_new(
    operator: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = stages.planned(state=JobState.RUNNING)
    page = operator.get(path(job)).text
    (address,) = re.findall(r'hx-get="([^"]+)"', page)

    with django_assert_num_queries(4):  # session, user, roles, job
        answer = operator.get(unescape(address), headers=HTMX)

    assert answer.status_code == 204
    assert answer.content == b""
    assert "HX-Refresh" not in answer.headers


def test_progress_shows_that_the_workers_are_gone(operator: Client) -> None:
    job = stages.planned(state=JobState.RUNNING, limited_by=LimitedBy.JOB_SLOTS)
    with leases.held(f"account:{job.connection.host}"):
        page = operator.get(path(job)).text
    (address,) = re.findall(r'hx-get="([^"]+)"', page)

    answer = operator.get(unescape(address), headers=HTMX)

    held = r"Limited by: <b>([^<]+)<"
    assert re.findall(held, page) + re.findall(held, answer.text) == [
        "Zendesk&#x27;s job slots",
        "waiting for a worker",
    ]


def test_progress_shows_what_is_new(
    operator: Client, django_assert_max_num_queries: Any
) -> None:
    job = stages.planned(state=JobState.RUNNING, created_or_updated=1)
    Cause.objects.create(
        job=job, phase="send", signature="x", code="C", message="Because.", count=1
    )
    stages.changed(job, failed=1)

    with django_assert_max_num_queries(7):
        answer = operator.get(
            path(job, f"progress/?v={job.version - 1}&state=running"), headers=HTMX
        )

    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<section id="progress"')
    assert "Because." in answer.text
    assert (
        f'hx-get="/jobs/{job.code}/progress/?v={job.version}-worker&amp;state=running"'
        in answer.text
    )
    assert len(answer.content) <= 6_000


def test_progress_of_a_million_rows_stays_small(operator: Client) -> None:
    job = stages.planned(state=JobState.RUNNING)
    batch = Batch.objects.get(job=job)
    ended = {"state": BatchState.DONE, "done_at": timezone.now(), "succeeded": 100}
    Batch.objects.bulk_create(
        Batch(
            job=job,
            seq=seq,
            size=100,
            first_row=seq,
            last_row=seq,
            **(ended if seq % 20 < 10 else {"state": batch.state}),
        )
        for seq in range(2, 1001)
    )
    stages.changed(job, batches_total=1000)

    answer = operator.get(path(job, "progress/"), headers=HTMX)

    drawing = answer.context["strip"]
    assert drawing.width == 100
    assert [layer.label for layer in drawing.layers] == ["waiting", "succeeded"]
    assert len(answer.content) <= 10_000


@pytest.mark.parametrize(
    "state", [JobState.PAUSED, JobState.COMPLETED, JobState.NEEDS_DECISION]
)
def test_progress_reloads_the_page_when_other_buttons_apply(
    operator: Client, state: JobState
) -> None:
    job = stages.planned(state=state)

    answer = operator.get(
        path(job, f"progress/?v={job.version}&state=running"), headers=HTMX
    )

    assert answer.status_code == 204
    assert answer["HX-Refresh"] == "true"
    assert answer.content == b""


@pytest.mark.parametrize(
    ("state", "fields", "trigger"),
    [
        (JobState.RUNNING, {"started_at": 5}, 'hx-trigger="every 1s"'),
        (JobState.RUNNING, {"started_at": 60}, 'hx-trigger="every 2s"'),
        (JobState.RUNNING, {"started_at": 600, "quiet": 120}, 'hx-trigger="every 5s"'),
        (JobState.PAUSED, {"started_at": 60}, 'hx-trigger="every 30s"'),
        (JobState.COMPLETED, {"started_at": 60}, ""),
        (JobState.CANCELLED, {"started_at": 60}, ""),
        (JobState.FAILED, {"started_at": 60}, ""),
        (JobState.NEEDS_DECISION, {"started_at": 60}, ""),
    ],
)
def test_progress_sets_its_own_interval(
    operator: Client, state: JobState, fields: dict[str, int], trigger: str
) -> None:
    now = datetime.now(UTC)
    started = now - timedelta(seconds=fields["started_at"])
    pace = [[now.timestamp() - fields["quiet"], 0]] if "quiet" in fields else []
    job = stages.planned(state=state, started_at=started, pace=pace)

    text = operator.get(path(job, "progress/"), headers=HTMX).text

    assert re.findall(r'hx-trigger="[^"]*"', text) == ([trigger] if trigger else [])
    assert ("hx-get" in text) is bool(trigger)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"state": JobState.RUNNING, "limited_by": LimitedBy.OTHER_INTEGRATIONS},
            ["other integrations"],
        ),
        ({"state": JobState.RUNNING}, ["nothing"]),
        ({"state": JobState.PAUSED}, ["paused"]),
        (
            {
                "state": JobState.PAUSED,
                "hold_after_first_batch": True,
                "batches_done": 1,
            },
            ["first-batch approval"],
        ),
        ({"state": JobState.CANCELLING}, []),
        ({"state": JobState.COMPLETED, "limited_by": LimitedBy.REQUEST_RATE}, []),
    ],
)
def test_limit_is_shown_wherever_the_job_is_listed(
    operator: Client, fields: dict[str, Any], expected: list[str]
) -> None:
    job = stages.planned(**fields)

    with leases.held(f"account:{job.connection.host}"):
        page = operator.get(path(job)).text
        rows = operator.get("/jobs/").text

    assert re.findall(r"Limited by: <b>([^<]+)<", page) == expected
    assert re.findall(r"Limited by: ([^<]+)<", rows) == expected


def test_job_page_says_what_zendesk_left_out(operator: Client) -> None:
    job = stages.settled()
    ApiWarning.objects.create(job=job, text="photo", is_member=True, requests=3)
    ApiWarning.objects.create(job=job, text="color", is_member=True, requests=1)
    ApiWarning.objects.create(job=job, text="Deprecated.", requests=2)

    text = visible(operator.get(path(job)).text)

    assert "Zendesk left out 2 fields of the rows and saved the others:" in text
    assert "photo in 3 requests color in 1 request" in text
    assert "In 2 requests: Deprecated." in text


def test_job_page_says_why_fewer_jobs_run_at_once(operator: Client) -> None:
    job = stages.planned(
        state=JobState.RUNNING, limited_by=LimitedBy.DEADLOCKS, temporary_failures=1200
    )

    with leases.held(f"account:{job.connection.host}"):
        text = visible(operator.get(path(job)).text)

    assert "Limited by: deadlocks on this object" in text
    assert "Zendesk's jobs on this object often deadlock" in text
    assert "1,200 temporary failures, such as deadlocks or timeouts" in text


def test_job_page_says_until_when_zendesk_asked_to_wait(operator: Client) -> None:
    job = stages.planned(state=JobState.RUNNING, limited_by=LimitedBy.ZENDESK_WAIT)
    AccountWait.objects.ask(job.connection.host, 24 * 3600)
    tomorrow = timezone.localtime(timezone.now() + timedelta(days=1))

    text = visible(operator.get(path(job)).text)

    says = "Zendesk asked Jobs UI to wait. Requests continue at"
    assert f"{says} {tomorrow:%-d %b %Y, }" in text


def test_job_page_shows_how_long_each_limit_lasted(
    operator: Client,
) -> None:
    job = stages.settled(limited_seconds={"job_slots": 120, "request_rate": 30, "": 60})

    text = operator.get(path(job)).text

    assert "Was limited by Zendesk's job slots about 2 min request rate about 30 s" in (
        visible(text)
    )


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (
            JobState.PAUSING,
            "Pausing: 3 in-flight batches (250 rows) will finish.",
        ),
        (
            JobState.CANCELLING,
            "Cancelling: 3 in-flight batches (250 rows) will finish.",
        ),
        (JobState.RUNNING, ""),
    ],
)
def test_in_flight_batches_are_announced_while_stopping(
    operator: Client, state: JobState, says: str
) -> None:
    job = stages.planned(
        "external_id\n" + "".join(f"g-{n}\n" for n in range(250)), state=state
    )
    Batch.objects.filter(job=job).update(state=BatchState.ACCEPTED)

    text = operator.get(path(job)).text

    said = re.findall(r"(?:Pausing|Cancelling): [^.]+\.", visible(text))
    assert said == ([says] if says else [])


def test_first_batch_is_shown_before_approval(operator: Client) -> None:
    content = "external_id\n" + "".join(f"g-{n}\n" for n in range(1, 251))
    job = stages.planned(content, state=JobState.RUNNING, hold_after_first_batch=True)
    first = Batch.objects.get(job=job, seq=1)
    ledger = settlement.JobCounters()
    done = RowResult(Outcome.CREATED_OR_UPDATED, "01REC")
    settlement.settle(
        first,
        {i: stages.failed("Because.") if i < 3 else done for i in range(100)},
        ledger,
    )
    ledger.write()
    stages.changed(job, state=JobState.PAUSED, started_at=NOON)

    page = operator.get(path(job)).text
    answer = operator.post(path(job, "resume/"))

    assert "Approve and send 150 rows" in buttons(page)
    assert "97 of 100 rows in the first batch were saved, 3 failed." in visible(page)
    assert "Because." in page
    assert f'href="/jobs/{job.code}/batches/1/"' in page
    job.refresh_from_db()
    assert answer["Location"] == path(job)
    assert job.state == JobState.RUNNING
    assert not job.hold_after_first_batch


def test_run_settings_change_while_the_job_runs(operator: Client, ana: User) -> None:
    job = stages.planned(state=JobState.RUNNING)
    fields = {
        "weight": "16",
        "stop_percent": "5",
        "stop_rows": "500",
        "stop_refusals": "",
    }
    form = operator.get(path(job, "settings/")).context["form"]

    answer = operator.post(path(job, "settings/"), fields)

    job.refresh_from_db()
    assert [form[name].value() for name in fields] == [Weight.NORMAL, 50, 1000, 10]
    assert answer["Location"] == path(job)
    assert job.run_settings == RunSettings(Weight.HIGH, stop_percent=5, stop_rows=500)
    assert job.events.get(by__isnull=False).by == ana
    assert (
        "Priority high; pauses automatically when 5 % of its last 500 rows fail."
        in operator.get(path(job)).text
    )


def test_invalid_run_settings_are_rejected(operator: Client) -> None:
    job = stages.planned(state=JobState.RUNNING)

    answer = operator.post(path(job, "settings/"), {"stop_percent": "200"})

    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == ["stop_percent"]
    assert Job.objects.get(pk=job.pk).stop_percent == 50


def test_run_settings_of_a_finished_job_stay(operator: Client) -> None:
    job = stages.settled()

    answers = [
        operator.get(path(job, "settings/")),
        operator.post(path(job, "settings/"), {"weight": "16"}),
    ]

    assert [answer["Location"] for answer in answers] == [path(job)] * 2
    assert Job.objects.get(pk=job.pk).weight == Weight.NORMAL


def test_rows_show_what_did_not_succeed(operator: Client) -> None:
    job = stages.settled(stages.ROWS, stages.failed("No.", "C1"))
    by_outcome = [
        operator.get(path(job, f"rows/?outcome={o}")).context["page"].entries
        for o in ("failed", "invalid", "uncertain")
    ]

    text = operator.get(path(job, "rows/")).text

    assert re.findall(r'data-label="Row">([0-9,]+)<', text) == ["2", "4"]
    assert [[error.row for error in entries] for entries in by_outcome] == [
        [2],
        [4],
        [],
    ]
    assert f'href="/jobs/{job.code}/batches/1/"' in text


def test_rows_of_one_cause(operator: Client) -> None:
    job = stages.settled(
        "external_id,price\ng-1,1\ng-2,2\n",
        stages.failed("No.", "C1"),
        stages.failed("Never.", "C2"),
    )
    other = stages.settled(stages.ROWS, stages.failed())
    cause = job.causes.get(code="C2")

    own = operator.get(path(job, f"rows/?cause={cause.pk}"))
    foreign = operator.get(path(other, f"rows/?cause={cause.pk}"))

    assert [error.row for error in own.context["page"].entries] == [3]
    assert [error.row for error in foreign.context["page"].entries] == [2, 4]


@pytest.mark.parametrize(
    "query",
    ["cause=x", "cause=" + "9" * 30, "cause=" + "9" * 5000, "outcome=a%26b", "after=x"],
)
def test_rows_ignore_invalid_filters(operator: Client, query: str) -> None:
    job = stages.settled(stages.ROWS, stages.failed())

    answer = operator.get(path(job, f"rows/?{query}"))

    assert [error.row for error in answer.context["page"].entries] == [2, 4]


@pytest.mark.parametrize("count", [1, 3])
def test_rows_take_as_many_queries_for_many_rows(
    operator: Client, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    content = "external_id,price\n" + "".join(f"g-{n},1\n" for n in range(count))
    job = stages.settled(content, *[stages.failed(code=f"C{n}") for n in range(count)])

    with django_assert_num_queries(6):  # session, user, roles, job, rows, causes
        operator.get(path(job, "rows/"))


def test_events_show_history_and_setup(operator: Client, ana: User) -> None:
    job = stages.settled()
    lifecycle.record(job, EventKind.RESUMED, by=ana)

    text = operator.get(path(job, "events/")).text

    assert re.search(r'Resumed\.</td>\s*<td class="actor">ana<', text)
    assert job.file.sha256 in text
    assert "External ID" in text


@pytest.mark.parametrize(
    ("action", "is_shown"),
    [(stages.UPSERT, True), (Action.DELETE_BY_EXTERNAL_ID, False)],
)
def test_setup_shows_empty_cells_where_they_are_sent(
    operator: Client, action: Action, is_shown: bool
) -> None:
    job = stages.planned("external_id\ng-1\n", action)

    text = operator.get(path(job, "events/")).text

    assert ("Empty cells" in text) is is_shown


def test_results_have_every_row_and_escape_formulas_unless_raw(
    operator: Client,
) -> None:
    job = stages.settled(
        'external_id,notes\ng-1,=1+1\n-g,"@x"\n',
        stages.failed("=cmd|' /C calc'!A0", "C"),
    )

    safe = table(operator.get(path(job, "results.csv")))
    raw = table(operator.get(path(job, "results.csv?raw=1")))

    assert raw == [
        [
            "external_id",
            "notes",
            "_row",
            "_outcome",
            "_record_id",
            "_error_code",
            "_error",
        ],
        ["g-1", "=1+1", "2", "failed", "", "C", "=cmd|' /C calc'!A0"],
        ["-g", "@x", "3", "created_or_updated", "01REC", "", ""],
    ]
    assert safe == [
        raw[0],
        ["g-1", "'=1+1", "2", "failed", "", "C", "'=cmd|' /C calc'!A0"],
        ["'-g", "'@x", "3", "created_or_updated", "01REC", "", ""],
    ]


@pytest.mark.parametrize(
    ("outcome", "ids"), [("failed", ["g-1"]), ("invalid", ["g-3"]), ("uncertain", [])]
)
def test_results_of_one_outcome(operator: Client, outcome: str, ids: list[str]) -> None:
    job = stages.settled(stages.ROWS, stages.failed())

    answer = operator.get(path(job, f"results.csv?outcome={outcome}"))

    assert [row[0] for row in table(answer)[1:]] == ids
    assert answer["Content-Disposition"] == f'attachment; filename="rows-{outcome}.csv"'


def test_results_of_an_unknown_outcome_are_not_found(operator: Client) -> None:
    assert (
        operator.get(path(stages.settled(), "results.csv?outcome=fialed")).status_code
        == 404
    )


def test_results_come_in_pieces(operator: Client) -> None:
    job = stages.settled(
        "external_id,price\n" + "".join(f"g-{n},{n}\n" for n in range(3000))
    )

    answer = operator.get(path(job, "results.csv"))
    pieces = list(answer.streaming_content)  # type: ignore[attr-defined]

    assert answer.streaming
    assert len(pieces) > 2
    assert max(map(len, pieces)) < 40_000


def test_problems_are_listed_with_formulas_escaped(operator: Client) -> None:
    job = stages.checked("external_id,price\ng-1,=1+1\n")

    answer = operator.get(path(job, "problems.csv"))

    assert answer.streaming
    assert [row[:4] for row in table(answer)] == [
        ["row", "column", "value", "code"],
        ["2", "price", "'=1+1", "not_a_number"],
    ]


@pytest.mark.parametrize("name", ["results.csv", "problems.csv"])
def test_download_of_a_file_kept_elsewhere_says_where(
    operator: Client, name: str
) -> None:
    job = stages.settled()
    File.objects.update(storage_id="web1-0a1b")

    answer = operator.get(path(job, name))

    assert answer.status_code == 302
    assert answer["Location"] == path(job)
    assert (
        "The file of this job is stored on another machine, web1-0a1b. Download it there."
        in said(operator, answer)
    )


@pytest.mark.parametrize(
    "name", ["results.csv", "results.csv?outcome=failed", "problems.csv"]
)
def test_download_of_a_file_that_is_gone_says_so_on_a_page(
    operator: Client, name: str
) -> None:
    job = stages.settled()
    default_storage.delete(job.file.stored_as)

    answer = operator.get(path(job, name))

    assert answer.status_code == 302
    assert answer["Location"] == path(job)
    assert "The stored file of this job is gone" in said(operator, answer)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"state": FileState.READING},
            "The file of this job has not been read yet, or cannot be read.",
        ),
        (
            {"state": FileState.REJECTED},
            "The file of this job has not been read yet, or cannot be read.",
        ),
        ({"columns": ["other"]}, "The file has no column"),
    ],
)
def test_problems_of_a_draft_that_cannot_be_checked_say_so_on_a_page(
    operator: Client, change: dict[str, Any], says: str
) -> None:
    job = stages.draft()
    File.objects.filter(pk=job.file_id).update(**change)

    answer = operator.get(path(job, "problems.csv"), follow=True)

    assert answer.status_code == 200
    assert says in answer.text
    assert answer.request["PATH_INFO"] == f"/jobs/new/{job.code}/"


@pytest.mark.parametrize(
    ("verb", "before", "after", "queued"),
    [
        ("pause", JobState.RUNNING, JobState.PAUSING, "drive"),
        ("resume", JobState.PAUSED, JobState.QUEUED, "drive"),
        ("cancel", JobState.PAUSED, JobState.CANCELLING, "drive"),
    ],
)
def test_action_changes_the_state_once(
    operator: Client,
    ana: User,
    task_queue: TaskQueue,
    django_capture_on_commit_callbacks: Any,
    verb: str,
    before: JobState,
    after: JobState,
    queued: str,
) -> None:
    job = stages.planned(state=before)
    Batch.objects.filter(job=job).update(state=BatchState.ACCEPTED)

    with django_capture_on_commit_callbacks(execute=True):
        answer = operator.post(path(job, f"{verb}/"))
    again = operator.post(path(job, f"{verb}/"))

    assert answer.status_code == 302
    assert answer["Location"] == path(job)
    assert Job.objects.get(pk=job.pk).state == after
    assert job.events.get(by__isnull=False).by == ana
    assert [task for task, _ in task_queue] == [queued]
    assert f"It is too late to {verb} this job" in said(operator, again)


def test_retry_makes_one_job_of_the_failed_rows(operator: Client) -> None:
    job = stages.settled(stages.ROWS, stages.failed())

    first = operator.post(path(job, "retry/"))
    second = operator.post(path(job, "retry/"))

    child = Job.objects.get(parent=job)
    assert [answer["Location"] for answer in (first, second)] == [
        f"/jobs/new/{child.code}/check/"
    ] * 2
    assert "Retry created with 1 failed row. Checking them first." in said(
        operator, first
    )
    assert child.state == JobState.CHECKING


TWO_CAUSES = [
    stages.failed("No.", "C1"),
    stages.failed("Never.", "C2"),
    stages.failed("No.", "C1"),
]
FOUR = "external_id\ng-1\ng-2\ng-3\ng-4\n"


def retry_buttons(text: str) -> list[str]:
    return [label for label in buttons(text) if label.startswith("Retry")]


def test_each_cause_is_retried_by_itself(operator: Client) -> None:
    job = stages.settled(FOUR, *TWO_CAUSES)
    cause = job.causes.get(code="C1")
    page = operator.get(path(job)).text
    rows = operator.get(path(job, f"rows/?cause={cause.pk}")).text

    answer = operator.post(path(job, "retry/"), {"cause": str(cause.pk)})

    child = Job.objects.get(parent=job)
    assert retry_buttons(page) == [
        "Retry 3 failed rows",
        "Retry these 2 rows",
        "Retry this row",
    ]
    assert retry_buttons(rows) == ["Retry these 2 rows"]
    assert child.cause == cause
    assert child.created_by == User.objects.get(username="ana")
    assert "Retry created with 2 failed rows. Checking them first." in said(
        operator, answer
    )


def test_cause_of_another_job_is_not_found(operator: Client) -> None:
    job = stages.settled(FOUR, *TWO_CAUSES)
    other = stages.settled(FOUR, *TWO_CAUSES)

    answer = operator.post(path(job, "retry/"), {"cause": str(other.causes.first().pk)})  # type: ignore[union-attr]

    assert answer.status_code == 404
    assert Job.objects.filter(parent__isnull=False).count() == 0


def test_job_page_shows_what_its_retries_left(operator: Client) -> None:
    job = stages.settled(FOUR, *TWO_CAUSES)
    cause = job.causes.get(code="C1")
    operator.post(path(job, "retry/"), {"cause": str(cause.pk)})
    child = stages.changed(
        Job.objects.get(parent=job), state=JobState.COMPLETED, rows=2, failed=1
    )

    parent_page = operator.get(path(job)).text
    child_page = operator.get(path(child)).text

    assert retry_buttons(parent_page) == ["Retry 1 failed row", "Retry this row"]
    assert "Retry of 2 rows, completed: 1 still failed" in visible(parent_page)
    assert "1 failed row not retried yet" in visible(parent_page)
    assert f'href="{path(child)}">Retry of 2 rows</a>' in parent_page
    assert "Retry of 2 rows that failed in the job of" in visible(child_page)
    assert f'href="{path(job)}">the job of' in child_page
    assert "No." in visible(child_page)


def test_job_page_shows_causes_that_can_be_retried_first(operator: Client) -> None:
    failed = [stages.failed("No.", f"C{number}") for number in range(7)]
    content = "external_id,price\n" + "".join(f"g-{n},1\n" for n in range(7))
    job = stages.settled(content, *failed)
    largest = job.causes.get(code="C6")
    job.causes.filter(pk=largest.pk).update(count=10)
    operator.post(path(job, "retry/"), {"cause": str(largest.pk)})
    Job.objects.filter(parent=job).update(state=JobState.COMPLETED, rows=10)

    page = operator.get(path(job))
    shown = [cause.code for cause in page.context["causes"]]

    assert shown == ["C0", "C1", "C2", "C3", "C4"]
    assert "2 more causes: all rows with problems" in visible(page.text)


def test_job_page_with_few_causes_does_not_mention_more(operator: Client) -> None:
    job = stages.settled(stages.ROWS, stages.failed())

    text = visible(operator.get(path(job)).text)

    assert "All rows with problems" in text
    assert "more cause" not in text


@pytest.mark.parametrize("count", [1, 3])
def test_job_page_takes_as_many_queries_for_many_retries(
    operator: Client, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = stages.settled(FOUR, *[stages.failed("No.", f"C{n}") for n in range(4)])
    for cause in job.causes.all()[:count]:
        operator.post(path(job, "retry/"), {"cause": str(cause.pk)})
    Job.objects.filter(parent=job).update(state=JobState.COMPLETED, rows=1, failed=1)
    operator.get(path(job))  # Shows the messages of the buttons once.

    # session, user, roles, job, strip, warnings, causes, rows taken, retries, whole retries,
    # free causes, corrections, proof
    with django_assert_num_queries(13):
        operator.get(path(job))


@pytest.mark.parametrize("count", [1, 3])
def test_running_jobs_are_listed_by_as_many_queries(
    operator: Client, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(count):
        stages.planned(state=JobState.RUNNING)

    with django_assert_num_queries(
        6
    ):  # session, user, roles, connections, people, jobs
        text = operator.get("/jobs/").text

    assert re.findall(r"Limited by: ([^<]+)<", text) == ["waiting for a worker"] * count


def test_retry_of_what_did_not_fail_is_refused(operator: Client) -> None:
    job = stages.settled()

    answer = operator.post(path(job, "retry/"))

    assert "There is nothing to retry" in said(operator, answer)
    assert Job.objects.filter(parent=job).count() == 0


@pytest.mark.parametrize(
    ("decision", "state", "batch"),
    [
        ("accept", JobState.COMPLETED, BatchState.UNCERTAIN),
        ("check_again", JobState.RUNNING, BatchState.UNCONFIRMED),
        ("resend", JobState.RUNNING, BatchState.PLANNED),
        ("nonsense", JobState.NEEDS_DECISION, BatchState.UNCERTAIN),
        ("", JobState.NEEDS_DECISION, BatchState.UNCERTAIN),
    ],
)
def test_uncertain_rows_are_decided_by_a_person(
    operator: Client, decision: str, state: JobState, batch: BatchState
) -> None:
    uncertain = RowResult(Outcome.UNCERTAIN, "", "lost", "No answer.")
    job = stages.settled("external_id\ng-1\n", uncertain)
    before = job.state
    Batch.objects.filter(job=job).update(state=BatchState.UNCERTAIN)

    answer = operator.post(path(job, "resolve/"), {"decision": decision})

    assert before == JobState.NEEDS_DECISION
    assert answer["Location"] == path(job)
    assert Job.objects.get(pk=job.pk).state == state
    assert Batch.objects.get(job=job).state == batch
