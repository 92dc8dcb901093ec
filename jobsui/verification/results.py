"""Questions about the job endpoint, job statuses and results."""

from collections.abc import Iterable

from jobsui.verification.account import listed_in, required
from jobsui.verification.first_job import PLAIN, FirstJob
from jobsui.verification.questions import CannotAsk, Finding, Source, asks
from jobsui.verification.reads import ONE_UNKNOWN_ID, require_narrow_scopes
from jobsui.verification.wording import (
    id_form,
    listed,
    reduced,
    response_error,
    small_number,
)
from jobsui.verification.writes import JOBS, RECORDS, Writes
from jobsui.zendesk.payloads import Json

STATUS = "GET /api/v2/job_statuses/{id}"
LONG_JOB_SECONDS = 15.0
KNOWN_STATUSES = frozenset({"queued", "working", "completed"})


@asks(
    "jobs-scope",
    "Can a token with only the narrow scopes send jobs?",
    assumed="Yes.",
    source=Source.ASSUMED,
    request=f"{JOBS} with the deletion of a record that does not exist",
    matters=True,
    depends="If it cannot, Jobs UI asks for the scopes read and write. Give them to the "
    "OAuth client, or to a token that you enter.",
)
def jobs_scope(writes: Writes) -> Finding:
    scratch = writes.scratch
    require_narrow_scopes(scratch.account)
    items = [scratch.new_external_id("never-created")]
    body = {"job": {"action": "delete_by_external_id", "items": items}}
    response = scratch.account.send("POST", f"{scratch.path}/jobs", body)
    if response.status == 403:
        return Finding(False, response_error(response))
    return Finding(True, f"status {response.status}")


@asks(
    "job-response",
    "What does the response to a job look like?",
    assumed="Status 201 with a job status whose ID is V3- and 32 hexadecimal digits.",
    source=Source.OFFICIAL,
    request=JOBS,
    matters=True,
    depends="Jobs UI accepts every 2xx with an ID. Without an ID the batch is unconfirmed.",
)
def job_response(writes: Writes) -> Finding:
    response = writes.first.run.response
    status = required(response, response.status).get("job_status")
    members = status if isinstance(status, dict) else {}
    form = id_form(members.get("id"))
    kind = members.get("job_type")
    observed = f"status {response.status}, ID of {form}"
    if isinstance(kind, str):
        observed += f", type “{reduced(kind)}”"
    return Finding(response.status == 201 and form.startswith("V3-"), observed)


@asks(
    "slots-header",
    "Does the response to a job say how many jobs may still be sent?",
    assumed="Yes, in zendesk-ratelimit-inflight-jobs.",
    source=Source.ASSUMED,
    request=JOBS,
    depends="Jobs UI goes by it as long as it is right, and otherwise counts its own jobs, "
    "so it works both ways.",
)
def slots_header(writes: Writes) -> Finding:
    headers = writes.first.run.response.headers
    text = headers.get("zendesk-ratelimit-inflight-jobs") or ""
    if not text:
        return Finding(False, "the header is missing")
    total = small_number(dict(_pairs(text)).get("total", ""))
    shown = "unreadable" if total is None else str(total)
    return Finding(True, f"the header is there, total {shown}")


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    """ "total=30; remaining=29" as pairs."""
    for part in text.split(";"):
        name, _, value = part.strip().partition("=")
        yield name, value


@asks(
    "fresh-status",
    "Can a job status be read right after the job was sent?",
    assumed="Mostly; it may be unknown for a moment.",
    source=Source.SEEN,
    request=STATUS,
    depends="Jobs UI asks again for a while before it reads the records instead.",
)
def fresh_status(writes: Writes) -> Finding:
    response = writes.first.status_at_once
    if response.status == 200:
        return Finding(True, "status 200")
    return Finding(False, response_error(response))


@asks(
    "fresh-list",
    "Does the list of job statuses show a job right after it was sent?",
    assumed="Yes.",
    source=Source.ASSUMED,
    request="GET /api/v2/job_statuses",
    depends="Jobs UI searches this list for a job whose response was lost, if its items have "
    "no external IDs. If the list lags, it waits for the next check.",
)
def fresh_list(writes: Writes) -> Finding:
    is_listed = writes.first.is_listed_at_once
    if is_listed is None:
        raise CannotAsk("the list of job statuses could not be read")
    return Finding(is_listed, "the job is listed" if is_listed else "it is not listed")


@asks(
    "mixed-job-ids",
    "Are known job statuses returned when the request also names an unknown one?",
    assumed="Yes, the known ones.",
    source=Source.ASSUMED,
    request="GET /api/v2/job_statuses/show_many",
    matters=True,
    depends=ONE_UNKNOWN_ID,
)
def mixed_job_ids(writes: Writes) -> Finding:
    response = writes.first.mixed_statuses
    if response.status != 200:
        return Finding(False, response_error(response))
    statuses = listed_in(required(response), "job_statuses")
    return Finding(len(statuses) == 1, f"{len(statuses)} of 1 known status returned")


@asks(
    "job-duration",
    "How long does a small job take?",
    assumed=f"Less than {LONG_JOB_SECONDS:.0f} seconds.",
    source=Source.SEEN,
    request=f"{JOBS}, then {STATUS}",
    depends="The forecast of a job's duration begins with this and then uses what it "
    "measures.",
)
def job_duration(writes: Writes) -> Finding:
    run = writes.first.run
    return Finding(
        run.seconds < LONG_JOB_SECONDS,
        f"{run.seconds:.1f} seconds for {len(writes.first.items)} items",
    )


