"""Bulk jobs. A job is queued, then works for its duration, then is applied item by item,
in order, when it is due."""

import heapq
import json
import math
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jobsui.sandbox import ids
from jobsui.sandbox.alterations import Alterations
from jobsui.sandbox.assumptions import Assumptions
from jobsui.sandbox.faults import JOB_FAULTS, Faults
from jobsui.sandbox.protocol import Json, JsonObject, to_json
from jobsui.sandbox.schema import CustomObject
from jobsui.sandbox.settings import Settings
from jobsui.sandbox.table import Record
from jobsui.sandbox.writer import Author, RecordInvalid, RecordMissing, Writer

SUCCESS = {
    "create": "Created",
    "update": "Updated",
    "create_or_update_by_external_id": "CreateOrUpdate",
    "create_or_update_by_name": "CreateOrUpdate",
    "delete": "Deleted",
    "delete_by_external_id": "Deleted",
}
FAILURE_CODE = {
    "create": "CustomObjectRecordCreateFailed",
    "update": "CustomObjectRecordUpdateFailed",
    "create_or_update_by_external_id": "CustomObjectRecordUpsertFailed",
    "create_or_update_by_name": "CustomObjectRecordUpsertFailed",
    "delete": "CustomObjectRecordDeleteFailed",
    "delete_by_external_id": "CustomObjectRecordDeleteFailed",
}
PASSING_ERRORS = {
    "deadlock": {
        "code": "DatabaseDeadlock",
        "title": "Database deadlock",
        "detail": "Deadlock found when trying to get lock",
    },
    "conflict": {
        "code": "DatabaseConflict",
        "title": "Database conflict",
        "detail": "The record is being changed. Try again later.",
    },
    "timeout": {
        "code": "RecordTimeout",
        "title": "Timeout",
        "detail": "The request timed out",
    },
    "internal": {
        "code": "InternalServerError",
        "title": "Internal error",
        "detail": "An internal error occurred",
    },
}
DEADLOCK_RATE = 0.05
"""Of the items of a job, while too many jobs run on its object."""
JOB_TYPES = {
    "create": "Bulk Create Custom Object Record",
    "update": "Bulk Update Custom Object Record",
    "create_or_update_by_external_id": "Bulk Create Or Update Custom Object Record",
    "create_or_update_by_name": "Bulk Create Or Update Custom Object Record",
    "delete": "Bulk Delete Custom Object Record",
    "delete_by_external_id": "Bulk Delete Custom Object Record",
}
QUEUED_SHARE = 0.2
"""The part of its duration that a job is queued."""


@dataclass(slots=True)
class Job:
    id: str
    custom_object: CustomObject
    action: str
    items: list[Json]
    total: int
    accepted: float
    due: float
    faults: frozenset[str]
    status: str = "queued"
    message: str | None = None
    results: bytes = b""
    """Compressed JSON; empty for none."""
    ended: float | None = None
    done: int = 0
    """Items processed when it ended."""
    failed_items: int = 0
    deadlock_rate: float = 0.0

    def state(self, now: float) -> tuple[str, int | None]:
        """Status and progress at this moment."""
        if self.ended is not None:
            return self.status, self.done
        duration = max(self.due - self.accepted, 1e-9)
        share = min(max((now - self.accepted) / duration, 0.0), 1.0)
        if share < QUEUED_SHARE:
            return "queued", None
        work_done = (share - QUEUED_SHARE) / (1 - QUEUED_SHARE)
        return "working", int(self.total * work_done)


