"""Questions about repeated requests and about keys that are used again."""

from jobsui.verification.questions import CannotAsk, Finding, Source, asks
from jobsui.verification.scratch import NAME
from jobsui.verification.wording import response_error
from jobsui.verification.writes import JOBS, RECORDS, Writes
from jobsui.zendesk.payloads import Verdict

SAME_KEY_ITEMS = 30
SECONDS_BETWEEN = 2.0
"""Times of records have whole seconds."""


@asks(
    "idempotency-key",
    "Does an Idempotency-Key prevent that a repeated request queues a second job?",
    assumed="No, it is ignored.",
    source=Source.OPEN,
    request=f"{JOBS} twice with the same Idempotency-Key",
    depends="After a lost response Jobs UI reads the records before it sends a batch "
    "again. It needs no key, so it works both ways.",
)
def idempotency_key(writes: Writes) -> Finding:
    item = writes.scratch.item("repeated")
    headers = {"Idempotency-Key": f"jobsui-verify-{writes.scratch.run_code}"}
    first = writes.scratch.run("create", [item], headers)
    second = writes.scratch.run("create", [item], headers)
    if first.status is None or second.status is None:
        refused = first if first.status is None else second
        raise CannotAsk(refused.described())
    if first.status.id == second.status.id:
        return Finding(False, "the second response names the first job")
    return Finding(True, f"a second job is queued; {second.described()}")


@asks(
    "item-order",
    "Are the items of a job applied in their order?",
    assumed="Yes: of several items for one record the last one counts.",
    source=Source.ASSUMED,
    request=f"{JOBS}, then {RECORDS}",
    depends="The check of a file refuses two rows with the same key, so it works both ways.",
)
def item_order(writes: Writes) -> Finding:
    scratch = writes.scratch
    if not scratch.has_own_names:
        raise CannotAsk("the names of this object are autonumbered")
    base = scratch.item("order")
    names = [
        f"{NAME} {scratch.run_code} order {number}" for number in range(SAME_KEY_ITEMS)
    ]
    items = [base | {"name": name} for name in names]
    run = scratch.run("create_or_update_by_external_id", items)
    if run.is_refused:
        raise CannotAsk(run.described())
    held = scratch.record(str(base["external_id"])).get("name")
    failed = sum(item.verdict == Verdict.FAILED for item in run.items)
    is_last = held == names[-1]
    which = "the last of" if is_last else "another of"
    observed = f"the record holds {which} {SAME_KEY_ITEMS} items, {failed} failed"
    return Finding(is_last, observed)


@asks(
    "key-reuse",
    "Can the external ID of a deleted record be used again at once?",
    assumed="Yes.",
    source=Source.OPEN,
    request=JOBS,
    matters=True,
    depends="Jobs UI lets a job create records after another job deleted them. If this "
    "does not hold, wait before you create them again, or these rows fail.",
)
def key_reuse(writes: Writes) -> Finding:
    scratch = writes.scratch
    item = scratch.item("reused")
    created = scratch.run("create", [item])
    deleted = scratch.run("delete_by_external_id", [item["external_id"]])
    for run in (created, deleted):
        if not run.succeeded:
            raise CannotAsk(run.described())
    again = scratch.run("create", [item])
    return Finding(again.succeeded, again.described())


@asks(
    "creating-upsert",
    "Which status has the upsert of a single record that creates it?",
    assumed="200.",
    source=Source.OPEN,
    request="PATCH /api/v2/custom_objects/{object}/records?external_id=",
    depends="Jobs UI sends jobs only. Test requests show any status.",
)
def creating_upsert(writes: Writes) -> Finding:
    scratch = writes.scratch
    item = scratch.item("upsert")
    body = {"custom_object_record": item}
    key = {"external_id": str(item["external_id"])}
    response = scratch.send("PATCH", "/records", body, params=key)
    if not 200 <= response.status < 300:
        raise CannotAsk(response_error(response))
    return Finding(response.status == 200, f"status {response.status}")


@asks(
    "no-change-update",
    "Does an update that changes nothing move the time of the last update?",
    assumed="Yes.",
    source=Source.OPEN,
    request=f"{JOBS}, then {RECORDS}",
    depends="The fields of a record decide, so it works both ways. A later time alone "
    "does not say that a record was changed.",
)
def no_change_update(writes: Writes) -> Finding:
    scratch = writes.scratch
    _, external_id = scratch.create("same")
    before = scratch.record(external_id)
    scratch.account.clock.sleep(SECONDS_BETWEEN)
    members = ("id", "name") if scratch.has_own_names else ("id", "external_id")
    run = scratch.run("update", [{member: before[member] for member in members}])
    if not run.succeeded:
        raise CannotAsk(run.described())
    after = scratch.record(external_id)
    if not before.get("updated_at"):
        raise CannotAsk("records have no times")
    has_moved = after.get("updated_at") != before["updated_at"]
    return Finding(has_moved, "it moves" if has_moved else "it stays")


@asks(
    "external-id-spaces",
    "Does an external ID keep a space at its end?",
    assumed="Yes.",
    source=Source.OPEN,
    request=f"{JOBS}, then {RECORDS}",
    depends="The check of a file refuses such external IDs, so it works both ways.",
)
def external_id_spaces(writes: Writes) -> Finding:
    scratch = writes.scratch
    item = scratch.item("spaced")
    plain = str(item["external_id"])
    item["external_id"] = scratch.claim(f"{plain} ")
    run = scratch.run("create", [item])
    if not run.succeeded:
        return Finding(False, run.described())
    scratch.settle()
    if scratch.find(f"{plain} "):
        return Finding(True, "the space is kept")
    is_trimmed = scratch.find(plain) is not None
    return Finding(False, "the space is removed" if is_trimmed else "it is not found")


@asks(
    "external-id-case",
    "May two records have external IDs that differ only in case?",
    assumed="Yes.",
    source=Source.OPEN,
    request=JOBS,
    matters=True,
    depends="Jobs UI takes such IDs as different, as lists by external IDs do. If this does not "
    "hold, a row may fail because its ID is taken, or change the other record.",
)
def external_id_case(writes: Writes) -> Finding:
    scratch = writes.scratch
    run, external_id = scratch.create("case")
    if not run.succeeded:
        raise CannotAsk(run.described())
    item = scratch.item("case")
    item["external_id"] = scratch.claim(external_id.upper())
    second = scratch.run("create", [item])
    return Finding(second.succeeded, second.described())


PROBES = (
    idempotency_key,
    item_order,
    key_reuse,
    creating_upsert,
    no_change_update,
    external_id_spaces,
    external_id_case,
)
