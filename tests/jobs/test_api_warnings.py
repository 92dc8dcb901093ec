"""What Zendesk warns about is kept with the attempt and summed up with the job."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from jobsui.jobs.ledger import api_warnings
from jobsui.jobs.ledger.api_warnings import MAX_WARNINGS
from jobsui.jobs.models import ApiWarning, Job
from jobsui.jobs.reports import batch_details
from jobsui.jobs.reports.api_warnings import of_job
from jobsui.zendesk import custom_objects
from jobsui.zendesk.api_warnings import HEADER, left_out
from jobsui.zendesk.payloads import Response
from tests.harness import Harness, gadgets
from tests.jobs.driving import drive
from tests.web import stages

REMOVED = 'Removed restricted keys ["photo", "color"] from parameters according to'


def response(warning: str) -> Response:
    headers: Mapping[str, str] = {HEADER: warning} if warning else {}
    return Response(201, headers, b"{}", 0.1)


def summed(job: Job) -> dict[str, int]:
    warnings = ApiWarning.objects.filter(job=job)
    return dict(warnings.values_list("text", "requests"))


def test_warnings_of_a_job_are_summed_up_by_field(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(300))
    post = custom_objects.post_job

    def warning(client: Any, key: str, body: bytes) -> Any:
        status, answer = post(client, key, body)
        return status, replace(answer, headers={**answer.headers, HEADER: REMOVED})

    monkeypatch.setattr(custom_objects, "post_job", warning)

    drive(harness, job)

    batch = job.batches.get(seq=2)
    assert job.created == 300
    assert summed(job) == {"photo": 3, "color": 3}
    assert batch_details.details(batch).warnings == [REMOVED]


@pytest.mark.django_db
def test_other_warnings_are_kept_as_they_came() -> None:
    job = stages.planned()
    responses = [(job.pk, response("Deprecated.")), (job.pk, response(""))]

    api_warnings.record(responses)
    api_warnings.record(responses)

    warnings = of_job(job)
    assert [(each.text, each.requests) for each in warnings.others] == [
        ("Deprecated.", 2)
    ]
    assert warnings.left_out == []


@pytest.mark.django_db
def test_a_job_keeps_few_different_warnings() -> None:
    job = stages.planned()
    texts = [f"Warning {n}." for n in range(MAX_WARNINGS + 5)]

    api_warnings.record((job.pk, response(text)) for text in texts)
    api_warnings.record([(job.pk, response(texts[0]))])

    assert ApiWarning.objects.filter(job=job).count() == MAX_WARNINGS + 1
    assert summed(job)[texts[0]] == 2
    assert of_job(job).unlisted == 5


@pytest.mark.parametrize(
    ("warning", "members"),
    [
        (REMOVED, ["photo", "color"]),
        ("Removed restricted keys [:status, 'name'] from", ["status", "name"]),
        ("Removed restricted keys [] from parameters", []),
        ("Deprecated.", []),
    ],
)
def test_members_that_were_left_out_are_named(warning: str, members: list[str]) -> None:
    assert left_out(warning) == members
