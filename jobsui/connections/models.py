"""Zendesk accounts with their credentials, and their custom objects."""

import uuid
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from jobsui.connections import encryption, scopes
from jobsui.zendesk.payloads import Schema

API_TOKENS_END = date(2027, 4, 30)
"""Zendesk stops every API token on this day (docs/zendesk.md)."""
MAX_RUNNING_JOBS = 30
"""Jobs of an account that Zendesk runs or queues at once."""
MAX_REQUESTS_PER_MINUTE = 100_000
"""More than any plan has; a larger number is a typing error."""


USE_NOTED = timedelta(minutes=5)
"""The use of credentials is noted this often."""
LISTED_KEPT = timedelta(days=1)
"""For this long, longer lists than the account has refused are not tried again."""


def longer_lists_tried_before() -> datetime:
    """What the account has refused before this time is tried again."""
    return timezone.now() - LISTED_KEPT


class SignIn(models.TextChoices):
    OAUTH_CLIENT = "oauth_client", "OAuth client credentials"
    OAUTH_TOKEN = "oauth_token", "OAuth access token"
    API_TOKEN = "api_token", "API token (legacy)"


class Connection(models.Model):
    """One Zendesk account and the credentials to work in it.

    Secrets are stored encrypted in the `sealed_*` columns. Only `set_secret` and
    `secret` write and read them.
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
    # Percent of the requests per minute that Jobs UI may use. The rest is reserved for
    # people and other integrations.
    share = models.PositiveSmallIntegerField(
        default=80, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    # When job slots limit the account: send a batch a moment before a slot is known to
    # be free.
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
    # When the access token expires. None: not known; it is used until Zendesk rejects
    # it.
    access_token_expires_at = models.DateTimeField(null=True, blank=True)
    # When the refresh token expires. None: not known.
    refresh_token_expires_at = models.DateTimeField(null=True, blank=True)
    # When a request was last made with the credentials, up to USE_NOTED too early. None: not
    # since they were set.
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Scopes of the access token, as Zendesk named them. "": not known.
    scopes = models.CharField(max_length=1000, blank=True)
    # Whether the next token is asked for with the scopes of custom objects alone. Off
    # once such a token was refused something (credentials.py).
    granular_scopes = models.BooleanField(default=True)
    # While this is in the future, a process is fetching a new access token
    # (credentials.py).
    renewing_until = models.DateTimeField(null=True, blank=True, editable=False)
    secret_set_at = models.DateTimeField(null=True, blank=True)
    secret_set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )

    # Encoded characters of IDs that one URL may have, as the account has refused longer
    # ones, and since when. None: it has refused none. Used by `listed_length`.
    max_listed = models.PositiveIntegerField(null=True, blank=True, editable=False)
    max_listed_at = models.DateTimeField(null=True, blank=True, editable=False)

    # The result of the last test. tested_at None: not tested since the credentials or
    # the host changed.
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
        name = self.host.removesuffix(".zendesk.com")
        return name if name != self.host else ""

    @property
    def listed_length(self) -> int | None:
        """Encoded characters of IDs that one URL may have; None: as many as usual. What the
        account has refused is tried again after a day."""
        is_known = (
            self.max_listed_at and self.max_listed_at > longer_lists_tried_before()
        )
        return self.max_listed if is_known else None

    @property
    def scope_limits(self) -> list[str]:
        """What the scopes of the access token do not allow, in sentences."""
        return scopes.limits(self.scopes.split())

    def secret(self, name: str) -> str:
        """The secret called `name` (one of SECRETS), "" when none is stored. Raises
        SecretUnreadable."""
        sealed: str = getattr(self, f"sealed_{name}")
        if not sealed:
            return ""
        return encryption.decrypt(sealed, location=self._location(name))

    def set_secret(self, name: str, value: str) -> None:
        """Encrypt `value` into its column; "" removes the secret. The caller saves
        `sealed_<name>`."""
        sealed = ""
        if value:
            sealed = encryption.encrypt(value, location=self._location(name))
        setattr(self, f"sealed_{name}", sealed)

    def _location(self, name: str) -> str:
        return f"connection:{self.code}:{name}"


class OauthSignIn(models.Model):
    """A sign-in at Zendesk that a person has started in the browser. It is deleted when the
    person comes back, so it counts once."""

    # SHA-256 of the state, which only the person's browser and Zendesk know.
    state_digest = models.CharField(max_length=64, unique=True)
    # SHA-256 of the key of the session in which it was started.
    session_digest = models.CharField(max_length=64)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="oauth_sign_ins"
    )
    # Of the connection when it was started.
    host = models.CharField(max_length=255)
    client_id = models.CharField(max_length=255)
    sealed_client_secret = models.TextField(blank=True)
    sealed_verifier = models.TextField()
    redirect_uri = models.CharField(max_length=500)
    scope = models.CharField(max_length=100)
    # Whether the new credentials may be those of another user.
    other_user = models.BooleanField(default=False)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"Sign-in at {self.host}"


class CustomObject(models.Model):
    """A custom object of one connection, as last synced, or added by its key and not
    synced yet."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="objects_known"
    )
    key = models.CharField(max_length=255)
    title = models.CharField(max_length=255, blank=True)
    description = models.TextField(blank=True)
    # Zendesk's field list as it came, standard fields included; [] until synced.
    fields = models.JSONField(default=list)
    # {key of a field: {form: when a proof showed it, ISO 8601}}: how the account stores other
    # values than those that were sent (jobs/mapping/comparison.py).
    stored_forms = models.JSONField(default=dict)
    record_count = models.BigIntegerField(null=True, blank=True)
    # None: never synced.
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
        schema = Schema.from_api(self.key, self.fields)
        return replace(schema, stored_forms=self.stored_forms)


class ReadPace(models.Model):
    """When the next read for a program may be sent, by account (proxy_reads.py)."""

    host = models.CharField(max_length=255, unique=True)
    # When the next read may be sent, without a burst.
    next_at = models.DateTimeField()
    # When the last read took its turn. In the future: the clock was set back since, and next_at
    # means nothing.
    set_at = models.DateTimeField(null=True, blank=True)
