"""Approvals: the rules of a connection make a job wait for another person. What is approved is
one plan, known by its hash: the file, its corrections, the mapping, what is chosen, and what was
found in the account. When any of it changes, the approval is void."""

import hashlib
import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from jobsui.audit import log
from jobsui.audit.models import Action as Audited
from jobsui.connections.editing import subject_of
from jobsui.connections.models import Connection
from jobsui.jobs.control import comparisons, undo
from jobsui.jobs.enums import (
    ApprovalState,
    Component,
    EventKind,
    JobState,
    ParentRows,
    ReadState,
)
from jobsui.jobs.errors import ApprovalNeeded, NotPossibleNow
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.live import plan_numbers
from jobsui.jobs.live.plan_numbers import PlanNumbers
from jobsui.jobs.models import Approval, ApprovalRules, Job, JobEvent, RecordRead
from jobsui.jobs.preparation import checker
from jobsui.jobs.queueing import enqueue
from jobsui.text import counted

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_TEXT = 500
"""Characters of a note or comment."""
NEEDED = "Another person has to approve this job before its launch."
NEEDED_ALWAYS = "Every job of this connection needs approval."
UNKNOWN_CHANGE = "file, object or rules"
CHANGED = "The job has changed since its approval was asked for. Ask again."
DECISIONS = (
    EventKind.APPROVAL_GIVEN,
    EventKind.APPROVAL_REJECTED,
    EventKind.APPROVAL_VOIDED,
)
"""Events that do not make somebody one of those who have made the plan."""


def rules_of(connection: Connection) -> ApprovalRules:
    """Unsaved and empty if the connection has none."""
    found = ApprovalRules.objects.filter(connection=connection).first()
    return found or ApprovalRules(connection=connection)


@transaction.atomic
def set_rules(
    connection: Connection, values: dict[str, bool | int | float | None]
) -> None:
    """`values`: as ApprovalRules.values. They count for each launch from now on."""
    before = rules_of(connection)
    after = ApprovalRules(connection=connection, **values)
    if after.values == before.values:
        return
    if after.is_empty:
        ApprovalRules.objects.filter(connection=connection).delete()
    else:
        after.save()
    log.record(
        Audited.APPROVAL_RULES_CHANGED,
        subject_of(connection),
        before=before.values,
        after=after.values,
    )


def reasons(job: Job) -> list[str]:
    """Why a checked job needs approval, as sentences with the numbers; [] if it does not."""
    return [reason for _, reason in _broken_rules(job)]


def current(job: Job) -> Approval | None:
    """The last one that was asked for."""
    return (
        Approval.objects.filter(job=job)
        .select_related("asked_by", "decided_by")
        .first()
    )


def of_jobs(jobs: Collection[Job]) -> dict[int, Approval]:
    """{ID of a job: the last approval that was asked for}."""
    found = Approval.objects.filter(job__in=jobs).order_by("pk")
    asked = found.select_related("asked_by", "decided_by")
    return {approval.job_id: approval for approval in asked}


def is_of_present_plan(approval: Approval, job: Job) -> bool:
    return approval.plan == _plan(job)


def is_waiting(job: Job) -> bool:
    """Whether somebody has to decide about the job as it is now."""
    last = current(job)
    if last is None or last.state != ApprovalState.ASKED:
        return False
    return is_of_present_plan(last, job)


def waiting() -> QuerySet[Approval]:
    """Those that wait for a decision, the oldest first."""
    asked = Approval.objects.filter(state=ApprovalState.ASKED)
    return asked.order_by("pk").select_related(
        "job__connection", "job__file", "asked_by"
    )


@transaction.atomic
def request(job: Job, *, by: Actor, note: str = "") -> Approval:
    """Ask for approval of a job as it is now. Asked twice for the same plan, nothing changes.
    Raises NotPossibleNow."""
    ready = _locked(job)
    found = reasons(ready)
    if not found:
        raise NotPossibleNow("This job needs no approval. Launch it.")
    plan = _plan(ready)
    last = current(ready)
    if last is not None and last.is_open:
        if last.plan == plan:
            return last
        lifecycle.void_approval(ready, by=by, changed=UNKNOWN_CHANGE)
    approval = Approval.objects.create(
        job=ready,
        plan=plan,
        reasons=found,
        note=note[:MAX_TEXT],
        asked_by=_person(by),
    )
    lifecycle.record(
        ready,
        EventKind.APPROVAL_REQUESTED,
        by=by,
        facts={"reason": " ".join(found), "note": approval.note},
    )
    _changed(ready)
    return approval


def approve(approval: Approval, *, by: "User", comment: str = "") -> None:
    """Raises NotPossibleNow if the job has changed, was decided about already, or is their own."""
    job = _decide(approval, ApprovalState.APPROVED, by=by, comment=comment)
    if job.auto_target:
        enqueue("advance_job", job.pk)


def reject(approval: Approval, *, by: "User", comment: str) -> None:
    """The job stays as it is, and does not launch itself. `comment`: why. Raises as
    `approve`."""
    job = _decide(approval, ApprovalState.REJECTED, by=by, comment=comment)
    reason = f"{by.get_username()} has rejected this job. {comment}".rstrip()
    Job.objects.change(
        job, expected=(JobState.READY,), auto_target="", reason=reason[:MAX_TEXT]
    )


def own_part(job: Job, person: "User") -> str:
    """Why a person must not decide about a job, as a sentence; "" if they may."""
    last = current(job)
    if job.created_by_id == person.pk:
        return "You have created this job. Another person has to approve it."
    if last is not None and last.asked_by_id == person.pk:
        return "You have asked for this approval. Another person has to give it."
    own = JobEvent.objects.filter(job=job, by=person).exclude(kind__in=DECISIONS)
    if own.exists():
        return "You have changed this job. Another person has to approve it."
    return ""


