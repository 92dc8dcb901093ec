"""Bulk jobs: waiting, running for their time, then applied item by item, in order, when
their time has come."""

import heapq
import json
import math
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jobsui.sandbox import ids
from jobsui.sandbox.faults import JOB_FAULTS, Faults
from jobsui.sandbox.protocol import Json, to_json
from jobsui.sandbox.schema import CustomObject
from jobsui.sandbox.settings import Settings
from jobsui.sandbox.table import Record
from jobsui.sandbox.writing import RecordInvalid, RecordMissing, Writer

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
JOB_TYPES = {
    "create": "Bulk Create Custom Object Record",
    "update": "Bulk Update Custom Object Record",
    "create_or_update_by_external_id": "Bulk Create Or Update Custom Object Record",
    "create_or_update_by_name": "Bulk Create Or Update Custom Object Record",
    "delete": "Bulk Delete Custom Object Record",
    "delete_by_external_id": "Bulk Delete Custom Object Record",
}
QUEUED_SHARE = 0.2
"""The part of its time a job waits before it works."""


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
    """JSON, packed; empty for none."""
    ended: float | None = None
    done: int = 0
    """Items it had got through at its end."""
    failed_items: int = 0

    def state(self, now: float) -> tuple[str, int | None]:
        """Status and progress at this moment."""
        if self.ended is not None:
            return self.status, self.done
        span = max(self.due - self.accepted, 1e-9)
        share = min(max((now - self.accepted) / span, 0.0), 1.0)
        if share < QUEUED_SHARE:
            return "queued", None
        return "working", int(self.total * (share - QUEUED_SHARE) / (1 - QUEUED_SHARE))


