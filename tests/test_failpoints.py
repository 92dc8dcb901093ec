"""Failpoints: their edges are where they should be, and a process really ends there."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction

from jobsui.jobs import leases
from jobsui.jobs.models import Lease
from jobsui.zendesk.client import Client
from tests import failpoints
from tests.failpoints import Edge
from tests.sandbox_server import Sandbox

TWO_TRANSACTIONS = """
import django
django.setup()
from django.db import connection, transaction

def write(number):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO thing VALUES ({number})")

with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE thing (n integer)")
    cursor.execute("INSERT INTO thing VALUES (1)")
write(2)
write(3)
print("done", end="")
"""


@pytest.mark.django_db(transaction=True)
def test_commits_and_single_writes_are_edges_and_reads_are_none() -> None:
    passed: list[str] = []

    with failpoints.watching(lambda edge: passed.append(edge.name)):
        with transaction.atomic():
            held = leases.acquire("plan:1")
        assert held
        held.renew()
        Lease.objects.count()

    assert passed == ["begin", *["commit:before", "commit:after"] * 2]


def test_a_request_passes_its_edges_in_order(sandbox: Sandbox) -> None:
    passed: list[Edge] = []
    path = "/api/v2/custom_objects/nothing/jobs"

    with failpoints.watching(passed.append):
        Client(sandbox.url, None).request("POST", path, body=b"{}")

    request = f"POST {path}"
    assert passed == [
        Edge("http:before-connect", request),
        Edge("http:before-write", request, b"{}"),
        Edge("http:after-write", request, b"{}"),
        Edge("http:after-read", request),
    ]


@pytest.mark.parametrize(
    ("failpoint", "status", "rows"),
    [
        ("commit:before:1", 77, []),
        ("commit:after:1", 77, [1]),
        ("commit:before:2", 77, [1]),
        ("commit:after:write:2", 77, [1, 2, 3]),
        ("commit:before:write:2", 77, [1, 2]),
        ("commit:after:elsewhere:1", 0, [1, 2, 3]),
    ],
)
def test_a_process_ends_at_its_failpoint(
    tmp_path: Path, failpoint: str, status: int, rows: list[int]
) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.fast_settings",
        "JOBSUI_DATA_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'things.sqlite3'}",
        failpoints.VARIABLE: failpoint,
    }

    ended = subprocess.run(
        [sys.executable, "-c", TWO_TRANSACTIONS],
        env=environment,
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
    )

    with sqlite3.connect(tmp_path / "things.sqlite3") as database:
        stored = [number for (number,) in database.execute("SELECT n FROM thing")]
    database.close()
    assert ended.returncode == status, ended.stderr
    assert ended.stdout == ("" if status else "done")
    assert stored == rows


def test_an_unknown_failpoint_is_refused() -> None:
    with pytest.raises(ValueError, match="not a failpoint: commit:during:1"):
        failpoints.arm("commit:during:1")
