from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection as database
from django.utils import timezone

from jobsui.access.models import CacheEntry

pytestmark = pytest.mark.django_db


def expire(key: str) -> None:
    before = timezone.now() - timedelta(seconds=1)
    CacheEntry.objects.filter(key=cache.make_key(key)).update(expires_at=before)


def test_values_are_kept_until_they_expire() -> None:
    cache.set("a", [1.5, 2], 60)
    cache.set("a", {"b": None}, 60)
    cache.set("forever", 1, None)

    assert cache.get("a") == {"b": None}
    assert cache.get("forever") == 1
    expire("a")
    assert cache.get("a", "gone") == "gone"
    assert cache.get("never") is None


def test_only_the_first_add_succeeds_until_it_expires() -> None:
    assert [cache.add("a", value, 60) for value in (1, 2)] == [True, False]
    assert cache.get("a") == 1
    expire("a")
    assert cache.add("a", 3, 60)
    assert cache.get("a") == 3


def test_count_expires_as_it_would_have_anyway() -> None:
    cache.add("a", 0, 60)
    until = CacheEntry.objects.get().expires_at

    counts = [cache.incr("a") for _ in range(3)]

    assert counts == [1, 2, 3]
    assert CacheEntry.objects.get().expires_at == until
    expire("a")
    with pytest.raises(ValueError, match="not found"):
        cache.incr("a")


def test_delete_and_clear() -> None:
    cache.set("a", 1)
    cache.set("b", 1)

    assert [cache.delete("a"), cache.delete("a")] == [True, False]
    cache.clear()
    assert CacheEntry.objects.count() == 0


def test_no_number_of_entries_pushes_one_out() -> None:
    cache.set("limit", 5, 60)

    for number in range(400):
        cache.set(f"other-{number}", 1, 60)

    assert cache.get("limit") == 5
    assert CacheEntry.objects.count() == 401


def test_expired_entries_are_deleted_by_the_next_one() -> None:
    cache.set("a", 1, 60)
    expire("a")

    cache.set("b", 1, 60)

    assert [entry.key for entry in CacheEntry.objects.all()] == [cache.make_key("b")]


def test_stored_text_is_json() -> None:
    cache.set("a", [1.5, True], 60)

    with database.cursor() as cursor:
        cursor.execute("SELECT CAST(value AS TEXT) FROM access_cacheentry")
        [(stored,)] = cursor.fetchall()

    assert stored.replace(" ", "") == "[1.5,true]"
    with pytest.raises(TypeError):
        cache.set("b", object(), 60)
