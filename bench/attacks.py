"""Attacks the product with hostile requests and slow clients, and measures what each costs:
the seconds until its response, and how much memory it takes in a web process.

    python -m bench.attacks

It starts the product with its sandbox. Each attack meets new web processes. The bench ends with
an error if an attack takes more than MAX_MB, or keeps a page waiting for more than MAX_SECONDS."""

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

from bench import hostile_requests, processes, slow_clients, uploads
from bench.hostile_requests import Target
from tests.acceptance import product as products
from tests.acceptance.product import Product

MAX_MB = 150
MAX_SECONDS = 10.0
WARM_REQUESTS = 10
START_SECONDS = 30.0


@dataclass
class Verdict:
    """What was not within its bound."""

    faults: list[str] = field(default_factory=list)


def main() -> None:
    given = _arguments()
    verdict = Verdict()
    with (
        tempfile.TemporaryDirectory(dir=given.folder) as folder,
        _running(Path(folder) / "data") as product,
    ):
        target = _target(product)
        for name, attack in hostile_requests.attacks(target).items():
            if given.only in name:
                _play(product, target, name, attack, verdict)
        for name, clients in slow_clients.attacks(target).items():
            if given.only in name:
                _hold(product, target, name, clients, given.seconds, verdict)
    if verdict.faults:
        raise SystemExit("\n".join(["Beyond the bounds:", *verdict.faults]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="for data and large files")
    parser.add_argument("--only", default="", help="attacks whose name contains this")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="how long slow clients stay"
    )
    return parser.parse_args()


@contextmanager
def _running(data: Path) -> Iterator[Product]:
    product = products.start(data, "--demo")
    try:
        product.console("Results: ")
        yield product
    finally:
        product.stop()


def _target(product: Product) -> Target:
    password = product.console(r"sign in as admin +password (\S+)")[1]
    browser = uploads.signed_in(product.url, password)
    token = product.manage("createtoken", "admin", "--scope", "admin").strip()
    headers = {"Authorization": f"Bearer {token}"}
    address = f"{product.url}/api/v1/connections"
    [connection] = requests.get(address, headers=headers, timeout=60).json()["items"]
    bound = product.manage(
        "createtoken", "admin", "--connection", connection["name"]
    ).strip()
    return Target(
        url=product.url,
        page=product.console(r"is running: (\S+)")[1],
        browser=browser,
        token=token,
        bound_token=bound,
        connection=connection["id"],
    )


def _play(
    product: Product,
    target: Target,
    name: str,
    attack: Callable[[], str],
    verdict: Verdict,
) -> None:
    before = _new_web_processes(product, target)
    started = time.monotonic()
    answer = attack()
    seconds = time.monotonic() - started
    raised = _raised(before)
    print(f"{name:56} {seconds:6.2f} s {raised:5.0f} MB  {answer}", flush=True)
    if raised > MAX_MB:
        verdict.faults.append(f"{name}: {raised:.0f} MB")


def _hold(
    product: Product,
    target: Target,
    name: str,
    clients: slow_clients.Clients,
    seconds: float,
    verdict: Verdict,
) -> None:
    before = _new_web_processes(product, target)
    with clients():
        waits = slow_clients.probe(target, seconds)
    raised = _raised(before)
    for what, durations in waits.items():
        worst = max(durations)
        print(
            f"{name:46} {what:9} p95 {slow_clients.p95(durations):6.2f} s, "
            f"worst {worst:6.2f} s of {len(durations)}, {raised:4.0f} MB",
            flush=True,
        )
        if worst > MAX_SECONDS:
            verdict.faults.append(f"{name}: {what} took {worst:.1f} s")
    if raised > MAX_MB:
        verdict.faults.append(f"{name}: {raised:.0f} MB")


def _new_web_processes(product: Product, target: Target) -> dict[int, float]:
    """{pid: MB} of web processes that have served nothing but a few pages. The server replaces
    those that end."""
    parent, *old = _web_processes(product)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + START_SECONDS
    while len(_web_processes(product)) <= len(old) or set(old) & _alive(old):
        assert time.monotonic() < deadline, "The web processes did not start again."
        time.sleep(0.1)
    for _ in range(WARM_REQUESTS):
        # Each with a connection of its own, so that all processes get some.
        with suppress(requests.ConnectionError):
            target.browser.get(target.page, headers={"Connection": "close"})
            requests.get(
                f"{target.url}/api/v1/jobs",
                headers={**target.headers, "Connection": "close"},
                timeout=60,
            )
    pids = [pid for pid in _web_processes(product) if pid != parent]
    processes.forget_peaks(pids)
    return {pid: processes.peak_mb(pid) or 0.0 for pid in pids}


def _web_processes(product: Product) -> list[int]:
    """Their parent first."""
    found = products.processes(product.data)
    return sorted(pid for pid, command in found.items() if "gunicorn" in command)


def _alive(pids: list[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}/exe").exists()}


def _raised(before: dict[int, float]) -> float:
    """MB, of the process that took the most."""
    taken = [(processes.peak_mb(pid) or 0.0) - base for pid, base in before.items()]
    return max(taken)


if __name__ == "__main__":
    main()
