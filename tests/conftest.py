import shutil
import threading
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from django.utils.module_loading import import_string
from xdist.scheduler import LoadScopeScheduling

from jobsui.connections.credentials import SignedClient
from jobsui.connections.errors import HostRefused
from jobsui.connections.models import Connection
from jobsui.files import parser_process
from jobsui.jobs import account_client, queueing

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

REFERENCE_TABLES = {"auth_permission", "django_content_type"}
"""Filled when the tables are created, and never changed."""


def delete_rows(_case: TransactionTestCase | None = None) -> None:
    """Replaces Django's flush, which creates every permission again after each
    test. That takes longer than most tests. On PostgreSQL it also truncates, which
    makes new files for every table and waits until they are on disk."""
    names = connection.introspection.django_table_names(
        only_existing=True, include_views=False
    )
    statements = [
        f"DELETE FROM {connection.ops.quote_name(name)};"
        for name in names
        if name not in REFERENCE_TABLES
    ]
    connection.ops.execute_sql_flush(statements)


TransactionTestCase._fixture_teardown = delete_rows  # type: ignore[attr-defined]

BROWSER = "tests/acceptance/browser/"
ONE_PROCESS = (
    f"{BROWSER}test_every_page.py",
    BROWSER,
    "tests/ops/test_up.py",
)
"""The tests below each of these share one product, and most share one browser, so one
process runs all of them. The pages take as long as all other tests in a browser."""


class Scheduling(LoadScopeScheduling):
    """Gives every other test to the first process that is free."""

    def _split_scope(self, nodeid: str) -> str:
        for prefix in ONE_PROCESS:
            if nodeid.startswith(prefix):
                return prefix
        return nodeid


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """On PostgreSQL, tests that use no database would only run a second time."""
    if connection.vendor == "postgresql" and not _uses_database(item):
        item.add_marker(pytest.mark.skip(reason="It uses no database."))


def _uses_database(item: pytest.Item) -> bool:
    """Slow tests may start processes that do."""
    has_marker = any(map(item.get_closest_marker, ("django_db", "slow")))
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return has_marker or "django_db_setup" in fixtures


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that wait for processes run first, because they leave the cores time for
    others. At the end, short tests keep all cores busy."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


pytest_plugins = ["tests.sandbox_server", "tests.harness", "tests.valkey_server"]


class TaskQueue(list[tuple[str, tuple[int, ...]]]):
    """Stands in for RQ: keeps the enqueued tasks in order."""

    def __call__(self, task: str, ids: tuple[int, ...]) -> None:
        self.append((task, ids))

    def run_all(self) -> None:
        """Run the tasks in this process, and those that they enqueue."""
        while self:
            self.run_next()

    def run_next(self) -> None:
        task, ids = self.pop(0)
        import_string(f"jobsui.jobs.tasks.{task}")(*ids)


@pytest.fixture(autouse=True)
def task_queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[TaskQueue]:
    backend = TaskQueue()
    monkeypatch.setattr(queueing, "backend", backend)
    yield backend
    queueing.stopping.clear()


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that a test does not read holds its place (jobsui/waits.py) until it is collected
    as garbage. A later stream found none, and closed the database of its test."""
    monkeypatch.setattr("jobsui.waits.places", threading.BoundedSemaphore(1000))


@pytest.fixture(autouse=True)
def _no_known_epochs() -> None:
    """Each test starts with an empty database. With the epochs of an earlier test,
    that would look like a restored backup (delivery/restore_guard.py)."""
    shutil.rmtree(settings.DATA_DIR / "epochs", ignore_errors=True)


@pytest.fixture(autouse=True)
def _only_local_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks read a sample of the records in the account. Most tests have none."""
    client_for = account_client.client_for

    def of_sandbox(account: Connection) -> SignedClient:
        if not account.host.startswith("127.0.0.1:"):
            raise HostRefused("This account does not exist.")
        return client_for(account)

    monkeypatch.setattr(account_client, "client_for", of_sandbox)


@pytest.fixture
def broken_parser(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files are read by `tests/files/broken_parsing.py`, which a file's name directs."""
    monkeypatch.setattr(parser_process, "MODULE", "tests.files.broken_parsing")
    monkeypatch.setattr(parser_process, "_idle", [])
    yield
    parser_process.stop()
