"""The sandbox's own endpoints under /sandbox/: tests set faults and settings here, and
read records, jobs and the log of requests."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from jobsui.sandbox import jobs
from jobsui.sandbox.account import Account
from jobsui.sandbox.assumptions import BadAssumption
from jobsui.sandbox.errors import Refused
from jobsui.sandbox.faults import BadFault
from jobsui.sandbox.ids import ADMIN_ID
from jobsui.sandbox.protocol import Json, JsonObject, Request, Response, json_response
from jobsui.sandbox.schema import CustomObject
from jobsui.sandbox.serializers import record_json
from jobsui.sandbox.settings import BadSetting
from jobsui.sandbox.table import Record
from jobsui.sandbox.writer import Author, RecordInvalid


@dataclass(frozen=True, slots=True)
class Command:
    account: Account
    query: dict[str, str]
    body: JsonObject
    origin: str

    def custom_object(self, key: Json) -> CustomObject:
        """Raises ValueError when there is no such object."""
        if key not in self.account.objects:
            raise ValueError(f"There is no object {key}.")
        return self.account.objects[key]

    def author(self) -> Author:
        """Of a write without the API."""
        user = str(self.body.get("user", ADMIN_ID))
        age = float(self.body.get("age", 0))
        return Author(user, applied=0, age=age)


def handle(account: Account, request: Request) -> Response:
    run = COMMANDS.get((request.method, request.path.removeprefix("/sandbox/")))
    if run is None:
        known = ", ".join(f"{method} /sandbox/{name}" for method, name in COMMANDS)
        return json_response(404, {"error": f"Choose one of: {known}"})
    try:
        body = json.loads(request.body or b"{}")
        command = Command(account, request.query, body, request.origin)
        return json_response(200, run(command))
    except (
        BadAssumption,
        BadFault,
        BadSetting,
        RecordInvalid,
        ValueError,
    ) as problem:
        return json_response(400, {"error": str(problem)})
    except Refused as refusal:
        return refusal.response


def show_faults(command: Command) -> Json:
    faults = command.account.faults
    current = {
        name: {
            "rate": fault.rate,
            "times": fault.times,
            "method": fault.method,
            "path": fault.path,
            "keys": fault.keys,
            "field": fault.field,
        }
        for name, fault in faults.set.items()
    }
    return {"faults": current, "triggered": faults.triggered}


def set_faults(command: Command) -> Json:
    """Replace the faults. On a mistake, the previous ones stay."""
    faults = command.account.faults
    before = faults.set
    faults.set = {}
    try:
        faults.change(command.body)
    except BadFault:
        faults.set = before
        raise
    return show_faults(command)


def show_settings(command: Command) -> Json:
    return command.account.settings.shown()


def change_settings(command: Command) -> Json:
    """Change the named settings only."""
    command.account.settings.change(command.body)
    return show_settings(command)


def show_assumptions(command: Command) -> Json:
    return command.account.assumptions.shown()


def change_assumptions(command: Command) -> Json:
    """Change the named assumptions only."""
    command.account.assumptions.change(command.body)
    return show_assumptions(command)


def reset(command: Command) -> Json:
    command.account.reset()
    return {}


def create_object(command: Command) -> Json:
    """{"key", "title"?, "fields": [...], "name": {name rules}}. Replaces an object of
    the same key."""
    account = command.account
    key = command.body.get("key")
    if key in account.objects:
        account.remove_object(account.objects[key])
    data: JsonObject = {"title": str(key).title()} | command.body
    account.make_object(data, data.get("fields") or [], data.get("name"))
    return {}


def add_records(command: Command) -> Json:
    """{"object", "records": [...], "user"?, "age"?}. Adds them at once and without the
    API, as if this user had created them `age` seconds ago."""
    custom_object = command.custom_object(command.body.get("object"))
    author = command.author()
    writer = command.account.writer
    created = [
        writer.create(custom_object, data, author) for data in command.body["records"]
    ]
    return {"ids": [custom_object.table.id_of(record) for record in created]}


def edit_records(command: Command) -> Json:
    """{"object", "records": [...], "user"?, "age"?}. Changes them at once and without the
    API, as if this user had done it `age` seconds ago; a negative age lies in the future.
    Each entry names its record by `id`, or else by `external_id`."""
    custom_object = command.custom_object(command.body.get("object"))
    author = command.author()
    entries = command.body["records"]
    found = [named_record(custom_object, entry) for entry in entries]
    for record, entry in zip(found, entries, strict=True):
        command.account.writer.update(custom_object, record, entry, author)
    return {}


def delete_records(command: Command) -> Json:
    """{"object", "records": [...], "user"?, "age"?}. Deletes them as `edit_records`
    changes them."""
    custom_object = command.custom_object(command.body.get("object"))
    author = command.author()
    found = [named_record(custom_object, entry) for entry in command.body["records"]]
    for record in found:
        command.account.writer.delete(custom_object, record, author)
    return {}


def hide_records(command: Command) -> Json:
    """{"object", "records": [...]}, named as in `edit_records`. Reads leave these out, and
    no others."""
    custom_object = command.custom_object(command.body.get("object"))
    found = [named_record(custom_object, entry) for entry in command.body["records"]]
    custom_object.table.hidden = {record.row for record in found}
    return {}


def named_record(custom_object: CustomObject, entry: JsonObject) -> Record:
    """Raises ValueError when there is none."""
    table = custom_object.table
    if "id" in entry:
        record = table.get(entry["id"])
    else:
        record = table.with_external_id(entry["external_id"])
    if record is None:
        raise ValueError(f"There is no record {entry.get('id', entry)}.")
    return record


def list_records(command: Command) -> Json:
    custom_object = command.custom_object(command.query.get("object"))
    records = [
        record_json(command.account, custom_object, record, command.origin)
        for record in custom_object.table.alive()
    ]
    return {"records": records}


def count_applied(command: Command) -> Json:
    """How often each record was written, by external id or else by name. Deletions
    count; records added by `add_records` do not."""
    custom_object = command.custom_object(command.query.get("object"))
    return {"applied": custom_object.table.applied()}


def list_requests(command: Command) -> Json:
    since = float(command.query.get("since", 0))
    log = command.account.log
    return {"requests": [entry for entry in log if entry["time"] > since]}


def count_requests(command: Command) -> Json:
    """How many API requests of each kind came since the start or the last
    `forget_requests`, refused ones included."""
    return {"requests": command.account.received}


def forget_requests(command: Command) -> Json:
    """Count the requests from zero."""
    command.account.received.clear()
    return {}


def list_alterations(command: Command) -> Json:
    """What the faults `altered-values` and `dropped-values` did, oldest first."""
    return {"alterations": command.account.alterations.made}


def list_jobs(command: Command) -> Json:
    """All jobs, oldest first. With ?results=true also the results that Zendesk's job
    status would show."""
    found = command.account.jobs.all.values()
    shown = [job_json(job) for job in found]
    if command.query.get("results") == "true":
        for entry, job in zip(shown, found, strict=True):
            entry["results"] = jobs.results_of(job)
    return {"jobs": shown, "running": command.account.jobs.running}


def job_json(job: jobs.Job) -> JsonObject:
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


COMMANDS: dict[tuple[str, str], Callable[[Command], Json]] = {
    ("GET", "faults"): show_faults,
    ("POST", "faults"): set_faults,
    ("GET", "settings"): show_settings,
    ("POST", "settings"): change_settings,
    ("GET", "assumptions"): show_assumptions,
    ("POST", "assumptions"): change_assumptions,
    ("POST", "reset"): reset,
    ("POST", "objects"): create_object,
    ("POST", "records"): add_records,
    ("GET", "records"): list_records,
    ("POST", "edits"): edit_records,
    ("POST", "deletions"): delete_records,
    ("POST", "hidden"): hide_records,
    ("GET", "alterations"): list_alterations,
    ("GET", "applied"): count_applied,
    ("GET", "requests"): count_requests,
    ("POST", "requests"): forget_requests,
    ("GET", "log"): list_requests,
    ("GET", "jobs"): list_jobs,
}
