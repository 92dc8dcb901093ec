"""The questions that only read. They change nothing in the account."""

from dataclasses import dataclass
from urllib.parse import quote

from jobsui.connections.models import SignIn
from jobsui.text import counted
from jobsui.verification.account import Account, body_of, listed_in, required
from jobsui.verification.questions import CannotAsk, Finding, Source, asks
from jobsui.verification.wording import response_error, scope_names, shape, small_number
from jobsui.zendesk import oauth
from jobsui.zendesk.client import MAX_LISTED
from jobsui.zendesk.custom_objects import API, PAGE_SIZE
from jobsui.zendesk.payloads import Json, Response

UNKNOWN_JOB = "V3-" + 32 * "0"
UNKNOWN_RECORD = "01" + 24 * "0"
UNKNOWN_OBJECT = "jobsui_verify_unknown"
MALFORMED_RECORD = "jobsui-verify"
NO_OBJECT = "the account has no custom object that can be read"
MODERATE_ADDRESS = 4_000
"""Characters of IDs that no server should refuse."""
EXPORT_SECONDS = 120
"""Zendesk requires more than 60."""
ONE_UNKNOWN_ID = (
    "Jobs UI polls up to 100 job statuses with one request. If one unknown ID fails the "
    "request, Jobs UI confirms all batches of that request by reading their records, which "
    "takes longer."
)
SCOPES = frozenset(oauth.GRANULAR_SCOPE.split())
"""The scopes that Jobs UI asks for first."""


@dataclass(frozen=True, slots=True)
class ObjectReads:
    """Reads of one custom object."""

    account: Account
    key: str
    """"" when the account has no custom object."""

    @property
    def path(self) -> str:
        """Raises CannotAsk."""
        if not self.key:
            raise CannotAsk(NO_OBJECT)
        return f"{API}/custom_objects/{quote(self.key, safe='')}"

    def records(self, **filters: str) -> dict[str, Json]:
        """The body of a page of records. Raises CannotAsk."""
        named = {f"filter[{name}]": value for name, value in filters.items()}
        params = {**named, "page[size]": str(PAGE_SIZE)}
        return required(self.account.get(f"{self.path}/records", params))


@asks(
    "rate-headers",
    "Do responses say how many requests a minute the account allows?",
    assumed="Yes, in X-Rate-Limit and X-Rate-Limit-Remaining.",
    source=Source.OFFICIAL,
    request="GET /api/v2/users/me",
    depends="The connection test shows this number. If it is lower than the rate limit of "
    "the connection, change the connection.",
)
def rate_headers(account: Account) -> Finding:
    headers = account.ask(f"{API}/users/me").headers
    limit = small_number(headers.get("X-Rate-Limit") or "")
    remaining = small_number(headers.get("X-Rate-Limit-Remaining") or "")
    if limit is None or remaining is None:
        return Finding(False, "the headers are missing or not numbers")
    configured = account.connection.requests_per_minute
    return Finding(
        True, f"{limit:,} a minute (the connection is set to {configured:,})"
    )


@asks(
    "granted-scopes",
    "Does Zendesk grant the narrow scopes that Jobs UI asks for?",
    assumed="Yes: custom_objects:read and custom_objects:write.",
    source=Source.OPEN,
    request="GET /api/v2/oauth/tokens/current",
    depends="Where Zendesk refuses these scopes or a call with them, Jobs UI asks for read "
    "and write, so it works both ways. A token that a person entered has its own scopes.",
)
def granted_scopes(account: Account) -> Finding:
    scopes = held_scopes(account)
    return Finding(scopes == SCOPES, f"the token has {scope_names(scopes)}")


def held_scopes(account: Account) -> frozenset[str]:
    """As Zendesk reported them with the token, or else when it is asked now. Raises
    CannotAsk."""
    connection = account.connection
    if connection.sign_in == SignIn.API_TOKEN:
        raise CannotAsk("an API token has no scopes")
    response = account.ask(f"{API}/oauth/tokens/current")
    connection.refresh_from_db(fields=["scopes"])
    if connection.scopes:
        return frozenset(connection.scopes.split())
    token = required(response).get("token")
    scopes = token.get("scopes") if isinstance(token, dict) else None
    if not isinstance(scopes, list):
        raise CannotAsk("the response names no scopes")
    return frozenset(map(str, scopes))


