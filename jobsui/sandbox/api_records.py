"""Endpoints of records."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from jobsui.sandbox import ids, pages, search
from jobsui.sandbox.calls import Call, no_content
from jobsui.sandbox.errors import (
    invalid_because,
    invalid_parameter,
    not_found,
    record_invalid,
)
from jobsui.sandbox.members import warning
from jobsui.sandbox.protocol import Json, Response, json_response
from jobsui.sandbox.schema import CustomObject
from jobsui.sandbox.serializers import record_json
from jobsui.sandbox.table import Record
from jobsui.sandbox.writer import NAME_NOT_UNIQUE, RecordInvalid

WHERE = "api/v2/custom_objects/records"
SEARCH_LIMIT = 10_000
SORTS = {"id", "updated_at", "-id", "-updated_at"}
SEARCH_SORTS = {
    "name",
    "created_at",
    "updated_at",
    "-name",
    "-created_at",
    "-updated_at",
}


def index(call: Call, key: str) -> Response:
    custom_object = call.readable_object(key)
    wanted = pages.parse_page_request(call.request, f"{WHERE}/index")
    filtered = filtered_records(call, custom_object)
    sort = checked_sort(call.query.get("sort") or "id", SORTS, "index")
    descending = sort.startswith("-")
    by_time = sort.endswith("updated_at")
    if filtered is None and not by_time:
        page = pages.rows_page(custom_object.table, wanted, descending=descending)
    else:
        records = custom_object.table.alive() if filtered is None else filtered
        order = by_updated if by_time else by_row
        page = pages.sorted_page(records, wanted, order, descending=descending)
    if filtered is not None and call.account.assumptions.list_order == "any":
        call.account.faults.random.shuffle(page.items)
    return page_response(call, custom_object, page, wanted)


def checked_sort(sort: str, sorts: set[str], action: str) -> str:
    """Raises Refused for an order that the action does not have."""
    if sort not in sorts:
        rule = f"must be one of {', '.join(sorted(sorts))}"
        raise invalid_parameter("sort", rule, f"{WHERE}/{action}")
    return sort


def by_row(record: Record) -> pages.Key:
    return (record.row,)


def by_updated(record: Record) -> pages.Key:
    return (record.updated, record.row)


def filtered_records(call: Call, custom_object: CustomObject) -> list[Record] | None:
    """The records named by filter[ids] and filter[external_ids]; None without a
    filter."""
    table = custom_object.table
    finders = {"filter[ids]": table.get, "filter[external_ids]": table.with_external_id}
    used = [name for name in finders if call.query.get(name)]
    if not used:
        return None
    found: dict[int, Record] = {}
    for name in used:
        keys = filter_keys(call, name, finders[name])
        if len(keys) != len(set(keys)):
            raise invalid_parameter(name, "must not repeat an id", f"{WHERE}/index")
        records = map(finders[name], keys)
        found |= {record.row: record for record in records if record}
    return list(found.values())


def filter_keys(
    call: Call, name: str, find: Callable[[str], Record | None]
) -> list[str]:
    """The keys in a filter. A comma separates them, or may also be part of one."""
    listed = call.query[name]
    is_literal = call.account.assumptions.comma_in_filter == "literal"
    if is_literal and find(listed):
        return [listed]
    return listed.split(",")


def page_response(
    call: Call,
    custom_object: CustomObject,
    page: pages.Page[Record],
    wanted: pages.PageRequest,
    **more: Json,
) -> Response:
    shown = [
        record_json(call.account, custom_object, record, call.origin)
        for record in page.items
    ]
    paging = pages.paging_json(
        call.request,
        page,
        wanted,
        next_on_last_page=call.account.settings.next_on_last_page,
    )
    return json_response(200, {"custom_object_records": shown} | paging | more)


def record_response(
    call: Call, custom_object: CustomObject, record: Record, status: int = 200
) -> Response:
    shown = record_json(call.account, custom_object, record, call.origin)
    return json_response(status, {"custom_object_record": shown})


def show(call: Call, key: str, record_id: str) -> Response:
    custom_object = call.readable_object(key)
    record = existing(custom_object.table.get(record_id))
    return record_response(call, custom_object, record)


def existing(record: Record | None) -> Record:
    """Raises Refused when there is no record."""
    if record is None:
        raise not_found()
    return record


def create(call: Call, key: str) -> Response:
    custom_object = call.custom_object(key)
    data = call.part("custom_object_record", f"{WHERE}/create")
    with validation_errors(call):
        record = call.account.writer.create(custom_object, data)
    response = record_response(call, custom_object, record, 201)
    response.headers |= warning(custom_object, [data], call.account.assumptions)
    return response


@contextmanager
def validation_errors(call: Call) -> Iterator[None]:
    """Turn RecordInvalid into the API's response."""
    try:
        yield
    except RecordInvalid as refusal:
        details: dict[str, list[dict[str, str]]] = {}
        for key, text in refusal.problems:
            details.setdefault(key, []).append({"description": text})
        if call.account.assumptions.field_errors == "base":
            every = [each for entries in details.values() for each in entries]
            details = {"base": every}
        raise record_invalid(details) from None


