"""Makes sure there is a browser for the tests: Chromium or Chrome as found, else
Playwright's own, else (as root on Debian) the distribution's. Without one the browser
tests are skipped, and said so."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)


def found() -> str:
    """The path of a browser, "" when there is none."""
    named = os.environ.get("JOBSUI_TEST_BROWSER") or next(
        filter(None, map(shutil.which, NAMES)), ""
    )
    return named or _playwrights_own()


def _playwrights_own() -> str:
    cache = Path(
        os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
        or Path.home() / ".cache" / "ms-playwright"
    )
    return next(
        (str(path) for path in sorted(cache.glob("chromium-*/chrome-linux*/chrome"))),
        "",
    )


def _succeeds(*command: str) -> bool:
    return (
        subprocess.run(
            command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ).returncode
        == 0
    )


def main() -> None:
    if found():
        return
    if _succeeds(sys.executable, "-m", "playwright", "install", "chromium") and found():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _succeeds("apt-get", "update")
        _succeeds(
            "apt-get",
            "install",
            "-y",
            "--no-install-recommends",
            "chromium",
            "fonts-dejavu-core",
        )
    if not found():
        print(
            "No browser was found or could be installed: the browser tests will be skipped."
        )


if __name__ == "__main__":
    main()
