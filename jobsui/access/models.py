"""API tokens and their scopes, and what the cache holds."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from jobsui.connections.models import Connection


class Scope(models.TextChoices):
    """Each scope includes those before it. A token never exceeds the permissions of its
    owner."""

    READ = "read", "Read: see connections, jobs and results"
    RUN = "run", "Run: also upload files and run jobs"
    ADMIN = "admin", "Admin: also change connections and their secrets"

    def includes(self, other: "Scope") -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)


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

    @property
    def effective_scope(self) -> Scope:
        """Its scope, reduced to RUN if it is ADMIN and the owner is no longer an
        administrator."""
        scope = Scope(self.scope)
        if scope is Scope.ADMIN and not self.user.is_superuser:
            return Scope.RUN
        return scope


class CacheEntry(models.Model):
    """A value of the cache (cache.py)."""

    key = models.CharField(max_length=255, primary_key=True)
    value = models.JSONField()
    # None: never.
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)
