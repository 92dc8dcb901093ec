"""Questions about reading the records that a job wrote."""

from dataclasses import dataclass, field

from jobsui.verification.account import listed_in, required
from jobsui.verification.first_job import COMMA, UNTOUCHED
from jobsui.verification.questions import CannotAsk, Finding, Source, asks
from jobsui.verification.reads import ask_export
from jobsui.verification.scratch import Scratch
from jobsui.verification.wording import listed
from jobsui.verification.writes import RECORDS, Writes
from jobsui.zendesk.custom_objects import API

RECORDS_BY_ID = "GET /api/v2/custom_objects/{object}/records?filter[ids]="
MIN_LISTED = 3
"""Fewer records say little about an order."""
CHAIN_PAGES = 2
CHAIN_PAGE_SIZE = "2"


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
    depends="What the export lacks at first comes with a later page. For that long, a watched "
    "job does not see a change. All other jobs read the records themselves.",
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
    read_lag,
    ids_lag,
    search_lag,
    comma_in_filter,
    list_order,
    two_chains,
    export_lag,
    triggers,
    trigger_user,
    record_user,
)
