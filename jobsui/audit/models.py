"""The entries of the audit log."""

import hashlib
import json
from typing import Any, NoReturn

from django.db import models


class Action(models.TextChoices):
    """What somebody has done. In parentheses: what `before` and `after` have."""

    SIGNED_IN = "signed_in", "Signed in"
    SIGN_IN_FAILED = "sign_in_failed", "Sign-in failed"
    SIGNED_OUT = "signed_out", "Signed out"
    PASSWORD_CHANGED = "password_changed", "Changed the own password"
    FACTOR_ADDED = "factor_added", "Added a second factor"
    """(kind, name)"""
    FACTOR_REMOVED = "factor_removed", "Removed a second factor"
    """As above."""
    RECOVERY_CODES_CREATED = "recovery_codes_created", "Created recovery codes"
    SESSION_ENDED = "session_ended", "Ended a session"
    """(address, signed_in_at)"""
    IDENTITY_LINKED = "identity_linked", "Linked a single sign-on identity"
    """(provider)"""
    IDENTITY_UNLINKED = "identity_unlinked", "Unlinked a single sign-on identity"
    """As above."""
    PERSON_ADDED = "person_added", "Added a person"
    """(username, role, and the role for each connection)"""
    PERSON_CHANGED = "person_changed", "Changed a person"
    """As above."""
    PASSWORD_RESET = "password_reset", "Created a new password for a person"
    PERSON_DEACTIVATED = "person_deactivated", "Deactivated a person"
    PERSON_REACTIVATED = "person_reactivated", "Reactivated a person"
    TOKEN_CREATED = "token_created", "Created an API token"
    """(scope, connection, expires_at)"""
    TOKEN_REVOKED = "token_revoked", "Revoked an API token"
    CONNECTION_ADDED = "connection_added", "Added a connection"
    """(the columns that a form has, and the names of secrets)"""
    CONNECTION_CHANGED = "connection_changed", "Changed a connection"
    """The columns that differ, and the names of replaced secrets."""
    CONNECTION_REMOVED = "connection_removed", "Removed a connection"
    CREDENTIAL_MOVED = "credential_moved", "Moved a connection to OAuth"
    """(sign_in, scopes)"""
    APPROVAL_RULES_CHANGED = "approval_rules_changed", "Changed approval rules"
    """The rules that differ."""
    APPROVAL_REQUESTED = "approval_requested", "Asked for approval of a job"
    """(the facts of the event, here and below)"""
    JOB_APPROVED = "job_approved", "Approved a job"
    JOB_REJECTED = "job_rejected", "Rejected a job"
    APPROVAL_VOIDED = "approval_voided", "Voided an approval by a change"
    CHANNEL_ADDED = "channel_added", "Added a notification channel"
    """(kind, host, events)"""
    CHANNEL_CHANGED = "channel_changed", "Changed a notification channel"
    CHANNEL_REMOVED = "channel_removed", "Removed a notification channel"
    JOB_LAUNCHED = "job_launched", "Launched a job"
    JOB_PAUSED = "job_paused", "Paused a job"
    JOB_RESUMED = "job_resumed", "Resumed a job"
    FIRST_BATCH_APPROVED = "first_batch_approved", "Approved the first batch of a job"
    JOB_CANCELLED = "job_cancelled", "Cancelled a job"
    WAIT_STOPPED = "wait_stopped", "Stopped waiting for results"
    ROWS_RESENT = "rows_resent", "Resent uncertain rows"
    UNKNOWN_ACCEPTED = "unknown_accepted", "Accepted uncertain rows as unknown"
    RETRY_CREATED = "retry_created", "Created a retry"
    CONTINUATION_CREATED = "continuation_created", "Created a job from rows not sent"
    SETTINGS_CHANGED = "settings_changed", "Changed the settings of a job"
    REQUEST_SENT = "request_sent", "Sent a test request"
    """(method, path)"""
    BODIES_SEEN = "bodies_seen", "Saw the request of a batch"
    """(batch)"""
    EXPORTED = "exported", "Downloaded a file of a job"
    """(file, outcome)"""
    AUDIT_EXPORTED = "audit_exported", "Downloaded the audit log"


class AppendOnly(Exception):
    """Entries are neither changed nor deleted."""


class EntryQuerySet(models.QuerySet["Entry"]):
    def update(self, **_values: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly


class Entry(models.Model):
    """Something that somebody has done. It holds texts and no references, so it stays as it
    is when the person, the job or the connection is deleted."""

    number = models.PositiveBigIntegerField(primary_key=True)
    """From 1, without gaps."""
    at = models.DateTimeField(db_index=True)
    # The username; "" at the command line, and for somebody who is not signed in.
    person = models.CharField(max_length=150, db_index=True)
    # The first characters of the token of a program, or the component that acted by itself.
    means = models.CharField(max_length=40)
    # "" if no request was made.
    address = models.CharField(max_length=100)
    # The same for all entries of one request.
    request = models.CharField(max_length=32)
    action = models.CharField(max_length=24, choices=Action, db_index=True)
    # Such as "job", with its ID and how it was called.
    kind = models.CharField(max_length=20)
    subject_id = models.CharField(max_length=40)
    subject = models.CharField(max_length=300)
    # The name of the connection; "" if it concerns none.
    connection = models.CharField(max_length=200)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    # Of the entry before; "" for the first one.
    previous_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ("-number",)

    def __str__(self) -> str:
        return f"{self.number}: {self.get_action_display()}"

    def save(self, **options: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(**options | {"force_insert": True})

    def delete(self, using: Any = None, keep_parents: bool = False) -> NoReturn:  # noqa: ARG002
        raise AppendOnly

    @property
    def content(self) -> dict[str, Any]:
        """All of it but its digest, as JSON has it."""
        names = [field.name for field in self._meta.fields if field.name != "digest"]
        return {name: getattr(self, name) for name in names} | {
            "at": self.at.isoformat()
        }

    @property
    def changes(self) -> dict[str, tuple[str, str]]:
        """{name: (before, after)} of what differs, in words; "" for what there was not."""
        names = dict.fromkeys((*self.before, *self.after))
        return {
            name.replace("_", " "): (_word(self.before, name), _word(self.after, name))
            for name in names
            if self.before.get(name) != self.after.get(name)
        }

    @property
    def expected_digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        text = json.dumps(self.content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _word(values: dict[str, Any], name: str) -> str:
    value = values.get(name, "")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


class Head(models.Model):
    """The end of the chain, in one row. Locked while an entry is added."""

    number = models.PositiveBigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)
