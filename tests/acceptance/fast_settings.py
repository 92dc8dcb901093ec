"""The product's settings for processes in which tests cause faults. They have a fast
Timing, and the environment says what goes wrong:

JOBSUI_FAILPOINT        where the process ends (tests/failpoints.py)
JOBSUI_LAST_COMMIT      SQL: the process ends just before the first commit at which this finds a row
JOBSUI_CLOCK            a file with the seconds by which this process's clock is wrong, and SQLite's
JOBSUI_TABLES_ARE_MADE  the database is a test's, whose tables were created without migrations
"""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from jobsui.clock import SystemClock
from jobsui.settings import *  # noqa: F403
from tests.timing import WORKER, as_setting

TIMING = as_setting(WORKER)
if os.environ.get("JOBSUI_CLOCK"):
    CLOCK = "tests.acceptance.fast_settings.WRONG_CLOCK"

INSTALLED_APPS = [*INSTALLED_APPS, "tests.acceptance.fast_settings.Fast"]  # noqa: F405
if "sqlite3" in DATABASES["default"]["ENGINE"]:  # type: ignore[operator]  # noqa: F405
    DATABASES["default"]["OPTIONS"]["timeout"] = 1.5  # type: ignore[index]  # noqa: F405
if os.environ.get("JOBSUI_TABLES_ARE_MADE"):
    MIGRATION_MODULES = {app.rpartition(".")[2]: None for app in INSTALLED_APPS}
    MIGRATION_MODULES["admin"] = None
    # Several processes collect static files at once, and compressing them takes long.
    STATIC_ROOT = DATA_DIR / "collected"  # noqa: F405
    STORAGES["staticfiles"] = {  # noqa: F405
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
    }


class Fast(AppConfig):
    name = "tests.acceptance"
    label = "fast"

    def ready(self) -> None:
        from tests import failpoints  # noqa: PLC0415

        failpoints.arm_from_environment()
        if sql := os.environ.get("JOBSUI_LAST_COMMIT"):
            failpoints.watch(lambda edge: _end_before_commit(edge, sql))
        if os.environ.get("JOBSUI_CLOCK"):
            connection_created.connect(_give_sqlite_the_clock)


def _end_before_commit(edge: Any, sql: str) -> None:
    from django.db import connection  # noqa: PLC0415

    if edge.name == "commit:before":
        with connection.cursor() as cursor:
            cursor.execute(sql)
            if cursor.fetchone():
                os._exit(77)


class WrongClock(SystemClock):
    """The wall clock of this process, wrong by as many seconds as a file says."""

    def now(self) -> datetime:
        error = float(Path(os.environ["JOBSUI_CLOCK"]).read_text())
        return super().now() + timedelta(seconds=error)


WRONG_CLOCK = WrongClock()


def _give_sqlite_the_clock(connection: Any, **_: Any) -> None:
    if connection.vendor == "sqlite":
        connection.connection.create_function("STRFTIME", 2, _strftime)


def _strftime(form: str, moment: str) -> str:
    """What Django asks SQLite for: the present moment."""
    assert (form, moment) == ("%Y-%m-%d %H:%M:%f", "NOW")
    return WRONG_CLOCK.now().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
