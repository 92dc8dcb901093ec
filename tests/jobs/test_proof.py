"""Whether the records of a job are what was sent."""

from collections import Counter
from typing import Any

import pytest
import requests

from jobsui.jobs.control import proofs
from jobsui.jobs.enums import Action, Landing, ReadState
from jobsui.jobs.live.proof import proved
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.records import images
from jobsui.jobs.reports import proved_rows, record_values
from jobsui.zendesk.payloads import Record, Schema
from tests.harness import GADGET, Harness, gadgets, record_of

FIELDS = [
    {"key": "on", "type": "date"},
    {"key": "cost", "type": "currency"},
    {"key": "tags", "type": "multiselect"},
    {"key": "title", "type": "text"},
    {"key": "sold", "type": "checkbox"},
]
SCHEMA = Schema.from_api("gadget", [*GADGET, *FIELDS])
AT = "2026-01-31T12:00:00+00:00"


def record(updated_at: str = "2026-01-31T12:00:01Z", **fields: Any) -> Record:
    return Record("r1", "Gadget 1", "g-1", fields, "", updated_at, "7")


def sent(
    action: Action = Action.UPSERT_BY_EXTERNAL_ID, **fields: Any
) -> dict[str, Any]:
    item = {"external_id": "g-1", "name": "Gadget 1", "custom_object_fields": fields}
    return {"action": action, "id": "r1", "item": item, "at": AT}


@pytest.mark.parametrize(
    ("item", "held", "found"),
    [
        (sent(price=2.5), record(price=2.5), Landing.EXACT),
        (sent(price=2.5), record(price="2.50"), Landing.OTHER_FORM),
        (sent(on="2026-01-31"), record(on="2026-01-31T00:00:00Z"), Landing.OTHER_FORM),
        (sent(price=2.5), record(price=3), Landing.ALTERED),
        (sent(price=2.5), record(), Landing.ALTERED),
        (
            sent(price=2.5),
            record(updated_at="2026-01-31T12:00:05Z", price=3),
            Landing.CHANGED_SINCE,
        ),
        (
            sent(price=2.5),
            record(updated_at="2026-01-31T12:00:05Z", price=2.5),
            Landing.EXACT,
        ),
        (sent(price=2.5), None, Landing.GONE),
        (sent(Action.DELETE), None, Landing.EXACT),
        (sent(Action.DELETE), record(), Landing.STILL_THERE),
    ],
)
def test_landing_of_a_record(
    item: dict[str, Any], held: Record | None, found: Landing
) -> None:
    assert proved(item, SCHEMA, [held] if held else []).landing is found


@pytest.mark.parametrize(
    ("item", "held", "forms"),
    [
        (sent(price=2.5), record(price="2.50"), ["number"]),
        (sent(on="2026-01-31"), record(on="2026-01-31T00:00:00Z"), ["midnight"]),
        (
            sent(cost=5),
            record(cost={"amount": "5.00", "currency": "EUR"}),
            ["currency"],
        ),
        (sent(tags=["a", "b"]), record(tags=["b", "a"]), ["options"]),
        (sent(title=None), record(title=""), ["blank"]),
        (sent(sold="true"), record(sold=True), ["json_type"]),
        (sent(title="7"), record(title=7), ["json_type"]),
    ],
)
def test_forms_of_values_that_are_the_same_are_named(
    item: dict[str, Any], held: Record, forms: list[str]
) -> None:
    found = proved(item, SCHEMA, [held])

    assert found.landing is Landing.OTHER_FORM
    assert [each.form for each in found.equal] == forms


def test_altered_values_are_named() -> None:
    result = proved(sent(price=2.5, status="in_use"), SCHEMA, [record(price=3)])

    assert list(result.altered) == [
        "custom_object_fields.price",
        "custom_object_fields.status",
    ]
    assert result.image is not None
    assert result.image.old == {
        "custom_object_fields.price": 3,
        "custom_object_fields.status": None,
    }
    assert result.image.updated_by == "7"


def prove(harness: Harness, job: Job) -> RecordRead:
    read = proofs.start(job, by=None)
    harness.task_queue.run_all()
    read.refresh_from_db()
    assert read.state == ReadState.DONE
    return read


def test_all_records_of_a_job_are_proved(harness: Harness) -> None:
    harness.object()
    job = harness.run(gadgets(250), Action.CREATE)
    before = len(harness.sandbox.log())

    read = prove(harness, job)

    assert read.counts == {"exact": 250}
    assert len(harness.sandbox.log()) - before == 3


def test_each_silently_changed_value_is_found_by_field(harness: Harness) -> None:
    harness.object()
    harness.sandbox.add_records("gadget", list(map(record_of, gadgets(1_000))))
    keys = [f"g-{number}" for number in range(3, 1_000, 58)][:17]
    harness.sandbox.faults(
        altered_values={"rate": 1, "keys": keys[:12]},
        dropped_values={"rate": 1, "keys": keys[12:]},
    )
    rows = [
        {"external_id": f"g-{number}", "price": "7.25", "seats": number}
        for number in range(1, 1_001)
    ]
    job = harness.run(rows, Action.UPSERT_BY_EXTERNAL_ID)

    read = prove(harness, job)

    made = harness.sandbox.alterations()
    assert Counter(each["fault"] for each in made) == {
        "altered-values": 12,
        "dropped-values": 5,
    }
    assert {each["external_id"] for each in made} == set(keys)
    assert read.counts == {"exact": 983, "altered": 17}
    found = proved_rows.page(read)
    assert found.older == ""
    assert {
        (row.key, value.name, value.old, value.new)
        for row in found.entries
        for value in row.values
    } == {
        (
            each["external_id"],
            f"custom_object_fields.{each['field']}",
            record_values.text_of(each["sent"]),
            record_values.text_of(each["stored"]),
        )
        for each in made
    }
    by_field = Counter(f"custom_object_fields.{each['field']}" for each in made)
    assert read.changed_cells == {name: [cells, 0] for name, cells in by_field.items()}


def test_record_that_is_gone_or_altered_is_found(harness: Harness) -> None:
    harness.object()
    job = harness.run(gadgets(4), Action.CREATE)
    ids = {key: each["id"] for key, each in harness.records().items()}
    url = f"{harness.sandbox.url}/api/v2/custom_objects/gadget/records"
    signed_in = (f"{harness.sandbox.email}/token", harness.sandbox.api_token)
    requests.delete(f"{url}/{ids['g-3']}", auth=signed_in, timeout=10)
    changed = {"custom_object_record": {"custom_object_fields": {"price": 99}}}
    requests.patch(f"{url}/{ids['g-4']}", json=changed, auth=signed_in, timeout=10)

    read = prove(harness, job)

    assert {"exact": 2, "gone": 1}.items() <= read.counts.items()
    [page] = read.pages.all()
    found = images.unpacked(page.blob.images)
    assert [image.old for image in found.values()] == [
        {"custom_object_fields.price": 99}
    ]
