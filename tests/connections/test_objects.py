import socket
from typing import Any

import pytest

from jobsui.connections import objects
from jobsui.connections.models import Connection, CustomObject
from jobsui.connections.objects import ObjectRefused
from jobsui.zendesk.errors import NotFound, Unauthorized, Unconfirmed
from jobsui.zendesk.payloads import NameRules
from tests.factories import make_connection, make_object
from tests.sandbox_server import Sandbox
from tests.zendesk.raw_server import (
    Behavior,
    RawServer,
    http_response,
    read_request,
    serving,
)

OPTIONS = [{"value": "red", "name": "Red"}, {"value": "blue", "name": "Blue"}]
TYPES: list[dict[str, Any]] = [
    {"key": "note", "title": "Note", "type": "text", "required": True},
    {
        "key": "serial",
        "title": "Serial",
        "type": "regexp",
        "regexp_for_validation": "^[0-9]+$",
    },
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
    {"key": "insured", "title": "Insured", "type": "checkbox", "tag": "insured"},
    {"key": "bought", "title": "Bought", "type": "date"},
    {
        "key": "owner",
        "title": "Owner",
        "type": "lookup",
        "relationship_target_type": "zen:user",
    },
]


def test_all_objects_are_read_with_fields_rules_and_counts(
    api_token: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("asset", fields=TYPES, name={"is_unique": True})
    sandbox.make_object(
        "contract", name={"autoincrement_enabled": True, "autoincrement_prefix": "C-"}
    )
    sandbox.add_records("contract", [{}, {}])

    asset, contract = objects.fetch_all(api_token)

    assert asset.key == "asset"
    assert asset.title == "Asset"
    assert asset.record_count == 0
    assert not asset.gone
    assert contract.record_count == 2
    assert contract.schema.fields == ()
    assert contract.schema.name_rules == NameRules(autonumbered=True, prefix="C-")
    schema = asset.schema
    assert schema.name_rules == NameRules(unique=True)
    assert [(field.key, field.type) for field in schema.fields] == [
        (entry["key"], entry["type"]) for entry in TYPES
    ]
    assert [field.key for field in schema.fields if field.required] == ["note"]
    by_key = {field.key: field for field in schema.fields}
    assert by_key["serial"].regexp == "^[0-9]+$"
    assert [(option.value, option.name) for option in by_key["shades"].options] == [
        ("red", "Red"),
        ("blue", "Blue"),
    ]
    assert by_key["owner"].target_type == "zen:user"
    assert asset.read_at is not None


def test_sync_changes_objects_and_marks_those_gone(
    api_token: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("asset", fields=TYPES)
    make_object(api_token, "ghost")
    before = {
        known.key: (known.pk, known.gone) for known in objects.fetch_all(api_token)
    }
    sandbox.make_object(
        "asset", fields=[{"key": "new", "title": "New", "type": "integer"}]
    )
    sandbox.add_records("asset", [{"name": "One"}])

    asset, ghost = objects.fetch_all(api_token)

    assert before == {"asset": (asset.pk, False), "ghost": (ghost.pk, True)}
    assert [(field.key, field.type) for field in asset.schema.fields] == [
        ("new", "integer")
    ]
    assert asset.record_count == 1


def test_object_that_is_back_is_no_longer_gone(
    api_token: Connection, sandbox: Sandbox
) -> None:
    ghost = make_object(api_token, "ghost", gone=True)
    sandbox.make_object("ghost")

    assert [(known.pk, known.gone) for known in objects.fetch_all(api_token)] == [
        (ghost.pk, False)
    ]


@pytest.mark.usefixtures("sandbox")
def test_other_connections_are_left_alone(api_token: Connection) -> None:
    elsewhere = make_object(make_connection(name="Other"), "asset")
    objects.fetch_all(api_token)

    elsewhere.refresh_from_db()
    assert not elsewhere.gone
    assert elsewhere.read_at is None


def test_account_without_objects_is_read_as_such(api_token: Connection) -> None:
    assert objects.fetch_all(api_token) == []


def test_failed_sync_changes_nothing(api_token: Connection, sandbox: Sandbox) -> None:
    sandbox.make_object("asset", fields=TYPES)
    [before] = objects.fetch_all(api_token)
    sandbox.faults(**{"503": 1})
    with pytest.raises(Unconfirmed):
        objects.fetch_all(api_token)

    [after] = CustomObject.objects.all()
    assert after.fields == before.fields
    assert after.read_at == before.read_at
    assert not after.gone


def test_expired_token_is_renewed_for_the_sync(
    oauth_client: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("asset")
    objects.fetch_all(oauth_client)
    sandbox.faults(bearer_expired={"rate": 1, "times": 1})

    assert [known.key for known in objects.fetch_all(oauth_client)] == ["asset"]


def test_one_object_is_refreshed(api_token: Connection, sandbox: Sandbox) -> None:
    sandbox.make_object("asset", fields=TYPES[:1])
    [asset] = objects.fetch_all(api_token)
    sandbox.make_object("asset", fields=TYPES[:2])
    before = asset.schema.fingerprint

    again = objects.refresh(asset)

    assert [field.key for field in again.schema.fields] == ["note", "serial"]
    assert again.schema.fingerprint != before


@pytest.mark.usefixtures("sandbox")
def test_object_that_is_gone_says_so_and_keeps_its_fields(
    api_token: Connection,
) -> None:
    asset = make_object(api_token, "asset", fields=[{"key": "note", "type": "text"}])
    with pytest.raises(NotFound):
        objects.refresh(asset)

    asset.refresh_from_db()
    assert asset.gone
    assert [field.key for field in asset.schema.fields] == ["note"]


def test_object_by_key_is_synced_at_once(
    api_token: Connection, sandbox: Sandbox
) -> None:
    sandbox.make_object("asset", fields=TYPES)
    asset = objects.add_by_key(api_token, "asset")

    assert asset.title == "Asset"
    assert len(asset.schema.fields) == len(TYPES)
    assert asset.read_at is not None


@pytest.mark.parametrize(
    "key", ["", "a b", "a/../b", "a\n", "ä", "a" * 256, "a?b", "a%2fb", "."]
)
def test_text_that_is_not_a_key_is_refused_without_a_request(
    api_token: Connection, sandbox: Sandbox, key: str
) -> None:
    with pytest.raises(ObjectRefused, match="is not an object key"):
        objects.add_by_key(api_token, key)

    assert sandbox.log() == []


def test_known_and_unknown_keys_are_refused(api_token: Connection) -> None:
    make_object(api_token, "asset")

    with pytest.raises(ObjectRefused, match=r"asset is already listed\."):
        objects.add_by_key(api_token, "asset")
    with pytest.raises(
        ObjectRefused, match=r"nothing could not be read\. Zendesk did not find this"
    ):
        objects.add_by_key(api_token, "nothing")
    assert CustomObject.objects.count() == 1


def test_key_is_kept_when_zendesk_cannot_be_reached(
    api_token: Connection, sandbox: Sandbox
) -> None:
    sandbox.faults(**{"html-502": 1})
    asset = objects.add_by_key(api_token, "asset")

    assert asset.key == "asset"
    assert asset.fields == []
    assert asset.read_at is None
    assert asset.record_count is None


def test_wrong_credentials_add_nothing(
    oauth_token: Connection, sandbox: Sandbox
) -> None:
    sandbox.faults(bearer_expired=1)
    with pytest.raises(ObjectRefused) as caught:
        objects.add_by_key(oauth_token, "asset")

    assert isinstance(caught.value.__cause__, Unauthorized)
    assert CustomObject.objects.count() == 0


def test_fields_alone_are_refreshed(api_token: Connection, sandbox: Sandbox) -> None:
    sandbox.make_object("asset", fields=TYPES[:1])
    [asset] = objects.fetch_all(api_token)
    sandbox.make_object("asset", fields=TYPES[:2])
    before = len(sandbox.log())

    objects.refresh_fields(asset)

    asset.refresh_from_db()
    paths = [request["path"] for request in sandbox.log()[before:]]
    assert paths == ["/api/v2/custom_objects/asset/fields"]
    assert [field.key for field in asset.schema.fields] == ["note", "serial"]
    assert asset.record_count == 0


@pytest.mark.usefixtures("sandbox")
def test_object_without_fields_to_refresh_is_gone(api_token: Connection) -> None:
    asset = make_object(api_token, "asset")

    with pytest.raises(NotFound):
        objects.refresh_fields(asset)

    asset.refresh_from_db()
    assert asset.gone


ASSET = b'{"custom_object": {"key": "asset", "title": "%s"}}'
FIELDS = b'{"custom_object_fields": [{"key": "note", "type": "text"}]}'


def account(title: bytes, *count: bytes | str) -> Behavior:
    """An account whose only object is `asset`. `count`: its response to a count."""

    def behavior(peer: socket.socket) -> None:
        content = http_response(ASSET % title)
        while True:
            peer.sendall(content)
            request = read_request(peer)
            if not request:
                return
            if b"/fields" in request:
                content = http_response(FIELDS)
            else:
                content = http_response(*count)  # type: ignore[arg-type]

    return behavior


def to(server: RawServer) -> Connection:
    return make_connection(name=server.url, host=server.url.removeprefix("http://"))


@pytest.mark.parametrize(
    ("count", "known"),
    [
        ((b'{"error": "Forbidden"}', "403 Forbidden"), None),
        ((b"oops", "500 Internal Server Error"), None),
        ((b"slow down", "429 Too Many Requests"), None),
        ((b"no JSON",), None),
        ((b'{"count": {"value": 7, "refreshed_at": null}}',), 7),
    ],
)
@pytest.mark.usefixtures("db")
def test_count_that_cannot_be_read_is_unknown(
    count: tuple[bytes | str, ...], known: int | None
) -> None:
    with serving(account(b"Asset", *count)) as server:
        asset = objects.add_by_key(to(server), "asset")

    assert asset.record_count == known
    assert [field.key for field in asset.schema.fields] == ["note"]


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        (b"T" * 300, "T" * 255),
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"nul \u0000", "nul \ufffd"),
    ],
)
@pytest.mark.usefixtures("db")
def test_long_title_is_cut(title: bytes, kept: str) -> None:
    with serving(account(title, b'{"count": {"value": 1}}')) as server:
        asset = objects.add_by_key(to(server), "asset")

    asset.refresh_from_db()
    assert asset.title == kept
