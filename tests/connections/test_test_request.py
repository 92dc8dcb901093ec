import json
import time
from typing import Any

import pytest

from jobsui.connections import credentials, objects, test_request
from jobsui.connections.errors import RequestRefused
from jobsui.connections.models import Connection, CustomObject
from jobsui.connections.test_request import (
    MAX_BODY_BYTES,
    MAX_FORMATTED_BYTES,
    MAX_SHOWN,
)
from tests.factories import make_connection, make_object
from tests.sandbox_server import Sandbox
from tests.zendesk.raw_server import hangs_up, responds, serving

OPTIONS = [{"value": "red", "name": "Red"}]
FIELDS: list[dict[str, Any]] = [
    {"key": "note", "title": "Note", "type": "text", "required": True},
    {"key": "story", "title": "Story", "type": "textarea"},
    {
        "key": "colour",
        "title": "Colour",
        "type": "dropdown",
        "custom_field_options": OPTIONS,
    },
    {
        "key": "shades",
        "title": "Shades",
        "type": "multiselect",
        "custom_field_options": OPTIONS,
    },
    {"key": "price", "title": "Price", "type": "decimal"},
    {"key": "seats", "title": "Seats", "type": "integer"},
    {"key": "insured", "title": "Insured", "type": "checkbox", "tag": "insured"},
    {"key": "bought", "title": "Bought", "type": "date"},
    {
        "key": "site",
        "title": "Site",
        "type": "lookup",
        "relationship_target_type": "zen:custom_object:site",
    },
]
ME = "/api/v2/users/me"


@pytest.fixture
def asset(api_token: Connection, sandbox: Sandbox) -> CustomObject:
    """With every common type of field, unique names, and the record its lookup points
    at by default."""
    sandbox.make_object("site")
    sandbox.add_records("site", [{"name": "Sample", "external_id": "sample"}])
    sandbox.make_object("asset", fields=FIELDS, name={"is_unique": True})
    return objects.add_by_key(api_token, "asset")


def test_reference_names_the_six_actions(asset: CustomObject) -> None:
    assert list(test_request.reference(asset).actions) == [
        "create",
        "update",
        "create_or_update_by_external_id",
        "create_or_update_by_name",
        "delete",
        "delete_by_external_id",
    ]


def test_reference_names_every_member_of_an_item(asset: CustomObject) -> None:
    members = {
        member.name: (member.type, member.writable, member.required)
        for member in test_request.reference(asset).members
    }

    assert members == {
        "job.action": ("string", True, True),
        "job.items[]": ("array", True, True),
        "job.items[].created_by_user_id": ("string", False, False),
        "job.items[].custom_object_fields": ("object", True, False),
        "job.items[].id": ("string", True, False),
        "job.items[].external_id": ("string", True, False),
        "job.items[].name": ("string", True, True),
        "job.items[].url": ("string", False, False),
        "job.items[].custom_object_key": ("string", False, False),
        "job.items[].created_at": ("string", False, False),
        "job.items[].updated_at": ("string", False, False),
        "job.items[].updated_by_user_id": ("string", False, False),
    }
    assert all(member.help for member in test_request.reference(asset).members)


def test_reference_has_the_objects_own_fields_and_limits(asset: CustomObject) -> None:
    reference = test_request.reference(asset)

    assert reference.path == "/api/v2/custom_objects/asset/jobs"
    assert [field.key for field in reference.schema.fields] == [
        field["key"] for field in FIELDS
    ]
    assert reference.schema.name_rules.unique
    assert [limit.split()[0] for limit in reference.limits[:3]] == ["100", "30", "32"]


def results(connection: Connection, sent: test_request.TestResponse) -> Any:
    for _ in range(500):
        followed = test_request.poll(connection, sent.status_id)
        if followed.is_over:
            return json.loads(followed.body)["job_status"]["results"]
        time.sleep(0.01)
    raise AssertionError("The job did not end.")


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("create", "Created"),
        ("update", "Updated"),
        ("create_or_update_by_external_id", "CreateOrUpdate"),
        ("create_or_update_by_name", "CreateOrUpdate"),
        ("delete", "Deleted"),
        ("delete_by_external_id", "Deleted"),
    ],
)
def test_prepared_request_does_what_its_action_says(
    api_token: Connection, sandbox: Sandbox, asset: CustomObject, action: str, said: str
) -> None:
    prepared = test_request.prepare(asset, action)
    body = prepared.body
    if action in {
        "update",
        "delete",
        "delete_by_external_id",
    }:  # The sample stands for a record that is there.
        [record] = sandbox.add_records(
            "asset",
            [
                {
                    "name": "There",
                    "external_id": "sample-1",
                    "custom_object_fields": {"note": "n"},
                }
            ],
        )
        body = body.replace(test_request.SAMPLE_ID, record)

    sent = test_request.send(api_token, prepared.method, prepared.path, body)

    assert sent.status == 201
    assert sent.error == ""
    assert json.loads(body)["job"]["action"] == action
    assert [result["status"] for result in results(api_token, sent)] == [said]