def require(job: Job) -> None:
    """Raise ApprovalNeeded unless a job needs no approval or has it. The caller has locked the
    job, and launches it in the same transaction."""
    found = reasons(job)
    if not found:
        return
    last = current(job)
    is_approved = last is not None and last.state == ApprovalState.APPROVED
    if last is None or not is_approved or not is_of_present_plan(last, job):
        raise ApprovalNeeded(f"{NEEDED} {' '.join(found)}")


def use(job: Job) -> None:
    """A job is launched: its approval is not needed any more."""
    Approval.objects.filter(job=job).open().update(state=ApprovalState.USED)


def void_changed() -> None:
    """Void the approvals of jobs whose file, object or rules have changed without them. Pages
    see at once that these do not count, and a launch refuses them; this makes it part of the
    history."""
    for approval in Approval.objects.open():
        with transaction.atomic():
            job = Job.objects.select_for_update().filter(pk=approval.job_id).first()
            if job is not None and not is_of_present_plan(approval, job):
                lifecycle.void_approval(
                    job, by=Component.AUTOMATION, changed=UNKNOWN_CHANGE
                )
                _changed(job)


def _decide(
    approval: Approval, state: ApprovalState, *, by: "User", comment: str
) -> Job:
    with transaction.atomic():
        job = _locked(approval.job)
        if refusal := own_part(job, by):
            raise NotPossibleNow(refusal)
        if not is_of_present_plan(approval, job):
            raise NotPossibleNow(CHANGED)
        asked = Approval.objects.filter(state=ApprovalState.ASKED)
        decided = asked.filter(pk=approval.pk)
        is_first = decided.update(
            state=state,
            decided_by=by,
            decided_at=timezone.now(),
            comment=comment[:MAX_TEXT],
        )
        if not is_first:
            raise NotPossibleNow("Someone else has just decided about this job.")
        is_approved = state is ApprovalState.APPROVED
        kind = EventKind.APPROVAL_GIVEN if is_approved else EventKind.APPROVAL_REJECTED
        lifecycle.record(job, kind, by=by, facts={"comment": comment[:MAX_TEXT]})
        _changed(job)
    return job


def _locked(job: Job) -> Job:
    """The job as it is now. Raises NotPossibleNow unless it is checked and not launched."""
    # Only the job: PostgreSQL locks no related row that may be missing.
    locked = Job.objects.select_for_update(of=("self",))
    ready = locked.filter(pk=job.pk, state=JobState.READY)
    found = ready.select_related("connection", "file", "parent", "created_by").first()
    if found is None:
        raise NotPossibleNow("Only a checked job that is not launched can be approved.")
    return found


def _changed(job: Job) -> None:
    """Pages show it."""
    Job.objects.change(job, expected=(job.state,))


def _person(by: Actor) -> "User | None":
    return None if isinstance(by, Component) else by


def _read(job: Job) -> RecordRead | None:
    """The finished read that the plan is cut from."""
    if job.parent_rows != ParentRows.UNDONE:
        return comparisons.finished(job)
    read = undo.current(job)
    return read if read and read.state == ReadState.DONE else None


def _plan(job: Job) -> str:
    """The hash of all that is approved."""
    read = _read(job)
    facts: dict[str, Any] = {
        "checked": job.checked_fingerprint,
        "present": checker.fingerprint(job),
        "action": job.action,
        "rows": [job.rows, job.rows_invalid, job.rows_warned],
        "options": job.options,
        # Raised when rows are left out.
        "read": [read.pk, read.version] if read else None,
        "rules": [name for name, _ in _broken_rules(job)],
    }
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _broken_rules(job: Job) -> list[tuple[str, str]]:
    """(name of the rule, why it applies, as a sentence)."""
    rules = rules_of(job.connection)
    if rules.is_empty:
        return []
    plan = plan_numbers.of(job, _read(job))
    found = {
        "every_job": NEEDED_ALWAYS if rules.every_job else "",
        "deletes": _deletes(plan) if rules.deletes else "",
        "max_rows": _rows(rules.max_rows, plan),
        "max_percent": _share(rules.max_percent, plan),
        "max_blanked": _blanked(rules.max_blanked, plan),
    }
    return [(name, reason) for name, reason in found.items() if reason]


def _deletes(plan: PlanNumbers) -> str:
    return f"It deletes {counted(plan.deletes, 'record')}." if plan.deletes else ""


def _rows(most: int | None, plan: PlanNumbers) -> str:
    if most is None or plan.sent <= most:
        return ""
    return f"It sends {counted(plan.sent, 'row')}, more than {most:,}."


def _share(most: float | None, plan: PlanNumbers) -> str:
    if most is None or not plan.changed:
        return ""
    changed = f"It changes or deletes up to {plan.changed:,}"
    if not plan.records:
        return f"{changed} records. How many there are was not counted lately: refresh the object."
    if plan.changed * 100 <= most * plan.records:
        return ""
    share = 100 * plan.changed / plan.records
    records = counted(plan.records, "record")
    return f"{changed} of {records}, {share:.3g} %. The rule allows {most:g} %."


def _blanked(most: int | None, plan: PlanNumbers) -> str:
    if most is None:
        return ""
    if plan.blanked is None:
        return (
            "How many cells become blank is not known: the rows are not compared with their "
            "records."
        )
    if plan.blanked <= most:
        return ""
    return f"{counted(plan.blanked, 'cell')} may become blank, more than {most:,}."
