import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jobsui.jobs.delivery import batch_request
from jobsui.jobs.delivery.batch_request import BatchRequest
from jobsui.jobs.enums import Action
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.custom_objects import read_job_status
from jobsui.zendesk.errors import Unconfirmed
from jobsui.zendesk.payloads import JobStatus, Response

KEYED = [{"external_id": f"e{n}", "name": f"n{n}"} for n in range(3)]
NAMED = [{"name": f"n{n}"} for n in range(3)]
FAILED = {"status": "Failed", "errors": [{"code": "X", "title": "Bad"}]}
NOT_FOUND = {
    "index": 0,
    "status": "Failed",
    "errors": [{"code": "CustomObjectRecordDeleteFailed", "title": "Record not found"}],
}


def request(
    items: list[Any],
    action: Action = Action.CREATE,
    *,
    indexes: list[int] | None = None,
    **more: Any,
) -> BatchRequest:
    client = Client("http://127.0.0.1:9", None)
    lines = [json.dumps(item).encode() for item in items]
    return BatchRequest(
        batch_id=1,
        job_id=1,
        attempt_id=1,
        action=action,
        object_key="gadget",
        client=client,
        connection_id=1,
        items=tuple(zip(indexes or range(len(lines)), lines, strict=True)),
        is_part=False,
        first_sent_at=datetime(2026, 1, 1, tzinfo=UTC),
        **more,
    )


def job_status(sent: BatchRequest, results: Any, status: str) -> JobStatus:
    return read_job_status(
        {"id": "V3-1", "status": status, "total": len(sent.items), "results": results}
    )


def results_of(
    sent: BatchRequest, results: Any, status: str = "completed"
) -> dict[int, tuple[str, str]]:
    """{index: (outcome, record id)}."""
    found = batch_request.row_results(sent, job_status(sent, results, status))
    return {index: (result[0], result[1]) for index, result in found.items()}


def by_position(items: list[Any], results: Any) -> dict[int, tuple[str, str]]:
    sent = request(items)
    found = batch_request.results_by_position(
        sent, job_status(sent, results, "completed")
    )
    return {index: (result[0], result[1]) for index, result in found.items()}


@pytest.mark.parametrize(
    ("items", "results", "expected"),
    [
        pytest.param(
            KEYED,
            [{"index": n, "id": f"r{n}", "status": "Created"} for n in range(3)],
            {n: ("created", f"r{n}") for n in range(3)},
            id="by index",
        ),
        pytest.param(
            KEYED,
            [{"index": n, "id": f"r{n}", "status": "Created"} for n in (2, 0, 1)],
            {n: ("created", f"r{n}") for n in range(3)},
            id="in any order",
        ),
        pytest.param(
            KEYED,
            [
                {"external_id": f"e{n}", "id": f"r{n}", "status": "Created"}
                for n in (2, 0, 1)
            ],
            {n: ("created", f"r{n}") for n in range(3)},
            id="by external id",
        ),
        pytest.param(
            KEYED,
            [
                {"external_id": "e2", "status": "Created"},
                {"index": 0, "status": "Created"},
            ],
            {2: ("created", ""), 0: ("created", "")},
            id="some with and some without index",
        ),
        pytest.param(
            NAMED,
            [
                {"id": "r0", "status": "Created"},
                FAILED,
                {"id": "r2", "status": "Created"},
            ],
            {},
            id="not by position",
        ),
        pytest.param(
            KEYED,
            [{"index": 2 - n, "external_id": f"e{n}", "id": "r"} for n in range(3)],
            {1: ("created", "r")},
            id="not by an index that contradicts the key",
        ),
        pytest.param(
            KEYED,
            [{"external_id": "x", "status": "Created"}] * 3,
            {},
            id="not by position when they name others",
        ),
        pytest.param(
            KEYED,
            [
                {"index": 0, "id": "r0", "status": "Created"},
                {"index": 1, "id": "r1", "status": "Created"},
            ],
            {0: ("created", "r0"), 1: ("created", "r1")},
            id="shorter than sent",
        ),
        pytest.param(
            KEYED,
            [
                {"index": 0, "status": "Created"},
                {"index": 0, **FAILED},
                {"index": 1, "status": "Created"},
            ],
            {1: ("created", "")},
            id="two for one item",
        ),
        pytest.param(KEYED, [{"index": 7, "status": "Created"}], {}, id="of no item"),
        pytest.param(
            KEYED, [{"index": 0, "status": "Odd"}], {}, id="of no clear meaning"
        ),
        pytest.param(KEYED, {"success": True}, {}, id="an object"),
        pytest.param(KEYED, None, {}, id="none"),
        pytest.param(KEYED, [], {}, id="empty"),
        pytest.param(
            KEYED,
            [{"id": 244, "index": 1}],
            {1: ("created", "244")},
            id="the documented form of create",
        ),
    ],
)
def test_results_find_their_items(
    items: list[Any], results: Any, expected: dict[int, tuple[str, str]]
) -> None:
    assert results_of(request(items), results) == expected


