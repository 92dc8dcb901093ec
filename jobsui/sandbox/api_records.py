"""Endpoints of records."""

import time
from collections.abc import Iterator
from itertools import islice

from jobsui.sandbox import ids, pages, search
from jobsui.sandbox.calls import Call, no_content
from jobsui.sandbox.errors import (
    invalid_because,
    invalid_parameter,
    not_found,
    record_invalid,
)
from jobsui.sandbox.protocol import Answer, Json, json_answer
from jobsui.sandbox.reading import shown_record
from jobsui.sandbox.schema import CustomObject
from jobsui.sandbox.table import Record
from jobsui.sandbox.writing import RecordInvalid

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


def index(call: Call, key: str) -> Answer:
    custom_object = call.custom_object(key)
    asked = pages.asked_page(call.request, f"{WHERE}/index")
    wanted = filter_of(call, custom_object)
    sort = call.query.get("sort") or "id"
    if sort not in SORTS:
        raise invalid_parameter(
            "sort", f"must be one of {', '.join(sorted(SORTS))}", f"{WHERE}/index"
        )
    descending, name = sort.startswith("-"), sort.removeprefix("-")
    if wanted is None and name == "id":
        return paged(
            call,
            custom_object,
            pages.rows_page(custom_object.table, asked, descending=descending),
            asked,
        )
    records = custom_object.table.alive() if wanted is None else wanted
    by = by_updated if name == "updated_at" else by_row
    return paged(
        call,
        custom_object,
        pages.sorted_page(records, asked, by, descending=descending),
        asked,
    )


def by_row(record: Record) -> pages.Key:
    return (record.row,)


def by_updated(record: Record) -> pages.Key:
    return (record.updated, record.row)


def filter_of(call: Call, custom_object: CustomObject) -> list[Record] | None:
    """The records that filter[ids] and filter[external_ids] name; None without a
    filter."""
    table = custom_object.table
    finders = {"filter[ids]": table.get, "filter[external_ids]": table.with_external_id}
    given = [(name, find) for name, find in finders.items() if call.query.get(name)]
    if not given:
        return None
    found: list[Record] = []
    for name, find in given:
        asked_for = call.query[name].split(",")
        if len(asked_for) != len(set(asked_for)):
            raise invalid_parameter(name, "must not repeat an id", f"{WHERE}/index")
        found += [record for each in asked_for if (record := find(each))]
    return list({record.row: record for record in found}.values())


def paged(
    call: Call,
    custom_object: CustomObject,
    page: pages.Page[Record],
    asked: pages.Asked,
    **more: Json,
) -> Answer:
    shown = [
        shown_record(call.account, custom_object, record, call.origin)
        for record in page.items
    ]
    ends = pages.envelope(
        call.request,
        page,
        asked,
        next_on_last_page=call.account.settings.next_on_last_page,
    )
    return json_answer(200, {"custom_object_records": shown} | ends | more)


def one(
    call: Call, custom_object: CustomObject, record: Record, status: int = 200
) -> Answer:
    return json_answer(
        status,
        {
            "custom_object_record": shown_record(
                call.account, custom_object, record, call.origin
            )
        },
    )


def show(call: Call, key: str, record_id: str) -> Answer:
    custom_object = call.custom_object(key)
    return one(call, custom_object, present(custom_object.table.get(record_id)))


def present(record: Record | None) -> Record:
    if record is None:
        raise not_found()
    return record


def create(call: Call, key: str) -> Answer:
    custom_object = call.custom_object(key)
    data = call.part("custom_object_record", f"{WHERE}/create")
    try:
        record = call.account.writer.create(custom_object, data)
    except RecordInvalid as refusal:
        raise explained(refusal) from None
    return one(call, custom_object, record, 201)


def explained(refusal: RecordInvalid) -> Exception:
    details: dict[str, list[dict[str, str]]] = {}
    for key, text in refusal.problems:
        details.setdefault(key, []).append({"description": text})
    return record_invalid(details)


