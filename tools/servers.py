"""Temporary PostgreSQL and Redis servers for one run: `python tools/servers.py --
COMMAND...`.

It starts both on free ports of loopback with their files in a temporary directory, runs
the command with their addresses in JOBSUI_TEST_DATABASE_URL and JOBSUI_TEST_REDIS_URL,
and exits with the command's status. Without a command it prints the addresses and waits
for Ctrl-C.

PostgreSQL refuses to run as root, so root runs both as the user `postgres`. As root on
Debian it installs what is missing. Elsewhere it names what is missing and runs nothing.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import redis

START_SECONDS = 60
PACKAGES = {
    "postgres": "postgresql",
    "initdb": "postgresql",
    "redis-server": "redis-server",
}
IS_ROOT = os.geteuid() == 0
USER = "postgres" if IS_ROOT else None


def program(name: str) -> str:
    """The path of a program, or "". Debian keeps PostgreSQL's programs out of PATH; the
    newest version is used."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    for folder in sorted(versions, key=_version, reverse=True):
        if found := shutil.which(name, path=str(folder)):
            return found
    return shutil.which(name) or ""


def _version(folder: Path) -> float:
    return float(folder.parent.name)


def require_programs() -> None:
    """Install what is missing, or exit with a sentence that names it."""
    missing = _missing()
    if missing and IS_ROOT and shutil.which("apt-get"):
        _apt_get("update")
        _apt_get("install", "-y", "--no-install-recommends", *missing)
        missing = _missing()
    if missing:
        sys.exit(
            f"Not installed: {', '.join(missing)}. "
            "Install them, or run this as root on Debian."
        )


def _apt_get(*words: str) -> None:
    # With this run level the packages start no services.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(
        ["apt-get", "-qq", *words],
        env=environment,
        check=False,
        stdout=subprocess.DEVNULL,
    )


def _missing() -> list[str]:
    """The packages to install."""
    return sorted({package for name, package in PACKAGES.items() if not program(name)})


@contextlib.contextmanager
def running() -> Iterator[dict[str, str]]:
    """Run both servers. Yields the environment with their addresses."""
    with contextlib.ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="jobsui-servers-")
        folder = Path(stack.enter_context(temporary))
        if USER:
            shutil.chown(folder, USER)
        password = secrets.token_hex(16)
        database_url = stack.enter_context(_postgres(folder, password))
        redis_url = stack.enter_context(_redis(folder, password))
        yield {
            "JOBSUI_TEST_DATABASE_URL": database_url,
            "JOBSUI_TEST_REDIS_URL": redis_url,
        }


@contextlib.contextmanager
def _postgres(folder: Path, password: str) -> Iterator[str]:
    data = folder / "postgres"
    port = _free_port()
    _create_cluster(folder, data, password)
    # fsync stays on, as in production. Each test process and each product has
    # connections of its own.
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 300,
    }
    command = [program("postgres"), "-D", str(data)]
    command += [f"--{name}={value}" for name, value in settings.items()]
    url = f"postgres://jobsui:{password}@127.0.0.1:{port}/postgres"

    def connect() -> None:
        psycopg.connect(url).close()

    with _server(command, folder, connect, stop=signal.SIGINT):
        yield url


def _create_cluster(folder: Path, data: Path, password: str) -> None:
    secret = folder / "password"
    secret.write_text(password, encoding="utf-8")
    if USER:
        shutil.chown(secret, USER)
    options = {
        "pgdata": data,
        "username": "jobsui",
        "auth": "scram-sha-256",
        "pwfile": secret,
        "encoding": "UTF8",
        "locale": "C",
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    created = subprocess.run(
        [program("initdb"), *words],
        user=USER,
        group=USER,
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    if created.returncode:
        sys.exit(f"initdb failed: {created.stderr}")


@contextlib.contextmanager
def _redis(folder: Path, password: str) -> Iterator[str]:
    port = _free_port()
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": password,
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
        # One for each product that tests start (tests/databases.py).
        "databases": "1000",
    }
    command = [program("redis-server")]
    for name, value in settings.items():
        command += [f"--{name}", value]
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    client = redis.Redis.from_url(url)
    with _server(command, folder, client.ping, stop=signal.SIGTERM):
        yield url


@contextlib.contextmanager
def _server(
    command: list[str],
    folder: Path,
    call: Callable[[], object],
    *,
    stop: signal.Signals,
) -> Iterator[None]:
    """Run a server. Yields when a call to it succeeds."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as out:
        # In its own session, so that Ctrl-C ends the command first.
        process = subprocess.Popen(
            command,
            user=USER,
            group=USER,
            cwd=folder,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while (error := _error_of(call)) is not None:
            if process.poll() is not None or time.monotonic() > deadline:
                text = log.read_text(errors="replace")[-2000:]
                sys.exit(f"{command[0]} did not start ({error}): {text}")
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(stop)
        process.wait()


def _error_of(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except (psycopg.Error, redis.RedisError) as error:
        return error
    return None


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def main() -> None:
    command = sys.argv[1:]
    if command[:1] == ["--"]:
        del command[0]
    # Stop the servers also when this process is terminated.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    require_programs()
    with running() as environment:
        if command:
            sys.exit(_run(command, environment))
        for name, value in environment.items():
            print(f"export {name}={value}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


def _run(command: list[str], environment: dict[str, str]) -> int:
    """The exit status of the command. It never outlives this process. Ctrl-C reaches it
    directly, because it is in the same process group."""
    process = subprocess.Popen(command, env=os.environ | environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
        except SystemExit:
            process.terminate()
            process.wait()
            raise


if __name__ == "__main__":
    main()
