"""`manage.py up` with its real processes: what it starts, watches, refuses, and that
nothing of it is left."""

import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobsui.ops import valkey
from tests.acceptance import product as products
from tests.acceptance.product import Product, processes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]
PARTS = {
    "valkey": "valkey-server",
    "web": "gunicorn",
    "worker-drive": "work drive",
    "worker-1": "work work",
    "sweep": "manage.py sweep",
}
STOP_SECONDS = 30
"""What the process that sends may need to end in order."""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = products.start(tmp_path_factory.mktemp("up") / "data")
    yield running
    running.stop()


def first_pid(data: Path, part: str) -> int:
    """Of the part itself: what it starts comes later."""
    return min(
        pid for pid, command in processes(data).items() if PARTS[part] in command
    )


def wait_for(is_so: Callable[[], bool], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not is_so() and time.monotonic() < ends:
        time.sleep(0.05)
    assert is_so()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def up(data: Path, port: int, **settings: str) -> tuple[int, str]:
    """How an `up` that cannot start ends, and what it says."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in products.NOT_OURS
    }
    environment = (
        kept
        | {"DJANGO_SETTINGS_MODULE": "jobsui.settings", "JOBSUI_DATA_DIR": str(data)}
        | settings
    )
    ended = subprocess.run(
        [sys.executable, str(products.ROOT / "manage.py"), "up", "--port", str(port)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_what_it_keeps_is_for_its_owner_alone(product: Product) -> None:
    product.console("first-run/ with the token")
    kept = [
        "secret_key",
        "encryption_keys",
        "first_run_token",
        "jobsui.sqlite3",
        "logs/web.log",
        "up.lock",
    ]

    modes = {name: stat.S_IMODE((product.data / name).stat().st_mode) for name in kept}
    open_to_others = [
        path for path in product.data.rglob("*") if path.stat().st_mode & 0o077
    ]

    assert modes == dict.fromkeys(kept, 0o600)
    assert open_to_others == []


def test_second_one_on_the_same_data_says_so_and_stops(product: Product) -> None:
    code, said = up(product.data, products.free_port())

    assert (code, said) == (
        1,
        f"CommandError: Jobs UI already runs on {product.data} (process {product.process.pid}).\n",
    )
    assert status(f"{product.url}/healthz") == 200


def test_taken_port_is_named(product: Product, tmp_path: Path) -> None:
    code, said = up(tmp_path / "other", product.port)

    assert code == 1
    assert said.startswith(
        f"CommandError: Port {product.port} on 127.0.0.1 is not available: "
        "another program uses it. Choose another port: "
    )
    assert processes(tmp_path / "other") == {}


def test_data_directory_it_makes_is_for_its_owner_alone(
    product: Product, tmp_path: Path
) -> None:
    up(tmp_path / "new", product.port)

    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_healthz_says_no_while_the_queue_is_silent(product: Product) -> None:
    queue = first_pid(product.data, "valkey")

    os.kill(queue, signal.SIGSTOP)
    silent = status(f"{product.url}/healthz")
    os.kill(queue, signal.SIGCONT)

    assert (silent, status(f"{product.url}/healthz")) == (503, 200)


def test_every_part_that_is_killed_is_started_again(product: Product) -> None:
    killed = {part: first_pid(product.data, part) for part in PARTS}

    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)
    for part in PARTS:
        product.console(f"^{part} ended \\(signal SIGKILL\\)\\. Restarting")
    wait_for(lambda: status(f"{product.url}/healthz") == 200)

    started = {part: first_pid(product.data, part) for part in PARTS}
    assert {part for part in PARTS if started[part] == killed[part]} == set()
    assert not set(killed.values()) & set(processes(product.data))


def test_administrator_made_by_command_ends_the_first_run(product: Product) -> None:
    before = status(f"{product.url}/first-run/")

    product.manage(
        "createsuperuser",
        "--noinput",
        DJANGO_SUPERUSER_USERNAME="root",
        DJANGO_SUPERUSER_EMAIL="root@acme.example",
        DJANGO_SUPERUSER_PASSWORD="correct-horse-battery",
    )

    assert (before, status(f"{product.url}/first-run/")) == (200, 404)


def test_ctrl_c_ends_all_of_it(product: Product) -> None:
    begun = time.monotonic()
    code = product.stop()

    assert (code, processes(product.data)) == (0, {})
    assert time.monotonic() - begun < STOP_SECONDS


def test_demo_leaves_nothing_behind_and_can_be_started_again(tmp_path: Path) -> None:
    first = products.start(tmp_path / "data", "--demo")
    first.console("A first job with 2,000 rows is running")
    first.process.kill()
    first.process.wait()
    wait_for(lambda: not processes(first.data), STOP_SECONDS)

    second = products.start(first.data, "--demo")
    second.console("A first job with 2,000 rows is running")
    passwords = [
        running.console(r"admin +password (\S+)").group(1)
        for running in (first, second)
    ]
    begun = time.monotonic()
    second.process.send_signal(signal.SIGTERM)
    code = second.process.wait(products.STOP_SECONDS)

    assert passwords[0] != passwords[1]
    assert (code, processes(second.data)) == (0, {})
    assert time.monotonic() - begun < STOP_SECONDS


def test_queue_and_database_that_were_named_are_used(tmp_path: Path) -> None:
    socket = tmp_path / "own.sock"
    server = subprocess.Popen(
        [valkey.command()[0], "--port", "0", "--unixsocket", str(socket), "--save", ""],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    wait_for(socket.exists)
    running = products.start(
        tmp_path / "data",
        REDIS_URL=f"unix://{socket}",
        DATABASE_URL=f"sqlite:///{tmp_path / 'own.sqlite3'}",
        SECRET_KEY="s" * 50,
        JOBSUI_ENCRYPTION_KEYS="a" * 43 + "=",
        ALLOWED_HOSTS="jobs.acme.example",
    )

    commands = processes(running.data).values()
    running.stop()
    server.terminate()
    server.wait()

    assert [command for command in commands if PARTS["valkey"] in command] == []
    assert sorted(path.name for path in running.data.iterdir()) == [
        "files",
        "first_run_token",
        "logs",
        "up.lock",
    ]
    assert (tmp_path / "own.sqlite3").exists()
