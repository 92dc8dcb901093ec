"""The calls the product makes, each in Zendesk's words. All raise the errors of
`Client.call`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from jobsui.zendesk.client import Client, decoded
from jobsui.zendesk.errors import Unsure
from jobsui.zendesk.payloads import (
    Answer,
    ItemResult,
    JobStatus,
    Json,
    ObjectInfo,
    Record,
    User,
    Verdict,
)

API = "/api/v2"
PAGE = 100
MOST_LISTED = 4_000
"""Characters of ids in one address. Zendesk publishes no limit; common servers stop at
8,000 for the whole."""
SUCCESS_WORDS = frozenset(
    {"created", "updated", "createorupdate", "upserted", "deleted"}
)
FAILURE_WORDS = frozenset({"failed", "error"})


def me(client: Client) -> User:
    """Who the credentials act as."""
    return read_user(client.call("GET", f"{API}/users/me"))


def read_user(data: Json) -> User:
    user = _part(data, "user")
    return User(
        user.get("id"),
        str(user.get("name") or ""),
        str(user.get("email") or ""),
        str(user.get("role") or ""),
    )


def list_objects(client: Client, *, deadline: float | None = None) -> list[ObjectInfo]:
    data = client.call("GET", f"{API}/custom_objects", deadline=deadline)
    return [_object(entry) for entry in _list(data, "custom_objects")]


def get_object(client: Client, key: str) -> ObjectInfo:
    return _object(_part(client.call("GET", _object_path(key)), "custom_object"))


def list_fields(client: Client, key: str) -> list[dict[str, Json]]:
    """Field dicts as Zendesk gives them, the standard ones (name, external id)
    included."""
    data = client.call(
        "GET", f"{_object_path(key)}/fields", params={"include_standard_fields": "true"}
    )
    return [dict(entry) for entry in _list(data, "custom_object_fields")]


def count_records(client: Client, key: str) -> int:
    """Zendesk's own, cached count."""
    return (
        _int(
            _part(
                client.call("GET", f"{_object_path(key)}/records/count"), "count"
            ).get("value")
        )
        or 0
    )


def post_job(client: Client, key: str, body: bytes) -> tuple[JobStatus, Answer]:
    """Queue one batch. An error that had an answer carries it as `.answer`."""
    path = f"{_object_path(key)}/jobs"
    answer = client.request("POST", path, body=body)
    status = job_status_in(decoded(answer, what=f"POST {path}"))
    if not status.id:
        raise Unsure(
            "Zendesk took the batch but named no job status.",
            status=answer.status,
            answer=answer,
        )
    return status, answer


def job_statuses(client: Client, ids: Sequence[str]) -> list[JobStatus]:
    """Up to 100 job statuses in one call; ids Zendesk no longer knows are left out
    (assumed)."""
    data = client.call(
        "GET", f"{API}/job_statuses/show_many", params={"ids": ",".join(ids)}
    )
    return [read_job_status(entry) for entry in _list(data, "job_statuses")]


def recent_job_statuses(client: Client) -> list[JobStatus]:
    """The newest job statuses of the account, whoever queued them."""
    data = client.call("GET", f"{API}/job_statuses", params={"page[size]": str(PAGE)})
    return [read_job_status(entry) for entry in _list(data, "job_statuses")]


def records_by_external_ids(
    client: Client, key: str, external_ids: Sequence[str]
) -> list[Record]:
    """The records that exist among up to 100 external ids (case-sensitive). An id with
    a comma cannot be listed and is searched for by itself; the search index may lag by
    seconds (assumed)."""
    records = _records_listed(
        client,
        key,
        "filter[external_ids]",
        [value for value in external_ids if "," not in value],
    )
    for value in dict.fromkeys(external_ids):
        if "," in value:
            records += _search(client, key, {"external_id": {"$eq": value}})
    return records


def records_by_ids(client: Client, key: str, ids: Sequence[str]) -> list[Record]:
    """The records that exist among up to 100 record ids."""
    return _records_listed(client, key, "filter[ids]", ids)


def job_status_in(data: Json) -> JobStatus:
    """The job status that an answer holds; one without an id when it holds none."""
    told = data.get("job_status") if isinstance(data, dict) else None
    return read_job_status(told if isinstance(told, dict) else {})


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
    """Item results in any of the forms seen (docs/zendesk.md); None when they are no
    list."""
    if not isinstance(results, list):
        return None
    return tuple(_item(entry) for entry in results if isinstance(entry, dict))


def _item(data: Mapping[str, Json]) -> ItemResult:
    said = data.get
    status, record_id = str(said("status") or ""), str(said("id") or "")
    failed = bool(said("errors") or said("error"))
    code, error = _item_error(data) if failed or said("details") else ("", "")
    verdict = _verdict(said("success"), status.lower(), record_id, failed=failed)
    return ItemResult(
        _int(said("index")),
        verdict,
        status,
        record_id,
        str(said("external_id") or ""),
        code,
        error,
    )


def _verdict(success: Json, status: str, record_id: str, *, failed: bool) -> Verdict:
    if success is False or status in FAILURE_WORDS or failed:
        return Verdict.FAILED
    if success is True or status in SUCCESS_WORDS or record_id:
        return Verdict.SUCCEEDED
    return Verdict.UNKNOWN


def _item_error(data: Mapping[str, Json]) -> tuple[str, str]:
    listed = data.get("errors")
    first = listed[0] if isinstance(listed, list) and listed else listed
    if isinstance(first, dict):
        title, detail = str(first.get("title") or ""), str(first.get("detail") or "")
        return str(first.get("code") or title), ": ".join(filter(None, (title, detail)))
    error, details = (
        str(first or data.get("error") or ""),
        str(data.get("details") or ""),
    )
    return error, ": ".join(filter(None, (error, details)))


def _object_path(key: str) -> str:
    return f"{API}/custom_objects/{quote(key, safe='')}"


def _records_listed(
    client: Client, key: str, listing: str, values: Iterable[str]
) -> list[Record]:
    records: list[Record] = []
    for text in _listings(values):
        params = {listing: text, "page[size]": str(PAGE)}
        data = client.call("GET", f"{_object_path(key)}/records", params=params)
        records += [_record(entry) for entry in _list(data, "custom_object_records")]
    return records


def _listings(values: Iterable[str]) -> Iterator[str]:
    """The values, each once, in lists with commas between, none too long for the
    address of a request."""
    listing: list[str] = []
    length = 0
    for value in filter(None, dict.fromkeys(values)):
        size = len(quote(value)) + len("%2C")
        if listing and length + size > MOST_LISTED:
            yield ",".join(listing)
            listing, length = [], 0
        listing.append(value)
        length += size
    if listing:
        yield ",".join(listing)


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
    )


def _object(data: Mapping[str, Json]) -> ObjectInfo:
    return ObjectInfo(
        key=str(data.get("key") or ""),
        title=str(data.get("title") or data.get("raw_title") or ""),
        description=str(data.get("description") or ""),
    )


def _part(data: Json, name: str) -> Mapping[str, Json]:
    part = data.get(name) if isinstance(data, dict) else None
    if not isinstance(part, dict):
        raise Unsure(f"Zendesk's answer has no {name}.", status=200)
    return part


def _list(data: Json, name: str) -> Iterable[Mapping[str, Json]]:
    entries = data.get(name) if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise Unsure(f"Zendesk's answer has no {name}.", status=200)
    return [entry for entry in entries if isinstance(entry, dict)]


def _int(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