def require_narrow_scopes(account: Account) -> None:
    """Raises CannotAsk unless the token has no other scopes."""
    scopes = held_scopes(account)
    if scopes != SCOPES:
        raise CannotAsk(f"the token has {scope_names(scopes)}")


@asks(
    "users-me-scope",
    "Can a token with only these scopes read its own user?",
    assumed="Yes.",
    source=Source.OPEN,
    request="GET /api/v2/users/me",
    depends="The connection test shows the user and the role, or works without them.",
)
def users_me_scope(account: Account) -> Finding:
    require_narrow_scopes(account)
    response = account.ask(f"{API}/users/me")
    if response.status == 200:
        return Finding(True, "status 200")
    return Finding(False, response_error(response))


@asks(
    "job-statuses-scope",
    "Can a token with only these scopes read job statuses?",
    assumed="Yes.",
    source=Source.OPEN,
    request="GET /api/v2/job_statuses/show_many",
    matters=True,
    depends="Jobs UI polls every job. If it cannot, it asks for the scopes read and write. "
    "Give them to the OAuth client, or to a token that you enter.",
)
def job_statuses_scope(account: Account) -> Finding:
    require_narrow_scopes(account)
    response = account.ask(f"{API}/job_statuses/show_many", {"ids": UNKNOWN_JOB})
    if response.status == 403:
        return Finding(False, response_error(response))
    return Finding(True, f"status {response.status}")


@asks(
    "anonymous-user",
    "What does a request without credentials get?",
    assumed="Status 200 with a user without ID.",
    source=Source.ASSUMED,
    request="GET /api/v2/users/me without credentials",
    depends="The connection test checks the ID and not only the status, so it works both "
    "ways.",
)
def anonymous_user(account: Account) -> Finding:
    response = account.ask_anonymously(f"{API}/users/me")
    if response.status != 200:
        return Finding(False, response_error(response))
    data = body_of(response)
    user = data.get("user") if isinstance(data, dict) else None
    user_id = user.get("id") if isinstance(user, dict) else "none"
    return Finding(user_id is None, f"status 200, the ID is {shape(user_id)}")


@asks(
    "unknown-route",
    "Is a wrong path reported even without credentials?",
    assumed="Yes, with status 404.",
    source=Source.SEEN,
    request="GET /api/v2/jobsui_verify_unknown without credentials",
    depends="A 404 of the connection test means a wrong host, not wrong credentials. If "
    "this differs, check the credentials too.",
)
def unknown_route(account: Account) -> Finding:
    response = account.ask_anonymously(f"{API}/{UNKNOWN_OBJECT}")
    return Finding(response.status == 404, response_error(response))


@asks(
    "unknown-job-ids",
    "What happens to unknown IDs in a request for several job statuses?",
    assumed="They are left out of the response.",
    source=Source.ASSUMED,
    request="GET /api/v2/job_statuses/show_many",
    matters=True,
    depends=ONE_UNKNOWN_ID,
)
def unknown_job_ids(account: Account) -> Finding:
    response = account.get(f"{API}/job_statuses/show_many", {"ids": UNKNOWN_JOB})
    if response.status != 200:
        return Finding(False, response_error(response))
    statuses = listed_in(required(response), "job_statuses")
    return Finding(not statuses, f"status 200 with {counted(len(statuses), 'status')}")


@asks(
    "unknown-job",
    "What does a request for one unknown job status get?",
    assumed="Status 404.",
    source=Source.SEEN,
    request="GET /api/v2/job_statuses/{id}",
    matters=True,
    depends="Jobs UI confirms the rows of a batch by reading their records when its "
    "job status is gone.",
)
def unknown_job(account: Account) -> Finding:
    response = account.get(f"{API}/job_statuses/{UNKNOWN_JOB}")
    return Finding(response.status == 404, response_error(response))


