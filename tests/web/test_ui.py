from datetime import UTC, datetime

import pytest
from django.template import Context, Template
from django.utils import timezone

from jobsui.connections.models import Connection
from jobsui.jobs.enums import BatchState, JobState, Outcome
from jobsui.jobs.models import Batch, Job
from jobsui.web.templatetags import ui


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0, "0"),
        (12345, "12,345"),
        (9.96, "10.0"),
        (1.25, "1.2"),
        (1234.5, "1,234"),
    ],
)
def test_number(value: float | None, shown: str) -> None:
    assert ui.number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0, "about 1 s"),
        (59.4, "about 59 s"),
        (60, "about 1 min"),
        (5399, "about 90 min"),
        (5400, "about 1.5 h"),
        (90_000, "about 25.0 h"),
    ],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert ui.duration(seconds) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (123_456, "123 kB"),
        (61_000_000, "61.0 MB"),
        (2_147_483_648, "2.1 GB"),
    ],
)
def test_filesize(size: int, shown: str) -> None:
    assert ui.filesize(size) == shown


def test_moment_says_its_zone_and_the_universal_time() -> None:
    with timezone.override("Europe/Madrid"):
        shown = ui.moment(datetime(2026, 11, 24, 12, 5, 9, tzinfo=UTC))

    assert shown == (
        '<time datetime="2026-11-24T12:05:09+00:00" title="2026-11-24 12:05:09 UTC">'
        "24 Nov 2026, 13:05 CET</time>"
    )
    assert ui.moment(None) == "–"


@pytest.mark.parametrize("state", JobState)
def test_every_job_state_has_a_badge_in_words(state: JobState) -> None:
    badge = ui.job_badge(Job(state=state))

    assert f"</svg>{state.label}</span>" in badge
    assert 'aria-hidden="true"><path' in badge


@pytest.mark.parametrize("counts", [{"failed": 1}, {"invalid": 1}])
def test_completed_with_failures_says_so(counts: dict[str, int]) -> None:
    assert "Completed with failures" in ui.job_badge(
        Job(state=JobState.COMPLETED, **counts)
    )


def test_every_other_state_has_a_badge() -> None:
    batches = [
        f"</svg>{state.label}</span>"
        in ui.batch_badge(Batch(state=state, attempts_made=1))
        for state in BatchState
    ]
    outcomes = [
        f"</svg>{outcome.label}</span>" in ui.outcome_badge(outcome)
        for outcome in Outcome
    ]

    assert batches == [True] * len(BatchState)
    assert outcomes == [True] * len(Outcome)


def test_production_is_marked() -> None:
    assert "PROD" in ui.prod_badge(Connection(production=True))
    assert ui.prod_badge(Connection()) == ""


def test_every_icon_of_a_badge_is_there() -> None:
    names = {
        icon for table in (ui.JOB, ui.BATCH, ui.OUTCOME) for _, icon in table.values()
    }

    assert {name for name in names if not ui.icon(name).startswith("<svg")} == set()


def test_counted_and_lookup_in_a_template() -> None:
    template = Template(
        '{% load ui %}{{ one|counted:"row" }}, {{ many|counted:"row" }}, {{ words|lookup:"a" }}'
    )

    text = template.render(Context({"one": 1, "many": 12_000, "words": {"a": "<b>"}}))

    assert text == "1 row, 12,000 rows, &lt;b&gt;"
