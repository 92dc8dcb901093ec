"""Whose Zendesk: accounts with their credentials, and the custom objects seen in
them."""

import uuid
from datetime import date
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from jobsui.connections import encryption
from jobsui.zendesk.payloads import Schema

API_TOKENS_END = date(2027, 4, 30)
"""Zendesk stops every API token on this day (docs/zendesk.md)."""
WINDOW = 30
"""So many jobs of an account Zendesk runs or queues at once."""
MOST_REQUESTS = 100_000
"""Requests per minute beyond any plan's: a slip of the hand."""


class SignIn(models.TextChoices):
    OAUTH_CLIENT = "oauth_client", "OAuth client credentials"
    OAUTH_TOKEN = "oauth_token", "OAuth access token"
    API_TOKEN = "api_token", "API token (legacy)"


class Connection(models.Model):
    """One Zendesk account and the credentials to work in it.

    Secrets live encrypted in the `sealed_*` columns and are set and read with
    `set_secret` and `secret` only; nothing else in the project touches those columns.
    """

    SECRETS: ClassVar = ("client_secret", "access_token", "refresh_token", "api_token")

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80, unique=True)
    # "acme.zendesk.com", or a "host" or "host:port" that JOBSUI_API_HOSTS lists. Never
    # a URL (hosts.py).
    host = models.CharField(max_length=255)
    production = models.BooleanField(default=False)
    requests_per_minute = models.PositiveIntegerField(
        default=400, validators=[MinValueValidator(1)]
    )
    max_running_jobs = models.PositiveIntegerField(
        default=30, validators=[MinValueValidator(1)]
    )
    # Percent of the requests per minute that Jobs UI uses; the rest is left to people
    # and other integrations.
    share = models.PositiveSmallIntegerField(
        default=80, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    # Send a batch a moment before a job slot is known to be free, when slots are what
    # limits the account.
    early_send = models.BooleanField(default=True)

    sign_in = models.CharField(
        max_length=20, choices=SignIn, default=SignIn.OAUTH_CLIENT
    )
    client_id = models.CharField(max_length=255, blank=True)
    email = models.EmailField(blank=True)
    sealed_client_secret = models.TextField(blank=True)
    sealed_access_token = models.TextField(blank=True)
    sealed_refresh_token = models.TextField(blank=True)
    sealed_api_token = models.TextField(blank=True)
    # When the access token ends; None: not known, used until Zendesk refuses it.
    access_token_expires_at = models.DateTimeField(null=True, blank=True)
    # While set and not past, a process is fetching a new access token (credentials.py).
    renewing_until = models.DateTimeField(null=True, blank=True, editable=False)
    secret_set_at = models.DateTimeField(null=True, blank=True)
    secret_set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )

    # What the last test said; tested_at None: never tested since the credentials or the
    # host changed.
    tested_at = models.DateTimeField(null=True, blank=True)
    test_passed = models.BooleanField(default=False)
    test_result = models.JSONField(default=dict)

    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def subdomain(self) -> str:
        """ "acme" of "acme.zendesk.com"; "" for any other host."""
        return (
            self.host.removesuffix(".zendesk.com")
            if self.host.endswith(".zendesk.com")
            else ""
        )

    def secret(self, name: str) -> str:
        """The secret called `name` (one of SECRETS), "" when none is stored. Raises
        SecretUnreadable."""
        stored: str = getattr(self, f"sealed_{name}")
        return encryption.decrypt(stored, place=self._place(name)) if stored else ""

    def set_secret(self, name: str, value: str) -> None:
        """Seal `value` into its column ("" removes it). The caller saves
        `sealed_<name>`."""
        setattr(
            self,
            f"sealed_{name}",
            encryption.encrypt(value, place=self._place(name)) if value else "",
        )

    def _place(self, name: str) -> str:
        return f"connection:{self.code}:{name}"


class CustomObject(models.Model):
    """A custom object of one connection, as last read from Zendesk or typed by hand and
    not read yet."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="objects_known"
    )
    key = models.CharField(max_length=255)
    title = models.CharField(max_length=255, blank=True)
    description = models.TextField(blank=True)
    # Zendesk's field list as answered, standard fields included; [] until read.
    fields = models.JSONField(default=list)
    record_count = models.BigIntegerField(null=True, blank=True)
    # None: never read; the key was typed by hand.
    read_at = models.DateTimeField(null=True, blank=True)
    # Zendesk no longer knows the key.
    gone = models.BooleanField(default=False)

    class Meta:
        ordering = ("key",)
        constraints = (
            models.UniqueConstraint(
                fields=["connection", "key"], name="one_object_per_key"
            ),
        )

    def __str__(self) -> str:
        return self.title or self.key

    @property
    def schema(self) -> Schema:
        return Schema.from_api(self.key, self.fields)


class ReadPace(models.Model):
    """How far ahead the turns of reads passed on for programs are given away, by
    account (reads.py)."""

    host = models.CharField(max_length=255, unique=True)
    # When the next read may go, if none is to gather.
    next_at = models.DateTimeField()
