"""What is kept of a record before an item is sent, once and again."""

import json
from dataclasses import replace
from typing import Any

import pytest

from jobsui.jobs.delivery import prior_reads
from jobsui.jobs.delivery.batch_request import BatchRequest
from jobsui.jobs.delivery.prior_reads import EarlierRequests, PriorRead
from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.records import images
from jobsui.jobs.records.before_images import before_again, before_image, changed_since
from jobsui.jobs.records.compare import Image, image_of
from jobsui.zendesk.payloads import Field, Record, Schema

SCHEMA = Schema(
    "gadget",
    (
        Field("price", "Price", "decimal"),
        Field("status", "Status", "text"),
        Field("total", "Total", "roll_up", readonly=True),
    ),
)
PRICE = "custom_object_fields.price"
STATUS = "custom_object_fields.status"
TOTAL = "custom_object_fields.total"
UPSERT = Action.UPSERT_BY_EXTERNAL_ID


def record(name: str = "One", **fields: Any) -> Record:
    return Record("R1", name, "g-1", fields, "", "2026-01-01T00:00:00Z", "7")


def item(**fields: Any) -> dict[str, Any]:
    return {"external_id": "g-1", "custom_object_fields": fields}


def image(**old: Any) -> Image:
    fields = {f"custom_object_fields.{name}": value for name, value in old.items()}
    return Image("R1", "2026-01-01T00:00:00Z", "7", fields)


def test_image_has_the_values_that_change() -> None:
    found = before_image(
        item(price=2, status="new"), UPSERT, SCHEMA, record(price="2.0", status="old")
    )

    assert found == image(status="old")


def test_image_of_a_deletion_has_the_whole_record() -> None:
    found = before_image("R1", Action.DELETE, SCHEMA, record(price=2))

    assert found is not None
    assert found.old == {"name": "One", "external_id": "g-1", PRICE: 2}


@pytest.mark.parametrize(
    ("now", "old"),
    [
        # What was sent is there: the first image counts.
        ("new", "old"),
        # As the account may have stored it.
        ("new ", "old"),
        # It was not applied.
        ("old", "old"),
        # Somebody has changed it since: the next request replaces that.
        ("theirs", "theirs"),
    ],
)
def test_second_image_never_has_what_we_have_sent(now: str, old: str) -> None:
    found = before_again(
        item(status="new"), UPSERT, SCHEMA, record(status=now), image(status="old")
    )

    assert found == image(status=old)


def test_record_that_we_may_have_created_counts_as_new() -> None:
    sent = item(status="new")

    ours = before_again(sent, UPSERT, SCHEMA, record(status="new"), None)
    theirs = before_again(sent, UPSERT, SCHEMA, record(status="theirs"), None)

    assert ours is None
    assert theirs == image(status="theirs")


def test_record_that_we_may_have_deleted_keeps_its_image() -> None:
    first = Image("R1", "", "", {"name": "One", STATUS: "old"})

    gone = before_again("R1", Action.DELETE, SCHEMA, None, first)
    updated = before_again(item(status="new"), UPSERT, SCHEMA, None, first)

    assert gone == first
    assert updated is None


@pytest.mark.parametrize(
    ("now", "may_be_ours", "changed"),
    [
        ("old", False, []),
        ("new", False, []),
        ("theirs", False, [STATUS]),
        ("theirs", True, [STATUS]),
        ("new ", False, [STATUS]),
        ("new ", True, []),
    ],
)
def test_changed_value_is_neither_as_compared_nor_as_wanted(
    now: str, may_be_ours: bool, changed: list[str]
) -> None:
    found = changed_since(
        image(status="old"),
        item(status="new"),
        SCHEMA,
        record(status=now),
        may_be_ours=may_be_ours,
    )

    assert found == changed


def test_computed_value_is_no_change() -> None:
    compared = Image("R1", "", "", {"name": "One", TOTAL: 5})

    found = changed_since(compared, "R1", SCHEMA, record(total=6), may_be_ours=False)

    assert found == []


