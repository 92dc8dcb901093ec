"""Numbers are read as their column writes them, or as a person chooses."""

from typing import Any

import pytest

from jobsui.jobs.enums import Action
from jobsui.jobs.models import Cause, Job
from tests.harness import Harness

UPSERT = Action.UPSERT_BY_EXTERNAL_ID


def csv(*prices: str) -> bytes:
    rows = [f"g-{number};{price}" for number, price in enumerate(prices)]
    return "\n".join(["external_id;price", *rows, ""]).encode()


def prices(job: Job) -> list[Any]:
    [batch] = job.batches.select_related("blob")
    return [item["custom_object_fields"]["price"] for item in batch.blob.items]


def test_one_number_of_a_column_decides_on_the_others(harness: Harness) -> None:
    harness.object()

    job = harness.planned(csv("1.000", "1.250.000,50", "12,5"), UPSERT)

    assert prices(job) == [1000, 1_250_000.5, 12.5]


@pytest.mark.parametrize(
    ("decimal_mark", "read"), [("point", [1, 12.5]), ("comma", [1000, 12_500])]
)
def test_a_person_decides_on_numbers_that_nothing_else_decides(
    harness: Harness, decimal_mark: str, read: list[float]
) -> None:
    harness.object()
    content = csv("1.000", "12.500")

    undecided = harness.checked(content, UPSERT)
    job = harness.planned(content, UPSERT, decimal_mark=decimal_mark)

    causes = Cause.objects.filter(job=undecided).values_list("code", "count")
    assert list(causes) == [("ambiguous_number", 2)]
    assert prices(job) == read


def test_numbers_of_json_have_a_point(harness: Harness) -> None:
    harness.object()
    content = b'{"external_id": "g-1", "price": 12.125}\n'

    job = harness.planned(content, UPSERT, name="rows.jsonl")

    assert prices(job) == [12.125]