def test_prepared_item_fills_every_field_as_its_type_wants(asset: CustomObject) -> None:
    [item] = json.loads(test_request.prepare(asset, "create").body)["job"]["items"]

    assert item == {
        "external_id": "sample-1",
        "name": "Sample",
        "custom_object_fields": {
            "note": "text",
            "story": "text",
            "colour": "red",
            "shades": ["red"],
            "price": 1.5,
            "seats": 1,
            "insured": True,
            "bought": "2026-01-31",
            "site": "external_id:sample",
        },
    }


@pytest.mark.usefixtures("sandbox")
def test_prepared_item_leaves_out_what_may_not_be_written(
    api_token: Connection,
) -> None:
    fields = [
        {"key": "sum", "type": "integer", "readonly": True},
        {"key": "old", "type": "text", "active": False},
    ]
    rules = {"key": "standard::name", "properties": {"autoincrement_enabled": True}}
    numbered = make_object(api_token, "numbered", fields=[*fields, rules])

    [item] = json.loads(test_request.prepare(numbered, "create").body)["job"]["items"]

    assert item == {"external_id": "sample-1", "custom_object_fields": {}}


@pytest.mark.parametrize("way", ["api_token", "oauth_client", "oauth_token"])
def test_prepared_request_masks_the_secret(
    request: pytest.FixtureRequest, way: str
) -> None:
    prepared = test_request.prepare(make_object(request.getfixturevalue(way)), "create")

    assert prepared.headers == {
        "Authorization": "Basic ********" if way == "api_token" else "Bearer ********",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }


GOOD = [
    ME,
    "/api/v2/users/me.json",
    "/api/v2/custom_objects/asset/records?page[size]=2&sort=-id",
    "/api/v2/custom_objects/asset/records?filter%5Bids%5D=a,b",
    "/api/v2/job_statuses/V3-0",
    "/api/v2/custom_objects/author/records",
    "/api/v2/x?next=https://evil.test/",
]
TRICKS = [
    "",
    "/",
    "/api/v2",
    "/api/v2/",
    "api/v2/users/me",
    "//evil.test/api/v2/users/me",
    "https://evil.test/api/v2/x",
    "/api/v2//evil.test",
    "/\\evil.test/api/v2/x",
    "\\\\evil.test",
    "@evil.test/api/v2/x",
    ".evil.test/api/v2/x",
    ":80@evil.test/api/v2/x",
    "/api/v2/../oauth/tokens",
    "/api/v2/./x",
    "/api/v2/x/..",
    "/api/v2/%2e%2e/oauth/tokens",
    "/api/v2/%2E%2E/x",
    "/api/v2/.%2e/x",
    "/api/v2/%252e%252e/x",
    "/api/v2/x%2f..%2f..%2fy",
    "/api/v2/..;/x",
    "/api/v2/x\\..\\y",
    "/api/v2/x%5c..%5cy",
    "/api/v2/x#y",
    "/api/v2/x%23y",
    "/api/v2/x%3fy=1",
    "/api/v2/x y",
    "/api/v2/x\r\nHost: evil.test",
    "/api/v2/x%0d%0aHost:%20evil.test",
    "/api/v2/x\n",
    "/api/v2/x%00",
    "/api/v2/x?y\r\nz",
    "/api/v2/x?y#z",
    "/api/v2/x?y z",
    "/api/v2/x?\\",
    "/API/v2/users/me",
    "/api/v3/users/me",
    "/api/v2/\uff0e\uff0e/x",
    "/api/v2/x\u2028y",
    "/sandbox/reset",
    "/oauth/tokens",
    "/api/v2/ x",
    " /api/v2/x",
    "/api/v2/%75sers\u00e9",
]
SECRETIVE = [
    "/api/v2/oauth/tokens",
    "/api/v2/oauth/clients.json",
    "/api/v2/%6fauth/tokens",
    "/api/v2/OAuth/tokens",
    "/api/v2/oauth",
    "/api/v2/users/1/oauth/x",
    "/api/v2/api_tokens",
    "/api/v2/api_tokens.json",
    "/api/v2/webhooks/1/signing_secret",
    "/api/v2/webhooks/1%2fsigning_secret",
]


