"""The fixed values of the product: actions, states, outcomes, kinds of events."""

from enum import StrEnum

from django.db.models import IntegerChoices, TextChoices


class Action(TextChoices):
    CREATE = "create", "Create"
    UPDATE = "update", "Update"
    UPSERT_BY_EXTERNAL_ID = (
        "create_or_update_by_external_id",
        "Create or update by external ID",
    )
    UPSERT_BY_NAME = "create_or_update_by_name", "Create or update by name"
    DELETE = "delete", "Delete"
    DELETE_BY_EXTERNAL_ID = "delete_by_external_id", "Delete by external ID"

    @property
    def key(self) -> str:
        """The member of an item that identifies its record: "id", "external_id" or
        "name"; "" for create."""
        return _KEYS[self]

    @property
    def key_of_records(self) -> str:
        """`key`; for create the external ID, which only one record can have."""
        return self.key or "external_id"

    @property
    def deletes(self) -> bool:
        return self in {Action.DELETE, Action.DELETE_BY_EXTERNAL_ID}

    @property
    def is_upsert(self) -> bool:
        """Changes the record with the key of a row, or creates it."""
        return self in {Action.UPSERT_BY_EXTERNAL_ID, Action.UPSERT_BY_NAME}

    @property
    def is_repeatable(self) -> bool:
        """Sending the same rows again leads to the same records. Only `create` creates
        others each time."""
        return self is not Action.CREATE

    @property
    def outcome(self) -> "Outcome":
        """The outcome of a row that succeeded. The response to an upsert does not say
        whether the record was created (docs/zendesk.md)."""
        return _OUTCOMES[self]


class Outcome(TextChoices):
    PENDING = "pending", "Pending"
    CREATED = "created", "Created"
    UPDATED = "updated", "Updated"
    CREATED_OR_UPDATED = "created_or_updated", "Created or updated"
    DELETED = "deleted", "Deleted"
    UNCHANGED = "unchanged", "Unchanged"
    INVALID = "invalid", "Invalid"
    FAILED = "failed", "Failed"
    UNCERTAIN = "uncertain", "Uncertain"
    CANCELLED = "cancelled", "Cancelled"


SUCCEEDED = (
    Outcome.CREATED,
    Outcome.UPDATED,
    Outcome.CREATED_OR_UPDATED,
    Outcome.DELETED,
    Outcome.UNCHANGED,
)
SETTLED = (
    *SUCCEEDED,
    Outcome.INVALID,
    Outcome.FAILED,
    Outcome.UNCERTAIN,
    Outcome.CANCELLED,
)

_KEYS = {
    Action.CREATE: "",
    Action.UPDATE: "id",
    Action.UPSERT_BY_EXTERNAL_ID: "external_id",
    Action.UPSERT_BY_NAME: "name",
    Action.DELETE: "id",
    Action.DELETE_BY_EXTERNAL_ID: "external_id",
}
_OUTCOMES = {
    Action.CREATE: Outcome.CREATED,
    Action.UPDATE: Outcome.UPDATED,
    Action.UPSERT_BY_EXTERNAL_ID: Outcome.CREATED_OR_UPDATED,
    Action.UPSERT_BY_NAME: Outcome.CREATED_OR_UPDATED,
    Action.DELETE: Outcome.DELETED,
    Action.DELETE_BY_EXTERNAL_ID: Outcome.DELETED,
}


class JobState(TextChoices):
    DRAFT = "draft", "Draft"
    CHECKING = "checking", "Checking"
    READY = "ready", "Ready"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    PAUSING = "pausing", "Pausing"
    PAUSED = "paused", "Paused"
    CANCELLING = "cancelling", "Cancelling"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"
    NEEDS_DECISION = "needs_decision", "Needs a decision"
    COMPLETED = "completed", "Completed"


UNLAUNCHED = (JobState.DRAFT, JobState.CHECKING, JobState.READY)
AUTO_TARGETS = (JobState.READY, JobState.QUEUED)
"""How far a draft can advance without a person."""
SENDABLE = (JobState.QUEUED, JobState.RUNNING)
"""The job's batches may be sent."""
MOVING = (*SENDABLE, JobState.PAUSING, JobState.CANCELLING)
"""The driver or the planner has something to do for the job."""
OVER = (JobState.COMPLETED, JobState.CANCELLED, JobState.FAILED)


class Component(TextChoices):
    """A part of Jobs UI that changes a job without being asked by a person."""

    CHECK = "check", "Check"
    PLANNER = "planner", "Planner"
    DRIVER = "driver", "Driver"
    AUTOMATION = "automation", "Automation"
    COMMAND_LINE = "command_line", "Command line"


