import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from jobsui.jobs.control import sweep
from jobsui.jobs.models import BatchBlob
from jobsui.ops.management.commands import sweep as command
from tests.jobs import old_jobs
from tests.ops.commands import run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The command handles them, and the test needs its own handlers again."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_sweep_prunes_until_it_is_stopped(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"bodies": 30}
    settings.TIMING = settings.TIMING | {"sweep_interval": 0.0}
    old_jobs.finished()
    sweeps: list[int] = []

    def stop_after_the_first() -> None:
        sweeps.append(BatchBlob.objects.exclude(payload=b"").count())
        if len(sweeps) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(sweep, "sweep", stop_after_the_first)
    # It would close the connection of the test's transaction.
    monkeypatch.setattr(command, "close_old_connections", lambda: None)

    ran = run("sweep")

    assert ran.status == 0
    assert sweeps == [3, 0]