@dataclass(slots=True)
class Jobs:
    """All jobs of the account, in the order of their creation."""

    settings: Settings
    assumptions: Assumptions
    faults: Faults
    writer: Writer
    wake: Callable[[float], None]
    """Asks for a call of `advance` after this many seconds."""
    alterations: Alterations
    all: dict[str, Job] = field(default_factory=dict)
    due: list[tuple[float, int, Job]] = field(default_factory=list)
    accepted: int = 0
    by_idempotency_key: dict[str, Job] = field(default_factory=dict)

    @property
    def running(self) -> int:
        """Job slots in use."""
        return len(self.due) + self.settings.other_jobs

    def running_beside(self, action: str) -> int:
        """Job slots in use that a job of this action cannot have."""
        if self.assumptions.job_slots == "account":
            return self.running
        return sum(job.action == action for _, _, job in self.due)

    def running_on(self, custom_object: CustomObject) -> int:
        return sum(job.custom_object is custom_object for _, _, job in self.due)

    def running_ids(self) -> list[str]:
        others = [f"V3-{number:032x}" for number in range(self.settings.other_jobs)]
        return [job.id for _, _, job in sorted(self.due)] + others

    def accept(
        self, custom_object: CustomObject, action: str, items: list[Json]
    ) -> Job:
        now = time.monotonic()
        faults = self._draw_faults()
        seconds = self._draw_duration(slow="slow-job" in faults)
        job = Job(
            id=ids.job_id(self.faults.random),
            custom_object=custom_object,
            action=action,
            items=items,
            total=len(items),
            accepted=now,
            due=now + seconds,
            faults=faults,
        )
        self.all[job.id] = job
        self.accepted += 1
        heapq.heappush(self.due, (job.due, self.accepted, job))
        free = self.assumptions.deadlock_free_jobs
        if free and self.running_on(custom_object) > free:
            job.deadlock_rate = DEADLOCK_RATE
        self.wake(seconds)
        return job

    def _draw_faults(self) -> frozenset[str]:
        names = sorted(JOB_FAULTS & self.faults.set.keys())
        return frozenset(name for name in names if self.faults.triggers(name))

    def _draw_duration(self, *, slow: bool) -> float:
        seconds = self.settings.job_seconds
        sigma = self.settings.job_spread
        if sigma:
            normal = self.faults.random.gauss()
            seconds *= math.exp(sigma * normal - sigma * sigma / 2)
        if slow:
            seconds += self.settings.slow_seconds
        return seconds

    def advance(self) -> None:
        """Finish every job that is due, and forget expired statuses."""
        now = time.monotonic()
        while self.due and self.due[0][0] <= now:
            _, _, job = heapq.heappop(self.due)
            self._finish(job, now)
        self._forget_before(now - self.settings.status_seconds)

    def _forget_before(self, oldest: float) -> None:
        while self.all:
            first = next(iter(self.all.values()))
            if first.accepted >= oldest or first.ended is None:
                return
            del self.all[first.id]

    def find(self, job_id: str) -> Job | None:
        """A job whose status can be shown now."""
        job = self.all.get(job_id)
        return job if job and not self.is_hidden(job) else None

    def is_hidden(self, job: Job) -> bool:
        if is_expired(job):
            return True
        age = time.monotonic() - job.accepted
        return "fresh-404" in job.faults and age < self.settings.fresh_seconds

    def newest_first(self) -> list[Job]:
        """By completion, then by creation. Running jobs come first. A new job is listed
        even while it is hidden, unless the list lags."""
        newest = time.monotonic() - self.assumptions.status_list_lag
        listed = [
            job
            for job in self.all.values()
            if not is_expired(job) and job.accepted <= newest
        ]
        return sorted(
            listed, key=lambda job: (job.ended or math.inf, job.accepted), reverse=True
        )

    def _finish(self, job: Job, now: float) -> None:
        items = self._items_to_apply(job)
        results = self._apply_all(job, items)
        if "failed-partial" in job.faults:
            error = {"title": "The job was stopped", "detail": "Internal error"}
            results.append(self._failure(job, len(items), error))
        job.status = final_status(job, len(items))
        time_text = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S +0000}"
        job.message = f"{job.status.title()} at {time_text}"
        job.failed_items = sum(result["status"] == "Failed" for result in results)
        if job.status not in {"killed", "aborted"}:
            distorted = self._distort(job, results)
            job.results = zlib.compress(to_json(distorted), 1)
        job.items = []
        job.done = len(items)
        job.ended = now

    def _items_to_apply(self, job: Job) -> list[Json]:
        """No items if the object was deleted in the meantime, half of them with some
        faults."""
        has_lost_its_object = self._has_lost_its_object(job)
        if has_lost_its_object and self.assumptions.deleted_object == "failed":
            return []
        if "aborted" in job.faults:
            return []
        if job.faults & {"killed", "failed-partial"}:
            return job.items[: job.total // 2]
        return job.items

    def _has_lost_its_object(self, job: Job) -> bool:
        return self.writer.objects.get(job.custom_object.key) is not job.custom_object

    def _apply_all(self, job: Job, items: list[Json]) -> list[JsonObject]:
        """The results in the order of the items, whatever the order of applying."""
        order = list(range(len(items)))
        if self.assumptions.item_order == "any":
            self.faults.random.shuffle(order)
        results = {index: self._apply(job, index, items[index]) for index in order}
        return [results[index] for index in range(len(items))]

    def _has_usual_form(self) -> bool:
        assumptions = self.assumptions
        return (
            assumptions.success_word == "action"
            and assumptions.result_id == "present"
            and assumptions.result_index == "present"
        )

    def _in_assumed_form(self, result: JsonObject) -> JsonObject:
        assumptions = self.assumptions
        shown = dict(result)
        is_saved = result["status"] in {"Created", "Updated"}
        if is_saved and assumptions.success_word == "create-or-update":
            shown["status"] = "CreateOrUpdate"
        if result["status"] != "Failed":
            if assumptions.success_word == "absent":
                del shown["status"]
            if assumptions.result_id != "present":
                record_id = shown.pop("id")
                if assumptions.result_id == "data":
                    shown["data"] = {"id": record_id}
        if assumptions.result_index == "absent":
            del shown["index"]
        return shown

    def _distort(self, job: Job, results: list[JsonObject]) -> Json:
        """The results in the form that the job's faults give them."""
        if "results-object" in job.faults:
            return {"success": True}
        if "generic-results" in job.faults:
            results = [generic_result(job, result) for result in results]
        elif not self._has_usual_form():
            results = [self._in_assumed_form(result) for result in results]
        if "no-id" in job.faults:
            results = without_member(results, "id")
        if "no-index" in job.faults:
            results = without_member(results, "index")
        if "wrong-index" in job.faults:
            results = with_neighbours_index(results)
        if "short-results" in job.faults:
            results = results[:-1]
        if "shuffled" in job.faults:
            self.faults.random.shuffle(results)
        return results

    def _apply(self, job: Job, index: int, item: Json) -> JsonObject:
        if self._deadlocks(job):
            error = PASSING_ERRORS[self.assumptions.passing_error]
            return self._failure(job, index, error)
        try:
            record = self._write(job, item)
        except RecordMissing:
            return self._failure(job, index, self._record_missing(job))
        except RecordInvalid as refusal:
            errors = [
                {"title": "Record validation errors", "detail": text}
                for _, text in refusal.problems
            ]
            return self._failure(job, index, *errors)
        result = {
            "id": job.custom_object.table.id_of(record),
            "index": index,
            "status": SUCCESS[job.action],
        }
        return with_external_id(result, record.external_id)

    def _deadlocks(self, job: Job) -> bool:
        if self.faults.triggers("deadlocked-items"):
            return True
        rate = job.deadlock_rate
        return bool(rate) and self.faults.random.random() < rate

    def _record_missing(self, job: Job) -> dict[str, str]:
        error = {"title": "Record not found"}
        if self.assumptions.failure_code == "by-action":
            return {"code": FAILURE_CODE[job.action]} | error
        if self.assumptions.failure_code == "generic":
            return {"code": "RecordNotFound"} | error
        return error

    def _failure(self, job: Job, index: int, *errors: dict[str, str]) -> JsonObject:
        item = job.items[index] if index < len(job.items) else None
        result = {"index": index, "status": "Failed", "errors": list(errors)}
        if isinstance(item, dict):
            if isinstance(item.get("id"), str):
                result["id"] = item["id"]
            return with_external_id(result, item.get("external_id"))
        if job.action == "delete_by_external_id":
            return with_external_id(result, item)
        return result

    def _write(self, job: Job, item: Json) -> Record:
        """Apply one item. Raises RecordMissing and RecordInvalid."""
        if self._has_lost_its_object(job):
            raise RecordMissing
        if job.action.startswith("delete"):
            return self._delete(job, item)
        if not isinstance(item, dict):
            raise RecordInvalid([("base", "The item must be an object")])
        self._check_null_keys(item)
        applied, made = self.alterations.altered(job.custom_object, item)
        record = self._saved(job, applied)
        if made:
            self.alterations.note(job.custom_object, record, made)
        if self.assumptions.trigger == "fires":
            self._trigger(job.custom_object, record)
        return record

    def _trigger(self, custom_object: CustomObject, record: Record) -> None:
        is_updater = self.assumptions.trigger_user == "updater"
        user = record.updated_by if is_updater else ids.SYSTEM_ID
        values = self.settings.trigger_values
        self.writer.trigger(custom_object, record, values, user)

    @property
    def _author(self) -> Author:
        is_system = self.assumptions.job_user == "system"
        return Author(ids.SYSTEM_ID if is_system else ids.ADMIN_ID)

    def _check_null_keys(self, item: JsonObject) -> None:
        if self.assumptions.null_key == "ignored":
            return
        for name in ("id", "external_id", "name"):
            if name in item and item[name] is None:
                raise RecordInvalid([("base", f"{name}: cannot be null")])

    def _saved(self, job: Job, item: JsonObject) -> Record:
        keeps = self.assumptions.omitted_field == "kept"
        author = self._author
        writer = self.writer
        custom_object = job.custom_object
        if job.action == "create":
            return writer.create(custom_object, item, author)
        if job.action == "create_or_update_by_external_id":
            return writer.upsert_by_external_id(
                custom_object, item, author, keeps=keeps
            )
        if job.action == "create_or_update_by_name":
            return writer.upsert_by_name(custom_object, item, author, keeps=keeps)
        record = self._record_to_update(custom_object, item)
        return writer.update(custom_object, record, item, author, keeps=keeps)

    def _record_to_update(
        self, custom_object: CustomObject, item: JsonObject
    ) -> Record:
        is_by_external_id = self.assumptions.update_key == "external-id"
        if is_by_external_id and item.get("id") is None:
            return self._with_external_id(custom_object, item.get("external_id"))
        return self._with_id(custom_object, item.get("id"))

    def _with_id(self, custom_object: CustomObject, record_id: Json) -> Record:
        is_any_case = self.assumptions.record_id_case == "any"
        if is_any_case and isinstance(record_id, str):
            record_id = record_id.upper()
        return existing(custom_object.table.get, record_id)

    def _with_external_id(
        self, custom_object: CustomObject, external_id: Json
    ) -> Record:
        table = custom_object.table
        return existing(
            lambda key: self.writer.with_external_id(table, key), external_id
        )

    def _delete(self, job: Job, item: Json) -> Record:
        custom_object = job.custom_object
        if job.action == "delete":
            record = self._with_id(custom_object, item)
        else:
            record = self._with_external_id(custom_object, item)
        self.writer.delete(custom_object, record, self._author)
        return record


def existing(find: Callable[[str], Record | None], key: Json) -> Record:
    """Raises RecordMissing when there is no record of this key."""
    record = find(key) if isinstance(key, str) else None
    if record is None:
        raise RecordMissing
    return record


def is_expired(job: Job) -> bool:
    return "status-expired" in job.faults and job.ended is not None


def final_status(job: Job, done: int) -> str:
    for status in ("killed", "aborted"):
        if status in job.faults:
            return status
    return "completed" if done == job.total else "failed"


def without_member(results: list[JsonObject], name: str) -> list[JsonObject]:
    return [
        {key: value for key, value in result.items() if key != name}
        for result in results
    ]


def with_neighbours_index(results: list[JsonObject]) -> list[JsonObject]:
    """Each result with the index of the next one."""
    indexes = [result["index"] for result in results if "index" in result]
    shifted = indexes[1:] + indexes[:1]
    pairs = zip(results, shifted, strict=False)
    return [result | {"index": index} for result, index in pairs]


def with_external_id(result: JsonObject, external_id: Json) -> JsonObject:
    if not isinstance(external_id, str):
        return result
    return result | {"external_id": external_id}


def generic_result(job: Job, result: JsonObject) -> JsonObject:
    """The result in the form that Zendesk documents for job statuses of all kinds."""
    if result["status"] == "Failed":
        errors = result["errors"]
        return {
            "index": result["index"],
            "action": job.action,
            "success": False,
            "id": result.get("id"),
            "error": FAILURE_CODE[job.action],
            "details": "; ".join(
                error.get("detail") or error["title"] for error in errors
            ),
        }
    if job.action == "create":
        return {"id": result["id"], "index": result["index"]}
    action = "delete" if job.action.startswith("delete") else "update"
    return {
        "id": result["id"],
        "index": result["index"],
        "action": action,
        "success": True,
        "status": f"{action.title()}d",
    }


def status_json(job: Job, origin: str) -> bytes:
    """The encoded job status."""
    status, progress = job.state(time.monotonic())
    head = {
        "id": job.id,
        "job_type": JOB_TYPES[job.action],
        "url": f"{origin}/api/v2/job_statuses/{job.id}.json",
        "total": job.total,
        "progress": progress,
        "status": status,
        "message": job.message,
    }
    results = zlib.decompress(job.results) if job.results else b"null"
    return to_json(head)[:-1] + b',"results":' + results + b"}"


def results_of(job: Job) -> Json:
    return json.loads(zlib.decompress(job.results)) if job.results else None


def statuses_json(jobs: Iterable[Job], origin: str) -> bytes:
    return b"[" + b",".join(status_json(job, origin) for job in jobs) + b"]"
