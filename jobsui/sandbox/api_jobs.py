"""Endpoints of bulk jobs and their statuses."""

from jobsui.sandbox import jobs, pages
from jobsui.sandbox.calls import Call
from jobsui.sandbox.errors import invalid_parameter, not_found
from jobsui.sandbox.protocol import Json, JsonObject, Response, json_response, to_json

CREATE = "api/v2/custom_objects/jobs/create"
SHOW_MANY = "api/v2/job_statuses/show_many"
MAX_ITEMS = 100
JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


def create(call: Call, key: str) -> Response:
    """Accept a bulk job. Errors of single items appear in the job's results."""
    custom_object = call.custom_object(key)
    action, items = checked_job(call.body().get("job"))
    account = call.account
    if account.jobs.running >= account.settings.max_running_jobs:
        return too_many_jobs(call)
    job = account.jobs.accept(custom_object, action, items)
    response = status_response(call, job, 201)
    response.headers |= inflight_header(call)
    return response


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
    total = call.account.settings.max_running_jobs
    remaining = max(0, total - call.account.jobs.running)
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
    response = json_response(429, body)
    response.headers |= inflight_header(call)
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
    """Unknown and expired ids are left out of the response."""
    wanted = [each for each in call.query.get("ids", "").split(",") if each]
    if not wanted or len(wanted) > MAX_ITEMS:
        raise invalid_parameter("ids", f"must have 1 to {MAX_ITEMS} ids", SHOW_MANY)
    found = find_jobs(call, wanted)
    request = call.request
    if call.account.faults.triggers("partial-list", request.method, request.path):
        found = found[len(found) // 2 :]
    return statuses_response(call, found, {})


def find_jobs(call: Call, job_ids: list[str]) -> list[jobs.Job]:
    found = (call.account.jobs.find(job_id) for job_id in dict.fromkeys(job_ids))
    return [job for job in found if job]
