import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from jobsui.jobs.enums import JobState
from jobsui.jobs.models import Job, Lease
from tests import sandbox_server
from tests.acceptance import product as products
from tests.acceptance.person import LONG, PASSWORD, Person
from tests.acceptance.processes import Process, Processes, is_owned, wait_until
from tests.acceptance.product import Product
from tests.harness import GADGET
from tests.sandbox_server import Sandbox
from tools import browser as browsers

CONNECTION = "Sandbox"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))
            if "browser" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.browser)


def required_browser() -> str:
    """The path of a browser. Without one the test is skipped, or fails where
    JOBSUI_REQUIRE_BROWSER is 1."""
    path = browsers.found()
    if not path:
        is_required = os.environ.get("JOBSUI_REQUIRE_BROWSER") == "1"
        give_up = pytest.fail if is_required else pytest.skip
        give_up("There is no browser. tools/browser.py finds or installs one.")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = required_browser()
    # Playwright runs an event loop in this thread, and Django refuses database access
    # where it finds one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    expect.set_options(timeout=20_000)
    is_root = os.geteuid() == 0
    arguments = ["--no-sandbox"] if is_root else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="session")
def zendesk(browser: Browser) -> Iterator[Sandbox]:  # noqa: ARG001
    """The sandbox of the browser tests, with the three sample objects."""
    running = sandbox_server.start(
        samples=True, job_seconds=0.3, requests_per_minute=100_000, seed=1
    )
    yield running
    running.stop()


@pytest.fixture(scope="session")
def product(
    zendesk: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """One installation for all tests of a test process, with an administrator."""
    with starting():
        running = products.start(
            tmp_path_factory.mktemp("product"),
            JOBSUI_API_HOSTS=f"{zendesk.host},localhost",
        )
    running.manage(
        "createsuperuser",
        "--noinput",
        DJANGO_SUPERUSER_USERNAME="admin",
        DJANGO_SUPERUSER_EMAIL="admin@example.com",
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )
    yield running
    assert running.stop() == 0
    assert running.lines[-1] == "Stopped.\n"


@contextmanager
def starting() -> Iterator[None]:
    """Start one product at a time: all collect their static files into the same
    folder."""
    path = Path(tempfile.gettempdir()) / f"jobsui-starting-{os.getuid()}"
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def signed_in(
    browser: Browser,
    product: Product,
    zendesk: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A file with the cookies of the administrator, who has connected the sandbox and
    fetched its objects."""
    context = browser.new_context()
    person = Person(context.new_page(), product)
    person.sign_in()
    person.add_connection(CONNECTION, zendesk)
    person.press("Refresh objects")
    person.sees("objects refreshed")
    path = tmp_path_factory.mktemp("cookies") / "admin.json"
    context.storage_state(path=path)
    context.close()
    return path


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a visitor who is not signed in. A message on the browser's console fails
    the test."""
    yield from watched_page(browser)


@pytest.fixture
def person(browser: Browser, product: Product, signed_in: Path) -> Iterator[Person]:
    """The administrator, signed in."""
    for page in watched_page(browser, signed_in):
        yield Person(page, product)


def watched_page(browser: Browser, cookies: Path | None = None) -> Iterator[Page]:
    """A page. A warning or an error on its console fails the test at its end."""
    context = browser.new_context(
        storage_state=cookies, viewport={"width": 1280, "height": 900}
    )
    context.set_default_timeout(LONG)
    page = context.new_page()
    messages: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            messages.append(f"{page.url}: {message.text}")

    page.on("console", note)
    page.on("pageerror", lambda error: messages.append(f"{page.url}: {error}"))
    yield page
    context.close()
    assert messages == []


@pytest.fixture
def gadget(person: Person, zendesk: Sandbox) -> Iterator[str]:
    """The key of an object of this test's own, known to the connection."""
    key = f"gadget_{uuid4().hex[:8]}"
    zendesk.make_object(key, fields=GADGET)
    person.add_object(CONNECTION, key)
    yield key
    zendesk.faults()
    zendesk.settings(job_seconds=0.3)


@pytest.fixture(scope="module")
def installation(
    django_db_setup: None,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Processes]:
    """A queue and a sweep on the test's database."""
    running = Processes(tmp_path_factory.mktemp("installation"))
    running.start_queue()
    running.start_sweep()
    yield running
    running.kill_all()


@pytest.fixture
def processes(
    installation: Processes,
    transactional_db: None,  # noqa: ARG001
) -> Iterator[Processes]:
    """The installation. After the test its own processes are killed and its open jobs
    cancelled."""
    before = set(installation.running)
    yield installation
    installation.kill(*(set(installation.running) - before - {installation.queue}))
    # The leases of killed processes would delay the next test until they expire.
    pids = "|".join(str(process.pid) for process in installation.running)
    Lease.objects.exclude(owner__regex=f":({pids}):").delete()
    Job.objects.moving().update(state=JobState.CANCELLED)
    wait_until(lambda: not is_owned(), "the drivers to end")
    _delete_what_killed_readers_left()


def _delete_what_killed_readers_left() -> None:
    """The sweep does it after a day. Later tests expect nothing there."""
    for path in settings.FILE_UPLOAD_TEMP_DIR.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@pytest.fixture(scope="module")
def worker(installation: Processes) -> Process:
    """One driving worker for those tests of a module that do not kill it."""
    return installation.worker()
