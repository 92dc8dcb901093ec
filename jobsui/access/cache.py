"""Django's cache, for the limits of sign-ins and tokens. All web processes share the
database, and it works without Redis.

Values are JSON: Django's own cache in the database unpickles whatever is stored there.
Nothing is removed before it expires: requests of strangers cannot push out a limit."""

from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from jobsui.access.models import CacheEntry


class JsonCache(BaseCache):
    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        entry = _valid(self._name(key, version)).first()
        return default if entry is None else entry.value

    def set(
        self,
        key: str,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        values = {"value": value, "expires_at": self._expires_at(timeout)}
        _delete_expired()
        CacheEntry.objects.update_or_create(
            key=self._name(key, version), defaults=values
        )

    def add(
        self,
        key: str,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        values = {"value": value, "expires_at": self._expires_at(timeout)}
        _delete_expired()
        _, is_new = CacheEntry.objects.get_or_create(
            key=self._name(key, version), defaults=values
        )
        return is_new

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """The entry expires when it would have anyway."""
        with transaction.atomic():
            entry = _valid(self._name(key, version)).select_for_update().first()
            if entry is None:
                raise ValueError(f"Key {key!r} not found")
            count: int = entry.value + delta
            entry.value = count
            entry.save(update_fields=["value"])
        return count

    def delete(self, key: str, version: int | None = None) -> bool:
        deleted, _ = CacheEntry.objects.filter(key=self._name(key, version)).delete()
        return bool(deleted)

    def clear(self) -> None:
        CacheEntry.objects.all().delete()

    def _name(self, key: str, version: int | None) -> str:
        return self.make_and_validate_key(key, version=version)

    def _expires_at(self, timeout: float | None) -> datetime | None:
        moment = self.get_backend_timeout(timeout)
        return None if moment is None else datetime.fromtimestamp(moment, UTC)


def _valid(name: str) -> QuerySet[CacheEntry]:
    unexpired = Q(expires_at=None) | Q(expires_at__gt=Now())
    return CacheEntry.objects.filter(unexpired, key=name)


def _delete_expired() -> None:
    CacheEntry.objects.filter(expires_at__lte=Now()).delete()
