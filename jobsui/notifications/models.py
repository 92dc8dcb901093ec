"""Channels, what happened, and the messages about it."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import OuterRef, Q, Subquery

from jobsui.connections import encryption
from jobsui.connections.models import Connection


class Kind(models.TextChoices):
    """What happened. In parentheses: the facts that belong to it."""

    JOB_FINISHED = "job_finished", "Job finished"
    """(rows, succeeded, failed) Failed: also rows that were not valid."""
    ROWS_FAILED = "rows_failed", "Too many rows of a finished job failed"
    """Only of channels: JOB_FINISHED with a larger share than the channel's limit."""
    JOB_FAILED = "job_failed", "Job failed"
    """(reason)"""
    JOB_PAUSED = "job_paused", "Job paused automatically"
    """(reason)"""
    DECISION_NEEDED = "decision_needed", "Job needs a decision"
    """(rows) How many are uncertain. None of them: the first batch waits for approval."""
    APPROVAL_REQUESTED = "approval_requested", "Job waits for approval"
    """(reason)"""
    APPROVAL_GIVEN = "approval_given", "Job approved"
    """(comment)"""
    APPROVAL_REJECTED = "approval_rejected", "Job rejected"
    """(comment)"""
    APPROVAL_VOIDED = "approval_voided", "Approval of a job void"
    """(changed)"""
    CONNECTION_BROKEN = "connection_broken", "Connection failed its test"
    """(reason)"""
    CONNECTION_RECOVERED = "connection_recovered", "Connection works again"
    CREDENTIAL_ENDING = "credential_ending", "Credential about to end"
    """(reason)"""
    TEST = "test", "Test message"
    """Only of notifications."""


CONNECTION_KINDS = (Kind.CONNECTION_BROKEN, Kind.CONNECTION_RECOVERED)
CHOSEN_KINDS = [choice for choice in Kind.choices if choice[0] != Kind.TEST]
"""Those that a channel can have."""


class Target(models.TextChoices):
    """How a channel sends."""

    MAIL = "mail", "Mail"
    SLACK = "slack", "Slack-compatible webhook"
    TEAMS = "teams", "Microsoft Teams workflow"
    WEBHOOK = "webhook", "Signed webhook"


class ChannelQuerySet(models.QuerySet["Channel"]):
    def with_last_message(self) -> "ChannelQuerySet":
        """With `last_state` and `last_error` of the newest message; None without one."""
        last = Delivery.objects.filter(channel=OuterRef("pk")).order_by("-pk")
        return self.annotate(
            last_state=Subquery(last.values("state")[:1]),
            last_error=Subquery(last.values("error")[:1]),
        )

    def of(self, connection: Connection) -> "ChannelQuerySet":
        """Those that get what happens with a connection."""
        return self.filter(Q(connection=None) | Q(connection=connection))


class Channel(models.Model):
    """Where messages go. Address and secret are stored encrypted: everyone who knows the URL of
    a webhook can write to it."""

    SECRETS: ClassVar = ("url", "secret")

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    target = models.CharField(max_length=7, choices=Target)
    # None: all connections.
    connection = models.ForeignKey(
        Connection,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="channels",
    )
    kinds = models.JSONField(default=list)
    # Percent of the rows of a job, for ROWS_FAILED.
    max_failed_percent = models.PositiveSmallIntegerField(default=5)
    # Of MAIL, separated by commas.
    addresses = models.CharField(max_length=1000, blank=True)
    # Of a webhook, for people.
    host = models.CharField(max_length=255, blank=True)
    sealed_url = models.TextField(blank=True)
    # Of WEBHOOK: the key of its signatures.
    sealed_secret = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")

    def __str__(self) -> str:
        return self.name

    @property
    def where(self) -> str:
        """The addresses of mail, or the host of a webhook."""
        return self.addresses if self.target == Target.MAIL else self.host

    def wants(self, notification: "Notification") -> bool:
        if notification.kind in self.kinds:
            return True
        return (
            notification.kind == Kind.JOB_FINISHED
            and Kind.ROWS_FAILED in self.kinds
            and notification.failed_percent > self.max_failed_percent
        )

    def secret(self, name: str) -> str:
        """One of SECRETS, "" when none is stored. Raises SecretUnreadable."""
        sealed: str = getattr(self, f"sealed_{name}")
        if not sealed:
            return ""
        return encryption.decrypt(sealed, location=self._location(name))

    def set_secret(self, name: str, value: str) -> None:
        """The caller saves `sealed_<name>`."""
        sealed = encryption.encrypt(value, location=self._location(name))
        setattr(self, f"sealed_{name}", sealed)

    def _location(self, name: str) -> str:
        return f"channel:{self.code}:{name}"


class Notification(models.Model):
    """Something that happened, written in the transaction in which it happened."""

    kind = models.CharField(max_length=20, choices=Kind)
    # One outcome has one notification.
    key = models.CharField(max_length=100, unique=True)
    # None: the message is a test of a channel for all connections.
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, null=True, related_name="+"
    )
    # What it is about, for people: the name of a file, or of the connection.
    subject = models.CharField(max_length=300)
    # Where to look: the path of a page.
    path = models.CharField(max_length=200)
    facts = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"

    @property
    def failed_percent(self) -> float:
        """Of the rows of a finished job."""
        rows: int = self.facts.get("rows", 0)
        failed: int = self.facts.get("failed", 0)
        return 100 * failed / rows if rows else 0.0


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    GIVEN_UP = "given_up", "Given up"


class Delivery(models.Model):
    """A message about a notification, to a channel."""

    # Every attempt carries it, so that receivers can ignore repeats.
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, related_name="deliveries"
    )
    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, related_name="deliveries"
    )
    state = models.CharField(
        max_length=8, choices=DeliveryState, default=DeliveryState.WAITING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    # When the next attempt may begin. While one is made, when its worker counts as lost.
    next_at = models.DateTimeField()
    # Why the last attempt failed, as a sentence without secrets.
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("notification", "channel"), name="one_message_per_channel"
            ),
        )
        indexes = (
            models.Index(
                fields=("next_at",),
                condition=Q(state="waiting"),
                name="waiting_deliveries",
            ),
        )

    def __str__(self) -> str:
        return f"{self.notification} to {self.channel}"
