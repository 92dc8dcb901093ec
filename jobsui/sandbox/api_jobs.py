"""Endpoints of bulk jobs and their statuses."""

from jobsui.sandbox import ids, jobs, pages
from jobsui.sandbox.calls import Call
from jobsui.sandbox.errors import invalid_because, invalid_parameter, not_found
from jobsui.sandbox.members import warning
from jobsui.sandbox.protocol import Json, JsonObject, Response, json_response, to_json
from jobsui.sandbox.schema import CustomObject
from jobsui.sandbox.writer import NAME_IS_NUMBERED, NAME_NOT_UNIQUE

IDEMPOTENCY_KEY = "idempotency-key"
CREATE = "api/v2/custom_objects/jobs/create"
SHOW_MANY = "api/v2/job_statuses/show_many"
MAX_ITEMS = 100
JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


def create(call: Call, key: str) -> Response:
    """Accept a bulk job. Errors of single items appear in the job's results."""
    custom_object = call.custom_object(key)
    action, items = checked_job(call.body().get("job"))
    account = call.account
    if repeated := repeated_job(call):
        return status_response(call, repeated, 201)
    check_items(call, custom_object, action, items)
    in_use = account.jobs.running_beside(action)
    if in_use >= account.settings.max_running_jobs:
        return too_many_jobs(call)
    job = account.jobs.accept(custom_object, action, items)
    idempotency_key = call.request.headers.get(IDEMPOTENCY_KEY)
    if idempotency_key:
        account.jobs.by_idempotency_key[idempotency_key] = job
    response = status_response(call, job, 201)
    response.headers |= inflight_header(call)
    response.headers |= warning(custom_object, items, account.assumptions)
    return response


def repeated_job(call: Call) -> jobs.Job | None:
    """The job that an earlier request with the same key got."""
    if call.account.assumptions.idempotency_key == "ignored":
        return None
    key = call.request.headers.get(IDEMPOTENCY_KEY, "")
    return call.account.jobs.by_idempotency_key.get(key)


def check_items(
    call: Call, custom_object: CustomObject, action: str, items: list[Json]
) -> None:
    """What may get a whole request refused. Raises Refused."""
    assumptions = call.account.assumptions
    if assumptions.malformed_record_id == "request":
        check_record_ids(action, items)
    is_by_name = action == "create_or_update_by_name"
    is_ambiguous = is_by_name and not custom_object.names_are_unique
    if is_ambiguous and assumptions.upsert_by_ambiguous_name == "request":
        raise invalid_because(NAME_NOT_UNIQUE)
    has_names = any(isinstance(item, dict) and item.get("name") for item in items)
    is_numbered = custom_object.autonumbered and has_names
    if is_numbered and assumptions.autonumbered_name == "request":
        raise invalid_because(NAME_IS_NUMBERED)


def check_record_ids(action: str, items: list[Json]) -> None:
    """Raises Refused."""
    name = "job.items"
    sent = items if action == "delete" else []
    if action == "update":
        name = "job.items.id"
        sent = [item.get("id") for item in items if isinstance(item, dict)]
    for record_id in sent:
        if not ids.is_ulid(record_id):
            raise invalid_parameter(name, "must be a ULID", CREATE)


def status_response(call: Call, job: jobs.Job, status: int) -> Response:
    status_json = jobs.status_json(job, call.origin)
    return Response(status, b'{"job_status":' + status_json + b"}", dict(JSON_HEADERS))


def checked_job(job: Json) -> tuple[str, list[Json]]:
    """The action and the items of a request. Raises Refused."""
    if not isinstance(job, dict):
        rule = "is missing" if job is None else "must be an object"
        raise invalid_parameter("job", rule, CREATE)
    action = job.get("action")
    items = job.get("items")
    if action not in jobs.SUCCESS:
        rule = f"must be one of {', '.join(jobs.SUCCESS)}"
        raise invalid_parameter("job.action", rule, CREATE)
    if not isinstance(items, list):
        raise invalid_parameter("job.items", "must be an array", CREATE)
    if not items:
        raise invalid_parameter("job.items", "must not be empty", CREATE)
    if len(items) > MAX_ITEMS:
        raise invalid_parameter(
            "job.items", f"must have at most {MAX_ITEMS} items", CREATE
        )
    return action, items


def inflight_header(call: Call) -> dict[str, str]:
    counted = call.account.assumptions.inflight_header
    if counted == "absent":
        return {}
    total = call.account.settings.max_running_jobs
    running = call.account.jobs.running
    if counted == "own":
        running -= call.account.settings.other_jobs
    remaining = max(0, total - running)
    header = f"total={total}; remaining={remaining}; resets=60"
    return {"zendesk-ratelimit-inflight-jobs": header}


def too_many_jobs(call: Call) -> Response:
    body = {
        "error": "TooManyJobs",
        "description": (
            "Too many CustomObjectRecordsBulkJob jobs are currently queued or running. "
            "Try again later."
        ),
        "current_job_ids": call.account.jobs.running_ids(),
    }
    status, _, retry_after = call.account.assumptions.too_many_jobs.partition("-")
    response = json_response(int(status), body)
    response.headers |= inflight_header(call)
    if retry_after:
        response.headers["Retry-After"] = str(call.account.settings.retry_after)
    return response


def index(call: Call) -> Response:
    wanted = pages.parse_page_request(call.request, "api/v2/job_statuses/index")
    page = pages.listed_page(call.account.jobs.newest_first(), wanted)
    paging = pages.paging_json(
        call.request,
        page,
        wanted,
        next_on_last_page=call.account.settings.next_on_last_page,
    )
    return statuses_response(call, page.items, paging)


def statuses_response(
    call: Call, listed: list[jobs.Job], paging: JsonObject
) -> Response:
    statuses = jobs.statuses_json(listed, call.origin)
    rest = b"," + to_json(paging)[1:] if paging else b"}"
    return Response(200, b'{"job_statuses":' + statuses + rest, dict(JSON_HEADERS))


def show(call: Call, job_id: str) -> Response:
    job = call.account.jobs.find(job_id)
    if job is None:
        raise not_found()
    return status_response(call, job, 200)


def show_many(call: Call) -> Response:
    """Unknown and expired ids are left out of the response, or refused."""
    wanted = [each for each in call.query.get("ids", "").split(",") if each]
    if not wanted or len(wanted) > MAX_ITEMS:
        raise invalid_parameter("ids", f"must have 1 to {MAX_ITEMS} ids", SHOW_MANY)
    found = find_jobs(call, wanted)
    is_strict = call.account.assumptions.unknown_job_ids == "404"
    if is_strict and len(found) < len(set(wanted)):
        raise not_found()
    request = call.request
    if call.account.faults.triggers("partial-list", request.method, request.path):
        found = found[len(found) // 2 :]
    return statuses_response(call, found, {})


def find_jobs(call: Call, job_ids: list[str]) -> list[jobs.Job]:
    found = (call.account.jobs.find(job_id) for job_id in dict.fromkeys(job_ids))
    return [job for job in found if job]
