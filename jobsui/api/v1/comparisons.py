"""What the rows of a job would change in Zendesk, compared before the launch."""

from enum import StrEnum
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from ninja import Router, Status

from jobsui import paging
from jobsui.access import limits, lookup
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.api import idempotency
from jobsui.api.auth import RUN, ApiRequest
from jobsui.api.problems import invalid
from jobsui.api.schema import Schema
from jobsui.api.v1 import reads
from jobsui.api.v1.job_in import OptionsIn
from jobsui.api.v1.reads import ChangeOut, ReadOut, RowChoiceIn
from jobsui.api.v1.rows import CSV
from jobsui.api.v1.types import Code, Limit, ListOut, Text, list_response, responses
from jobsui.jobs.control import account_match, comparisons
from jobsui.jobs.enums import Action, ReadState, Verdict
from jobsui.jobs.live import deletions
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.models.record_rows import file_row
from jobsui.jobs.reports import compared_rows, reading_log
from jobsui.jobs.reports.compared_rows import ComparedRow, Wanted

router = Router()
NO_COMPARISON = (
    "This job has no comparison of its present rows. "
    "Start one: POST /api/v1/jobs/{id}/compare."
)
NOT_DONE = "The comparison is not done. Wait for it, or compare the job again."
NOT_A_MATCH = (
    "only a job that creates or updates by external ID can make the account match"
)
NOT_FOR_CREATE = "new records have no record to be compared with; leave {} out"
ONLY_BY_EXTERNAL_ID = "is for create_or_update_by_external_id; leave only_existing out"


class ComparisonCounts(Schema):
    """Rows by verdict: what they would do."""

    same: int
    """Nothing. These rows are not sent, and become `unchanged`."""
    change: int
    create: int
    delete: int
    missing: int
    """There is no record to update or delete. These rows are not sent."""
    ambiguous: int
    """More than one record has the key. These rows are not sent."""
    unknown: int
    """Zendesk cannot say for certain whether a record has the key. These rows are sent as
    they are."""
    kept: int
    """Records that only the account has, but that have changed meanwhile, or whose external ID
    is almost the same as one of the file. They are never deleted."""
    without_key: int
    """Records without external ID. They are never deleted."""
    gone: int
    """Records that were deleted after they were listed."""


class OnlyInAccountOut(Schema):
    """Records that only the account has. They count as `delete`, `kept`, `without_key` or
    `gone`, and are listed after the rows of the file."""

    listed: int
    """All records of the object."""
    to_delete: int
    """How many the launch deletes. 0 unless `options.match.only_in_account` is `delete`."""
    reasons_against: list[str]
    """Why the launch is refused, as sentences."""
    not_caught_up: str | None
    """Why records that changed during the list may be missing; null if none are."""


class ChangedCells(Schema):
    field: str
    cells: int
    """How many values of existing records change."""
    blank: int
    """How many of them become blank."""


class ComparisonOut(ReadOut):
    state: ReadState
    """`dividing` and `reading`: it runs. With `done`, the launch sends only what
    differs. With `cancelled` and `failed`, it sends all rows, except with the option
    `only_existing`, which needs a comparison."""
    reason: str | None
    """Why it failed, or why it was cancelled if no person or program has cancelled it."""
    requests: int
    """How many requests it takes, without repeated ones."""
    counts: ComparisonCounts
    """Of the pages that are read."""
    changed_cells: list[ChangedCells]
    """By field, most frequent first."""
    only_in_account: OnlyInAccountOut | None
    """Null unless the job has `options.match`."""


class ComparedVerdict(StrEnum):
    """What a row would do: see the counts of the comparison."""

    SAME = "same"
    CHANGE = "change"
    CREATE = "create"
    DELETE = "delete"
    MISSING = "missing"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"
    KEPT = "kept"
    WITHOUT_KEY = "without_key"
    GONE = "gone"


class ComparedRowOut(Schema):
    row: int | None
    """Row number in the file; null for a record that only the account has."""
    key: str
    """"" for a record without external ID."""
    record_id: str | None
    """Null if there is no record, or several."""
    verdict: ComparedVerdict
    is_left_out: bool
    """A person has chosen not to send the row."""
    changes: list[ChangeOut]
    """The values that change. Of a record that would be created or deleted, all values that are
    not blank, without its key."""


