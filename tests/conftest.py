import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches
from django.db.backends.postgresql.operations import DatabaseOperations
from django.utils.module_loading import import_string
from xdist.scheduler import LoadScopeScheduling

from jobsui.jobs import queueing

if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # Between two tests a few rows are to go: TRUNCATE makes new files for every table
    # and waits until they are on disk.
    DatabaseOperations.sql_flush = lambda self, style, tables, **_: [  # type: ignore[method-assign]
        f"DELETE FROM {self.quote_name(table)};" for table in tables
    ]

TOGETHER = ("tests/acceptance/browser/", "tests/ops/test_up.py")
"""Each of these in one process, which has one product (and one browser) for all its
tests."""


class Together(LoadScopeScheduling):
    """Any other test runs wherever there is room."""

    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)


pytest_plugins = ["tests.sandbox_server", "tests.harness"]


class TaskQueue(list[tuple[str, tuple[int, ...]]]):
    """Stands in for RQ: rings are kept in order, `answer()` runs them in this process
    until none is left."""

    def __call__(self, task: str, ids: tuple[int, ...]) -> None:
        self.append((task, ids))

    def answer(self) -> None:
        while self:
            task, ids = self.pop(0)
            import_string(f"jobsui.jobs.tasks.{task}")(*ids)


@pytest.fixture(autouse=True)
def task_queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[TaskQueue]:
    backend = TaskQueue()
    monkeypatch.setattr(queueing, "backend", backend)
    yield backend
    queueing.stopping.clear()


@pytest.fixture(autouse=True)
def _no_past() -> None:
    """The database begins anew with each test, which would look like a restored backup
    (delivery/restore_guard.py)."""
    shutil.rmtree(settings.DATA_DIR / "epochs", ignore_errors=True)


@pytest.fixture(autouse=True)
def _empty_caches() -> None:
    for cache in caches.all():
        cache.clear()
