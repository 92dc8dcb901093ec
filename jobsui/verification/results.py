"""Questions about the job endpoint, job statuses and results, and about reading what a
job wrote."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from jobsui.verification.account import listed_in, required
from jobsui.verification.first_job import (
    COMMA,
    PLAIN,
    UNTOUCHED,
    FirstJob,
    run_first_job,
)
from jobsui.verification.questions import CannotAsk, Finding, Source, asks
from jobsui.verification.reads import ONE_UNKNOWN_ID, ask_export, require_narrow_scopes
from jobsui.verification.scratch import Scratch
from jobsui.verification.wording import (
    id_form,
    listed,
    reduced,
    response_error,
    small_number,
)
from jobsui.zendesk.custom_objects import API
from jobsui.zendesk.payloads import Json

JOBS = "POST /api/v2/custom_objects/{object}/jobs"
STATUS = "GET /api/v2/job_statuses/{id}"
RECORDS = "GET /api/v2/custom_objects/{object}/records?filter[external_ids]="
RECORDS_BY_ID = "GET /api/v2/custom_objects/{object}/records?filter[ids]="
LONG_JOB_SECONDS = 15.0
MIN_LISTED = 3
"""Fewer records say little about an order."""
CHAIN_PAGES = 2
CHAIN_PAGE_SIZE = "2"
KNOWN_STATUSES = frozenset({"queued", "working", "completed"})


@dataclass(slots=True)
class Writes:
    """What the questions that write share: the scratch object and its first job."""

    scratch: Scratch
    _first: FirstJob | None = None
    _refusal: CannotAsk | None = field(default=None, repr=False)

    @property
    def first(self) -> FirstJob:
        """Runs it when it is needed first. Raises CannotAsk."""
        if self._refusal:
            raise self._refusal
        if self._first is None:
            try:
                self._first = run_first_job(self.scratch)
            except CannotAsk as refusal:
                self._refusal = refusal
                raise
        return self._first


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


@asks(
    "read-lag",
    "Can a record be read by its external ID right after its job has completed?",
    assumed="Yes.",
    source=Source.SEEN,
    request=RECORDS,
    matters=True,
    depends="Jobs UI confirms rows this way, and takes a record that cannot be read for 10 "
    "seconds as not created. If it takes longer, rows without a clear response may end "
    "uncertain: wait, then choose Check again.",
)
def read_lag(writes: Writes) -> Finding:
    return _lag_finding(writes.first.read_lag, writes.scratch)


@asks(
    "ids-lag",
    "Can a record be read by its record ID right after its job has completed?",
    assumed="Yes.",
    source=Source.ASSUMED,
    request=RECORDS_BY_ID,
    matters=True,
    depends="Jobs UI reads records by ID to confirm updates and deletions, and to "
    "compare a job with the account. If this takes longer, records look as if they did "
    "not hold what was sent.",
)
def ids_lag(writes: Writes) -> Finding:
    return _lag_finding(writes.first.ids_lag, writes.scratch)


@asks(
    "search-lag",
    "Does search find a record right after its job has completed?",
    assumed="Yes, but Jobs UI does not rely on it.",
    source=Source.OPEN,
    request="POST /api/v2/custom_objects/{object}/records/search",
    matters=True,
    depends="Jobs UI searches only for external IDs with a comma. A record that is not "
    "found is never sent again because of that. Avoid commas in external IDs.",
)
def search_lag(writes: Writes) -> Finding:
    return _lag_finding(writes.first.search_lag, writes.scratch)


def _lag_finding(lag: float | None, scratch: Scratch) -> Finding:
    if lag is None:
        most = scratch.account.timing.max_lag
        return Finding(False, f"not within {most:.0f} seconds, or not at all")
    if lag > 0:
        return Finding(False, f"after {lag:.1f} seconds")
    return Finding(True, "at once")


@asks(
    "comma-in-filter",
    "Can a list by external IDs name one that has a comma?",
    assumed="No, the comma separates two IDs.",
    source=Source.ASSUMED,
    request=RECORDS,
    depends="Jobs UI searches for such records one by one, which is slow. Avoid commas in "
    "external IDs.",
)
def comma_in_filter(writes: Writes) -> Finding:
    first = writes.first
    first.scratch.settle()
    record = first.scratch.find(first.external_id(COMMA))
    is_found = record is not None
    return Finding(not is_found, "found" if is_found else "not found")


@asks(
    "triggers",
    "Does a record stay as its job wrote it?",
    assumed="Yes, unless a trigger of the object changes it.",
    source=Source.ASSUMED,
    request=RECORDS,
    matters=True,
    depends="Jobs UI takes a record that changed after its job as changed by somebody "
    "else. If a batch must be confirmed then, its rows end uncertain. Turn off triggers "
    "that should not run for imported records.",
)
def triggers(writes: Writes) -> Finding:
    record = writes.first.record(UNTOUCHED)
    created_at = record.get("created_at")
    updated_at = record.get("updated_at")
    if not (created_at and updated_at):
        raise CannotAsk("records have no times")
    if created_at == updated_at:
        return Finding(True, "the record was not changed again")
    return Finding(False, "the record was changed again after its creation")


@asks(
    "record-user",
    "Does a record name the user of the credentials as the one who created it?",
    assumed="Yes.",
    source=Source.ASSUMED,
    request=f"{RECORDS} and GET /api/v2/users/me",
    depends="A record names the user who changed it last. If jobs write as another user, "
    "their changes look like those of somebody else.",
)
def record_user(writes: Writes) -> Finding:
    record = writes.first.record(UNTOUCHED)
    user = required(writes.scratch.account.ask(f"{API}/users/me")).get("user")
    user_id = user.get("id") if isinstance(user, dict) else None
    if not (user_id and record.get("created_by_user_id")):
        raise CannotAsk("the record or the credentials name no user")
    is_own = str(record["created_by_user_id"]) == str(user_id)
    who = "the user of the credentials" if is_own else "another user"
    return Finding(is_own, who)


@asks(
    "trigger-user",
    "Do triggers change a record as the user whose change ran them?",
    assumed="Yes.",
    source=Source.OPEN,
    request=RECORDS,
    depends="A change by the user of the connection may be that of a trigger. If this "
    "does not hold, the user of a record says whether it was one.",
)
def trigger_user(writes: Writes) -> Finding:
    record = writes.first.record(UNTOUCHED)
    if record.get("created_at") == record.get("updated_at"):
        raise CannotAsk("no trigger changed the record")
    users = (record.get("created_by_user_id"), record.get("updated_by_user_id"))
    if not all(users):
        raise CannotAsk("records name no users")
    is_updater = users[0] == users[1]
    return Finding(is_updater, "the same user" if is_updater else "another user")


@asks(
    "list-order",
    "In which order does a list by external IDs show its records?",
    assumed="By record ID, whatever the order of the request.",
    source=Source.ASSUMED,
    request=RECORDS,
    depends="Jobs UI finds each record by its key and never relies on the order.",
)
def list_order(writes: Writes) -> Finding:
    first = writes.first
    first.scratch.settle()
    ids = [str(item["external_id"]) for item in reversed(first.items)]
    wanted = ",".join(each for each in ids if "," not in each)
    listed_ids = first.scratch.listed({"filter[external_ids]": wanted})
    if len(listed_ids) < MIN_LISTED:
        raise CannotAsk("the first job created too few records")
    by_id = sorted(listed_ids)
    if listed_ids == by_id:
        return Finding(True, "by record ID")
    is_descending = listed_ids == by_id[::-1]
    return Finding(False, "as requested" if is_descending else "in another order")


@asks(
    "two-chains",
    "Can records be listed from both ends, page by page in turn?",
    assumed="Yes, with sort=id and sort=-id.",
    source=Source.OFFICIAL,
    request="GET /api/v2/custom_objects/{object}/records?sort=",
    depends="A large object can be read from both ends in half the time. This asks for "
    "one page after another, never for two at the same moment.",
)
def two_chains(writes: Writes) -> Finding:
    scratch = writes.first.scratch
    scratch.settle()
    upwards = Chain(scratch, "id")
    downwards = Chain(scratch, "-id")
    for _ in range(CHAIN_PAGES):
        upwards.read_page()
        downwards.read_page()
    rises = upwards.ids == sorted(set(upwards.ids))
    falls = downwards.ids == sorted(set(downwards.ids), reverse=True)
    if rises and falls:
        return Finding(True, f"{CHAIN_PAGES} pages of each in order")
    wrong = [
        name
        for name, is_right in (("sort=id", rises), ("sort=-id", falls))
        if not is_right
    ]
    return Finding(False, f"not in order: {listed(wrong)}")


@dataclass(slots=True)
class Chain:
    """Pages of the list of records, one after another."""

    scratch: Scratch
    sort: str
    ids: list[str] = field(default_factory=list)
    _cursor: str = ""

    def read_page(self) -> None:
        """Raises CannotAsk."""
        params = {"sort": self.sort, "page[size]": CHAIN_PAGE_SIZE}
        if self._cursor:
            params["page[after]"] = self._cursor
        scratch = self.scratch
        data = required(scratch.account.get(f"{scratch.path}/records", params))
        records = listed_in(data, "custom_object_records")
        self.ids += [str(record.get("id")) for record in records]
        meta = data.get("meta")
        cursor = meta.get("after_cursor") if isinstance(meta, dict) else None
        if not isinstance(cursor, str):
            raise CannotAsk("a page names no cursor")
        self._cursor = cursor


@asks(
    "export-lag",
    "Does the incremental export show a record right after its job has completed?",
    assumed="Yes.",
    source=Source.OPEN,
    request="GET /api/v2/incremental/custom_objects/{object}/cursor",
    depends="What the export lacks at first comes with a later page. Jobs UI reads "
    "records themselves before it relies on them.",
)
def export_lag(writes: Writes) -> Finding:
    scratch = writes.first.scratch
    _, external_id = scratch.create("exported")
    response = ask_export(scratch.account, scratch.schema.object_key)
    data = required(response)
    records = listed_in(data, "custom_object_records")
    if any(record.get("external_id") == external_id for record in records):
        return Finding(True, "the record is there")
    if not data.get("end_of_stream"):
        raise CannotAsk("too many records of the object have changed")
    return Finding(False, "the record is not there")


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
    read_lag,
    ids_lag,
    search_lag,
    comma_in_filter,
    list_order,
    two_chains,
    export_lag,
    record_id_form,
    triggers,
    trigger_user,
    record_user,
    created_word,
    updated_word,
    upserted_word,
    deleted_word,
)
