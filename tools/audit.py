"""Compares the locked versions with the advisories that PyPI has for them, those of the Python
Packaging Advisory Database.

Exit status: 0: no advisory; 1: some; 2: not every version could be checked."""

import json
import re
import sys
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
TIMEOUT_SECONDS = 30
THREADS = 4

Version = tuple[str, str]
"""Name and version."""
Fetch = Callable[[str], Any]
"""The JSON of an address. Raises OSError."""


def main(
    fetch: Fetch | None = None,
    locks: tuple[Path, ...] = tuple(map(ROOT.joinpath, LOCKS)),
) -> int:
    versions = sorted(
        {version for lock in locks for version in locked(lock.read_text())}
    )
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(lambda each: _check(each, fetch or _fetch), versions))
    for lines, _ in results:
        print("".join(f"{line}\n" for line in lines), end="")
    unchecked = sum(not is_checked for _, is_checked in results)
    vulnerable = sum(bool(lines) and is_checked for lines, is_checked in results)
    print(
        f"{len(versions)} versions: {vulnerable} with advisories, "
        f"{unchecked} could not be checked."
    )
    if vulnerable:
        return 1
    return 2 if unchecked else 0


def locked(lock: str) -> list[Version]:
    """The versions of a lock file."""
    return LOCKED.findall(lock)


def _check(version: Version, fetch: Fetch) -> tuple[list[str], bool]:
    """What there is to say about the version, and whether it could be checked."""
    name, number = version
    try:
        advisories = fetch(f"https://pypi.org/pypi/{name}/{number}/json")[
            "vulnerabilities"
        ]
    except (OSError, ValueError, KeyError) as error:
        return [
            f"{name} {number}: not checked ({type(error).__name__}: {error})"
        ], False
    current = [advisory for advisory in advisories if not advisory.get("withdrawn")]
    return [f"{name} {number}: {_described(advisory)}" for advisory in current], True


def _described(advisory: dict[str, Any]) -> str:
    names = ", ".join([advisory["id"], *advisory.get("aliases", [])])
    fixed = " or ".join(advisory.get("fixed_in", [])) or "no version"
    return f"{names}, fixed in {fixed}. {advisory.get('summary') or ''}".rstrip()


def _fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
        return json.load(response)


if __name__ == "__main__":
    sys.exit(main())
