"""Measures what people feel while large and hostile files are read: how fast a page
responds, and how long another person's small file takes from choosing it to its check.

    python -m bench.hostile

It starts the product with its sandbox. Each hostile file is uploaded, one after another,
while a small file is taken through upload, reading and check again and again.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from bench import uploads
from tests.acceptance import product as products
from tests.acceptance.product import Product
from tests.files.corpus.hostile import FILES
from tests.files.corpus.hostile.file import File

ALONE_SECONDS = 20
PAUSE_SECONDS = 0.1
POLL_SECONDS = 0.05
TIMEOUT_SECONDS = 1200
SMALL_ROWS = 50
BOMBS = (
    "gz bomb",
    "zip bomb",
    "xlsx with 9 million empty strings",
    "xlsx with a long string everywhere",
    "xlsx with a string everywhere",
    "xlsx with quadratic blowup",
    "ods with a row a million times",
    "ods with a sheet of one cell",
    "record of 100 MB",
    "line of 100 MB",
    "quote without an end, 100 MB",
    "another width each row",
    "a million rows without members",
    "row of 100 MB",
)


@dataclass
class Felt:
    """Seconds, while something went on."""

    pages: list[float] = field(default_factory=list)
    uploads: list[float] = field(default_factory=list)


def main() -> None:
    given = _arguments()
    with (
        tempfile.TemporaryDirectory(dir=given.folder) as folder,
        _running(Path(folder) / "data") as product,
    ):
        people = _People(product)
        deadline = time.monotonic() + ALONE_SECONDS
        alone = people.feel(lambda: time.monotonic() < deadline)
        print(f"{'alone':40} {_summary(alone)}", flush=True)
        large = Path(folder) / "large.csv"
        with large.open("wb") as content:
            uploads.fill(content, given.megabytes)
        _measure(people, f"{given.megabytes} MB of CSV", "large.csv", large)
        for name in BOMBS:
            bomb = Path(folder) / "bomb"
            file: File = FILES[name]
            bomb.write_bytes(file.make())
            _measure(people, name, file.name, bomb)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="for data and large files")
    return parser.parse_args()


@contextmanager
def _running(data: Path) -> Iterator[Product]:
    product = products.start(data, "--demo")
    try:
        product.console("Results: ")
        yield product
    finally:
        product.stop()


class _People:
    """One who looks at a job, one with small files, and one with hostile ones."""

    def __init__(self, product: Product) -> None:
        password = product.console(r"sign in as admin +password (\S+)")[1]
        self._page = product.console(r"is running: (\S+)")[1]
        self._url = product.url
        self._browser = uploads.signed_in(product.url, password)
        self._api = requests.Session()
        self._api.headers["Authorization"] = f"Bearer {_token(product)}"
        connections = self._api.get(f"{self._url}/api/v1/connections").json()
        self._connection = connections["items"][0]["id"]

    def upload(self, name: str, path: Path) -> str:
        """The file's address."""
        with path.open("rb") as content:
            response = requests.post(
                f"{self._url}/api/v1/files",
                files={"file": (name, content)},
                headers=dict(self._api.headers),
                timeout=TIMEOUT_SECONDS,
            )
        response.raise_for_status()
        return f"{self._url}/api/v1/files/{response.json()['id']}"

    def wait_for(self, file: str) -> Any:
        """What was found in a file."""
        while (found := self._api.get(file).json())["state"] == "reading":
            time.sleep(POLL_SECONDS)
        return found

    def feel(self, is_needed: Callable[[], bool]) -> Felt:
        felt = Felt()
        reader = threading.Thread(target=self._look, args=(felt, is_needed))
        reader.start()
        is_first = True
        while is_first or is_needed():
            is_first = False
            started = time.monotonic()
            self._check_small_file()
            felt.uploads.append(time.monotonic() - started)
        reader.join()
        return felt

    def _look(self, felt: Felt, is_needed: Callable[[], bool]) -> None:
        while not felt.pages or is_needed():
            started = time.monotonic()
            self._browser.get(self._page).raise_for_status()
            felt.pages.append(time.monotonic() - started)
            time.sleep(PAUSE_SECONDS)

    def _check_small_file(self) -> None:
        """Upload a file, and have a job check it."""
        rows = "".join(f"h-{number},Drill\n" for number in range(SMALL_ROWS))
        content = f"external_id,name\n{rows}".encode()
        response = self._api.post(
            f"{self._url}/api/v1/files", files={"file": ("small.csv", content)}
        )
        response.raise_for_status()
        job = self._api.post(
            f"{self._url}/api/v1/jobs",
            json={
                "connection": self._connection,
                "object": "asset",
                "action": "create_or_update_by_external_id",
                "file": response.json()["id"],
                "mapping": {"external_id": "external_id", "name": "name"},
                "launch": False,
            },
        )
        job.raise_for_status()
        address = f"{self._url}/api/v1/jobs/{job.json()['id']}"
        while self._api.get(address).json()["state"] != "ready":
            time.sleep(POLL_SECONDS)


def _token(product: Product) -> str:
    return product.manage("createtoken", "admin", "--scope", "admin").strip()


def _measure(people: _People, title: str, name: str, path: Path) -> None:
    started = time.monotonic()
    found: list[Any] = []

    def read() -> None:
        file = people.upload(name, path)
        found.append(people.wait_for(file))

    reading = threading.Thread(target=read)
    reading.start()
    felt = people.feel(reading.is_alive)
    seconds = time.monotonic() - started
    [file] = found
    outcome = file["error"] or f"{file['rows']:,} rows"
    print(f"{title:40} {_summary(felt)}, until read {seconds:.1f} s: {outcome[:80]}")


def _summary(felt: Felt) -> str:
    return (
        f"page p95 {_p95(felt.pages) * 1000:4.0f} ms ({len(felt.pages)}), "
        f"small file p50 {statistics.median(felt.uploads):.2f} s, "
        f"p95 {_p95(felt.uploads):.2f} s ({len(felt.uploads)})"
    )


def _p95(seconds: list[float]) -> float:
    if len(seconds) < 2:
        return seconds[0]
    return statistics.quantiles(seconds, n=20, method="inclusive")[18]


if __name__ == "__main__":
    main()
