"""Files of the product are closed to others, whatever the umask of its processes."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance import product as products

WRITE = """
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS a (b)")
    cursor.execute("INSERT INTO a VALUES (1)")
    from pathlib import Path
    for path in Path(connection.settings_dict["NAME"]).parent.glob("jobsui.sqlite3*"):
        print(path.name, oct(path.stat().st_mode & 0o777))
"""


@pytest.mark.parametrize("exists", [False, True])
def test_database_is_closed_to_others(tmp_path: Path, *, exists: bool) -> None:
    database = tmp_path / "jobsui.sqlite3"
    if exists:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        database.chmod(0o644)

    written = subprocess.run(
        [sys.executable, "-c", WRITE],
        cwd=products.ROOT,
        env=products.inherited_environment()
        | {
            "DJANGO_SETTINGS_MODULE": "jobsui.settings",
            "JOBSUI_DATA_DIR": str(tmp_path),
        },
        umask=0,
        capture_output=True,
        text=True,
        check=True,
    )

    assert sorted(written.stdout.splitlines()) == [
        "jobsui.sqlite3 0o600",
        "jobsui.sqlite3-shm 0o600",
        "jobsui.sqlite3-wal 0o600",
    ]
    open_to_others = [
        path for path in tmp_path.rglob("*") if path.stat().st_mode & 0o077
    ]
    assert open_to_others == []
