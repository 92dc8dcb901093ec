"""The roles of people, API tokens with their scopes, sessions, and what the cache holds.
What roles and scopes allow is decided in `policy.py`."""

from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from jobsui.connections.models import Connection

if TYPE_CHECKING:
    from jobsui.access.session_store import SessionStore


class OrderedChoices(models.TextChoices):
    """Each choice includes those before it."""

    def includes(self, other: Self) -> bool:
        order = list(type(self))
        return order.index(self) >= order.index(other)


class Role(OrderedChoices):
    """What a person may do with a connection and what belongs to it."""

    VIEWER = "viewer", "Viewer"
    OPERATOR = "operator", "Operator"
    APPROVER = "approver", "Approver"
    ADMINISTRATOR = "administrator", "Administrator"


class RoleAssignment(models.Model):
    """The role of a person. The one for a connection counts instead of the general one."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="role_assignments",
    )
    # None: the person's general role, for all connections.
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, null=True, related_name="+"
    )
    role = models.CharField(max_length=13, choices=Role)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("user", "connection"), name="one_role_per_connection"
            ),
            models.UniqueConstraint(
                fields=("user",),
                condition=Q(connection=None),
                name="one_general_role",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()}"


class Scope(OrderedChoices):
    """What a token is for. It never exceeds the role of its owner."""

    READ = "read", "Read: see connections, jobs and results"
    RUN = "run", "Run: also upload files and run jobs"
    ADMIN = "admin", "Admin: also change connections and their secrets"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def valid(self) -> "ApiTokenQuerySet":
        """Not revoked, not expired, and of an active user."""
        unexpired = Q(expires_at=None) | Q(expires_at__gt=Now())
        return self.filter(unexpired, revoked_at=None, user__is_active=True)


class ApiToken(models.Model):
    """A token for the API. Its text is shown once, when it is created; the database holds
    only a keyed digest (tokens.py)."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=80)
    # The first characters of the token, which identify it.
    prefix = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    scope = models.CharField(max_length=5, choices=Scope, default=Scope.RUN)
    # The only connection it may use; required by the drop-in endpoint. None: all.
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    # Accurate to a minute. None: never used.
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = (F("revoked_at").asc(nulls_first=True), "-created_at", "-pk")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class TemporaryPassword(models.Model):
    """The person's password was created by somebody else, and opens nothing until they
    have changed it (passwords.py)."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="+",
    )


class Session(AbstractBaseSession):
    """A session of a browser (session_store.py)."""

    # None: it belongs to no person yet.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+"
    )

    @classmethod
    def get_session_store_class(cls) -> "type[SessionStore]":
        from jobsui.access.session_store import SessionStore  # noqa: PLC0415  # It needs this model.

        return SessionStore


class CacheEntry(models.Model):
    """A value of the cache (cache.py)."""

    key = models.CharField(max_length=255, primary_key=True)
    value = models.JSONField()
    # None: never.
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)


class LimitUse(models.Model):
    """How far a person or a token has used a limit (limits.py)."""

    # "user:ID" or "apitoken:ID".
    who = models.CharField(max_length=40)
    what = models.CharField(max_length=20)
    # From when on a use would be the first again.
    next_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["who", "what"], name="one_use_per_limit"),
        )

    def __str__(self) -> str:
        return f"{self.what} by {self.who}"
