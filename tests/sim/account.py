"""The model of a Zendesk account, with content: what each record held at each time, and
who wrote it. It is a third Zendesk beside the client and the sandbox, without HTTP.

Where Zendesk's behaviour is not known, the model follows the assumptions of
docs/zendesk.md."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import urlsplit

from jobsui.zendesk.transport import Received, Request
from tests.sim.hub import EPOCH, Hub
from tests.sim.plan import BAD, Plan

SUCCESS = {
    "create": "Created",
    "update": "Updated",
    "delete": "Deleted",
    "create_or_update_by_external_id": "CreateOrUpdate",
    "delete_by_external_id": "Deleted",
}
UPSERTS = frozenset({"create", "create_or_update_by_external_id"})
"""What creates a record if there is none."""
KINDS = {
    "jobs": "post",
    "show_many": "poll",
    "job_statuses": "list",
    "cursor": "export",
    "fields": "fields",
}
"""{end of a path: kind of its requests}."""
TAKEN = "External ID has already been taken"
DEADLOCK = "DatabaseDeadlock"
OTHER = "another program"
LISTED_PER_PAGE = 4
EXPORTED_PER_PAGE = 3
EXPORT_LAG = 5.0
"""Seconds until a change is in the incremental export (assumed to be a minute at most)."""
FIELDS_OF_RECORDS = tuple(
    {"key": key, "title": key.title(), "type": "text", "active": True}
    for key in ("value", "colour", "note")
)
HOSTS = tuple(f"{name}.zendesk.com" for name in ("acme", "beta", "corp", "dome"))


@dataclass(frozen=True)
class Version:
    at: float
    writer: str
    """The tag of a row, or OTHER."""
    values: Mapping[str, Any] | None
    """None: deleted."""


@dataclass
class Record:
    id: str
    external_id: str
    name: str
    created_at: float
    versions: list[Version] = field(default_factory=list)

    def seen_at(self, time: float) -> Version | None:
        """The version that a read shows which is as old as this time."""
        shown = [version for version in self.versions if version.at <= time]
        return shown[-1] if shown else None

    @property
    def is_there(self) -> bool:
        return self.versions[-1].values is not None


@dataclass(frozen=True)
class Applied:
    """One item that the account applied."""

    at: float
    tag: str
    job_id: str
    action: str
    record_id: str
    item: Any


@dataclass(frozen=True)
class Shown:
    """What a response says of one key."""

    by: str
    """"id" or "external_id"."""
    key: str
    record_id: str
    """"" if no record has the key."""
    external_id: str = ""
    name: str = ""
    version: Version | None = None
    at: float = 0.0
    """When the response arrived."""
    process: str = ""
    """In which process."""


@dataclass
class AccountJob:
    id: str
    action: str
    items: list[Any]
    accepted_at: float
    due_at: float
    oddity: str = ""
    argument: float = 0.0
    status: str = "queued"
    results: list[dict[str, Any]] | None = None
    is_gone: bool = False
    tags: tuple[str, ...] = ()

    @property
    def has_keys(self) -> bool:
        """Whether its results name records that its items name."""
        return all(isinstance(item, str) or _key(item) for item in self.items)


class Account:
    def __init__(
        self,
        number: int,
        hub: Hub,
        plan: Plan,
        tell: Callable[[str], None],
        tags_of_items: Callable[[list[Any]], tuple[str, ...]],
    ) -> None:
        """`tags_of_items`: the rows that are sent with these items, which name none."""
        self.host = HOSTS[number]
        self._prefix = "z" if number == 0 else f"{self.host[0]}z"
        """Of its jobs' ids. No two accounts have the same."""
        self.is_reachable = number >= plan.weather.unreachable
        self._hub = hub
        self._plan = plan
        self._weather = plan.weather
        self._tell = tell
        self._tags_of_items = tags_of_items
        self.records: dict[str, Record] = {}
        """By record id."""
        self.jobs: dict[str, AccountJob] = {}
        self.journal: list[Applied] = []
        self.requests: list[tuple[float, str, int]] = []
        """(time, kind, status) of each request that arrived."""
        self.odd_jobs = Counter[str]()
        """How often each planned oddity took place, as "job:oddity"."""
        self.tags_of_deletes: dict[str, str] = {}
        """A deleted key's row: an item that is only a key carries no tag."""
        self.faults_end_at = plan.faults_end
        self.shown: list[Shown] = []
        """By the last read."""

    @property
    def running(self) -> list[AccountJob]:
        return [job for job in self.jobs.values() if job.status == "queued"]

    # Other programs and the start

    def add(self, key: str, value: str) -> Record:
        """Another program creates a record."""
        record = self._new_record(key, f"Name {key}")
        values = {"value": value} | ({} if self._plan.is_live else {"tag": OTHER})
        record.versions.append(Version(self._hub.now, OTHER, values))
        return record

    def _new_record(self, key: str, name: str) -> Record:
        number = len(self.records) + 1
        record = Record(f"R{number:025d}", key, name, self._hub.now)
        self.records[record.id] = record
        return record

    def by_key(self, key: str) -> Record | None:
        for record in self.records.values():
            if record.external_id == key and record.is_there:
                return record
        return None

    def write(self, key: str, value: str, name: str = "value") -> None:
        """Another program changes a record, if it is there."""
        if record := self.by_key(key):
            values = dict(record.versions[-1].values or {}) | {name: value}
            if "tag" in values:
                values["tag"] = OTHER
            record.versions.append(Version(self._hub.now, OTHER, values))
            self._tell(f"another program writes {value} to {name} of {key}")

    def delete(self, key: str) -> None:
        """Another program deletes a record, if it is there."""
        if record := self.by_key(key):
            record.versions.append(Version(self._hub.now, OTHER, None))
            self._tell(f"another program deletes {key}")

    # Requests

    def handle(self, request: Request, tags: tuple[str, ...] = ()) -> Received:
        """Respond to a request that has arrived. `tags`: the rows that it carries."""
        path = urlsplit(request.url).path
        kind = kind_of(request)
        self.shown = []
        received = self._respond(kind, path, request, tags)
        self.requests.append((self._hub.now, kind, received.status))
        return received

    def _respond(
        self, kind: str, path: str, request: Request, tags: tuple[str, ...]
    ) -> Received:
        minute = self._hub.now - 60
        recent = sum(1 for at, _, _ in self.requests if at > minute)
        if recent >= self._weather.requests_per_minute:
            return self._json(429, {"error": "Rate limited"}, {"Retry-After": "10"})
        params = request.params or {}
        match kind:
            case "post":
                return self._accept(json.loads(request.body or b"{}"), tags)
            case "poll" | "list" if self._is_refused(self._weather.polls_refused_from):
                return self._json(403, {"error": "Forbidden"})
            case "poll":
                ids = params["ids"].split(",")
                found = [self.jobs[each] for each in ids if each in self.jobs]
                return self._json(200, {"job_statuses": self._statuses(found)})
            case "list":
                oldest = self._hub.now - self._weather.lag_of_statuses
                listed = [j for j in self.jobs.values() if j.accepted_at <= oldest]
                newest = list(reversed(listed))[:100]
                return self._json(200, {"job_statuses": self._statuses(newest)})
            case "fields":
                return self._json(200, {"custom_object_fields": FIELDS_OF_RECORDS})
            case _ if self._is_refused(self._weather.reads_refused_from):
                return self._json(403, {"error": "Forbidden"})
            case "records":
                return self._list(params.get("page[after]", ""))
            case "export":
                return self._export(params)
            case _:
                return self._read(path, params, request)

    def _accept(self, body: Mapping[str, Any], tags: tuple[str, ...]) -> Received:
        if len(self.running) >= self._weather.slots:
            return self._json(429, {"error": "TooManyJobs"}, {"Retry-After": "60"})
        items = body["job"]["items"]
        if any(_is_bad(item) for item in items):
            return self._json(400, {"error": "BadRequest"})
        number = len(self.jobs) + 1
        random = Random(f"{self._plan.seed}:job:{number}")
        seconds = self._weather.job_seconds * random.uniform(0.5, 1.5)
        oddity, argument = self._plan.faults.get(f"job:{number}", ("", 0.0))
        if oddity and self._hub.now > self.faults_end_at:
            oddity = ""
        if oddity:
            self.odd_jobs[f"job:{oddity}"] += 1
        if oddity == "crawls":
            seconds += argument
        job = AccountJob(
            f"{self._prefix}{number}",
            body["job"]["action"],
            items,
            self._hub.now,
            self._hub.now + seconds,
            oddity,
            argument,
            tags=tags,
        )
        self.jobs[job.id] = job
        self._hub.after(seconds, lambda: self._finish(job))
        self._tell(f"the account queues {job.id}: {job.action} of {' '.join(job.tags)}")
        return self._json(201, {"job_status": {"id": job.id, "status": "queued"}})

    def tags_of(self, request: Request) -> tuple[str, ...]:
        """The rows of a batch's request; none of others."""
        if kind_of(request) != "post":
            return ()
        items = json.loads(request.body or b"{}")["job"]["items"]
        tags = tuple(map(self.tag, items))
        return tags if all(tags) else self._tags_of_items(items)

    def tag(self, item: Any) -> str:
        """ "" if it names no row."""
        if isinstance(item, str):
            return self.tags_of_deletes.get(item, "")
        return str((item or {}).get("custom_object_fields", {}).get("tag", ""))

    def _read(self, path: str, params: Mapping[str, str], request: Request) -> Received:
        if path.endswith("/search"):
            condition = json.loads(request.body or b"{}")["filter"]
            by = "external_id"
            wanted = [condition[by]["$eq"]]
            lag = self._weather.lag_by_search
        else:
            name = next(name for name in params if name.startswith("filter"))
            by = "id" if name == "filter[ids]" else "external_id"
            wanted = params[name].split(",")
            lag = self._weather.lag_by_id
        found = []
        for key in wanted:
            having = [
                (record, version)
                for record, version in self._visible(self._hub.now - lag)
                if getattr(record, by) == key
            ]
            found += [_record_json(record, version) for record, version in having]
            self.shown += [_shown(by, key, *each) for each in having]
            if not having:
                self.shown.append(Shown(by, key, ""))
        return self._json(200, {"custom_object_records": found})

    def _visible(self, time: float) -> Iterator[tuple[Record, Version]]:
        """The records that there were at this time."""
        for record in self.records.values():
            version = record.seen_at(time)
            if version is not None and version.values is not None:
                yield record, version

    def _list(self, after: str) -> Received:
        """A page of all records, in the order of their IDs."""
        now = self._hub.now - self._weather.lag_by_id
        left = sorted(
            (each for each in self._visible(now) if each[0].id > after),
            key=lambda each: each[0].id,
        )
        page = left[:LISTED_PER_PAGE]
        body = {
            "custom_object_records": [_record_json(*each) for each in page],
            "meta": {
                "has_more": len(left) > len(page),
                "after_cursor": page[-1][0].id if page else "",
            },
        }
        return self._json(200, body)

    def _export(self, params: Mapping[str, str]) -> Received:
        """A page of the records that have changed, in the order of their last changes."""
        start, _, last_id = params.get("cursor", "").partition(" ")
        begin = (
            float(start) if start else float(params["start_time"]) - EPOCH.timestamp()
        )
        changed = sorted(
            (record.versions[-1].at, record.id)
            for record in self.records.values()
            if begin <= record.versions[-1].at <= self._hub.now - EXPORT_LAG
        )
        left = [each for each in changed if each > (begin, last_id)]
        page = left[:EXPORTED_PER_PAGE]
        records = [self.records[record_id] for _, record_id in page]
        body = {
            "custom_object_records": [
                _record_json(record, record.versions[-1]) for record in records
            ],
            "end_of_stream": len(left) <= len(page),
            "after_cursor": "{} {}".format(*page[-1])
            if page
            else params.get("cursor", ""),
        }
        return self._json(200, body)

    def _is_refused(self, since: float | None) -> bool:
        if since is None or self._hub.now < since:
            return False
        return self._weather.stays_refused or self._hub.now <= self.faults_end_at

    def _json(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] = {}
    ) -> Received:
        now = EPOCH + timedelta(seconds=self._hub.now)
        date = now.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return Received(status, {"Date": date, **headers}, json.dumps(body).encode())

    # Jobs

    def _statuses(self, jobs: list[AccountJob]) -> list[dict[str, Any]]:
        return [
            {
                "id": job.id,
                "status": job.status,
                "total": len(job.items),
                "results": job.results,
            }
            for job in jobs
            if not job.is_gone
        ]

    def _finish(self, job: AccountJob) -> None:
        if job.oddity == "aborted":
            job.status = "failed"
            self._tell(f"{job.id} is aborted, nothing is applied")
            return
        results = [self._apply(job, index) for index in range(len(job.items))]
        job.status = "completed"
        applied = sum(result["status"] != "Failed" for result in results)
        self._tell(f"{job.id} completed, {applied} of {len(results)} applied")
        if job.oddity == "failed_after_applying":
            job.status = "failed"
            return
        if job.oddity == "vanishes":
            job.is_gone = True
        job.results = distorted(results, job)
        expire_after = self._weather.statuses_expire_after
        if expire_after is not None:
            self._hub.after(expire_after, lambda: self._expire(job))

    def _expire(self, job: AccountJob) -> None:
        job.is_gone = True

    def _apply(self, job: AccountJob, index: int) -> dict[str, Any]:
        item = job.items[index]
        key = item if isinstance(item, str) else item.get("external_id", "")
        if job.oddity == "deadlock" and index == int(job.argument * len(job.items)):
            return _failure(index, item, DEADLOCK, "Deadlock found, try again")
        record = self._target(job.action, item)
        if job.action == "create" and key and record is not None:
            return _failure(index, item, "RecordInvalid", TAKEN)
        if job.action not in UPSERTS and record is None:
            return _failure(index, item, "RecordNotFound", "Record not found")
        record = self._write(job, index, record)
        result = {
            "id": record.id,
            "index": index,
            "status": SUCCESS[job.action],
        }
        if key:
            result["external_id"] = key
        return result

    def _target(self, action: str, item: Any) -> Record | None:
        if action in {"update", "delete"}:
            record = self.records.get(item if action == "delete" else item["id"])
            return record if record and record.is_there else None
        key = item if isinstance(item, str) else item.get("external_id", "")
        return self.by_key(key) if key else None

    def _write(self, job: AccountJob, index: int, record: Record | None) -> Record:
        item = job.items[index]
        tag = job.tags[index]
        if record is None:
            name = str(item.get("name", ""))
            record = self._new_record(item.get("external_id", ""), name)
        values = None
        if not isinstance(item, str):
            before = record.versions[-1].values if record.versions else None
            sent = item.get("custom_object_fields", {})
            values = {**(before or {}), **sent}
        record.versions.append(Version(self._hub.now, tag, values))
        self.journal.append(
            Applied(self._hub.now, tag, job.id, job.action, record.id, item)
        )
        return record