class EventKind(TextChoices):
    """What happened to a job. In parentheses: the facts that belong to it."""

    NOTE = "note", "Note"
    """(text) An event of a version that stored sentences."""
    EDITED = "edited", "Draft changed"
    """(changed)"""
    CHECK_STARTED = "check_started", "Check started"
    CHECK_FAILED = "check_failed", "Check failed"
    """(reason)"""
    CHECK_CANCELLED = "check_cancelled", "Check cancelled"
    CHECKED = "checked", "Checked"
    """(rows, invalid, warned)"""
    CHECK_OUTDATED = "check_outdated", "Check outdated"
    """(reason)"""
    CORRECTED = "corrected", "Corrected"
    """(cells, row, column) Row and column of a single cell; 0 and "" for several."""
    TEXT_REPLACED = "text_replaced", "Value replaced"
    """(column, values) How many values."""
    CORRECTION_UNDONE = "correction_undone", "Correction undone"
    """(row, column) Row 0: of a replaced value."""
    CORRECTIONS_DELETED = "corrections_deleted", "Corrections deleted"
    """(number) The draft has other rows now."""
    CHOSEN = "chosen", "Choice changed"
    """(chosen) About a checked draft."""
    APPROVAL_REQUESTED = "approval_requested", "Approval requested"
    """(reason, note)"""
    APPROVAL_GIVEN = "approval_given", "Approved"
    """(comment)"""
    APPROVAL_REJECTED = "approval_rejected", "Rejected"
    """(comment)"""
    APPROVAL_VOIDED = "approval_voided", "Approval void"
    """(changed)"""
    LAUNCHED = "launched", "Launched"
    """(hold_after_first_batch, overlaps, deletions) How many records it deletes that only the
    account has."""
    STARTED = "started", "Started"
    SETTINGS_CHANGED = "settings_changed", "Settings changed"
    """(the fields of RunSettings)"""
    PAUSE_REQUESTED = "pause_requested", "Pause requested"
    AUTO_PAUSED = "auto_paused", "Pausing automatically"
    """(reason)"""
    PAUSED = "paused", "Paused"
    HELD = "held", "Approval needed"
    RESUMED = "resumed", "Resumed"
    APPROVED = "approved", "First batch approved"
    """(rows)"""
    CANCEL_REQUESTED = "cancel_requested", "Cancel requested"
    CANCELLED = "cancelled", "Cancelled"
    """(rows)"""
    WAIT_STOPPED = "wait_stopped", "Waiting stopped"
    """(batches, rows)"""
    NOT_WATCHED = "not_watched", "Changes cannot be watched"
    """(reason)"""
    PLANNING_FAILED = "planning_failed", "Preparing batches failed"
    """(reason)"""
    FAILED = "failed", "Failed"
    """(reason)"""
    DECISION_NEEDED = "decision_needed", "Decision needed"
    """(rows)"""
    RECHECK_REQUESTED = "recheck_requested", "Checking again"
    """(rows)"""
    RESEND_REQUESTED = "resend_requested", "Resending"
    """(rows)"""
    UNKNOWN_ACCEPTED = "unknown_accepted", "Accepted as unknown"
    """(rows)"""
    RETRY_CREATED = "retry_created", "Retry created"
    """(rows)"""
    CONTINUATION_CREATED = "continuation_created", "New job from rows not sent"
    """(rows)"""
    FINISHED = "finished", "Finished"
    """(rows, succeeded)"""


class ParentRows(TextChoices):
    """Which rows of its parent a job sends."""

    FAILED = "failed", "Failed rows"
    UNSENT = "unsent", "Rows that were not sent"
    UNDONE = "undone", "Rows to undo"


class ApprovalState(TextChoices):
    """Of the approval that a job needs before its launch."""

    ASKED = "asked", "Waiting for approval"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    VOID = "void", "Void"
    """The job was changed, or the approval was asked for again."""
    USED = "used", "Launched"


class Decision(StrEnum):
    """What a person can decide about uncertain rows."""

    CHECK_AGAIN = "check_again"
    RESEND = "resend"
    ACCEPT = "accept"


class FileState(TextChoices):
    READING = "reading", "Reading"
    READY = "ready", "Ready"
    REJECTED = "rejected", "Rejected"