def test_images_are_stored_with_records_that_were_not_there() -> None:
    stored = images.packed({0: image(price=1), 3: None})

    assert images.all_unpacked(stored) == {0: image(price=1), 3: None}
    assert images.unpacked(stored) == {0: image(price=1)}


# Of a batch


def request(action: Action, *items: Any) -> BatchRequest:
    lines = tuple(
        (index, json.dumps(each).encode()) for index, each in enumerate(items)
    )
    unused: Any = None
    return BatchRequest(
        batch_id=1,
        job_id=1,
        attempt_id=0,
        action=action,
        object_key="gadget",
        client=unused,
        connection_id=1,
        items=lines,
        is_part=False,
        first_sent_at=unused,
    )


UPDATE = {"id": "R1", "custom_object_fields": {"status": "new"}}


@pytest.mark.parametrize(
    ("now", "earlier", "outcome"),
    [
        (record(status="old"), EarlierRequests(), None),
        (record(status="theirs"), EarlierRequests(), Outcome.FAILED),
        (None, EarlierRequests(), Outcome.FAILED),
        # An earlier request failed for a temporary reason.
        (record(status="theirs"), EarlierRequests(last_arrived=0), Outcome.FAILED),
        # It had no clear response, so it may have been applied before that change.
        (record(status="theirs"), EarlierRequests(0, 0), Outcome.UNCERTAIN),
        (record(status="new"), EarlierRequests(0, 0), None),
        # Zendesk's response to the next request settles it.
        (None, EarlierRequests(0, 0), None),
    ],
)
def test_row_is_refused_only_for_what_is_known(
    now: Record | None, earlier: EarlierRequests, outcome: Outcome | None
) -> None:
    read = PriorRead(request(Action.UPDATE, UPDATE), {0: now})

    found = prior_reads.before(
        read, SCHEMA, {0: image(status="old")}, earlier, refuses=True
    )

    results = {index: result.outcome for index, result in found.results.items()}
    assert results == ({} if outcome is None else {0: outcome})


def test_rows_that_were_not_compared_are_never_refused() -> None:
    read = PriorRead(request(Action.UPDATE, UPDATE), {0: record(status="theirs")})

    found = prior_reads.before(
        read, SCHEMA, {0: image(status="old")}, EarlierRequests(), refuses=False
    )

    assert found.results == {}
    assert found.images == {0: image(status="theirs")}


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (record(status="old"), None),
        # Changed twice within one second.
        (
            record(status="new"),
            "The record was changed by user 7 after the comparison: Status. ",
        ),
        # Changed, and changed back.
        (
            replace(record(status="old"), updated_at="later"),
            "The record was changed by user 7 after the comparison. ",
        ),
    ],
)
def test_record_is_deleted_only_if_nothing_about_it_has_changed(
    now: Record, message: str | None
) -> None:
    read = PriorRead(request(Action.DELETE, "R1"), {0: now})
    compared = image_of(record(status="old"))

    found = prior_reads.before(
        read,
        SCHEMA,
        {0: compared},
        EarlierRequests(),
        refuses=True,
        is_of_records=True,
    )

    results = {index: result.message for index, result in found.results.items()}
    refused = {} if message is None else {0: message + prior_reads.NOT_DELETED}
    assert results == refused


def test_batch_that_is_sent_again_keeps_its_images() -> None:
    read = PriorRead(request(Action.UPDATE, UPDATE), {0: record(status="new")})

    found = prior_reads.before(
        read, SCHEMA, {0: image(status="old")}, EarlierRequests(0, 0), refuses=False
    )

    assert found.images == {0: image(status="old")}


def test_unknown_record_keeps_what_was_stored() -> None:
    read = PriorRead(request(UPSERT, item(status="new"), item(status="new")), {})

    found = prior_reads.before(
        read, SCHEMA, {1: image(status="old")}, EarlierRequests(), refuses=False
    )

    assert found.images == {1: image(status="old")}
