"""`manage.py up` with its real processes: what it starts, restarts and refuses, and that
no process is left."""

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
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]
PARTS = {
    "valkey": "valkey-server",
    "web": "gunicorn",
    "worker-drive": "work drive",
    "worker-1": "work work",
    "worker-read": "work read",
    "worker-notify": "work notify",
    "sweep": "manage.py sweep",
}
STOP_SECONDS = 30
"""How long the worker that sends may take to stop."""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = products.start(tmp_path_factory.mktemp("up") / "data")
    yield running
    running.stop()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def first_pid(data: Path, part: str) -> int:
    """The process of the part itself. Those that it has started have higher numbers."""
    return min(
        pid for pid, command in processes(data).items() if PARTS[part] in command
    )


def wait_for(is_true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_true()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def up(data: Path, port: int) -> tuple[int, str]:
    """Exit status and output of an `up` that cannot start."""
    environment = products.inherited_environment() | {
        "DJANGO_SETTINGS_MODULE": "jobsui.settings",
        "JOBSUI_DATA_DIR": str(data),
    }
    command = subprocess.run(
        [sys.executable, str(products.ROOT / "manage.py"), "up", "--port", str(port)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return command.returncode, command.stdout + command.stderr


def test_files_belong_to_their_owner_alone(product: Product) -> None:
    product.console("first-run/ with the token")
    files = [
        "secret_key",
        "encryption_keys",
        "first_run_token",
        "jobsui.sqlite3",
        "logs/web.log",
        "up.lock",
    ]

    modes = {name: mode(product.data / name) for name in files}
    open_to_others = [path for path in product.data.rglob("*") if mode(path) & 0o077]

    assert modes == dict.fromkeys(files, 0o600)
    assert open_to_others == []


def test_second_up_on_the_same_data_is_refused(product: Product) -> None:
    exit_status, output = up(product.data, products.free_port())

    assert exit_status == 1
    assert output == (
        f"CommandError: Jobs UI already runs on {product.data} (process {product.process.pid}).\n"
    )
    assert status(f"{product.url}/healthz") == 200


def test_port_in_use_is_refused_by_its_number(product: Product, tmp_path: Path) -> None:
    exit_status, output = up(tmp_path / "other", product.port)

    assert exit_status == 1
    assert output.startswith(
        f"CommandError: Port {product.port} on 127.0.0.1 is not available: "
        "another program uses it. Choose another port: "
    )
    assert processes(tmp_path / "other") == {}


def test_new_data_directory_belongs_to_its_owner_alone(
    product: Product, tmp_path: Path
) -> None:
    up(tmp_path / "new", product.port)

    assert mode(tmp_path / "new") == 0o700


def test_healthz_fails_while_the_queue_does_not_answer(product: Product) -> None:
    queue = first_pid(product.data, "valkey")

    os.kill(queue, signal.SIGSTOP)
    status_without_queue = status(f"{product.url}/healthz")
    os.kill(queue, signal.SIGCONT)

    assert status_without_queue == 503
    assert status(f"{product.url}/healthz") == 200


def test_every_killed_part_is_started_again(product: Product) -> None:
    killed = {part: first_pid(product.data, part) for part in PARTS}

    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)
    for part in PARTS:
        product.console(f"^{part} ended \\(signal SIGKILL\\)\\. Restarting")
    wait_for(lambda: status(f"{product.url}/healthz") == 200)

    started = {part: first_pid(product.data, part) for part in PARTS}
    assert [part for part in PARTS if started[part] == killed[part]] == []
    assert set(killed.values()) & processes(product.data).keys() == set()


def test_createsuperuser_ends_the_first_run(product: Product) -> None:
    before = status(f"{product.url}/first-run/")

    product.manage(
        "createsuperuser",
        "--noinput",
        DJANGO_SUPERUSER_USERNAME="root",
        DJANGO_SUPERUSER_EMAIL="root@acme.example",
        DJANGO_SUPERUSER_PASSWORD="correct-horse-battery",
    )

    assert before == 200
    assert status(f"{product.url}/first-run/") == 404


def test_ctrl_c_stops_every_process(product: Product) -> None:
    asked_at = time.monotonic()
    exit_status = product.stop()
    took = time.monotonic() - asked_at

    assert exit_status == 0
    assert processes(product.data) == {}
    assert took < STOP_SECONDS


def test_killed_demo_leaves_no_process_and_starts_again(tmp_path: Path) -> None:
    first = products.start(tmp_path / "data", "--demo")
    first.console("A first job with 2,000 rows is running")
    first.process.kill()
    first.process.wait()
    wait_for(lambda: not processes(first.data), STOP_SECONDS)

    second = products.start(first.data, "--demo")
    second.console("A first job with 2,000 rows is running")
    first_password = first.console(r"admin +password (\S+)").group(1)
    second_password = second.console(r"admin +password (\S+)").group(1)
    asked_at = time.monotonic()
    second.process.send_signal(signal.SIGTERM)
    exit_status = second.process.wait(products.STOP_SECONDS)
    took = time.monotonic() - asked_at

    assert first_password != second_password
    assert exit_status == 0
    assert processes(second.data) == {}
    assert took < STOP_SECONDS


def test_named_queue_and_database_are_used(tmp_path: Path) -> None:
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
    files = sorted(path.name for path in running.data.iterdir())
    assert files == ["files", "first_run_token", "logs", "up.lock"]
    assert (tmp_path / "own.sqlite3").exists()