@pytest.mark.parametrize(
    ("items", "action", "word"),
    [
        ([{"id": "r1", "name": "n"}], Action.UPDATE, "Updated"),
        ([{"name": "n"}], Action.UPSERT_BY_NAME, "CreateOrUpdate"),
        (["r1"], Action.DELETE, "Deleted"),
    ],
)
def test_external_id_that_was_not_sent_contradicts_nothing(
    items: list[Any], action: Action, word: str
) -> None:
    """The record had it before."""
    sent = request(items, action)
    result = {"index": 0, "id": "r1", "external_id": "e1", "status": word}

    assert results_of(sent, [result]) == {0: (action.outcome, "r1")}


@pytest.mark.parametrize(
    ("items", "action"),
    [
        ([{"name": "n"}], Action.CREATE),
        ([{"id": "r1", "external_id": "e2"}], Action.UPDATE),
        ([{"external_id": "e2"}], Action.UPSERT_BY_EXTERNAL_ID),
        (["e2"], Action.DELETE_BY_EXTERNAL_ID),
    ],
)
def test_external_id_that_is_not_the_one_sent_contradicts_the_index(
    items: list[Any], action: Action
) -> None:
    sent = request(items, action)
    result = {"index": 0, "id": "r1", "external_id": "e1", "status": "Updated"}

    assert results_of(sent, [result]) == {}


def test_results_by_position_are_taken_only_if_nothing_names_an_item() -> None:
    plain = [
        {"id": "r0", "status": "Created"},
        FAILED,
        {"id": "r2", "status": "Created"},
    ]

    assert by_position(NAMED, plain) == {
        0: ("created", "r0"),
        1: ("failed", ""),
        2: ("created", "r2"),
    }
    assert by_position(NAMED, plain[:2]) == {}
    assert by_position(NAMED, [{"index": 0, "id": "r0"}, *plain[1:]]) == {}


@pytest.mark.parametrize("word", ["", "Processed"])
def test_a_record_id_that_was_sent_proves_nothing(word: str) -> None:
    sent = request([{"id": "7"}], Action.UPDATE)

    assert results_of(sent, [{"index": 0, "id": "7", "status": word}]) == {}


def test_documented_form_of_update_is_read_by_record_id() -> None:
    sent = request([{"id": "7"}, {"id": "8"}], Action.UPDATE)
    results = [
        {
            "id": 8,
            "action": "update",
            "success": False,
            "error": "Invalid",
            "details": "no",
        },
        {"id": 7, "action": "update", "success": True, "status": "Updated"},
    ]

    assert results_of(sent, results) == {0: ("updated", "7"), 1: ("failed", "8")}


def test_indexes_count_the_items_sent_not_those_of_the_batch() -> None:
    sent = request(KEYED[:2], indexes=[40, 77])

    assert results_of(sent, [{"index": 1, "id": "r", "status": "Created"}]) == {
        77: ("created", "r")
    }


@pytest.mark.parametrize("status", ["failed", "killed"])
def test_a_job_that_failed_still_tells_of_some(status: str) -> None:
    results = [{"index": 0, "id": "r0", "status": "Created"}, {"index": 1, **FAILED}]

    assert results_of(request(KEYED), results, status) == {
        0: ("created", "r0"),
        1: ("failed", ""),
    }


@pytest.mark.parametrize(
    ("action", "resent", "outcome"),
    [
        (Action.DELETE, False, "failed"),
        (Action.DELETE, True, "deleted"),
        (Action.DELETE_BY_EXTERNAL_ID, True, "deleted"),
        (Action.UPDATE, True, "failed"),
    ],
)
def test_a_record_not_found_was_deleted_before_only_by_an_earlier_sending(
    action: Action, resent: bool, outcome: str
) -> None:
    sent = request(["r1"] if action.deletes else [{"id": "r1"}], action, resent=resent)

    assert results_of(sent, [NOT_FOUND]) == {0: (outcome, "")}


def test_body_is_what_the_api_documents() -> None:
    assert json.loads(request(KEYED).body) == {
        "job": {"action": "create", "items": KEYED}
    }
    assert json.loads(request(["a"], Action.DELETE).body) == {
        "job": {"action": "delete", "items": ["a"]}
    }


def test_our_own_fault_while_sending_leaves_it_unconfirmed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("half way")

    monkeypatch.setattr(custom_objects, "post_job", broken)

    with pytest.raises(Unconfirmed):
        batch_request.send(request(KEYED))


def test_kept_response_keeps_harmless_headers_only() -> None:
    headers = {
        "Set-Cookie": "secret",
        "Retry-After": "3",
        "X-Rate-Limit": "700",
        "X-Request-Id": "q",
        "X-Zendesk-API-Warn": "Removed restricted keys",
    }

    kept = batch_request.kept_response(Response(429, headers, b"slow down", 0.25))

    assert kept["response_headers"] == {
        "Retry-After": "3",
        "X-Rate-Limit": "700",
        "X-Request-Id": "q",
        "X-Zendesk-API-Warn": "Removed restricted keys",
    }
    assert (kept["http_status"], kept["elapsed_ms"]) == (429, 250)
    assert batch_request.kept_response(None) == {
        "http_status": None,
        "elapsed_ms": None,
        "response_headers": {},
        "response_body": b"",
    }
