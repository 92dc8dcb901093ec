"""Finds or installs a browser for the tests: an installed Chromium or Chrome, else
Playwright's own, else (as root on Debian) the distribution's. Without a browser, the
browser tests are skipped, and this says so.

Chromium's headless shell comes first: it needs half as much time as the whole browser
without a window."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = (
    "chromium-headless-shell",
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
    patterns = (
        "chromium_headless_shell-*/chrome-linux*/*headless*shell",
        "chromium-*/chrome-linux*/chrome",
    )
    paths = [path for pattern in patterns for path in sorted(cache.glob(pattern))]
    return str(paths[0]) if paths else ""


def _succeeds(*command: str) -> bool:
    quiet = subprocess.DEVNULL
    ran = subprocess.run(command, check=False, stdout=quiet, stderr=quiet)
    return ran.returncode == 0


def _install_package() -> None:
    install = ("apt-get", "install", "-y", "--no-install-recommends")
    _succeeds("apt-get", "update")
    for package in ("chromium-headless-shell", "chromium"):
        if _succeeds(*install, package, "fonts-dejavu-core"):
            return


def main() -> None:
    if found():
        return
    install = ("playwright", "install", "--only-shell", "chromium")
    if _succeeds(sys.executable, "-m", *install) and found():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _install_package()
    if not found():
        print("No browser is installed, so the browser tests will be skipped.")


if __name__ == "__main__":
    main()
