"""The API calls the product makes. All raise the errors of `Client.call`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from jobsui.zendesk.client import Client, decoded
from jobsui.zendesk.errors import NotFound, Refused, Unconfirmed
from jobsui.zendesk.payloads import (
    ItemResult,
    JobStatus,
    Json,
    ObjectInfo,
    Record,
    Response,
    User,
    Verdict,
)

API = "/api/v2"
PAGE_SIZE = 100
MIN_LISTED = 500
"""A URL with a shorter list is not refused for its length."""
TOO_LONG = frozenset({400, 414})
"""Statuses with which a server may refuse the length of a URL (assumed)."""
SUCCESS_WORDS = frozenset(
    {"created", "updated", "createorupdate", "upserted", "deleted"}
)
FAILURE_WORDS = frozenset({"failed", "error"})
SHOWN_LISTS = {
    "zen:user": "users",
    "zen:organization": "organizations",
    "zen:ticket": "tickets",
}
"""By the target type of a lookup field: the list in which Zendesk shows them by ID."""


@dataclass(frozen=True, slots=True)
class RecordPage:
    records: Sequence[Record]
    after: str
    """The cursor of the next page; "" if this is the last one."""


@dataclass(frozen=True, slots=True)
class ExportPage:
    """Of the incremental export."""

    records: Sequence[Record]
    cursor: str
    """Behind these records. What changes later follows it, also behind the last page
    (assumed)."""
    is_end: bool
    """Nothing follows now."""


def me(client: Client) -> User:
    """The user the credentials belong to."""
    return read_user(client.call("GET", f"{API}/users/me"))


def read_user(data: Json) -> User:
    user = _object_in(data, "user")
    return User(
        id=user.get("id"),
        name=str(user.get("name") or ""),
        email=str(user.get("email") or ""),
        role=str(user.get("role") or ""),
    )


def token_scopes(client: Client, *, deadline: float | None = None) -> list[str]:
    """The scopes of the access token that the client uses."""
    data = client.call("GET", f"{API}/oauth/tokens/current", deadline=deadline)
    scopes = _object_in(data, "token").get("scopes")
    return [str(scope) for scope in scopes] if isinstance(scopes, list) else []


def list_objects(client: Client, *, deadline: float | None = None) -> list[ObjectInfo]:
    data = client.call("GET", f"{API}/custom_objects", deadline=deadline)
    return [_object(entry) for entry in _list(data, "custom_objects")]


def get_object(client: Client, key: str) -> ObjectInfo:
    data = client.call("GET", _object_path(key))
    return _object(_object_in(data, "custom_object"))


def list_fields(client: Client, key: str) -> list[dict[str, Json]]:
    """Field dicts as Zendesk gives them, the standard ones (name, external ID)
    included."""
    data = client.call(
        "GET", f"{_object_path(key)}/fields", params={"include_standard_fields": "true"}
    )
    return [dict(entry) for entry in _list(data, "custom_object_fields")]


def count_records(client: Client, key: str) -> int:
    """Zendesk's own, cached count."""
    data = client.call("GET", f"{_object_path(key)}/records/count")
    return _int(_object_in(data, "count").get("value")) or 0


def post_job(client: Client, key: str, body: bytes) -> tuple[JobStatus, Response]:
    """Queue one batch."""
    path = f"{_object_path(key)}/jobs"
    response = client.request("POST", path, body=body)
    status = job_status_in(decoded(response, what=f"POST {path}"))
    if not status.id:
        raise Unconfirmed(
            "Zendesk accepted the batch, but its response names no job status.",
            status=response.status,
            response=response,
        )
    return status, response


def job_statuses(client: Client, ids: Sequence[str]) -> list[JobStatus]:
    """Up to 100 job statuses, in one request if it can be. IDs that Zendesk no longer
    knows are left out; should it refuse all IDs because of one, each half is read by
    itself."""
    try:
        data = client.call(
            "GET", f"{API}/job_statuses/show_many", params={"ids": ",".join(ids)}
        )
    except NotFound:
        if len(ids) == 1:
            return []
        middle = len(ids) // 2
        return job_statuses(client, ids[:middle]) + job_statuses(client, ids[middle:])
    return [read_job_status(entry) for entry in _list(data, "job_statuses")]


def recent_job_statuses(
    client: Client, *, deadline: float | None = None
) -> list[JobStatus]:
    """The newest job statuses of the account, those of other programs included."""
    data = client.call(
        "GET",
        f"{API}/job_statuses",
        params={"page[size]": str(PAGE_SIZE)},
        deadline=deadline,
    )
    return [read_job_status(entry) for entry in _list(data, "job_statuses")]


