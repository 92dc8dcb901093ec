import json

import pytest
from django.utils import timezone

from jobsui.jobs.enums import Outcome
from jobsui.jobs.models import Attempt, Batch, RowResult
from jobsui.jobs.models.batch import pack
from jobsui.jobs.reports import batch_details
from tests.jobs.reports.samples import planned, settle

pytestmark = pytest.mark.django_db


def test_next_failed_batch_skips_good_ones() -> None:
    job = planned()
    settle(job, 1)
    settle(job, 3, RowResult(Outcome.FAILED, code="C", message="No."))

    assert batch_details.next_failed_batch(job) == 3
    assert batch_details.next_failed_batch(job, after=3) is None


def test_batch_details_show_request_and_response_without_the_secret() -> None:
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

    shown = batch_details.details(batch)

    assert shown.last_rows == {}
    assert shown.method == "POST"
    assert shown.url == "https://acme.zendesk.com/api/v2/custom_objects/gadget/jobs"
    assert shown.headers["Authorization"].endswith(" ********")
    sent = json.loads(shown.body)["job"]
    assert sent["action"] == "create_or_update_by_external_id"
    assert len(sent["items"]) == 50
    assert sent["items"][0] == {
        "external_id": "g-201",
        "custom_object_fields": {"price": 201},
    }
    assert shown.response == '{\n  "a": "\N{REPLACEMENT CHARACTER}"\n}'
    assert "$ZENDESK_TOKEN" in shown.curl
    assert json.loads(shown.curl.split("<<'JSON'\n")[1].removesuffix("\nJSON")) == {
        "job": sent
    }
    assert [row.outcome for row in shown.rows] == ["created_or_updated"] * 50


@pytest.mark.parametrize(
    ("attempts", "is_settled", "last_rows"),
    [
        ([(50, 99), (25, 24), (12, 11), (38, 49)], True, {2: 226, 3: 213}),
        # While the others are still to be sent.
        ([(50, 49), (25, 24)], False, {2: 226}),
        # The read before it has refused the last rows, and a deadlock repeats some of the first.
        ([(40, 39), (3, 12)], True, {}),
    ],
)
def test_batch_details_show_how_far_each_part_went(
    attempts: list[tuple[int, int]], is_settled: bool, last_rows: dict[int, int]
) -> None:
    job = planned()
    if is_settled:
        settle(job, 3)
    batch = Batch.objects.select_related("job__connection", "job__file").get(
        job=job, seq=3
    )
    for number, (items, last_item) in enumerate(attempts, 1):
        Attempt.objects.create(
            batch=batch,
            number=number,
            epoch=1,
            at=timezone.now(),
            items=items,
            last_item=last_item,
        )

    assert batch_details.details(batch).last_rows == last_rows
