"""Questions about items and requests that Zendesk should refuse."""

from jobsui.verification.account import body_of, permitted
from jobsui.verification.first_job import PLAIN
from jobsui.verification.questions import CannotAsk, Finding, Source, asks
from jobsui.verification.reads import MALFORMED_RECORD, UNKNOWN_OBJECT, UNKNOWN_RECORD
from jobsui.verification.scratch import JobRun
from jobsui.verification.wording import response_error, warning
from jobsui.verification.writes import JOBS, Writes
from jobsui.zendesk.custom_objects import API
from jobsui.zendesk.payloads import Json

UNKNOWN_FIELD = "jobsui_verify_unknown"
UPDATE_FAILED = "CustomObjectRecordUpdateFailed"
NOT_FOUND = "not found"
READ_ONLY = "created_at"
ITEM_FAILS = "The item fails, and the other items of the batch do not."


def _failing(run: JobRun) -> Finding:
    """Whether the item failed and the request did not."""
    return Finding(run.failed, f"{run.described()}{_warned(run)}")


def _succeeding(run: JobRun) -> Finding:
    return Finding(run.succeeded, f"{run.described()}{_warned(run)}")


def _warned(run: JobRun) -> str:
    text = warning(run.response.headers)
    return f"; X-Zendesk-API-Warn: “{text}”" if text else ""


@asks(
    "duplicate-external-id",
    "What happens to a create whose external ID is taken?",
    assumed=ITEM_FAILS,
    source=Source.ASSUMED,
    request=JOBS,
    matters=True,
    depends="Jobs UI can repeat a create safely only because Zendesk refuses a second "
    "record. If this does not hold, do not resend uncertain rows.",
)
def duplicate_external_id(writes: Writes) -> Finding:
    item = writes.scratch.item("duplicate")
    item["external_id"] = writes.first.external_id(PLAIN)
    return _failing(writes.scratch.run("create", [item]))


@asks(
    "unknown-field",
    "What happens to a field that the object does not have?",
    assumed=ITEM_FAILS,
    source=Source.ASSUMED,
    request=JOBS,
    matters=True,
    depends="Columns can be mapped only to fields as last synced. If unknown ones are "
    "dropped, Jobs UI shows Zendesk's warning, but the rows succeed without these values. "
    "Refresh the object after fields were deleted.",
)
def unknown_field(writes: Writes) -> Finding:
    run, _ = writes.scratch.create("field", {UNKNOWN_FIELD: "jobsui verify"})
    return _failing(run)


@asks(
    "read-only-value",
    "What happens to members and fields that only Zendesk may set?",
    assumed="They are dropped, and the item succeeds.",
    source=Source.ASSUMED,
    request=JOBS,
    depends="Jobs UI never sends them. Programs that send items as they are "
    "should leave them out.",
)
def read_only_value(writes: Writes) -> Finding:
    scratch = writes.scratch
    read_only = [each.key for each in scratch.schema.fields if each.readonly]
    item = scratch.item("read-only", dict.fromkeys(read_only[:1], 1))
    item[READ_ONLY] = "2001-01-01T00:00:00Z"
    return _succeeding(writes.scratch.run("create", [item]))


@asks(
    "standard-keys",
    "What happens to name and external_id among the field values?",
    assumed="They are ignored there.",
    source=Source.ASSUMED,
    request=JOBS,
    depends="Jobs UI sends them beside the field values. Some other clients repeat them.",
)
def standard_keys(writes: Writes) -> Finding:
    run, _ = writes.scratch.create("standard", {"external_id": "jobsui-verify"})
    return _succeeding(run)


@asks(
    "null-key",
    "Can an item have an ID that is null?",
    assumed="Yes, it is ignored.",
    source=Source.ASSUMED,
    request=JOBS,
    depends="Jobs UI leaves out empty IDs. Programs that send items as they are should "
    "do the same.",
)
def null_key(writes: Writes) -> Finding:
    item = writes.scratch.item("null") | {"id": None}
    return _succeeding(writes.scratch.run("create", [item]))


