"""Measures a large upload through the API, and how fast a page responds meanwhile.

Run it beside `manage.py up`; PID is that of `up`, PASSWORD that of admin:

    python -m bench.uploads --url http://127.0.0.1:8000 --token TOKEN \\
        --password PASSWORD --page /jobs/CODE/ --pid PID
"""

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

PAUSE_SECONDS = 0.1
ALONE_SECONDS = 20
MEGABYTE = 1024**2


def main() -> None:
    given = _arguments()
    browser = signed_in(given.url, given.password)
    with tempfile.NamedTemporaryFile(suffix=".csv", dir=given.folder) as file:
        digest = fill(file, given.megabytes)
        page = given.url + given.page
        deadline = time.monotonic() + ALONE_SECONDS
        alone = _time_page(browser, page, lambda: time.monotonic() < deadline)
        started = time.monotonic()
        curl = _curl(given, file.name)
        with subprocess.Popen(curl, stdout=subprocess.PIPE, text=True) as upload:
            during = _time_page(browser, page, lambda: upload.poll() is None)
            seconds = time.monotonic() - started
            response = json.loads(upload.stdout.read() if upload.stdout else "")
    web = processes.costs([given.pid])["web"]
    arrived = response.get("sha256") == digest
    print(f"{given.megabytes:,} MB in {seconds:.1f} s; same digest: {arrived}")
    print(f"The page alone: {_summary(alone)}; during the upload: {_summary(during)}")
    print(f"Most memory of a web process: {web.peak_mb:.0f} MB")


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--url", "--token", "--password", "--page"):
        parser.add_argument(name, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="for the file that is sent")
    return parser.parse_args()


def signed_in(url: str, password: str) -> requests.Session:
    browser = requests.Session()
    browser.get(f"{url}/accounts/login/")
    cookies = {cookie.name: cookie.value for cookie in browser.cookies}
    token = next(cookies[name] for name in cookies if name.endswith("csrf"))
    form = {"login": "admin", "password": password, "csrfmiddlewaretoken": token}
    headers = {"Referer": url}
    signed_in = browser.post(f"{url}/accounts/login/", form, headers=headers)
    signed_in.raise_for_status()
    return browser


def fill(file: "IO[bytes]", megabytes: int) -> str:
    """Write a CSV of this size. Returns its SHA-256."""
    digest = hashlib.sha256()
    number = 0
    while file.tell() < megabytes * MEGABYTE:
        lines = b"".join(
            b"g-%09d,Gadget,AB-%06d,%080d\n" % (n, n % 10**6, n)
            for n in range(number, number + 10_000)
        )
        if not number:
            lines = b"external_id,name,serial,notes\n" + lines
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


def _time_page(
    browser: requests.Session, url: str, is_needed: Callable[[], bool]
) -> list[float]:
    """Request the page repeatedly. Returns the seconds of each request."""
    durations = []
    while is_needed():
        started = time.monotonic()
        response = browser.get(url, allow_redirects=False)
        durations.append(time.monotonic() - started)
        assert response.status_code == 200, response.status_code
        time.sleep(PAUSE_SECONDS)
    return durations


def _summary(durations: list[float]) -> str:
    p50 = statistics.median(durations) * 1000
    p95 = statistics.quantiles(durations, n=20)[18] * 1000
    worst = max(durations) * 1000
    return f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, worst {worst:.0f} ms"


if __name__ == "__main__":
    main()
