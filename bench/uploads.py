"""What a large upload through the API costs, and how a page answers meanwhile. Beside a
`manage.py up`:

python -m bench.uploads --url http://127.0.0.1:8000 --token TOKEN --password THAT OF
admin --page /jobs/CODE/ --pid PID"""

import argparse
import hashlib
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import requests

from bench import processes

PAUSE = 0.1
ALONE_SECONDS = 20
MEGABYTE = 1024**2


def main() -> None:
    given = _arguments()
    browser = _signed_in(given.url, given.password)
    with tempfile.NamedTemporaryFile(suffix=".csv", dir=given.folder) as file:
        digest = _fill(file, given.megabytes)
        ends = time.monotonic() + ALONE_SECONDS
        alone = _answers(
            browser, given.url + given.page, lambda: time.monotonic() < ends
        )
        begin = time.monotonic()
        with subprocess.Popen(
            _curl(given, file.name), stdout=subprocess.PIPE, text=True
        ) as upload:
            during = _answers(
                browser, given.url + given.page, lambda: upload.poll() is None
            )
            seconds = time.monotonic() - begin
            said = json.loads(upload.stdout.read() if upload.stdout else "")
    web = processes.costs([given.pid])["web"]
    print(
        f"{given.megabytes:,} MB in {seconds:.1f} s; the same on both sides: {said.get('sha256') == digest}"
    )
    print(f"The page alone: {_told(alone)}; during the upload: {_told(during)}")
    print(f"Most memory of a web process: {web.peak_mb:.0f} MB")


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--url", "--token", "--password", "--page"):
        parser.add_argument(name, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="for the file that is sent")
    return parser.parse_args()


def _signed_in(url: str, password: str) -> requests.Session:
    browser = requests.Session()
    browser.get(f"{url}/accounts/login/")
    token = next(
        cookie.value for cookie in browser.cookies if cookie.name.endswith("csrf")
    )
    form = {"login": "admin", "password": password, "csrfmiddlewaretoken": token}
    browser.post(
        f"{url}/accounts/login/", form, headers={"Referer": url}
    ).raise_for_status()
    return browser


def _fill(file: "IO[bytes]", megabytes: int) -> str:
    """Write a CSV of this size; its SHA-256."""
    digest = hashlib.sha256()
    number = 0
    while file.tell() < megabytes * MEGABYTE:
        lines = b"".join(
            b"g-%09d,Gadget,AB-%06d,%080d\n" % (n, n % 10**6, n)
            for n in range(number, number + 10_000)
        )
        lines = lines if number else b"external_id,name,serial,notes\n" + lines
        number += 10_000
        digest.update(lines)
        file.write(lines)
    file.flush()
    return digest.hexdigest()


def _curl(given: Any, name: str) -> list[str]:
    return [
        "curl",
        "-sS",
        f"{given.url}/api/v1/files",
        "-H",
        f"Authorization: Bearer {given.token}",
        "-F",
        f"file=@{name}",
    ]


def _answers(
    browser: requests.Session, url: str, go_on: Callable[[], bool]
) -> list[float]:
    """Seconds the page took, again and again."""
    took = []
    while go_on():
        begin = time.monotonic()
        answer = browser.get(url, allow_redirects=False)
        took.append(time.monotonic() - begin)
        assert answer.status_code == 200, answer.status_code
        time.sleep(PAUSE)
    return took


def _told(took: list[float]) -> str:
    p95 = statistics.quantiles(took, n=20)[18]
    return f"p50 {statistics.median(took) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, worst {max(took) * 1000:.0f} ms"


if __name__ == "__main__":
    main()