def update(call: Call, key: str, record_id: str) -> Response:
    custom_object = call.custom_object(key)
    record = existing(custom_object.table.get(record_id))
    data = call.part("custom_object_record", f"{WHERE}/update")
    with validation_errors(call):
        call.account.writer.update(custom_object, record, data)
    response = record_response(call, custom_object, record)
    response.headers |= warning(custom_object, [data], call.account.assumptions)
    return response


def upsert(call: Call, key: str) -> Response:
    custom_object = call.custom_object(key)
    name, value = record_key(call, "upsert")
    data = call.part("custom_object_record", f"{WHERE}/upsert") | {name: value}
    writer = call.account.writer
    rows_before = len(custom_object.table.rows)
    with validation_errors(call):
        if name == "external_id":
            record = writer.upsert_by_external_id(custom_object, data)
        else:
            record = writer.upsert_by_name(custom_object, data)
    is_new = len(custom_object.table.rows) > rows_before
    status = int(call.account.assumptions.creating_upsert) if is_new else 200
    response = record_response(call, custom_object, record, status)
    response.headers |= warning(custom_object, [data], call.account.assumptions)
    return response


def record_key(call: Call, action: str) -> tuple[str, str]:
    """The key a request names its record by, "external_id" or "name", and its value.

    Raises Refused unless there is exactly one.
    """
    names = [name for name in ("external_id", "name") if call.query.get(name)]
    if len(names) != 1:
        raise invalid_parameter(
            "external_id", "or name must be given, and not both", f"{WHERE}/{action}"
        )
    return names[0], call.query[names[0]]


def delete(call: Call, key: str, record_id: str) -> Response:
    custom_object = call.custom_object(key)
    record = existing(custom_object.table.get(record_id))
    call.account.writer.delete(custom_object, record)
    return no_content()


def delete_by_key(call: Call, key: str) -> Response:
    custom_object = call.custom_object(key)
    name, value = record_key(call, "delete")
    writer = call.account.writer
    table = custom_object.table
    if name == "external_id":
        record = writer.with_external_id(table, value)
    elif custom_object.names_are_unique:
        record = table.with_name(value)
    else:
        raise invalid_because(NAME_NOT_UNIQUE)
    writer.delete(custom_object, existing(record))
    return no_content()


def count(call: Call, key: str) -> Response:
    custom_object = call.searchable_object(key)
    now = ids.timestamp(int(time.time() * 1000))
    counted = {"refreshed_at": now, "value": custom_object.table.size}
    return json_response(200, {"count": counted})


def search_text(call: Call, key: str) -> Response:
    custom_object = call.searchable_object(key)
    records = search.with_words(custom_object, call.query.get("query", ""))
    return search_response(call, custom_object, records)


def search_filter(call: Call, key: str) -> Response:
    custom_object = call.searchable_object(key)
    records = search.filtered(custom_object, call.body().get("filter") or {})
    words = call.query.get("query")
    if words:
        rows = {record.row for record in search.with_words(custom_object, words)}
        records = (record for record in records if record.row in rows)
    return search_response(call, custom_object, records)


def autocomplete(call: Call, key: str) -> Response:
    custom_object = call.searchable_object(key)
    records = search.named(custom_object, call.query.get("name", ""))
    return search_response(call, custom_object, records)


def search_response(
    call: Call, custom_object: CustomObject, records: Iterator[Record]
) -> Response:
    """A page of the records found: sorted if the request says how, else the first
    SEARCH_LIMIT of them in no order."""
    wanted = pages.parse_page_request(call.request, f"{WHERE}/search")
    sort = call.query.get("sort")
    if sort:
        listed = sorted_records(records, checked_sort(sort, SEARCH_SORTS, "search"))
    else:
        listed = list(islice(records, SEARCH_LIMIT))
    page = pages.listed_page(listed, wanted)
    return page_response(call, custom_object, page, wanted, count=len(page.items))


def sorted_records(records: Iterator[Record], sort: str) -> list[Record]:
    keys = {
        "name": lambda record: record.name,
        "created_at": by_row,
        "updated_at": by_updated,
    }
    key = keys[sort.removeprefix("-")]
    return sorted(records, key=key, reverse=sort.startswith("-"))


def no_attachments(call: Call, key: str, record_id: str, *_: str) -> Response:
    custom_object = call.custom_object(key)
    existing(custom_object.table.get(record_id))
    if not custom_object.allows_attachments:
        return json_response(400, {"error": "Invalid URI endpoint"})
    return json_response(200, {"attachments": []})