def list_records(client: Client, key: str, after: str = "") -> RecordPage:
    """Up to 100 records in the order of their IDs. `after`: the cursor of the page before."""
    params = {"page[size]": str(PAGE_SIZE), "sort": "id"}
    if after:
        params["page[after]"] = after
    data = client.call("GET", f"{_object_path(key)}/records", params=params)
    records = [_record(entry) for entry in _list(data, "custom_object_records")]
    meta = _object_in(data, "meta")
    has_more = bool(records) and meta.get("has_more") is True
    return RecordPage(records, str(meta.get("after_cursor") or "") if has_more else "")


def records_by_external_ids(
    client: Client, key: str, external_ids: Sequence[str]
) -> list[Record]:
    """The records that exist among up to 100 external IDs (case-sensitive). An ID with
    a comma cannot be listed, so it is searched for; the search index may lag by seconds
    (assumed)."""
    listable = [value for value in external_ids if "," not in value]
    records = _list_records(client, key, "filter[external_ids]", listable)
    for value in dict.fromkeys(external_ids):
        if "," in value:
            records += _search(client, key, {"external_id": {"$eq": value}})
    return records


def records_by_ids(client: Client, key: str, ids: Sequence[str]) -> list[Record]:
    """The records that exist among up to 100 record IDs."""
    return _list_records(client, key, "filter[ids]", ids)


def changed_records(client: Client, key: str, *, start: int, cursor: str) -> ExportPage:
    """Up to 1,000 records that have changed since a Unix time, deleted ones included, in
    the order of their changes. Those of the last minute may be missing. `cursor` "": the
    first ones."""
    params = {"cursor": cursor} if cursor else {"start_time": str(start)}
    path = f"{API}/incremental/custom_objects/{quote(key, safe='')}/cursor"
    data = client.call("GET", path, params=params)
    records = [_record(entry) for entry in _list(data, "custom_object_records")]
    after = str(data.get("after_cursor") or "")
    is_end = data.get("end_of_stream") is True
    if not (after or is_end):
        raise Unconfirmed("Zendesk's response has no cursor.", status=200)
    return ExportPage(records, after, is_end)


def records_by_name(client: Client, key: str, name: str) -> list[Record]:
    """Records with exactly this name, among the first that the search finds; its index may
    lag by seconds (assumed)."""
    found = _search(client, key, {"name": {"$contains": name}})
    return [record for record in found if record.name == name]


def show_many(
    client: Client, target_type: str, parameter: str, keys: Iterable[str]
) -> list[Record]:
    """The users, organizations or tickets that exist among up to 100 keys. Deleted users
    do not count. `parameter`: "ids", or "external_ids" for users and organizations, which
    takes no ID with a comma."""
    name = SHOWN_LISTS[target_type]
    found: list[Record] = []
    path = f"{API}/{name}/show_many"
    listable = [key for key in keys if "," not in key]
    for data in _responses(client, path, parameter, listable):
        found += [
            _record(entry)
            for entry in _list(data, name)
            if entry.get("active") is not False
        ]
    return found


def record_limit(client: Client) -> tuple[int, int]:
    """How many records of all custom objects the account has, and how many it can have."""
    data = client.call("GET", f"{API}/custom_objects/limits/record_limit")
    if not isinstance(data, dict):
        raise Unconfirmed("Zendesk's response has no record limit.", status=200)
    count = _int(data.get("count"))
    limit = _int(data.get("limit"))
    if count is None or limit is None:
        raise Unconfirmed("Zendesk's response has no record limit.", status=200)
    return count, limit


def job_status_in(data: Json) -> JobStatus:
    """The job status in a response; one without an ID when there is none."""
    status = data.get("job_status") if isinstance(data, dict) else None
    return read_job_status(status if isinstance(status, dict) else {})


def read_job_status(data: Mapping[str, Json]) -> JobStatus:
    return JobStatus(
        id=str(data.get("id") or ""),
        status=str(data.get("status") or "").lower(),
        total=_int(data.get("total")),
        progress=_int(data.get("progress")),
        message=str(data.get("message") or ""),
        results=read_results(data.get("results")),
        raw=data,
    )


def read_results(results: Json) -> tuple[ItemResult, ...] | None:
    """Item results in any of the forms seen (docs/zendesk.md). None when they are not a
    list."""
    if not isinstance(results, list):
        return None
    return tuple(_item(entry) for entry in results if isinstance(entry, dict))


def _item(data: Mapping[str, Json]) -> ItemResult:
    get = data.get
    status = str(get("status") or "")
    record_id = _record_id(data)
    has_error = bool(get("errors") or get("error"))
    code = ""
    error = ""
    if has_error or get("details"):
        code, error = _item_error(data)
    return ItemResult(
        _int(get("index")),
        _verdict(get("success"), status.lower(), record_id, has_error=has_error),
        status,
        record_id,
        str(get("external_id") or ""),
        code,
        error,
    )


def _record_id(data: Mapping[str, Json]) -> str:
    """It may stand under "data" (docs/zendesk.md)."""
    inner = data.get("data")
    inner_id = inner.get("id") if isinstance(inner, dict) else None
    return str(data.get("id") or inner_id or "")