@dataclass(slots=True)
class Jobs:
    """All jobs of the account, in the order of their creation."""

    settings: Settings
    faults: Faults
    writer: Writer
    wake: Callable[[float], None]
    """Asks to be advanced in so many seconds."""
    all: dict[str, Job] = field(default_factory=dict)
    due: list[tuple[float, int, Job]] = field(default_factory=list)
    accepted: int = 0

    @property
    def running(self) -> int:
        """Places taken in the job window."""
        return len(self.due) + self.settings.other_jobs

    def running_ids(self) -> list[str]:
        others = [f"V3-{number:032x}" for number in range(self.settings.other_jobs)]
        return [job.id for _, _, job in sorted(self.due)] + others

    def accept(
        self, custom_object: CustomObject, action: str, items: list[Json]
    ) -> Job:
        now = time.monotonic()
        faults = frozenset(
            name
            for name in sorted(JOB_FAULTS & self.faults.set.keys())
            if self.faults.strikes(name)
        )
        seconds = self._seconds(slow="slow-job" in faults)
        job = Job(
            ids.job_id(self.faults.random),
            custom_object,
            action,
            items,
            len(items),
            now,
            now + seconds,
            faults,
        )
        self.all[job.id] = job
        self.accepted += 1
        heapq.heappush(self.due, (job.due, self.accepted, job))
        self.wake(seconds)
        return job

    def _seconds(self, *, slow: bool) -> float:
        sigma = self.settings.job_spread
        spread = (
            math.exp(sigma * self.faults.random.gauss() - sigma * sigma / 2)
            if sigma
            else 1.0
        )
        return self.settings.job_seconds * spread + (
            self.settings.slow_seconds if slow else 0
        )

    def advance(self) -> None:
        """End every job whose time has come, and forget statuses that are too old."""
        now = time.monotonic()
        while self.due and self.due[0][0] <= now:
            _, _, job = heapq.heappop(self.due)
            self._end(job, now)
        oldest = now - self.settings.status_seconds
        while (
            self.all
            and (first := next(iter(self.all.values()))).accepted < oldest
            and first.ended is not None
        ):
            del self.all[first.id]

    def find(self, job_id: str) -> Job | None:
        """A job whose status can be shown now."""
        job = self.all.get(job_id)
        return job if job and not self.is_hidden(job) else None

    def is_hidden(self, job: Job) -> bool:
        if "status-expired" in job.faults and job.ended is not None:
            return True
        fresh_for = self.settings.fresh_seconds
        return "fresh-404" in job.faults and time.monotonic() - job.accepted < fresh_for

    def newest_first(self) -> list[Job]:
        """By completion, then by creation; those still running come first. A fresh job
        is listed even if hidden."""
        listed = [
            job
            for job in self.all.values()
            if not ("status-expired" in job.faults and job.ended is not None)
        ]
        return sorted(
            listed, key=lambda job: (job.ended or math.inf, job.accepted), reverse=True
        )

    def _end(self, job: Job, now: float) -> None:
        items = self._items_done(job)
        results = [self._apply(job, index, item) for index, item in enumerate(items)]
        job.status = (
            "killed"
            if "killed" in job.faults
            else "completed"
            if len(items) == job.total
            else "failed"
        )
        job.message = (
            f"{job.status.title()} at {datetime.now(UTC):%Y-%m-%d %H:%M:%S +0000}"
        )
        if "failed-partial" in job.faults:
            results.append(
                self._failure(
                    job,
                    len(items),
                    {"title": "The job was stopped", "detail": "Internal error"},
                )
            )
        job.failed_items = sum(result["status"] == "Failed" for result in results)
        if job.status != "killed":
            job.results = zlib.compress(to_json(self._disguised(job, results)), 1)
        job.items, job.done, job.ended = [], len(items), now

    def _items_done(self, job: Job) -> list[Json]:
        """How far it gets: nowhere if the object was deleted meanwhile, half of the way
        with some faults."""
        if self.writer.objects.get(job.custom_object.key) is not job.custom_object:
            return []
        return (
            job.items[: job.total // 2]
            if job.faults & {"killed", "failed-partial"}
            else job.items
        )

    def _disguised(self, job: Job, results: list[dict[str, Json]]) -> Json:
        """The results in the form the job's faults give them."""
        if "results-object" in job.faults:
            return {"success": True}
        if "generic-results" in job.faults:
            results = [generic(job, result) for result in results]
        for fault, key in (("no-id", "id"), ("no-index", "index")):
            if fault in job.faults:
                results = [
                    {name: value for name, value in result.items() if name != key}
                    for result in results
                ]
        if "short-results" in job.faults:
            results = results[:-1]
        if "shuffled" in job.faults:
            self.faults.random.shuffle(results)
        return results

    def _apply(self, job: Job, index: int, item: Json) -> dict[str, Json]:
        try:
            record_id, external_id = self._write(job, item)
        except RecordMissing:
            return self._failure(
                job,
                index,
                {"code": FAILURE_CODE[job.action], "title": "Record not found"},
            )
        except RecordInvalid as refusal:
            errors = [
                {"title": "Record validation errors", "detail": text}
                for _, text in refusal.problems
            ]
            return self._failure(job, index, *errors)
        return with_external_id(
            {"id": record_id, "index": index, "status": SUCCESS[job.action]},
            external_id,
        )

    def _failure(
        self, job: Job, index: int, *errors: dict[str, str]
    ) -> dict[str, Json]:
        item = job.items[index] if index < len(job.items) else None
        result = {"index": index, "status": "Failed", "errors": list(errors)}
        if isinstance(item, dict):
            if isinstance(item.get("id"), str):
                result["id"] = item["id"]
            return with_external_id(result, item.get("external_id"))
        return with_external_id(
            result, item if job.action == "delete_by_external_id" else None
        )

    def _write(self, job: Job, item: Json) -> tuple[str, str | None]:
        """Do one item; the record's id and external id."""
        custom_object, table = job.custom_object, job.custom_object.table
        if job.action.startswith("delete"):
            record = self._to_delete(job, item)
            self.writer.delete(custom_object, record)
        else:
            record = self._written(job, item)
        return table.id_of(record), record.external_id

    def _to_delete(self, job: Job, item: Json) -> Record:
        table = job.custom_object.table
        find = table.get if job.action == "delete" else table.with_external_id
        record = find(item) if isinstance(item, str) else None
        if record is None:
            raise RecordMissing
        return record

    def _written(self, job: Job, item: Json) -> Record:
        if not isinstance(item, dict):
            raise RecordInvalid([("base", "The item must be an object")])
        if job.action == "create":
            return self.writer.create(job.custom_object, item)
        if job.action == "create_or_update_by_external_id":
            return self.writer.upsert_by_external_id(job.custom_object, item)
        if job.action == "create_or_update_by_name":
            return self.writer.upsert_by_name(job.custom_object, item)
        record = (
            job.custom_object.table.get(item["id"])
            if isinstance(item.get("id"), str)
            else None
        )
        if record is None:
            raise RecordMissing
        return self.writer.update(job.custom_object, record, item)


def with_external_id(result: dict[str, Json], external_id: Json) -> dict[str, Json]:
    return (
        result | {"external_id": external_id}
        if isinstance(external_id, str)
        else result
    )


def generic(job: Job, result: dict[str, Json]) -> dict[str, Json]:
    """The form the documentation of job statuses describes for all jobs alike."""
    if result["status"] == "Failed":
        details = "; ".join(
            error.get("detail") or error["title"] for error in result["errors"]
        )
        failed = {"index": result["index"], "action": job.action, "success": False}
        return failed | {
            "id": result.get("id"),
            "error": FAILURE_CODE[job.action],
            "details": details,
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


def shown(job: Job, origin: str) -> bytes:
    """The job status as JSON."""
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


def many_shown(jobs: Iterator[Job], origin: str) -> bytes:
    return b"[" + b",".join(shown(job, origin) for job in jobs) + b"]"
