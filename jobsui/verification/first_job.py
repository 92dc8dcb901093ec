"""The first job on the scratch object: one record for each type of field, watched from
its request until its records can be read and found. Many questions read it."""

from collections.abc import Callable
from dataclasses import dataclass

from jobsui.verification.account import listed_in, required
from jobsui.verification.questions import CannotAsk
from jobsui.verification.reads import UNKNOWN_JOB
from jobsui.verification.scratch import JobRun, Scratch, sample
from jobsui.verification.wording import response_error
from jobsui.zendesk.custom_objects import API
from jobsui.zendesk.payloads import Field, Json, Response, Verdict

PLAIN = "plain"
UNTOUCHED = "untouched"
COMMA = "comma, b"
"""A label whose external ID has a comma."""


@dataclass(slots=True)
class FirstJob:
    scratch: Scratch
    run: JobRun
    items: list[dict[str, Json]]
    """As they were sent."""
    fields: dict[str, Field]
    """By the type, which is also the label of its item."""
    status_at_once: Response
    """The job status, requested right after the job."""
    mixed_statuses: Response
    """The job status and an unknown one in one request."""
    is_listed_at_once: bool | None
    """Whether the list of job statuses had the job right after its request. None when
    the list could not be read."""
    read_lag: float | None
    """Seconds after the end of the job until its first record could be read. None when
    that took too long."""
    ids_lag: float | None
    """The same by record ID."""
    search_lag: float | None
    """The same for search, of the record whose external ID has a comma."""

    def external_id(self, label: str) -> str:
        """Of the item with this label."""
        for item in self.items:
            external_id = str(item["external_id"])
            if external_id.endswith(f"-{label}"):
                return external_id
        raise CannotAsk("the object has no such field")

    def record(self, label: str) -> dict[str, Json]:
        """The record of an item. Raises CannotAsk."""
        return self.scratch.record(self.external_id(label))

    def value(self, field_type: str) -> Json:
        """What a field of this type holds now. Raises CannotAsk."""
        field = self.scratch.field_of(field_type)
        return value_of(self.record(field_type), field)

    def successes(self) -> list[dict[str, Json]]:
        """The results of items that succeeded, as they came. Raises CannotAsk."""
        pairs = zip(self.run.raw_items, self.run.items, strict=True)
        found = [raw for raw, item in pairs if item.verdict != Verdict.FAILED]
        if not found:
            raise CannotAsk(
                f"the first job ended as {self.run.words[-1]} without results"
            )
        return found


def value_of(record: dict[str, Json], field: Field) -> Json:
    values = record.get("custom_object_fields")
    return values.get(field.key) if isinstance(values, dict) else None


def run_first_job(scratch: Scratch) -> FirstJob:
    """Raises CannotAsk when it is refused or does not end."""
    fields = scratch.typed_fields()
    items = [scratch.item(label) for label in (PLAIN, COMMA, UNTOUCHED)]
    items += [
        scratch.item(field_type, {each.key: sample(each)})
        for field_type, each in fields.items()
    ]
    posted = scratch.post("create", items)
    if posted.status is None:
        raise CannotAsk(f"the first job is refused: {response_error(posted.response)}")
    job_id = posted.status.id
    account = scratch.account
    at_once = account.get(f"{API}/job_statuses/{job_id}")
    is_listed = _is_listed(scratch, job_id)
    job_ids = f"{job_id},{UNKNOWN_JOB}"
    mixed = account.get(f"{API}/job_statuses/show_many", {"ids": job_ids})
    run = scratch.wait_for(posted)
    plain_id = str(items[0]["external_id"])
    comma_id = str(items[1]["external_id"])
    record_ids = {item.external_id: item.record_id for item in run.items}
    read_lag, ids_lag, search_lag = _lags(
        scratch,
        lambda: scratch.find(plain_id) is not None,
        lambda: listed_by_id(scratch, plain_id, record_ids.get(plain_id, "")),
        lambda: searched(scratch, comma_id),
    )
    scratch.read_lag = read_lag or 0.0
    return FirstJob(
        scratch=scratch,
        run=run,
        items=items,
        fields=fields,
        status_at_once=at_once,
        mixed_statuses=mixed,
        is_listed_at_once=is_listed,
        read_lag=read_lag,
        ids_lag=ids_lag,
        search_lag=search_lag,
    )


def listed_by_id(scratch: Scratch, external_id: str, record_id: str) -> bool:
    """Whether a list by record IDs shows a record. `record_id`: "" if the results of the
    job did not name it."""
    if not record_id:
        record = scratch.find(external_id)
        if record is None:
            return False
        record_id = str(record["id"])
    return record_id in scratch.listed({"filter[ids]": record_id})


def searched(scratch: Scratch, external_id: str) -> bool:
    """Whether search finds a record, as Jobs UI searches for external IDs with a
    comma."""
    body = {"filter": {"external_id": {"$eq": external_id}}}
    response = scratch.send("POST", "/records/search", body)
    records = listed_in(required(response), "custom_object_records")
    return any(record.get("external_id") == external_id for record in records)


def _is_listed(scratch: Scratch, job_id: str) -> bool | None:
    response = scratch.account.ask(f"{API}/job_statuses", {"page[size]": "100"})
    if response.status != 200:
        return None
    statuses = listed_in(required(response), "job_statuses")
    return any(status.get("id") == job_id for status in statuses)


def _lags(scratch: Scratch, *checks: Callable[[], bool]) -> list[float | None]:
    """For each check the seconds until it was true; 0 when it was at the first time of
    asking. None when it takes too long or cannot be asked."""
    clock = scratch.account.clock
    timing = scratch.account.timing
    started = clock.monotonic()
    waited = 0.0
    lags: list[float | None] = [None for _ in checks]
    open_checks = set(range(len(checks)))
    while open_checks and waited <= timing.max_lag:
        for index in sorted(open_checks):
            try:
                is_true = checks[index]()
            except CannotAsk:
                open_checks.discard(index)
                continue
            if is_true:
                lags[index] = waited
                open_checks.discard(index)
        if open_checks:
            clock.sleep(timing.poll_interval)
            waited = clock.monotonic() - started
    return lags