@asks(
    "too-many-job-ids",
    "Are more than 100 job statuses in one request refused?",
    assumed="Yes, with status 400.",
    source=Source.SEEN,
    request="GET /api/v2/job_statuses/show_many with 101 IDs",
    depends="Jobs UI never asks for more than 100.",
)
def too_many_job_ids(account: Account) -> Finding:
    ids = [f"V3-{number:032x}" for number in range(101)]
    response = account.get(f"{API}/job_statuses/show_many", {"ids": ",".join(ids)})
    if response.status == 200:
        return Finding(False, "status 200")
    return Finding(response.status == 400, response_error(response))


@asks(
    "unknown-object",
    "What does a request for an unknown custom object get?",
    assumed="Status 404 with the code RecordNotFound.",
    source=Source.ASSUMED,
    request="GET /api/v2/custom_objects/{object}",
    depends="Jobs UI marks an object as deleted on any 404, so it works both ways.",
)
def unknown_object(account: Account) -> Finding:
    response = account.get(f"{API}/custom_objects/{UNKNOWN_OBJECT}")
    data = body_of(response)
    code = data.get("error") if isinstance(data, dict) else None
    is_known = response.status == 404 and code == "RecordNotFound"
    return Finding(is_known, response_error(response))


@asks(
    "record-count",
    "Can the records of an object be counted?",
    assumed="Yes, except for children of a cascading parent.",
    source=Source.OFFICIAL,
    request="GET /api/v2/custom_objects/{object}/records/count",
    depends="The count is shown with the object. Nothing else needs it.",
)
def record_count(reads: ObjectReads) -> Finding:
    response = reads.account.ask(f"{reads.path}/records/count")
    if response.status != 200:
        return Finding(False, response_error(response))
    count = required(response).get("count")
    value = count.get("value") if isinstance(count, dict) else None
    return Finding(isinstance(value, int), f"the count is {shape(value)}")


@asks(
    "last-page",
    "Is the link to the next page empty on the last page?",
    assumed="Not always, so meta.has_more decides.",
    source=Source.SEEN,
    request="GET /api/v2/custom_objects/{object}/records",
    depends="Jobs UI reads records by up to 100 IDs, which is one page. Programs that read "
    "through the compatible endpoint should go by meta.has_more.",
)
def last_page(reads: ObjectReads) -> Finding:
    data = reads.records(external_ids="jobsui-verify-unknown")
    meta = data.get("meta")
    has_more = meta.get("has_more") if isinstance(meta, dict) else None
    links = data.get("links")
    following = links.get("next") if isinstance(links, dict) else None
    observed = (
        f"meta.has_more is {has_more_text(has_more)}, links.next is {shape(following)}"
    )
    return Finding(has_more is False, observed)


def has_more_text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else shape(value)


@asks(
    "unknown-external-ids",
    "What does a list by external IDs return for unknown ones?",
    assumed="Status 200 without them.",
    source=Source.OFFICIAL,
    request="GET /api/v2/custom_objects/{object}/records?filter[external_ids]=",
    matters=True,
    depends="Jobs UI confirms rows with this list: a record that is not in it was not "
    "created. If this is refused, such rows end uncertain.",
)
def unknown_external_ids(reads: ObjectReads) -> Finding:
    records = listed_in(
        reads.records(external_ids="jobsui-verify-unknown"), "custom_object_records"
    )
    return Finding(not records, f"status 200 with {counted(len(records), 'record')}")


@asks(
    "unknown-record-ids",
    "What does a list by record IDs return for unknown ones?",
    assumed="Status 200 without them.",
    source=Source.ASSUMED,
    request="GET /api/v2/custom_objects/{object}/records?filter[ids]=",
    matters=True,
    depends="Jobs UI confirms updates and deletes with this list. If it is refused, rows "
    "without a reliable result end uncertain.",
)
def unknown_record_ids(reads: ObjectReads) -> Finding:
    return _filtered(reads, "ids", UNKNOWN_RECORD)