@asks(
    "missing-name",
    "What happens to a new record without a name?",
    assumed=ITEM_FAILS,
    source=Source.ASSUMED,
    request=JOBS,
    depends="The check of a file requires a name, so this rarely matters.",
)
def missing_name(writes: Writes) -> Finding:
    if not writes.scratch.has_own_names:
        raise CannotAsk("the names of this object are autonumbered")
    item = writes.scratch.item("nameless")
    del item["name"]
    return _failing(writes.scratch.run("create", [item]))


@asks(
    "autonumbered-name",
    "What happens to a name where names are autonumbered?",
    assumed=ITEM_FAILS,
    source=Source.OPEN,
    request=JOBS,
    depends="Jobs UI sends no name to such objects.",
)
def autonumbered_name(writes: Writes) -> Finding:
    if writes.scratch.has_own_names:
        raise CannotAsk("the names of this object are not autonumbered")
    item = writes.scratch.item("named") | {"name": "Jobs UI verification"}
    return _failing(writes.scratch.run("create", [item]))


@asks(
    "upsert-by-name",
    "What happens to an upsert by name where names are not unique?",
    assumed=ITEM_FAILS,
    source=Source.ASSUMED,
    request=JOBS,
    depends="Jobs UI offers this action only where names are unique.",
)
def upsert_by_name(writes: Writes) -> Finding:
    rules = writes.scratch.schema.name_rules
    if rules.unique or rules.autonumbered:
        raise CannotAsk("the names of this object are unique or autonumbered")
    item = writes.scratch.item("by-name")
    return _failing(writes.scratch.run("create_or_update_by_name", [item]))


@asks(
    "unknown-record",
    "How does the update of a record that does not exist fail?",
    assumed="The item fails with the code CustomObjectRecordUpdateFailed.",
    source=Source.OPEN,
    request=JOBS,
    depends="Failed rows are grouped by code and message, whatever these are.",
)
def unknown_record(writes: Writes) -> Finding:
    run = writes.scratch.run(
        "update", [{"id": UNKNOWN_RECORD, **writes.scratch.change()}]
    )
    has_code = run.failed and run.items[0].error_code == UPDATE_FAILED
    return Finding(has_code, run.described())


@asks(
    "missing-delete",
    "Does the deletion of a record that does not exist say that it was not found?",
    assumed="Yes, with the code CustomObjectRecordDeleteFailed.",
    source=Source.SEEN,
    request=JOBS,
    matters=True,
    depends="When Jobs UI repeats a deletion, it counts a failure that says “not found” as "
    "success, whatever its code. If it says something else, rows that were deleted are "
    "reported as failed.",
)
def missing_delete(writes: Writes) -> Finding:
    external_id = writes.scratch.new_external_id("never-created")
    run = writes.scratch.run("delete_by_external_id", [external_id])
    says_so = run.failed and NOT_FOUND in _error_text(run)
    return Finding(says_so, run.described())


def _error_text(run: JobRun) -> str:
    """In lower case."""
    item = run.items[0]
    return f"{item.error_code} {item.error}".lower()


@asks(
    "malformed-record-id",
    "What happens to a record ID that is malformed?",
    assumed=ITEM_FAILS,
    source=Source.ASSUMED,
    request=JOBS,
    depends="Jobs UI checks record IDs before it sends them. Programs that send items as "
    "they are may lose a whole batch to one malformed ID.",
)
def malformed_record_id(writes: Writes) -> Finding:
    item = {"id": MALFORMED_RECORD, **writes.scratch.change()}
    return _failing(writes.scratch.run("update", [item]))


@asks(
    "record-id-case",
    "Does a record ID in lower case name the record?",
    assumed="No, the item fails.",
    source=Source.OPEN,
    request=JOBS,
    depends="Jobs UI sends record IDs in capital letters, as Zendesk shows them, so it works "
    "both ways.",
)
def record_id_case(writes: Writes) -> Finding:
    record_id = str(writes.first.record(PLAIN)["id"])
    item = {"id": record_id.lower(), **writes.scratch.change()}
    run = writes.scratch.run("update", [item])
    return Finding(not run.succeeded, run.described())


@asks(
    "update-key",
    "Can an update name its record by external ID?",
    assumed="No, it needs the record ID.",
    source=Source.ASSUMED,
    request=JOBS,
    depends="Jobs UI requires a record ID to update. To change records by external ID, "
    "use the action that creates or updates.",
)
def update_key(writes: Writes) -> Finding:
    item = {
        "external_id": writes.first.external_id(PLAIN),
        **writes.scratch.change(),
    }
    run = writes.scratch.run("update", [item])
    return Finding(not run.succeeded, run.described())


