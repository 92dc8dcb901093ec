"""Throw-away PostgreSQL and Redis servers for one run: `python tools/servers.py --
COMMAND...` starts them on free ports of loopback, in a folder of their own, runs the
command with their addresses in JOBSUI_TEST_DATABASE_URL and JOBSUI_TEST_REDIS_URL, and
ends as it ended. Without a command it prints the addresses and waits for Ctrl-C.

PostgreSQL refuses to run as root, so root runs both as the user `postgres`. What is
missing is installed as root on Debian; elsewhere it is said, and nothing is run."""

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
    """Its path, "" when there is none. Debian keeps PostgreSQL's out of PATH; the
    newest version counts."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(
        versions, key=lambda path: float(path.parent.name), reverse=True
    )
    return next(
        filter(None, (shutil.which(name, path=str(path)) for path in newest_first)),
        shutil.which(name) or "",
    )


def require_programs() -> None:
    """Install what is missing, or end with a sentence that names it."""
    if packages := _missing():
        if IS_ROOT and shutil.which("apt-get"):
            quiet = os.environ | {
                "DEBIAN_FRONTEND": "noninteractive",
                "RUNLEVEL": "1",
            }  # Start no services.
            for words in (
                ["update"],
                ["install", "-y", "--no-install-recommends", *packages],
            ):
                subprocess.run(
                    ["apt-get", "-qq", *words],
                    env=quiet,
                    check=False,
                    stdout=subprocess.DEVNULL,
                )
        if packages := _missing():
            sys.exit(
                f"Not installed: {', '.join(packages)}. Install them, or run this as root on Debian."
            )


def _missing() -> list[str]:
    return sorted({package for name, package in PACKAGES.items() if not program(name)})


@contextlib.contextmanager
def running() -> Iterator[dict[str, str]]:
    """Both servers, for as long as the block lasts; the environment that tells tests
    where they are."""
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="jobsui-servers-"))
        )
        if USER:
            shutil.chown(folder, USER)
        password = secrets.token_hex(16)
        yield {
            "JOBSUI_TEST_DATABASE_URL": stack.enter_context(
                _postgres(folder, password)
            ),
            "JOBSUI_TEST_REDIS_URL": stack.enter_context(_redis(folder, password)),
        }


@contextlib.contextmanager
def _postgres(folder: Path, password: str) -> Iterator[str]:
    data, port = folder / "postgres", _free_port()
    secret = folder / "password"
    secret.write_text(password, encoding="utf-8")
    if USER:
        shutil.chown(secret, USER)
    made = subprocess.run(
        [
            program("initdb"),
            "-D",
            data,
            "-U",
            "jobsui",
            "-A",
            "scram-sha-256",
            "--pwfile",
            secret,
            "-E",
            "UTF8",
            "--locale",
            "C",
        ],
        user=USER,
        group=USER,
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        sys.exit(f"initdb failed: {made.stderr}")
    # fsync stays on, as in earnest. Each test process and each product has connections
    # of its own.
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 300,
    }
    command = [
        program("postgres"),
        "-D",
        str(data),
        *(f"--{name}={value}" for name, value in settings.items()),
    ]
    url = f"postgres://jobsui:{password}@127.0.0.1:{port}/postgres"
    with _server(
        command, folder, lambda: psycopg.connect(url).close(), stop=signal.SIGINT
    ):
        yield url


@contextlib.contextmanager
def _redis(folder: Path, password: str) -> Iterator[str]:
    port = _free_port()
    # A database for each product that tests start (tests/databases.py).
    command = [
        program("redis-server"),
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--requirepass",
        password,
        "--dir",
        str(folder),
        "--appendonly",
        "yes",
        "--save",
        "",
        "--databases",
        "1000",
    ]
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    with _server(
        command, folder, lambda: redis.Redis.from_url(url).ping(), stop=signal.SIGTERM
    ):
        yield url


@contextlib.contextmanager
def _server(
    command: list[str],
    folder: Path,
    call: Callable[[], object],
    *,
    stop: signal.Signals,
) -> Iterator[None]:
    """The server, once a call to it succeeds."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as out:
        # A group of its own: Ctrl-C is for the command first.
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
        ends = time.monotonic() + START_SECONDS
        while (trouble := _trouble(call)) is not None:
            if process.poll() is not None or time.monotonic() > ends:
                sys.exit(
                    f"{command[0]} did not start ({trouble}): {log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(stop)
        process.wait()


def _trouble(call: Callable[[], object]) -> Exception | None:
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
    # Being ended is no reason to leave servers behind.
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
    """How the command ended. It is never left behind, and Ctrl-C reaches it without our
    help."""
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