class BatchState(TextChoices):
    PLANNED = "planned", "Planned"
    SENDING = "sending", "Sending"
    UNCONFIRMED = "unconfirmed", "Unconfirmed"
    ACCEPTED = "accepted", "Accepted"
    DONE = "done", "Done"
    UNCERTAIN = "uncertain", "Uncertain"
    CANCELLED = "cancelled", "Cancelled"


class AttemptResult(TextChoices):
    """The result of one attempt to send a batch."""

    IN_FLIGHT = "", "In flight"
    ACCEPTED = "accepted", "Accepted"
    NOT_SENT = "not_sent", "Not sent"
    LIMITED = "limited", "Rate limited"
    REFUSED = "refused", "Refused"
    UNCONFIRMED = "unconfirmed", "Unconfirmed"
    LOST = "lost", "Job status lost"


IN_FLIGHT = (BatchState.SENDING, BatchState.UNCONFIRMED, BatchState.ACCEPTED)
UNSETTLED = (BatchState.PLANNED, *IN_FLIGHT)


class LimitedBy(TextChoices):
    """What limits the speed of a job now."""

    NOTHING = "", "nothing"
    REQUEST_RATE = "request_rate", "request rate"
    JOB_SLOTS = "job_slots", "Zendesk's job slots"
    OTHER_INTEGRATIONS = "other_integrations", "other integrations"
    ZENDESK_WAIT = "zendesk_wait", "a wait requested by Zendesk"
    UNREACHABLE = "unreachable", "Zendesk is unreachable"
    DEADLOCKS = "deadlocks", "deadlocks on this object"
    KEY_CONFLICT = "key_conflict", "an earlier job with the same records"
    WORKER = "worker", "waiting for a worker"
    PAUSED = "paused", "paused"
    FIRST_BATCH = "first_batch", "first-batch approval"


class Weight(IntegerChoices):
    """A job's share of its account while other jobs run."""

    LOW = 1, "Low: a quarter of a normal job's share"
    NORMAL = 4, "Normal"
    HIGH = 16, "High: four times a normal job's share"


class Purpose(TextChoices):
    """What the live records of a job are read for."""

    COMPARE = "compare", "Compare"
    """Before the launch: what each row would change."""
    UNDO = "undo", "Undo"
    """Before the launch of an undo: what can be put back."""
    PROVE = "prove", "Prove"
    """After the end: whether each record is what was sent."""


class ReadState(TextChoices):
    """Of the reading of a job's live records."""

    DIVIDING = "dividing", "Dividing rows into pages"
    READING = "reading", "Reading"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


class NameSource(TextChoices):
    """How a comparison finds the records of names."""

    SEARCH = "search", "Search for each name"
    LIST = "list", "List of all records"


class ListingState(TextChoices):
    """Of the list of an account's records."""

    LISTING = "listing", "Listing records"
    CATCHING_UP = "catching_up", "Reading what has changed meanwhile"
    DONE = "done", "Done"


class Verdict(IntegerChoices):
    """What a row would do to its record in the account. Stored as one byte."""

    SAME = 1, "Same"
    CHANGE = 2, "Change"
    CREATE = 3, "Create"
    DELETE = 4, "Delete"
    MISSING = 5, "Key not found"
    """Nothing to update or to delete."""
    AMBIGUOUS = 6, "Several records"
    """More than one record has the key."""
    UNKNOWN = 7, "Unknown"
    """Whether a record has the key cannot be found out for certain."""
    KEPT = 8, "Kept"
    """It is not undone or not deleted, because the record has changed since."""
    IMPOSSIBLE = 9, "Cannot be undone"
    WITHOUT_KEY = 10, "No external ID"
    """A record that only the account has. It is never deleted."""
    GONE = 11, "Gone"
    """A record that only the account had."""


SENT = frozenset({Verdict.CHANGE, Verdict.CREATE, Verdict.DELETE, Verdict.UNKNOWN})
"""Rows with these verdicts are sent, unless a person leaves them out."""


class Landing(IntegerChoices):
    """Whether a record is, after a job, what the job has sent. Stored as one byte."""

    EXACT = 1, "Exactly as sent"
    OTHER_FORM = 2, "Stored in another form"
    """The same values, such as a date with midnight or options in another order."""
    ALTERED = 3, "Altered"
    """Another value, though nothing has changed the record since."""
    CHANGED_SINCE = 4, "Changed since"
    GONE = 5, "Gone"
    STILL_THERE = 6, "Still there"
    """It was to be deleted."""
    UNKNOWN = 7, "Unknown"
    """It could not be found for certain, or refers to a record by another key."""
