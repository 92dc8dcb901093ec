"""The product's settings for processes that meet trouble on purpose: whatever waits for
time waits less, and the environment says what is to go wrong inside them.

JOBSUI_FAILPOINT        where the process ends (tests/failpoints.py)
JOBSUI_LAST_COMMIT      SQL: the process ends just before the first commit at which this finds a row
JOBSUI_CLOCK            a file with seconds by which the wall clock of this process, and of an SQLite it uses, is wrong
JOBSUI_TABLES_ARE_MADE  the database is that of a test, whose tables were made without migrations
"""

import os
import time
from datetime import timedelta
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from django.apps import AppConfig

from jobsui.settings import *  # noqa: F403

FAST: dict[str, dict[str, Any]] = {
    "jobsui.jobs.models.Lease": {"TTL": timedelta(seconds=2)},
    "jobsui.jobs.delivery.driver": {
        "STOCK_SECONDS": 0.2,
        "RENEW_SECONDS": 0.3,
        "STALE_SECONDS": 1.0,
        "CALL_SECONDS": 2.0,
        "STOP_SECONDS": 5.0,
        "ABSENT_SECONDS": 0.5,
        "AWAY_SECONDS": 0.2,
    },
    "jobsui.jobs.delivery.driver_pool": {"CRASH_SECONDS": 0.5},
    "jobsui.jobs.delivery.account_limits": {
        "DEFAULT_WAIT": 0.5,
        "TAIL_SECONDS": (0.2, 0.2),
    },
    "jobsui.jobs.delivery.transitions": {"LOOK_SECONDS": 0.3},
    "jobsui.jobs.delivery.reconciliation": {"QUIET": 0.7},
    "jobsui.jobs.delivery.rate_limits.Durations": {"FIRST_GUESS": 0.3},
    "jobsui.jobs.delivery.rate_limits.Backoff": {"LONGEST": 1.0},
    "jobsui.ops.management.commands.sweep": {"SECONDS": 0.5},
}
REQUEST_SECONDS = 1.5
"""How long a request may take; less than CALL_SECONDS."""

INSTALLED_APPS = [*INSTALLED_APPS, "tests.acceptance.fast_settings.Fast"]  # noqa: F405
if "sqlite3" in DATABASES["default"]["ENGINE"]:  # type: ignore[operator]  # noqa: F405
    DATABASES["default"]["OPTIONS"]["timeout"] = 1.5  # type: ignore[index]  # noqa: F405
if os.environ.get("JOBSUI_TABLES_ARE_MADE"):
    MIGRATION_MODULES = {app.rpartition(".")[2]: None for app in INSTALLED_APPS}
    # Several are collected at once, and nobody waits for them to be compressed.
    STATIC_ROOT = DATA_DIR / "collected"  # noqa: F405
    STORAGES["staticfiles"] = {  # noqa: F405
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
    }


class Fast(AppConfig):
    name = "tests.acceptance"
    label = "fast"

    def ready(self) -> None:
        from tests import failpoints  # noqa: PLC0415

        for path, values in FAST.items():
            place = resolve_name(path)
            for name, value in values.items():
                assert hasattr(place, name), f"{path} has no {name} to hurry."
                setattr(place, name, value)
        _hurry_requests()
        failpoints.arm_from_environment()
        if sql := os.environ.get("JOBSUI_LAST_COMMIT"):
            failpoints.watch(lambda edge: _end_before_commit(edge, sql))
        if clock := os.environ.get("JOBSUI_CLOCK"):
            _wrong_clock(Path(clock))


def _hurry_requests() -> None:
    from jobsui.zendesk.client import Client  # noqa: PLC0415

    for name, option in (
        ("__init__", "read_timeout"),
        ("request", "deadline"),
        ("call", "deadline"),
    ):
        getattr(Client, name).__kwdefaults__[option] = REQUEST_SECONDS


def _end_before_commit(edge: Any, sql: str) -> None:
    from django.db import connection  # noqa: PLC0415

    if edge.name == "commit:before":
        with connection.cursor() as cursor:
            cursor.execute(sql)
            if cursor.fetchone():
                os._exit(77)


def _wrong_clock(path: Path) -> None:
    from django.db.backends.signals import connection_created  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    right_time, right_now = time.time, timezone.now

    def error() -> float:
        return float(path.read_text())

    def give_sqlite_the_clock(connection: Any, **_: Any) -> None:
        if connection.vendor == "sqlite":
            connection.connection.create_function("STRFTIME", 2, strftime)

    def strftime(form: str, moment: str) -> str:
        """What Django asks it for: the present moment."""
        assert (form, moment) == ("%Y-%m-%d %H:%M:%f", "NOW")
        return timezone.now().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

    time.time = lambda: right_time() + error()
    timezone.now = lambda: right_now() + timedelta(seconds=error())
    connection_created.connect(give_sqlite_the_clock, weak=False)