def update(call: Call, key: str, record_id: str) -> Answer:
    custom_object = call.custom_object(key)
    record = present(custom_object.table.get(record_id))
    data = call.part("custom_object_record", f"{WHERE}/update")
    try:
        return one(
            call, custom_object, call.account.writer.update(custom_object, record, data)
        )
    except RecordInvalid as refusal:
        raise explained(refusal) from None


def upsert(call: Call, key: str) -> Answer:
    custom_object = call.custom_object(key)
    by, value = key_of(call, "upsert")
    data = call.part("custom_object_record", f"{WHERE}/upsert") | {by: value}
    writer = call.account.writer
    write = (
        writer.upsert_by_external_id if by == "external_id" else writer.upsert_by_name
    )
    try:
        return one(call, custom_object, write(custom_object, data))
    except RecordInvalid as refusal:
        raise explained(refusal) from None


def key_of(call: Call, action: str) -> tuple[str, str]:
    """Which of external id and name a request goes by, and its value: exactly one of
    them."""
    given = [
        (name, call.query[name])
        for name in ("external_id", "name")
        if call.query.get(name)
    ]
    if len(given) != 1:
        raise invalid_parameter(
            "external_id", "or name must be given, and not both", f"{WHERE}/{action}"
        )
    return given[0]


def delete(call: Call, key: str, record_id: str) -> Answer:
    custom_object = call.custom_object(key)
    call.account.writer.delete(
        custom_object, present(custom_object.table.get(record_id))
    )
    return no_content()


def delete_by_key(call: Call, key: str) -> Answer:
    custom_object = call.custom_object(key)
    by, value = key_of(call, "delete")
    if by == "name" and not custom_object.names_are_unique:
        raise invalid_because(
            "Name: is not unique for this object, records can't be found by it"
        )
    table = custom_object.table
    record = (
        table.with_external_id(value) if by == "external_id" else table.with_name(value)
    )
    call.account.writer.delete(custom_object, present(record))
    return no_content()


def count(call: Call, key: str) -> Answer:
    custom_object = call.custom_object(key)
    now = ids.timestamp(int(time.time() * 1000))
    return json_answer(
        200, {"count": {"refreshed_at": now, "value": custom_object.table.size}}
    )


def search_text(call: Call, key: str) -> Answer:
    custom_object = call.custom_object(key)
    return found(
        call,
        custom_object,
        search.with_words(custom_object, call.query.get("query", "")),
    )


def search_filter(call: Call, key: str) -> Answer:
    custom_object = call.custom_object(key)
    records = search.filtered(custom_object, call.body().get("filter") or {})
    words = call.query.get("query")
    if words:
        rows = {record.row for record in search.with_words(custom_object, words)}
        records = (record for record in records if record.row in rows)
    return found(call, custom_object, records)


def autocomplete(call: Call, key: str) -> Answer:
    custom_object = call.custom_object(key)
    return found(
        call, custom_object, search.named(custom_object, call.query.get("name", ""))
    )


def found(call: Call, custom_object: CustomObject, records: Iterator[Record]) -> Answer:
    """A page of what a search found: all of it in the order asked for, or the first of
    it in no order."""
    asked = pages.asked_page(call.request, f"{WHERE}/search")
    sort = call.query.get("sort")
    if sort and sort not in SEARCH_SORTS:
        raise invalid_parameter(
            "sort",
            f"must be one of {', '.join(sorted(SEARCH_SORTS))}",
            f"{WHERE}/search",
        )
    listed = in_order(records, sort) if sort else list(islice(records, SEARCH_LIMIT))
    page = pages.listed_page(listed, asked)
    return paged(call, custom_object, page, asked, count=len(page.items))


def in_order(records: Iterator[Record], sort: str) -> list[Record]:
    keys = {
        "name": lambda record: record.name,
        "created_at": by_row,
        "updated_at": by_updated,
    }
    return sorted(
        records, key=keys[sort.removeprefix("-")], reverse=sort.startswith("-")
    )


def no_attachments(call: Call, key: str, record_id: str, *_: str) -> Answer:
    custom_object = call.custom_object(key)
    present(custom_object.table.get(record_id))
    if not custom_object.allows_attachments:
        return json_answer(400, {"error": "Invalid URI endpoint"})
    return json_answer(200, {"attachments": []})