def kind_of(request: Request) -> str:
    """post; poll or list (job statuses); read (records by their keys), records (all of
    them), export, or fields."""
    path = urlsplit(request.url).path
    if path.endswith("/records") and not any(map(_is_filter, request.params or ())):
        return "records"
    return KINDS.get(path.rpartition("/")[2], "read")


def _is_filter(name: str) -> bool:
    return name.startswith("filter")


def distorted(results: list[dict[str, Any]], job: AccountJob) -> list[dict[str, Any]]:
    """The results in the odd form that a job gives them."""
    match job.oddity:
        case "no_index":
            return [_without(result, "index") for result in results]
        case "shuffled_without_index":
            moved = results[1:] + results[:1]
            return [_without(each, "index", "external_id") for each in moved]
        case "short":
            return results[:-1]
        # Without a key nothing contradicts an index, and the product trusts it.
        case "wrong_index" if job.has_keys:
            last = len(results) - 1
            return [{**each, "index": last - each["index"]} for each in results]
        case "ids_only":
            return [{"id": each.get("id", "")} for each in reversed(results)]
        case "unknown_word":
            return [
                _without(each, "errors") | {"status": "Processed"} for each in results
            ]
        case _:
            return results


def _without(result: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in names}


def _is_bad(item: Any) -> bool:
    if isinstance(item, str):
        return False
    return bool(item.get("custom_object_fields", {}).get("value") == BAD)


def _key(item: Any) -> str:
    """The record id or external id of an item; "" for none."""
    return str(item.get("id") or item.get("external_id") or "")


def _failure(index: int, item: Any, code: str, detail: str) -> dict[str, Any]:
    result = {
        "index": index,
        "status": "Failed",
        "errors": [{"code": code, "title": code, "detail": detail}],
    }
    if isinstance(item, str):
        return result | {"external_id": item}
    named = {name: item[name] for name in ("id", "external_id") if item.get(name)}
    return result | named


def _shown(by: str, key: str, record: Record, version: Version) -> Shown:
    return Shown(by, key, record.id, record.external_id, record.name, version)


def _record_json(record: Record, version: Version) -> dict[str, Any]:
    created = EPOCH + timedelta(seconds=int(record.created_at))
    updated = EPOCH + timedelta(seconds=int(version.at))
    return {
        "id": record.id,
        "external_id": record.external_id,
        "name": record.name,
        "custom_object_fields": dict(version.values or {}),
        "created_at": created.isoformat(),
        "updated_at": updated.isoformat(),
    }
