import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.custom_objects import read_job_status, read_results
from jobsui.zendesk.errors import NotFound, TooManyJobs, Unconfirmed, ZendeskError
from jobsui.zendesk.payloads import ItemResult, JobStatus, Schema, Verdict
from tests.sandbox_server import Sandbox
from tests.zendesk.raw_server import responds, serving

FIELDS: list[dict[str, Any]] = [
    {"key": "note", "title": "Note", "type": "text", "required": True},
    {
        "key": "colour",
        "title": "Colour",
        "type": "dropdown",
        "custom_field_options": [{"value": "red", "name": "Red"}],
    },
]


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    sandbox.make_object("asset", fields=FIELDS, name={"is_unique": True})
    return Client(sandbox.url, lambda: f"Bearer {sandbox.bearer}")


def body(action: str, items: list[Any]) -> bytes:
    return json.dumps({"job": {"action": action, "items": items}}).encode()


def ended(client: Client, status_id: str) -> JobStatus:
    for _ in range(200):
        [status] = custom_objects.job_statuses(client, [status_id])
        if status.is_over:
            return status
        time.sleep(0.02)
    raise AssertionError("The job did not end.")


def failure(act: Callable[[], object]) -> ZendeskError:
    with pytest.raises(ZendeskError) as caught:
        act()
    return caught.value


def test_me_is_the_user_of_the_credentials(client: Client) -> None:
    user = custom_objects.me(client)

    assert user.role == "admin"
    assert bool(user.id)
    assert bool(user.email)


def test_objects_and_fields_are_read(client: Client) -> None:
    assert [info.key for info in custom_objects.list_objects(client)] == ["asset"]
    assert custom_objects.get_object(client, "asset").title == "Asset"
    schema = Schema.from_api("asset", custom_objects.list_fields(client, "asset"))
    assert [(field.key, field.type, field.required) for field in schema.fields] == [
        ("note", "text", True),
        ("colour", "dropdown", False),
    ]
    assert schema.name_rules.unique
    assert not schema.name_rules.autonumbered
    assert custom_objects.count_records(client, "asset") == 0


def test_unknown_object_is_not_found(client: Client) -> None:
    assert (
        type(failure(lambda: custom_objects.get_object(client, "no/../such")))
        is NotFound
    )


@pytest.mark.parametrize("assumed", ["left-out", "404"])
def test_unknown_id_hides_no_other_job_status(
    client: Client, sandbox: Sandbox, assumed: str
) -> None:
    sandbox.assume(unknown_job_ids=assumed)
    items = [{"name": "One"}]
    posted = [
        custom_objects.post_job(client, "asset", body("create", items))[0].id
        for _ in range(5)
    ]

    found = custom_objects.job_statuses(client, [*posted, "V3-" + "0" * 32])

    assert sorted(status.id for status in found) == sorted(posted)


def test_job_is_queued_and_polled(client: Client) -> None:
    items = [
        {"name": f"A{n}", "external_id": str(n), "custom_object_fields": {"note": "x"}}
        for n in range(3)
    ]
    queued, response = custom_objects.post_job(
        client, "asset", body("create", [*items, {"name": "A0"}])
    )

    assert queued.status == "queued"
    assert queued.results is None
    assert response.status == 201
    assert not queued.is_over
    status = ended(client, queued.id)
    assert [result.verdict for result in status.results or ()] == [
        Verdict.SUCCEEDED
    ] * 3 + [Verdict.FAILED]
    assert custom_objects.job_statuses(client, [queued.id, "V3-" + "0" * 32]) == [
        status
    ]
    assert custom_objects.recent_job_statuses(client)[0].id == queued.id


