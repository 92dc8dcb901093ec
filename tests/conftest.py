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
    # Between two tests a few rows are to go: TRUNCATE makes new files for every table and waits until they are on disk.
    DatabaseOperations.sql_flush = lambda self, style, tables, **_: [  # type: ignore[method-assign]
        f"DELETE FROM {self.quote_name(table)};" for table in tables
    ]

BROWSER_TESTS = "tests/acceptance/browser/"
EVERY_PAGE = f"{BROWSER_TESTS}test_every_page.py"


class BrowserTogether(LoadScopeScheduling):
    """Tests in a browser run in two processes, each with one product and one browser for all its tests: looking at
    every page takes as long as all else that is done there. Any other test runs wherever there is room."""

    def _split_scope(self, nodeid: str) -> str:
        return next((tests for tests in (EVERY_PAGE, BROWSER_TESTS) if nodeid.startswith(tests)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BrowserTogether:
    return BrowserTogether(config, log)


pytest_plugins = ["tests.sandbox_server", "tests.world"]


class Doorbell(list[tuple[str, tuple[int, ...]]]):
    """Stands in for RQ: rings are kept in order, `answer()` runs them in this process until none is left."""

    def __call__(self, task: str, ids: tuple[int, ...]) -> None:
        self.append((task, ids))

    def answer(self) -> None:
        while self:
            task, ids = self.pop(0)
            import_string(f"jobsui.jobs.tasks.{task}")(*ids)


@pytest.fixture(autouse=True)
def doorbell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Doorbell]:
    bell = Doorbell()
    monkeypatch.setattr(queueing, "bell", bell)
    yield bell
    queueing.stopping.clear()


@pytest.fixture(autouse=True)
def _no_past() -> None:
    """The database begins anew with each test, which would look like a restored backup (engine/restoring.py)."""
    shutil.rmtree(settings.DATA_DIR / "epochs", ignore_errors=True)


@pytest.fixture(autouse=True)
def _empty_caches() -> None:
    for cache in caches.all():
        cache.clear()