@router.post(
    "/{uuid:id}/compare",
    auth=RUN,
    operation_id="start_comparison",
    summary="Compare a job with Zendesk",
    response=responses(201, ComparisonOut, 400, 404, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def start(request: ApiRequest, code: Code) -> HttpResponse:
    """Reads the record of each valid row of a job that is `ready`. Replaces an earlier
    comparison. The launch then sends only what differs. Not for `create`."""

    def start_comparison() -> idempotency.Result:
        job = lookup.draft_or_job(request.auth, code, Act.RUN)
        read = comparisons.start(job, by=request.auth.user)
        return 201, serialize(job, read)

    return idempotency.run_once(request, start_comparison)


@router.post(
    "/{uuid:id}/compare/cancel",
    auth=RUN,
    operation_id="cancel_comparison",
    summary="Cancel a comparison",
    response=responses(200, ComparisonOut, 404, 409),
)
def cancel(request: ApiRequest, code: Code) -> Any:
    """A job that waits for the comparison to be launched is then not launched."""
    job = lookup.draft_or_job(request.auth, code, Act.RUN)
    comparisons.cancel(_current(job))
    return serialize(job, _current(job))


@router.get(
    "/{uuid:id}/comparison",
    operation_id="get_comparison",
    summary="Get a job's comparison",
    response=responses(200, ComparisonOut, 404),
    url_name="comparison",
)
def detail(request: ApiRequest, code: Code) -> Any:
    """404 if the rows were not compared, or have changed since."""
    job = lookup.draft_or_job(request.auth, code)
    return serialize(job, _current(job))


@router.delete(
    "/{uuid:id}/comparison",
    auth=RUN,
    operation_id="delete_comparison",
    summary="Delete a job's comparison",
    response=responses(204, None, 404, 409),
)
def delete(request: ApiRequest, code: Code) -> Any:
    """The launch then sends all rows. Not possible after the launch."""
    job = lookup.draft_or_job(request.auth, code, Act.RUN)
    _current(job)
    comparisons.skip(job, by=request.auth.user)
    return Status(204, None)


@router.get(
    "/{uuid:id}/comparison/rows",
    operation_id="list_compared_rows",
    summary="List compared rows",
    response=responses(200, ListOut[ComparedRowOut], 404),
)
def row_list(
    request: ApiRequest,
    code: Code,
    verdict: ComparedVerdict | None = None,
    cursor: Text = "",
    limit: Limit = paging.SIZE,
) -> Any:
    """In the order of the file, as far as the rows are compared. With `verdict`, a page may have
    fewer rows than `limit`, or none, before the last page. Follow `next` until it is null."""
    read = _current(lookup.draft_or_job(request.auth, code))
    after = paging.after(cursor)
    verdicts = [Verdict[verdict.name]] if verdict else Verdict
    wanted = Wanted(verdicts=frozenset(verdicts))
    page = compared_rows.page(read, wanted, after=after, size=limit)
    return list_response(request, page, _serialize_row)


@router.post(
    "/{uuid:id}/comparison/rows",
    auth=RUN,
    operation_id="choose_compared_rows",
    summary="Leave rows out of a compared job",
    response=responses(200, ComparisonOut, 400, 404, 409, 413),
)
def choose_rows(request: ApiRequest, code: Code, body: RowChoiceIn) -> Any:
    """Only before the launch. Rows that would not be sent anyway are ignored."""
    job = lookup.draft_or_job(request.auth, code, Act.RUN)
    read = _current(job)
    reads.choose_rows(read, body, by=request.auth.user)
    return serialize(job, _current(job))


@router.get(
    "/{uuid:id}/plan.csv",
    operation_id="get_plan",
    summary="Download what a compared job would change",
    response=responses(200, None, 404, 409),
    openapi_extra=CSV,
)
def plan(request: ApiRequest, code: Code) -> StreamingHttpResponse:
    """The columns `row`, `key`, `record_id`, `action`, `field`, `old` and `new`: a line for
    each value that changes, and one for each record that is created or deleted. Rows that
    are the same are left out, and records that only the account has have no `row`. 409 until
    the comparison is done."""
    limits.count(request.auth, Limited.EXPORT)
    read = _current(lookup.draft_or_job(request.auth, code))
    reads.require_done(read, NOT_DONE)
    lines = compared_rows.plan_csv(read)
    reading_log.exported(read.job, "plan.csv")
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")


def serialize(job: Job, read: RecordRead) -> ComparisonOut:
    return ComparisonOut(
        **reads.members(job, read),
        requests=comparisons.cost_of(job).requests,
        counts=reads.counts(ComparisonCounts, read),
        changed_cells=[
            ChangedCells(field=field, cells=cells, blank=blank)
            for field, cells, blank in reads.cells(read)
        ],
        only_in_account=_only_in_account(job, read),
    )


def _only_in_account(job: Job, read: RecordRead) -> OnlyInAccountOut | None:
    found = deletions.found_by(read)
    if found is None:
        return None
    is_done = read.state == ReadState.DONE
    return OnlyInAccountOut(
        listed=found.listed,
        to_delete=deletions.number_of(job, read) if is_done else 0,
        reasons_against=account_match.reasons_against(job, read) if is_done else [],
        not_caught_up=found.not_caught_up or None,
    )


def require_comparable(action: Action, options: OptionsIn) -> None:
    """Raise Problem if the options ask for a comparison that the action cannot have."""
    wanted = {
        "compare": options.compare,
        "refuse_changed": options.refuse_changed != "off",
    }
    errors = [
        {"where": f"body.options.{name}", "message": NOT_FOR_CREATE.format(name)}
        for name, is_wanted in wanted.items()
        if is_wanted and not action.key
    ]
    if options.only_existing and action is not Action.UPSERT_BY_EXTERNAL_ID:
        where = "body.options.only_existing"
        errors.append({"where": where, "message": ONLY_BY_EXTERNAL_ID})
    if options.match and action is not Action.UPSERT_BY_EXTERNAL_ID:
        errors.append({"where": "body.options.match", "message": NOT_A_MATCH})
    if errors:
        raise invalid(errors, len(errors))


def _current(job: Job) -> RecordRead:
    return reads.existing(comparisons.current(job), NO_COMPARISON)


def _serialize_row(row: ComparedRow) -> ComparedRowOut:
    return ComparedRowOut(
        row=file_row(row.row),
        key=row.key,
        record_id=row.record_id or None,
        verdict=ComparedVerdict[row.verdict.name],
        is_left_out=row.is_left_out,
        changes=reads.changes(row.values),
    )