def test_refused_job_carries_its_response(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults(**{"too-many-jobs": 1})
    error = failure(
        lambda: custom_objects.post_job(
            client, "asset", body("create", [{"name": "A"}])
        )
    )

    assert type(error) is TooManyJobs
    assert error.response is not None
    assert error.response.status == 429


@pytest.mark.parametrize(
    "content",
    [b'{"job_status": {}}', b"{}", b"[]", b'{"job_status": null}', b"null", b""],
)
def test_job_without_a_status_is_unconfirmed(content: bytes) -> None:
    with serving(responds(content, "201 Created")) as server:
        error = failure(
            lambda: custom_objects.post_job(Client(server.url, None), "asset", b"{}")
        )

    assert type(error) is Unconfirmed
    assert error.response is not None
    assert error.response.body == content


def test_records_are_found_by_ids(client: Client, sandbox: Sandbox) -> None:
    external_ids = ["a-1", "A-1", "with,comma", "späce +&%", "x" * 250]
    ids = sandbox.add_records(
        "asset",
        [
            {
                "name": f"Thing {n}",
                "external_id": value,
                "custom_object_fields": {"note": "n"},
            }
            for n, value in enumerate(external_ids)
        ],
    )

    found = custom_objects.records_by_external_ids(
        client, "asset", [*external_ids, "gone", "", "a-1"]
    )
    assert sorted(record.external_id for record in found) == sorted(external_ids)
    assert [
        record.id for record in custom_objects.records_by_ids(client, "asset", [ids[1]])
    ] == [ids[1]]
    assert custom_objects.records_by_ids(client, "asset", []) == []


@pytest.mark.parametrize(
    ("target_type", "parameter", "keys", "found"),
    [
        (
            "zen:user",
            "ids",
            ["26000000000002", "26000000000004", "7"],
            ["26000000000002"],
        ),
        ("zen:user", "external_ids", ["e-1002", "E,1001", ""], ["26000000000003"]),
        ("zen:organization", "external_ids", ["O-1", "O-9"], ["27000000000001"]),
        ("zen:ticket", "ids", ["2", "9"], ["2"]),
        ("zen:ticket", "ids", [], []),
    ],
)
def test_users_and_the_like_are_found_by_keys(
    client: Client, target_type: str, parameter: str, keys: list[str], found: list[str]
) -> None:
    shown = custom_objects.show_many(client, target_type, parameter, keys)

    assert [record.id for record in shown] == found


def test_long_lists_of_ids_are_sent_in_parts(client: Client, sandbox: Sandbox) -> None:
    external_ids = [f"{n:03}-" + "ü" * 96 for n in range(100)]
    sandbox.add_records(
        "asset",
        [
            {"name": value, "external_id": value, "custom_object_fields": {"note": "n"}}
            for value in external_ids
        ],
    )

    found = custom_objects.records_by_external_ids(client, "asset", external_ids)

    assert {record.external_id for record in found} == set(external_ids)
    assert len(found) == 100


def test_hundred_short_ids_take_one_request(client: Client, sandbox: Sandbox) -> None:
    before = len(sandbox.log())
    custom_objects.records_by_external_ids(
        client, "asset", [f"asset-{n:08}" for n in range(100)]
    )

    assert len(sandbox.log()) == before + 1


ULID = "01GDXYD7ZTWYP542BA8MDDTE36"


@pytest.mark.parametrize(
    ("content", "read"),
    [
        # As custom-object jobs were seen to answer.
        (
            {"external_id": "a-1", "index": 0, "status": "CreateOrUpdate"},
            ItemResult(0, Verdict.SUCCEEDED, "CreateOrUpdate", external_id="a-1"),
        ),
        (
            {"external_id": "a-1", "index": 3, "status": "Deleted"},
            ItemResult(3, Verdict.SUCCEEDED, "Deleted", external_id="a-1"),
        ),
        (
            {
                "index": 0,
                "status": "Failed",
                "errors": [
                    {"code": "CustomObjectRecordDeleteFailed", "title": "Not found"}
                ],
            },
            ItemResult(
                0,
                Verdict.FAILED,
                "Failed",
                error_code="CustomObjectRecordDeleteFailed",
                error="Not found",
            ),
        ),
        (
            {
                "index": 0,
                "status": "Failed",
                "errors": [
                    {"title": "Record validation errors", "detail": "Name taken"}
                ],
            },
            ItemResult(
                0,
                Verdict.FAILED,
                "Failed",
                error_code="Record validation errors",
                error="Name taken",
            ),
        ),
        (
            {"data": {"id": ULID}, "index": 0, "status": "Created"},
            ItemResult(0, Verdict.SUCCEEDED, "Created", record_id=ULID),
        ),
        ({"data": None, "index": 0}, ItemResult(0, Verdict.UNKNOWN)),
        # As documented for other kinds of jobs.
        ({"id": 244, "index": 0}, ItemResult(0, Verdict.NAMED, record_id="244")),
        (
            {"id": ULID, "action": "update", "success": True, "status": "Updated"},
            ItemResult(None, Verdict.SUCCEEDED, "Updated", record_id=ULID),
        ),
        (
            {
                "id": 244,
                "action": "update",
                "success": False,
                "error": "E",
                "details": "D",
                "status": "Updated",
            },
            ItemResult(
                None,
                Verdict.FAILED,
                "Updated",
                record_id="244",
                error_code="E",
                error="D",
            ),
        ),
        (
            {"index": 0, "error": "TicketCreateFailed", "details": "cannot be blank"},
            ItemResult(
                0,
                Verdict.FAILED,
                error_code="TicketCreateFailed",
                error="cannot be blank",
            ),
        ),
        # Forms that no document describes.
        ({"index": 0, "status": "FAILED"}, ItemResult(0, Verdict.FAILED, "FAILED")),
        (
            {"index": 0, "status": "Created", "errors": []},
            ItemResult(0, Verdict.SUCCEEDED, "Created"),
        ),
        (
            {"index": 0, "status": "Created", "errors": [{}]},
            ItemResult(0, Verdict.FAILED, "Created"),
        ),
        (
            {"index": 0, "errors": ["no"]},
            ItemResult(0, Verdict.FAILED, error_code="no", error="no"),
        ),
        (
            {"index": 0, "errors": {"code": "C", "title": "T"}},
            ItemResult(0, Verdict.FAILED, error_code="C", error="T"),
        ),
        (
            {"index": "0", "status": "Skipped"},
            ItemResult(None, Verdict.UNKNOWN, "Skipped"),
        ),
        (
            {"index": True, "status": None, "id": None},
            ItemResult(None, Verdict.UNKNOWN),
        ),
        ({}, ItemResult(None, Verdict.UNKNOWN)),
    ],
)
def test_item_result_is_read_in_every_form(
    content: dict[str, Any], read: ItemResult
) -> None:
    assert read_results([content]) == (read,)


@pytest.mark.parametrize("results", [None, {"success": True}, "done", 3])
def test_results_that_are_not_a_list_are_none(results: Any) -> None:
    assert read_results(results) is None


@pytest.mark.parametrize(
    ("word", "is_over"),
    [
        ("queued", False),
        ("Working", False),
        ("completed", True),
        ("FAILED", True),
        ("killed", True),
        ("aborted", True),
        ("dreaming", False),
        (None, False),
    ],
)
def test_job_status_word_is_read_without_case(word: str | None, is_over: bool) -> None:
    status = read_job_status(
        {"id": "V3-1", "status": word, "total": None, "progress": "2", "results": None}
    )

    assert status.is_over == is_over
    assert status.total is None
    assert status.progress is None


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b'{"custom_objects": null}',
        b'{"custom_objects": {}}',
        b"7",
        b"null",
    ],
)
def test_response_of_another_shape_is_unconfirmed(content: bytes) -> None:
    with serving(responds(content)) as server:
        assert (
            type(failure(lambda: custom_objects.list_objects(Client(server.url, None))))
            is Unconfirmed
        )


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b'{"count": {"value": 7}}', 7),
        (b'{"count": {"value": null}}', 0),
        (b'{"count": {"value": "x"}}', 0),
    ],
)
def test_count_is_read_tolerantly(content: bytes, count: int) -> None:
    with serving(responds(content)) as server:
        assert custom_objects.count_records(Client(server.url, None), "asset") == count