@pytest.mark.parametrize("path", GOOD)
def test_plain_path_is_accepted(path: str) -> None:
    test_request.check_path(path)


@pytest.mark.parametrize("path", [*TRICKS, *SECRETIVE])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ambiguous_path_is_not_sent(
    api_token: Connection, sandbox: Sandbox, method: str, path: str
) -> None:
    with pytest.raises(RequestRefused):
        test_request.send(api_token, method, path, "{}")

    assert sandbox.log() == []


@pytest.mark.parametrize("path", SECRETIVE)
def test_path_to_secrets_says_why_it_is_refused(path: str) -> None:
    with pytest.raises(RequestRefused, match="response would show secrets"):
        test_request.check_path(path)


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.usefixtures("db")
def test_accepted_path_is_sent_as_it_is(path: str) -> None:
    with serving(responds(b"{}")) as server:
        host = server.url.removeprefix("http://")
        test_request.send(to(server.url), "GET", path)

    line, *head = server.received[0].decode().split("\r\n")
    assert unbracketed(line.split()[1]) == unbracketed(path)
    assert f"Host: {host}" in head


def unbracketed(path: str) -> str:
    return path.replace("%5B", "[").replace("%5D", "]")


def to(url: str) -> Connection:
    return make_connection(name=url, host=url.removeprefix("http://"))


@pytest.mark.usefixtures("db")
def test_get_has_no_body() -> None:
    with serving(responds(b"{}")) as server:
        test_request.send(to(server.url), "get", ME, '{"job": {}}')

    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert head.split()[0] == b"GET"
    assert body == b""
    assert b"content-length" not in head.lower()


