"""Events of a job as sentences."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from jobsui.jobs.enums import Component, EventKind
from jobsui.jobs.models import Job, JobEvent, RunSettings
from jobsui.text import counted

MAX_EVENTS = 200


@dataclass(frozen=True, slots=True)
class EventLine:
    at: datetime
    sentence: str
    actor: str
    """A user name, "Jobs UI", or "Command line"; "" for a person deleted since."""


def latest_events(job: Job) -> list[EventLine]:
    """The newest first, at most MAX_EVENTS."""
    events: Iterable[JobEvent] = job.events.select_related("by")[:MAX_EVENTS]
    return [EventLine(event.at, sentence(event), actor(event)) for event in events]


def actor(event: JobEvent) -> str:
    if event.by:
        return event.by.username
    if event.component == Component.COMMAND_LINE:
        return Component.COMMAND_LINE.label
    return "Jobs UI" if event.component else ""


def sentence(event: JobEvent) -> str:
    kind = EventKind(event.kind)
    facts = event.facts
    match kind:
        case EventKind.NOTE:
            return str(facts["text"])
        case EventKind.EDITED:
            return f"Draft changed: {facts['changed']}."
        case EventKind.CHECKED if facts.get("warned"):
            return (
                f"Checked {counted(facts['rows'], 'row')}: {facts['invalid']:,} invalid, "
                f"{facts['warned']:,} with warnings."
            )
        case EventKind.CHECKED:
            return f"Checked {counted(facts['rows'], 'row')}: {facts['invalid']:,} invalid."
        case EventKind.CORRECTED if facts["row"]:
            return f"Corrected {facts['column']} in row {facts['row']:,}."
        case EventKind.CORRECTED:
            return f"Corrected {counted(facts['cells'], 'cell')}."
        case EventKind.TEXT_REPLACED:
            values = counted(facts.get("values", 1), "value")
            return f"Replaced {values} of {facts['column']} in all rows."
        case EventKind.CORRECTION_UNDONE if facts["row"]:
            return f"Undid the correction of {facts['column']} in row {facts['row']:,}."
        case EventKind.CORRECTION_UNDONE:
            return f"Undid the replacement of a value of {facts['column']}."
        case EventKind.CORRECTIONS_DELETED:
            number = counted(facts["number"], "correction")
            return f"Deleted {number}: the rows of the draft are others now."
        case EventKind.LAUNCHED if facts["hold_after_first_batch"]:
            return "Launched: the first batch, then wait for approval."
        case EventKind.LAUNCHED if "overlaps" in facts:
            jobs = counted(len(facts["overlaps"]), "earlier job")
            return f"Launched. Rows wait for {jobs} with the same records."
        case EventKind.LAUNCHED if "deletions" in facts:
            records = counted(facts["deletions"], "record")
            return f"Launched. Deletes {records} that only the account has, after all rows."
        case EventKind.SETTINGS_CHANGED:
            return f"Settings changed. {RunSettings.from_json(facts)}"
        case EventKind.PAUSED:
            return "Paused. No batch is in flight."
        case EventKind.HELD:
            return "Approval needed: the first batch has finished."
        case EventKind.APPROVED:
            rows = counted(facts["rows"], "row")
            return f"First batch approved: {rows} to send."
        case EventKind.APPROVAL_GIVEN | EventKind.APPROVAL_REJECTED:
            return f"{kind.label}. {facts['comment']}".rstrip()
        case EventKind.APPROVAL_VOIDED:
            return f"The approval is void. Changed: {facts['changed']}."
        case EventKind.CHOSEN:
            return f"Choice changed: {facts['chosen']}."
        case EventKind.CANCELLED if not facts["rows"]:
            return "Cancelled. Every row had already been sent."
        case EventKind.CANCELLED:
            return f"Cancelled. {counted(facts['rows'], 'row')} not sent."
        case EventKind.WAIT_STOPPED:
            rows = counted(facts["rows"], "row")
            batches = counted(facts["batches"], "batch")
            return f"Stopped waiting for {batches}: {rows} uncertain."
        case EventKind.DECISION_NEEDED:
            return f"Decision needed: {counted(facts['rows'], 'row')} uncertain."
        case EventKind.RECHECK_REQUESTED:
            return f"Checking {counted(facts['rows'], 'uncertain row')} again."
        case EventKind.RESEND_REQUESTED:
            return f"Resending {counted(facts['rows'], 'uncertain row')}."
        case EventKind.UNKNOWN_ACCEPTED:
            return f"Accepted {counted(facts['rows'], 'uncertain row')} as unknown."
        case EventKind.RETRY_CREATED:
            return f"Retry created with {counted(facts['rows'], 'failed row')}."
        case EventKind.CONTINUATION_CREATED:
            rows = counted(facts["rows"], "row")
            return f"New job created with {rows} that were not sent."
        case EventKind.FINISHED:
            rows = counted(facts["rows"], "row")
            return f"Finished: {facts['succeeded']:,} of {rows} succeeded."
        case _:
            reason = facts.get("reason", "")
            return f"{kind.label}. {reason}".rstrip()