@asks(
    "too-many-items",
    "Is a job of more than 100 items refused?",
    assumed="Yes, as a whole.",
    source=Source.ASSUMED,
    request=f"{JOBS} with 101 deletions of records that do not exist",
    depends="Jobs UI never sends more than 100 items.",
)
def too_many_items(writes: Writes) -> Finding:
    external_id = writes.scratch.new_external_id("never-created")
    items = [f"{external_id}-{number}" for number in range(101)]
    run = writes.scratch.run("delete_by_external_id", items)
    if run.status is None:
        return Finding(True, response_error(run.response))
    return Finding(False, f"accepted, with {len(run.items)} results")


@asks(
    "invalid-request",
    "How is a request refused that is not a valid job?",
    assumed="With status 400 and a titled error.",
    source=Source.OPEN,
    request=f"{JOBS} without a job, with an unknown action, and without items",
    depends="Jobs UI reads every form of error that Zendesk is known to use.",
)
def invalid_request(writes: Writes) -> Finding:
    bodies: tuple[Json, ...] = (
        {},
        {"job": {"action": "jobsui_verify", "items": [{}]}},
        {"job": {"action": "update", "items": []}},
    )
    observed = []
    is_titled = []
    for body in bodies:
        response = writes.scratch.send("POST", "/jobs", body)
        data = body_of(response)
        error = data.get("error") if isinstance(data, dict) else None
        observed.append(response_error(response))
        is_titled.append(response.status == 400 and isinstance(error, dict))
    return Finding(all(is_titled), "; ".join(dict.fromkeys(observed)))


@asks(
    "malformed-json",
    "How is a body refused that is not JSON?",
    assumed="With status 400.",
    source=Source.OPEN,
    request=JOBS,
    depends="Jobs UI checks that a test request is JSON before it sends it.",
)
def malformed_json(writes: Writes) -> Finding:
    response = writes.scratch.send("POST", "/jobs", b'{"job": ')
    return Finding(response.status == 400, response_error(response))


@asks(
    "unknown-object-job",
    "How is a job for an unknown object refused?",
    assumed="With status 404.",
    source=Source.ASSUMED,
    request=JOBS,
    depends="Jobs UI pauses a job whose object was deleted. With another status it "
    "pauses too, with a less exact reason.",
)
def unknown_object_job(writes: Writes) -> Finding:
    path = f"{API}/custom_objects/{UNKNOWN_OBJECT}/jobs"
    body = {"job": {"action": "delete", "items": [UNKNOWN_RECORD]}}
    response = writes.scratch.account.send("POST", path, body)
    return Finding(permitted(response).status == 404, response_error(response))


@asks(
    "field-errors",
    "Where does the refusal of a single record name the field?",
    assumed="Status 422, with the field's key under details.",
    source=Source.ASSUMED,
    request="POST /api/v2/custom_objects/{object}/records",
    depends="Only test requests and the compatible endpoint show such errors. They show "
    "every form.",
)
def field_errors(writes: Writes) -> Finding:
    each = writes.scratch.field_of("integer", "decimal", "date", "checkbox")
    item = writes.scratch.item("single", {each.key: "jobsui verify"})
    body = {"custom_object_record": item}
    response = writes.scratch.send("POST", "/records", body)
    if response.status == 201:
        return Finding(False, "the record was created")
    data = body_of(response)
    details = data.get("details") if isinstance(data, dict) else None
    has_key = isinstance(details, dict) and each.key in details
    where = "the field's key is under details" if has_key else "the key is not there"
    return Finding(
        response.status == 422 and has_key, f"{response_error(response)}; {where}"
    )


PROBES = (
    duplicate_external_id,
    unknown_field,
    read_only_value,
    standard_keys,
    null_key,
    missing_name,
    autonumbered_name,
    upsert_by_name,
    unknown_record,
    missing_delete,
    malformed_record_id,
    record_id_case,
    update_key,
    too_many_items,
    invalid_request,
    malformed_json,
    unknown_object_job,
    field_errors,
)