@asks(
    "job-states",
    "Which statuses does a job have?",
    assumed="queued, working, completed.",
    source=Source.OFFICIAL,
    request=STATUS,
    matters=True,
    depends="Jobs UI treats any other status as still running.",
)
def job_states(writes: Writes) -> Finding:
    words = writes.first.run.words
    observed = listed(reduced(word) for word in words)
    is_known = set(words) <= KNOWN_STATUSES and words[-1] == "completed"
    return Finding(is_known, observed)


@asks(
    "result-index",
    "Does each result say which item it belongs to by its index?",
    assumed="Yes.",
    source=Source.SEEN,
    request=STATUS,
    depends="Without it, Jobs UI matches results by external ID and record ID, and reads "
    "the records of the others.",
)
def result_index(writes: Writes) -> Finding:
    return _member_finding(writes.first, "index")


@asks(
    "result-order",
    "Are results in the order of the items?",
    assumed="Not guaranteed.",
    source=Source.OFFICIAL,
    request=STATUS,
    depends="Jobs UI never relies on the order.",
)
def result_order(writes: Writes) -> Finding:
    first = writes.first
    sent = [item["external_id"] for item in first.items]
    named = [result.get("external_id") for result in first.run.raw_items]
    if not all(named):
        raise CannotAsk("the results do not name the external IDs")
    return Finding(True, "in order" if named == sent else "in another order")


@asks(
    "result-id",
    "Does each successful result name the record's ID?",
    assumed="Yes, in id.",
    source=Source.OPEN,
    request=STATUS,
    depends="The results that Jobs UI offers for download show it. Without it, rows are "
    "found by external ID.",
)
def result_id(writes: Writes) -> Finding:
    successes = writes.first.successes()
    with_data = sum(_has_id(result.get("data")) for result in successes)
    finding = _member_finding(writes.first, "id")
    if with_data:
        return Finding(False, f"{finding.observed}; {with_data} have data.id")
    return finding


def _has_id(data: Json) -> bool:
    return isinstance(data, dict) and bool(data.get("id"))


@asks(
    "record-id-form",
    "What do record IDs look like?",
    assumed="26 characters of a ULID.",
    source=Source.OFFICIAL,
    request=RECORDS,
    matters=True,
    depends="Jobs UI refuses other record IDs in files before it sends anything.",
)
def record_id_form(writes: Writes) -> Finding:
    form = id_form(writes.first.record(PLAIN).get("id"))
    return Finding(form == "26 characters of a ULID", form)


@asks(
    "result-external-id",
    "Does each successful result name the external ID?",
    assumed="Yes.",
    source=Source.SEEN,
    request=STATUS,
    depends="Jobs UI compares it with the index. Without it, the index decides alone.",
)
def result_external_id(writes: Writes) -> Finding:
    return _member_finding(writes.first, "external_id")


def _member_finding(first: FirstJob, name: str) -> Finding:
    """Whether all successful results have this member."""
    successes = first.successes()
    count = sum(result.get(name) not in (None, "") for result in successes)
    return Finding(
        count == len(successes), f"{count} of {len(successes)} results have {name}"
    )


@asks(
    "created-word",
    "How does a result say that a record was created?",
    assumed="Created.",
    source=Source.ASSUMED,
    request=STATUS,
    depends="Jobs UI knows Created, Updated, CreateOrUpdate, Upserted and Deleted. With "
    "another word it reads the records, which takes longer.",
)
def created_word(writes: Writes) -> Finding:
    return _word_finding(writes.first.successes(), "Created")


@asks(
    "updated-word",
    "How does a result say that a record was updated?",
    assumed="Updated.",
    source=Source.ASSUMED,
    request=STATUS,
    depends="As for created records.",
)
def updated_word(writes: Writes) -> Finding:
    record = writes.first.record(PLAIN)
    item = {"id": record["id"], **writes.scratch.change()}
    run = writes.scratch.run("update", [item])
    return _single_word(run.raw_items, run.described(), "Updated")


@asks(
    "upserted-word",
    "How does a result say that a record was created or updated?",
    assumed="CreateOrUpdate.",
    source=Source.SEEN,
    request=STATUS,
    depends="As for created records. Jobs UI then counts the row as created or updated.",
)
def upserted_word(writes: Writes) -> Finding:
    item = writes.scratch.item("upserted")
    run = writes.scratch.run("create_or_update_by_external_id", [item])
    return _single_word(run.raw_items, run.described(), "CreateOrUpdate")


@asks(
    "deleted-word",
    "How does a result say that a record was deleted?",
    assumed="Deleted.",
    source=Source.SEEN,
    request=STATUS,
    depends="As for created records.",
)
def deleted_word(writes: Writes) -> Finding:
    _, external_id = writes.scratch.create("deleted")
    run = writes.scratch.run("delete_by_external_id", [external_id])
    return _single_word(run.raw_items, run.described(), "Deleted")


def _single_word(
    raw_items: list[dict[str, Json]], described: str, expected: str
) -> Finding:
    if len(raw_items) != 1 or raw_items[0].get("errors"):
        raise CannotAsk(described)
    return _word_finding(raw_items, expected)


def _word_finding(results: list[dict[str, Json]], expected: str) -> Finding:
    words = {str(result.get("status") or "") for result in results}
    shown = listed(reduced(word) or "none" for word in sorted(words))
    return Finding(words == {expected}, shown)


PROBES = (
    jobs_scope,
    job_response,
    slots_header,
    fresh_status,
    fresh_list,
    mixed_job_ids,
    job_duration,
    job_states,
    result_index,
    result_order,
    result_id,
    result_external_id,
    record_id_form,
    created_word,
    updated_word,
    upserted_word,
    deleted_word,
)
