"""The sandbox's own endpoints, outside the API it pretends to be: for tests, which look
behind the scenes here."""

import json
import time
from collections.abc import Callable

from jobsui.sandbox import jobs
from jobsui.sandbox.account import Account
from jobsui.sandbox.errors import Refused
from jobsui.sandbox.faults import BadFault
from jobsui.sandbox.protocol import Answer, Json, Request, json_answer
from jobsui.sandbox.reading import shown_record
from jobsui.sandbox.schema import CustomObject
from jobsui.sandbox.settings import BadSetting
from jobsui.sandbox.writing import RecordInvalid

type Control = Callable[[Account, Request, dict[str, Json]], Json]


def handle(account: Account, request: Request) -> Answer:
    control = CONTROLS.get((request.method, request.path.removeprefix("/sandbox/")))
    if control is None:
        known = ", ".join(f"{method} /sandbox/{name}" for method, name in CONTROLS)
        return json_answer(404, {"error": f"There are: {known}"})
    try:
        return json_answer(
            200, control(account, request, json.loads(request.body or b"{}"))
        )
    except (BadFault, BadSetting, RecordInvalid, ValueError) as problem:
        return json_answer(400, {"error": str(problem)})
    except Refused as refusal:
        return refusal.answer


def show_faults(account: Account, request: Request, body: dict[str, Json]) -> Json:
    present = {
        name: {
            "rate": fault.rate,
            "times": fault.times,
            "method": fault.method,
            "path": fault.path,
        }
        for name, fault in account.faults.set.items()
    }
    return {"faults": present, "struck": account.faults.struck}


def set_faults(account: Account, request: Request, body: dict[str, Json]) -> Json:
    """Instead of those set before."""
    before = account.faults.set
    account.faults.set = {}
    try:
        account.faults.change(body)
    except BadFault:
        account.faults.set = before
        raise
    return show_faults(account, request, body)


def show_settings(account: Account, request: Request, body: dict[str, Json]) -> Json:
    return account.settings.shown()


def set_settings(account: Account, request: Request, body: dict[str, Json]) -> Json:
    """Only those named are changed."""
    account.settings.change(body)
    return account.settings.shown()


def reset(account: Account, request: Request, body: dict[str, Json]) -> Json:
    account.reset()
    return {}


def make_object(account: Account, request: Request, body: dict[str, Json]) -> Json:
    """{"key", "title"?, "fields": [...], "name": {name rules}}; an object of that key
    makes way."""
    key = body.get("key")
    if key in account.objects:
        account.remove_object(account.objects[key])
    data = {"title": str(key).title()} | body
    account.make_object(data, body.get("fields") or [], body.get("name"))
    return {}


def add_records(account: Account, request: Request, body: dict[str, Json]) -> Json:
    """{"object", "records": [...]}: put there at once, as if they had always been."""
    custom_object = present(account, body.get("object"))
    made = [
        account.writer.create(custom_object, data, applied=0)
        for data in body["records"]
    ]
    return {"ids": [custom_object.table.id_of(record) for record in made]}


def present(account: Account, key: Json) -> CustomObject:
    if key not in account.objects:
        raise ValueError(f"There is no object {key}.")
    return account.objects[key]


def records(account: Account, request: Request, body: dict[str, Json]) -> Json:
    custom_object = present(account, request.query.get("object"))
    every = custom_object.table.alive()
    return {
        "records": [
            shown_record(account, custom_object, record, request.origin)
            for record in every
        ]
    }


def applied(account: Account, request: Request, body: dict[str, Json]) -> Json:
    """How often each record was written, by external id or else by name; deletions
    count, seeded records don't."""
    return {"applied": present(account, request.query.get("object")).table.applied()}


def log(account: Account, request: Request, body: dict[str, Json]) -> Json:
    since = float(request.query.get("since", 0))
    return {"requests": [entry for entry in account.log if entry["time"] > since]}


def list_jobs(account: Account, request: Request, body: dict[str, Json]) -> Json:
    """All jobs, oldest first, with their results as Zendesk would tell them when asked
    for: ?results=true."""
    shown = [shown_job(job) for job in account.jobs.all.values()]
    if request.query.get("results") == "true":
        for each, job in zip(shown, account.jobs.all.values(), strict=True):
            each["results"] = jobs.results_of(job)
    return {"jobs": shown, "running": account.jobs.running}


def shown_job(job: jobs.Job) -> dict[str, Json]:
    status, progress = job.state(time.monotonic())
    return {
        "id": job.id,
        "object": job.custom_object.key,
        "action": job.action,
        "status": status,
        "progress": progress,
        "total": job.total,
        "failed_items": job.failed_items,
        "faults": sorted(job.faults),
        "accepted_at": unix_time(job.accepted),
        "ended_at": None if job.ended is None else unix_time(job.ended),
    }


def unix_time(monotonic: float) -> float:
    return time.time() - (time.monotonic() - monotonic)


CONTROLS: dict[tuple[str, str], Control] = {
    ("GET", "faults"): show_faults,
    ("POST", "faults"): set_faults,
    ("GET", "settings"): show_settings,
    ("POST", "settings"): set_settings,
    ("POST", "reset"): reset,
    ("POST", "objects"): make_object,
    ("POST", "records"): add_records,
    ("GET", "records"): records,
    ("GET", "applied"): applied,
    ("GET", "log"): log,
    ("GET", "jobs"): list_jobs,
}
