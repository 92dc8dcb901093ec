"""Records that a verification creates on a scratch object, runs jobs with, and
deletes."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import batched
from urllib.parse import quote

from jobsui.verification.account import Account, listed_in, permitted, required
from jobsui.verification.questions import CannotAsk
from jobsui.verification.wording import item_error, response_error
from jobsui.zendesk.custom_objects import API, job_status_in, read_job_status
from jobsui.zendesk.errors import ZendeskError
from jobsui.zendesk.payloads import Field, ItemResult, JobStatus, Json, Response, Schema
from jobsui.zendesk.payloads import Verdict as ItemVerdict

NAME = "Jobs UI verification"
SENT_DATE = date(2026, 1, 31)
SAMPLES: dict[str, Json] = {
    "text": "jobsui verify",
    "textarea": "jobsui\nverify",
    "integer": 7,
    "decimal": 1.5,
    "currency": 12.5,
    "checkbox": True,
    "date": SENT_DATE.isoformat(),
}
PATTERNS = {"[0-9]{3}": "123"}
"""A value for each regular expression that a scratch object may use."""
LAG_MARGIN = 1.5
"""A lag is measured once, and may be longer the next time."""
CLEANUP_ROUNDS = 3
MAX_ITEMS = 100


class ScratchRefused(Exception):
    """The object cannot be used. `str()` of it says why and what to do."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """A job from its request to its end."""

    response: Response
    status: JobStatus | None = None
    """None: the request was refused."""
    seconds: float = 0.0
    words: tuple[str, ...] = ()
    """The statuses it had, in order."""

    @property
    def items(self) -> tuple[ItemResult, ...]:
        return (self.status and self.status.results) or ()

    @property
    def raw_items(self) -> list[dict[str, Json]]:
        """The results as they came."""
        results = self.status.raw.get("results") if self.status else None
        if not isinstance(results, list):
            return []
        return [result for result in results if isinstance(result, dict)]

    @property
    def is_refused(self) -> bool:
        return self.status is None

    @property
    def succeeded(self) -> bool:
        """Whether its single item did."""
        item = self._single_item()
        good = {ItemVerdict.SUCCEEDED, ItemVerdict.NAMED}
        return item is not None and item.verdict in good

    @property
    def failed(self) -> bool:
        """Whether its single item failed."""
        item = self._single_item()
        return item is not None and item.verdict == ItemVerdict.FAILED

    def described(self) -> str:
        """What happened to its single item, reduced."""
        if self.status is None:
            return f"the whole request is refused: {response_error(self.response)}"
        item = self._single_item()
        if item is None:
            return f"the job ends as {self.words[-1]} with {len(self.items)} results"
        if self.failed:
            return f"the item fails: {item_error(self.raw_items[0])}"
        return "the item succeeds" if self.succeeded else "the result says neither"

    def _single_item(self) -> ItemResult | None:
        return self.items[0] if len(self.items) == 1 else None


@dataclass(slots=True)
class Scratch:
    """The scratch object and everything that was sent to it. `clean_up` deletes it."""

    account: Account
    schema: Schema
    read_lag: float = 0.0
    """Seconds until a change can be read, as measured with the first job."""
    run_code: str = field(default_factory=lambda: secrets.token_hex(4))
    _external_ids: list[str] = field(default_factory=list)
    _record_ids: set[str] = field(default_factory=set)
    _running: set[str] = field(default_factory=set)
    _has_lost_request: bool = False
    """Whether a request may have queued a job that is not in `_running`."""
    _changed_at: float = 0.0
    """When the last job ended or the last record was sent, by the monotonic clock."""

    @classmethod
    def on(cls, account: Account, key: str) -> "Scratch":
        """Raises ScratchRefused."""
        schema = _schema(account, key)
        for each in schema.fields:
            if each.required and sample(each) is None:
                raise ScratchRefused(
                    f"verify has no value for the required field {each.key} "
                    f"({each.type}). Choose an object whose {each.type} fields are "
                    "optional, or create one."
                )
        return cls(account, schema)

    @property
    def path(self) -> str:
        return f"{API}/custom_objects/{quote(self.schema.object_key, safe='')}"

    @property
    def has_own_names(self) -> bool:
        return not self.schema.name_rules.autonumbered

    def field_of(self, *types: str) -> Field:
        """An optional field of one of these types. Raises CannotAsk."""
        for each in self.schema.fields:
            if each.type in types and not each.required and sample(each) is not None:
                return each
        raise CannotAsk(f"the object has no optional field of type {types[0]}")

    def typed_fields(self) -> dict[str, Field]:
        """An optional field of each type that the object has."""
        found: dict[str, Field] = {}
        for each in self.schema.fields:
            if not each.required and sample(each) is not None:
                found.setdefault(each.type, each)
        return found

    def new_external_id(self, label: str) -> str:
        """One that no other record has. It is deleted at the end."""
        number = len(self._external_ids) + 1
        return self.claim(f"jobsui-verify-{self.run_code}-{number}-{label}")

    def claim(self, external_id: str) -> str:
        """Delete this external ID too at the end."""
        self._external_ids.append(external_id)
        return external_id

    def item(
        self, label: str, fields: Mapping[str, Json] | None = None
    ) -> dict[str, Json]:
        """An item that creates a record with its own external ID."""
        required_fields = {
            each.key: sample(each) for each in self.schema.fields if each.required
        }
        item: dict[str, Json] = {
            "external_id": self.new_external_id(label),
            "custom_object_fields": required_fields | dict(fields or {}),
        }
        if self.has_own_names:
            item["name"] = f"{NAME} {self.run_code} {len(self._external_ids)}"
        return item

    def change(self) -> dict[str, Json]:
        """Members of an item that change something harmless. Raises CannotAsk."""
        if self.has_own_names:
            return {"name": f"{NAME} {self.run_code} changed"}
        each = self.field_of(*SAMPLES)
        return {"custom_object_fields": {each.key: sample(each)}}

    def send(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Like `Account.send`, below the object's path. Raises CannotAsk for what the
        credentials do not permit."""
        has_lost_request = self._has_lost_request
        # Stays so if this is interrupted.
        self._has_lost_request = True
        response = self.account.send(
            method, self.path + path, body, params=params, headers=headers
        )
        self._has_lost_request = has_lost_request or response.status >= 500
        self._changed_at = self.account.clock.monotonic()
        return permitted(response)

    def post(
        self,
        action: str,
        items: Sequence[Json],
        headers: Mapping[str, str] | None = None,
    ) -> JobRun:
        """Queue a job. Its status is the first one."""
        body = {"job": {"action": action, "items": list(items)}}
        response = self.send("POST", "/jobs", body, headers=headers)
        # Without the time that it waited for its turn and for a slot.
        started = self.account.clock.monotonic() - response.elapsed
        if not 200 <= response.status < 300:
            return JobRun(response)
        status = job_status_in(required(response, response.status))
        if not status.id:
            raise CannotAsk("the response to the job names no job status")
        self._running.add(status.id)
        return JobRun(response, status, started, (status.status,))

    def wait_for(self, posted: JobRun) -> JobRun:
        """The job at its end. Raises CannotAsk when it does not end in time."""
        if posted.status is None:
            return posted
        words = list(posted.words)
        started = posted.seconds
        deadline = started + self.account.timing.max_job
        while True:
            status = self._status(posted.status.id)
            now = self.account.clock.monotonic()
            if status and status.status != words[-1]:
                words.append(status.status)
            if status and status.is_over:
                self._running.discard(status.id)
                self._note_records(status)
                self._changed_at = now
                return JobRun(posted.response, status, now - started, tuple(words))
            if now > deadline:
                raise CannotAsk(f"a job did not end within {now - started:.0f} seconds")
            self.account.clock.sleep(self.account.timing.poll_interval)

    def run(
        self,
        action: str,
        items: Sequence[Json],
        headers: Mapping[str, str] | None = None,
    ) -> JobRun:
        """Run a job to its end. Raises CannotAsk."""
        return self.wait_for(self.post(action, items, headers))

    def create(
        self, label: str, fields: Mapping[str, Json] | None = None
    ) -> tuple[JobRun, str]:
        """Run a job that creates one record. Returns its external ID too."""
        item = self.item(label, fields)
        return self.run("create", [item]), item["external_id"]

    def record(self, external_id: str) -> dict[str, Json]:
        """The record as Zendesk shows it after the last change. Raises CannotAsk."""
        self.settle()
        record = self.find(external_id)
        if record is None:
            raise CannotAsk("the record could not be read back")
        return record

    def settle(self) -> None:
        """Wait until the last change can be read."""
        if not self.read_lag:
            return
        lag = LAG_MARGIN * self.read_lag + self.account.timing.poll_interval
        since = self.account.clock.monotonic() - self._changed_at
        if since < lag:
            self.account.clock.sleep(lag - since)

    def find(self, external_id: str) -> dict[str, Json] | None:
        """The record now, None when there is none to be seen."""
        params = {"filter[external_ids]": external_id}
        data = required(self.account.get(f"{self.path}/records", params))
        records = listed_in(data, "custom_object_records")
        ours = (each for each in records if each.get("external_id") == external_id)
        return next(ours, None)

    def listed(self, params: Mapping[str, str]) -> list[str]:
        """The record IDs of a page of the list, in its order."""
        data = required(self.account.get(f"{self.path}/records", params))
        records = listed_in(data, "custom_object_records")
        return [str(record.get("id")) for record in records]

    @property
    def external_ids(self) -> list[str]:
        """Of all records that may have been created."""
        return list(self._external_ids)

    def clean_up(self) -> list[str]:
        """Delete every record. Returns the external IDs of those that could not be
        deleted, or of which that is not known."""
        left = self.external_ids
        for _ in range(CLEANUP_ROUNDS):
            if not left:
                break
            try:
                left = self._delete(left)
            except (CannotAsk, ZendeskError):
                continue
        return left

    def _delete(self, external_ids: list[str]) -> list[str]:
        """Returns those that were still there afterwards. Raises CannotAsk and
        ZendeskError when that is not known."""
        self._wait_for_running()
        listable = [value for value in external_ids if "," not in value]
        left: list[str] = []
        try:
            for part in batched(external_ids, MAX_ITEMS):
                self.run("delete_by_external_id", part)
        except CannotAsk:
            left = [value for value in external_ids if "," in value]
        self.settle()
        left += self._delete_listed("external_ids", listable)
        left += self._delete_listed("ids", sorted(self._record_ids))
        return list(dict.fromkeys(left))

    def _delete_listed(self, filter_name: str, values: list[str]) -> list[str]:
        """Delete one by one what the jobs did not. Returns what was found."""
        found: list[str] = []
        for part in batched(values, MAX_ITEMS):
            params = {f"filter[{filter_name}]": ",".join(part)}
            data = required(self.account.get(f"{self.path}/records", params))
            for record in listed_in(data, "custom_object_records"):
                if not self._is_ours(record):
                    continue
                found.append(str(record.get("external_id") or record.get("id")))
                record_id = quote(str(record.get("id")), safe="")
                self.account.send("DELETE", f"{self.path}/records/{record_id}")
        return found

    def _is_ours(self, record: Mapping[str, Json]) -> bool:
        """An account that ignores the filter lists the records of others too."""
        has_our_id = record.get("external_id") in self._external_ids
        name = str(record.get("name") or "")
        return has_our_id or name.startswith(f"{NAME} {self.run_code} ")

    def _wait_for_running(self) -> None:
        """A job that still runs may create records after their deletion."""
        deadline = self.account.clock.monotonic() + self.account.timing.max_job
        while self._running and self.account.clock.monotonic() < deadline:
            for job_id in sorted(self._running):
                self._forget_if_over(job_id)
            if self._running:
                self.account.clock.sleep(self.account.timing.poll_interval)
        if self._running or self._has_lost_request:
            self.account.clock.sleep(self.account.timing.max_lag)
        self._running.clear()
        self._has_lost_request = False

    def _forget_if_over(self, job_id: str) -> None:
        try:
            status = self._status(job_id)
        except CannotAsk:
            # Such a job has as long as one whose response was lost.
            self._has_lost_request = True
            self._running.discard(job_id)
            return
        if status and status.is_over:
            self._running.discard(job_id)
            self._note_records(status)

    def _status(self, job_id: str) -> JobStatus | None:
        """None when Zendesk shows none at the moment."""
        response = self.account.get(f"{API}/job_statuses/{job_id}")
        if response.status != 200:
            return None
        data = required(response).get("job_status")
        return read_job_status(data) if isinstance(data, dict) else None

    def _note_records(self, status: JobStatus) -> None:
        ids = [item.record_id for item in status.results or ()]
        self._record_ids.update(filter(None, ids))


def _schema(account: Account, key: str) -> Schema:
    """The fields of the object now. Raises ScratchRefused."""
    path = f"{API}/custom_objects/{quote(key, safe='')}/fields"
    response = account.ask(path, {"include_standard_fields": "true"})
    if response.status == 404:
        raise ScratchRefused(f"The account has no custom object {key}.")
    try:
        fields = listed_in(required(response), "custom_object_fields")
    except CannotAsk as reason:
        raise ScratchRefused(f"The object {key} cannot be read: {reason}.") from None
    return Schema.from_api(key, fields)


def sample(each: Field) -> Json:
    """A value for the field; None when there is none."""
    if each.readonly:
        return None
    option = each.options[0].value if each.options else None
    if each.type == "dropdown":
        return option
    if each.type == "multiselect":
        return [option] if option else None
    if each.type == "regexp":
        return PATTERNS.get(each.regexp)
    return SAMPLES.get(each.type)