@pytest.mark.parametrize(
    "method", ["TRACE", "CONNECT", "HEAD", "", "POST\r\nX: y", "GET /"]
)
def test_other_methods_are_not_sent(
    api_token: Connection, sandbox: Sandbox, method: str
) -> None:
    with pytest.raises(RequestRefused, match="method must be one of"):
        test_request.send(api_token, method, ME, "{}")

    assert sandbox.log() == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{", "not JSON"),
        ("hello", "not JSON"),
        ('{"a": NaN}', "NaN in “a”, which is not a JSON number"),
        ("[Infinity]", "Infinity, which is not a JSON number"),
        ("{'a': 1}", "not JSON"),
        ("[" * 100_000, "nested more than 100 levels deep"),
        ('{"a": "\ud83d"}', "half of a character"),
        ('"%s"' % ("x" * MAX_BODY_BYTES), "larger than 1 MB"),
        ('"%s"' % ("ü" * (MAX_BODY_BYTES // 2)), "larger than 1 MB"),
    ],
)
def test_invalid_body_is_not_sent(
    api_token: Connection, sandbox: Sandbox, body: str, why: str
) -> None:
    with pytest.raises(RequestRefused, match=why):
        test_request.send(api_token, "POST", ME, body)

    assert sandbox.log() == []


@pytest.mark.parametrize(
    "body",
    ["{}", '{"name": "Zoë 漢字 😀"}', '"%s"' % ("x" * (MAX_BODY_BYTES - 2)), "[1e400]"],
)
@pytest.mark.usefixtures("db")
def test_body_is_sent_byte_for_byte(body: str) -> None:
    with serving(responds(b"{}")) as server:
        test_request.send(to(server.url), "POST", ME, body)

    assert server.received[0].partition(b"\r\n\r\n")[2] == body.encode()


@pytest.mark.usefixtures("db")
def test_request_is_sent_once_whatever_happens() -> None:
    with serving(hangs_up) as server:
        answered = test_request.send(
            to(server.url), "POST", "/api/v2/custom_objects/asset/jobs", "{}"
        )

    assert answered.status is None
    assert len(server.received) == 1
    assert "broke before the response was complete" in answered.error


@pytest.mark.usefixtures("asset")
def test_refusal_is_shown_as_it_came(api_token: Connection) -> None:
    sent = test_request.send(
        api_token,
        "POST",
        "/api/v2/custom_objects/asset/jobs",
        '{"job": {"action": "explode"}}',
    )

    assert sent.status == 400
    assert sent.error == ""
    assert sent.status_id == ""
    assert json.loads(sent.body)["error"]["title"] == "Invalid attribute"
    assert sent.headers["X-Rate-Limit"] == "100000"


def test_wrong_credentials_are_shown_as_zendesk_says(api_token: Connection) -> None:
    credentials.save_secrets(api_token, {"api_token": "wrong"}, by=None)
    sent = test_request.send(api_token, "GET", ME)

    assert sent.status == 401
    assert json.loads(sent.body) == {"error": "Couldn't authenticate you"}


def test_ended_token_is_renewed_and_the_request_repeated(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    test_request.send(oauth_client, "GET", ME)
    sandbox.faults(bearer_expired={"rate": 1, "times": 1})

    assert test_request.send(oauth_client, "GET", ME).status == 200


@pytest.mark.usefixtures("db")
def test_redirect_is_shown_and_not_followed() -> None:
    with serving(responds(b"{}")) as elsewhere:
        target = elsewhere.url
        with serving(responds(b"", "302 Found", f"Location: {target}")) as server:
            sent = test_request.send(to(server.url), "GET", ME)

    assert sent.status == 302
    assert sent.headers["Location"] == target
    assert elsewhere.received == []


@pytest.mark.usefixtures("db")
def test_cookies_are_not_shown() -> None:
    with serving(
        responds(b"{}", "200 OK", "Set-Cookie: session=canary", "X-Request-Id: 7")
    ) as server:
        sent = test_request.send(to(server.url), "GET", ME)

    assert "canary" not in str(sent)
    assert sent.headers["X-Request-Id"] == "7"


@pytest.mark.parametrize("way", ["api_token", "oauth_client", "oauth_token"])
@pytest.mark.parametrize(
    "fault", ["rate-429", "503", "html-200", "bearer-expired", "missing-scope"]
)
def test_secret_is_never_in_a_response(
    request: pytest.FixtureRequest, sandbox: Sandbox, way: str, fault: str
) -> None:
    connection: Connection = request.getfixturevalue(way)
    test_request.send(connection, "GET", ME)
    connection.refresh_from_db()
    secrets = {connection.secret(name) for name in Connection.SECRETS} - {""}
    sandbox.faults(**{fault: 1})
    shown = str(
        [test_request.send(connection, method, ME, "{}") for method in ("GET", "PATCH")]
    )

    assert secrets
    assert [secret for secret in secrets if secret in shown] == []


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"", ""),
        (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
        (b'{"a":"\xc3\xa9"}', '{\n  "a": "é"\n}'),
        (b"\xff\xfe\x00", "\ufffd\ufffd\x00"),
        (rb'"cut \ud83d"', '"cut \ufffd"'),
        (b"[" * 100_000, "[" * 100_000),
        (b'"' + b"x" * (MAX_FORMATTED_BYTES + 1) + b'"', '"' + "x" * (MAX_SHOWN - 1)),
    ],
)
@pytest.mark.usefixtures("db")
def test_unusual_response_is_cut_and_shown_as_text(content: bytes, shown: str) -> None:
    with serving(responds(content)) as server:
        sent = test_request.send(to(server.url), "GET", ME)

    assert sent.status == 200
    assert sent.error == ""
    assert sent.body.encode() == shown.encode()


@pytest.mark.parametrize(
    ("word", "is_over"),
    [
        ("queued", False),
        ("working", False),
        ("completed", True),
        ("failed", True),
        ("killed", True),
        ("x", False),
    ],
)
@pytest.mark.usefixtures("db")
def test_job_status_is_polled_until_it_is_over(word: str, is_over: bool) -> None:
    with serving(
        responds(f'{{"job_status": {{"id": "V3-1", "status": "{word}"}}}}'.encode())
    ) as server:
        followed = test_request.poll(to(server.url), "V3-1")

    assert followed.status_id == "V3-1"
    assert followed.is_over == is_over
    assert server.received[0].startswith(b"GET /api/v2/job_statuses/V3-1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "content",
    [
        b'{"job_status": {"id": "../x"}}',
        b'{"job_status": {"id": 7}}',
        b'{"job_status": 1}',
    ],
)
@pytest.mark.usefixtures("db")
def test_response_without_a_status_id_is_not_polled(content: bytes) -> None:
    with serving(responds(content, "201 Created")) as server:
        assert test_request.send(to(server.url), "POST", ME, "{}").status_id == ""


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
@pytest.mark.usefixtures("db")
def test_refused_poll_is_over(status: str) -> None:
    with serving(responds(b"{}", status)) as server:
        assert test_request.poll(to(server.url), "V3-1").is_over


@pytest.mark.parametrize(
    "status_id", ["", "../users/me", "V3-1/x", "V3-1\n", "V3-1?x", "a" * 101, "é"]
)
def test_invalid_status_id_is_not_polled(
    api_token: Connection, sandbox: Sandbox, status_id: str
) -> None:
    with pytest.raises(RequestRefused):
        test_request.poll(api_token, status_id)

    assert sandbox.log() == []