@asks(
    "malformed-filter",
    "What does a list by record IDs return for one that is malformed?",
    assumed="Status 200 without it.",
    source=Source.OPEN,
    request="GET /api/v2/custom_objects/{object}/records?filter[ids]=",
    depends="Jobs UI checks record IDs before it sends them, so none should be malformed.",
)
def malformed_filter(reads: ObjectReads) -> Finding:
    return _filtered(reads, "ids", MALFORMED_RECORD)


@asks(
    "long-filter",
    f"Does a list by 100 external IDs of {MODERATE_ADDRESS:,} characters work?",
    assumed="Yes.",
    source=Source.ASSUMED,
    request="GET /api/v2/custom_objects/{object}/records?filter[external_ids]=",
    matters=True,
    depends="If it is refused, Jobs UI sends shorter lists and needs more requests. Shorter "
    "external IDs help.",
)
def long_filter(reads: ObjectReads) -> Finding:
    return _filtered(reads, "external_ids", long_list(MODERATE_ADDRESS))


@asks(
    "long-address",
    f"Does a list by 100 external IDs of {MAX_LISTED:,} characters work?",
    assumed="Yes.",
    source=Source.ASSUMED,
    request="GET /api/v2/custom_objects/{object}/records?filter[external_ids]=",
    depends="Jobs UI begins with that many. If they are refused with status 400 or 414, it "
    "halves the list and remembers the length for the connection.",
)
def long_address(reads: ObjectReads) -> Finding:
    finding = _filtered(reads, "external_ids", long_list(MAX_LISTED))
    if not finding.holds:
        return finding
    longer = _filtered(reads, "external_ids", long_list(2 * MAX_LISTED))
    return Finding(True, f"yes; with twice as many characters {longer.observed}")


def long_list(characters: int) -> str:
    """100 external IDs that have this length in an address."""
    length = characters // PAGE_SIZE - len("%2C")
    ids = [f"{number}-{'x' * length}"[:length] for number in range(100, 200)]
    return ",".join(ids)


@asks(
    "export",
    "May the connection read the incremental export?",
    assumed="Yes.",
    source=Source.OPEN,
    request="GET /api/v2/incremental/custom_objects/{object}/cursor",
    depends="A watched job finds by it the records that others change while it is sent. "
    "Without it, the records of each batch are read before. Making the account match a file "
    "adds by it what changed while the records were listed.",
)
def export(reads: ObjectReads) -> Finding:
    response = ask_export(reads.account, reads.key)
    if response.status != 200:
        return Finding(False, response_error(response))
    records = listed_in(required(response), "custom_object_records")
    return Finding(True, f"status 200 with {counted(len(records), 'record')}")


def ask_export(account: Account, key: str) -> Response:
    """The changes to an object since EXPORT_SECONDS ago. Raises CannotAsk."""
    if not key:
        raise CannotAsk(NO_OBJECT)
    path = f"{API}/incremental/custom_objects/{quote(key, safe='')}/cursor"
    start = int(account.clock.now().timestamp()) - EXPORT_SECONDS
    return account.ask(path, {"start_time": str(start)})


def _filtered(reads: ObjectReads, name: str, value: str) -> Finding:
    """Whether a list without matches is empty."""
    response = reads.account.get(f"{reads.path}/records", {f"filter[{name}]": value})
    if response.status != 200:
        return Finding(False, response_error(response))
    records = listed_in(required(response), "custom_object_records")
    return Finding(not records, f"status 200 with {counted(len(records), 'record')}")


ACCOUNT_PROBES = (
    rate_headers,
    granted_scopes,
    users_me_scope,
    job_statuses_scope,
    anonymous_user,
    unknown_route,
    unknown_job_ids,
    unknown_job,
    too_many_job_ids,
    unknown_object,
)
OBJECT_PROBES = (
    record_count,
    last_page,
    unknown_external_ids,
    unknown_record_ids,
    malformed_filter,
    long_filter,
    long_address,
    export,
)


def first_object(account: Account) -> str:
    """The key of an object that can be read; "" for none."""
    response = account.ask(f"{API}/custom_objects")
    if response.status != 200:
        return ""
    objects = listed_in(required(response), "custom_objects")
    return next((str(entry["key"]) for entry in objects if entry.get("key")), "")
