"""Finds or installs a browser for the tests: an installed Chromium or Chrome, else
Playwright's own, else (as root on Debian) the distribution's. Without a browser, the
browser tests are skipped, and this says so."""

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
    """The path of a browser, or ""."""
    if chosen := os.environ.get("JOBSUI_TEST_BROWSER"):
        return chosen
    for name in NAMES:
        if path := shutil.which(name):
            return path
    return _playwrights_own()


def _playwrights_own() -> str:
    default = Path.home() / ".cache" / "ms-playwright"
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or default)
    paths = sorted(cache.glob("chromium-*/chrome-linux*/chrome"))
    return str(paths[0]) if paths else ""


def _succeeds(*command: str) -> bool:
    quiet = subprocess.DEVNULL
    ran = subprocess.run(command, check=False, stdout=quiet, stderr=quiet)
    return ran.returncode == 0


def _install_package() -> None:
    packages = ("chromium", "fonts-dejavu-core")
    _succeeds("apt-get", "update")
    _succeeds("apt-get", "install", "-y", "--no-install-recommends", *packages)


def main() -> None:
    if found():
        return
    if _succeeds(sys.executable, "-m", "playwright", "install", "chromium") and found():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _install_package()
    if not found():
        print("No browser is installed, so the browser tests will be skipped.")


if __name__ == "__main__":
    main()