def _verdict(success: Json, status: str, record_id: str, *, has_error: bool) -> Verdict:
    if success is False or status in FAILURE_WORDS or has_error:
        return Verdict.FAILED
    if success is True or status in SUCCESS_WORDS:
        return Verdict.SUCCEEDED
    return Verdict.NAMED if record_id and not status else Verdict.UNKNOWN


def _item_error(data: Mapping[str, Json]) -> tuple[str, str]:
    """(code, message)"""
    errors = data.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else errors
    if isinstance(first, dict):
        code = str(first.get("code") or "")
        title = str(first.get("title") or "")
        detail = str(first.get("detail") or "")
        if not code:
            # The title serves as the code, so the message does not repeat it.
            return title, detail or title
        return code, ": ".join(text for text in (title, detail) if text)
    error = str(first or data.get("error") or "")
    details = str(data.get("details") or "")
    return error, details or error


def _object_path(key: str) -> str:
    return f"{API}/custom_objects/{quote(key, safe='')}"


def _list_records(
    client: Client, key: str, filter_name: str, values: Iterable[str]
) -> list[Record]:
    records: list[Record] = []
    path = f"{_object_path(key)}/records"
    more = {"page[size]": str(PAGE_SIZE)}
    for data in _responses(client, path, filter_name, values, more):
        records += [_record(entry) for entry in _list(data, "custom_object_records")]
    return records


def _responses(
    client: Client,
    path: str,
    parameter: str,
    values: Iterable[str],
    more: Mapping[str, str] | None = None,
) -> Iterator[Json]:
    """To lists of these values, each once, in URLs as long as the account takes them.
    `more`: the other parameters."""

    def read(listing: Sequence[str]) -> Json:
        params = {parameter: ",".join(listing), **(more or {})}
        return client.call("GET", path, params=params)

    wanted = list(filter(None, dict.fromkeys(values)))
    for listing in listings(wanted, lambda: client.max_listed):
        yield from _read_halving(client, listing, read)


def _read_halving(
    client: Client, listing: list[str], read: Callable[[Sequence[str]], Json]
) -> list[Json]:
    """The responses to a list, or to parts of it if the account refuses its length."""
    try:
        return [read(listing)]
    except Refused as error:
        length = listed_length(listing)
        if error.status not in TOO_LONG or len(listing) == 1 or length < MIN_LISTED:
            raise
    half = length // 2
    found = [
        response
        for part in listings(listing, lambda: min(half, client.max_listed))
        for response in _read_halving(client, part, read)
    ]
    # Not sooner: a 400 may also be about one of the values. A part would be refused, too.
    client.lower_max_listed(half)
    return found


def listings(
    values: Sequence[str], max_length: Callable[[], int]
) -> Iterator[list[str]]:
    """The values in lists of up to 100 that fit into a URL."""
    listing: list[str] = []
    length = 0
    for value in values:
        size = listed_length([value])
        is_full = len(listing) == PAGE_SIZE or length + size > max_length()
        if listing and is_full:
            yield listing
            listing = []
            length = 0
        listing.append(value)
        length += size
    if listing:
        yield listing


def listed_length(values: Iterable[str]) -> int:
    """How long a list of them is in a URL."""
    return len(quote_plus(",".join(values))) + len("%2C")


def _search(client: Client, key: str, condition: Mapping[str, Json]) -> list[Record]:
    data = client.call(
        "POST", f"{_object_path(key)}/records/search", json={"filter": condition}
    )
    return [_record(entry) for entry in _list(data, "custom_object_records")]


def _record(data: Mapping[str, Json]) -> Record:
    return Record(
        id=str(data.get("id") or ""),
        name=str(data.get("name") or ""),
        external_id=str(data.get("external_id") or ""),
        fields=data.get("custom_object_fields") or {},
        created_at=str(data.get("created_at") or ""),
        updated_at=str(data.get("updated_at") or ""),
        updated_by=str(data.get("updated_by_user_id") or ""),
    )


def _object(data: Mapping[str, Json]) -> ObjectInfo:
    return ObjectInfo(
        key=str(data.get("key") or ""),
        title=str(data.get("title") or data.get("raw_title") or ""),
        description=str(data.get("description") or ""),
    )


def _object_in(data: Json, name: str) -> Mapping[str, Json]:
    """The object called `name` in a response."""
    found = data.get(name) if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise Unconfirmed(f"Zendesk's response has no {name}.", status=200)
    return found


def _list(data: Json, name: str) -> Iterable[Mapping[str, Json]]:
    """The objects in the list called `name` in a response."""
    entries = data.get(name) if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise Unconfirmed(f"Zendesk's response has no {name}.", status=200)
    return [entry for entry in entries if isinstance(entry, dict)]


def _int(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
