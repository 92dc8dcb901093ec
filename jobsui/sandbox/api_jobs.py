"""Endpoints of bulk jobs and their statuses."""

from jobsui.sandbox import jobs, pages
from jobsui.sandbox.calls import Call
from jobsui.sandbox.errors import invalid_parameter, not_found
from jobsui.sandbox.protocol import Answer, Json, json_answer, to_json

CREATE = "api/v2/custom_objects/jobs/create"
SHOW_MANY = "api/v2/job_statuses/show_many"
MAX_ITEMS = 100
JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


def create(call: Call, key: str) -> Answer:
    """Take a bulk job. What is wrong with single items shows in the job's results, not
    here."""
    custom_object = call.custom_object(key)
    action, items = checked(call.body().get("job"))
    account = call.account
    if account.jobs.running >= account.settings.max_running_jobs:
        return too_many_jobs(call)
    job = account.jobs.accept(custom_object, action, items)
    answer = Answer(
        201, b'{"job_status":' + jobs.shown(job, call.origin) + b"}", dict(JSON_HEADERS)
    )
    answer.headers |= inflight_header(call)
    return answer


def checked(job: Json) -> tuple[str, list[Json]]:
    """Action and items of a request; raises Refused."""
    if not isinstance(job, dict):
        raise invalid_parameter(
            "job", "is missing" if job is None else "must be an object", CREATE
        )
    action, items = job.get("action"), job.get("items")
    if action not in jobs.SUCCESS:
        raise invalid_parameter(
            "job.action", f"must be one of {', '.join(jobs.SUCCESS)}", CREATE
        )
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
    return {
        "zendesk-ratelimit-inflight-jobs": f"total={total}; remaining={remaining}; resets=60"
    }


def too_many_jobs(call: Call) -> Answer:
    body = {
        "error": "TooManyJobs",
        "description": "Too many CustomObjectRecordsBulkJob jobs are currently queued or running. Try again later.",
        "current_job_ids": call.account.jobs.running_ids(),
    }
    answer = json_answer(429, body)
    answer.headers |= inflight_header(call)
    return answer


def index(call: Call) -> Answer:
    asked = pages.asked_page(call.request, "api/v2/job_statuses/index")
    page = pages.listed_page(call.account.jobs.newest_first(), asked)
    ends = pages.envelope(
        call.request,
        page,
        asked,
        next_on_last_page=call.account.settings.next_on_last_page,
    )
    return many(call, page.items, ends)


def many(call: Call, listed: list[jobs.Job], ends: dict[str, Json]) -> Answer:
    statuses = jobs.many_shown(iter(listed), call.origin)
    rest = b"," + to_json(ends)[1:] if ends else b"}"
    return Answer(200, b'{"job_statuses":' + statuses + rest, dict(JSON_HEADERS))


def show(call: Call, job_id: str) -> Answer:
    job = call.account.jobs.find(job_id)
    if job is None:
        raise not_found()
    return Answer(
        200, b'{"job_status":' + jobs.shown(job, call.origin) + b"}", dict(JSON_HEADERS)
    )


def show_many(call: Call) -> Answer:
    """Ids that are not known, or no longer, are left out."""
    wanted = [each for each in call.query.get("ids", "").split(",") if each]
    if not wanted or len(wanted) > MAX_ITEMS:
        raise invalid_parameter("ids", f"must have 1 to {MAX_ITEMS} ids", SHOW_MANY)
    found = [
        job for each in dict.fromkeys(wanted) if (job := call.account.jobs.find(each))
    ]
    if call.account.faults.strikes(
        "partial-list", call.request.method, call.request.path
    ):
        found = found[len(found) // 2 :]
    return many(call, found, {})
