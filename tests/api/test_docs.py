"""Runs the script of docs/api.md."""

import csv
import os
import re
import subprocess
import time
from pathlib import Path

from django.conf import settings

from jobsui.connections.models import Connection
from tests.api.conftest import Programs
from tests.harness import GADGET, Harness

ROWS = 10_000
SCRIPT = re.compile(r"```sh\n(.*?)```", re.DOTALL)


class LiveServer:
    """The type of pytest-django's fixture."""

    url: str


def test_script_of_the_guide_runs_to_the_results(
    harness: Harness, program: Programs, live_server: LiveServer, tmp_path: Path
) -> None:
    harness.sandbox.make_object("gadget", fields=GADGET)
    harness.connection.delete()
    rows = [
        [f"g-{n}", f"Gadget {n}", f"AB-{n:06}", "much" if n == 7 else str(n)]
        for n in range(1, ROWS + 1)
    ]
    with (tmp_path / "gadgets.csv").open("w", newline="") as out:
        csv.writer(out).writerows([["number", "label", "serial", "cost"], *rows])
    environment = {
        "JOBSUI": live_server.url,
        "TOKEN": program("admin").token,
        "ZENDESK": harness.sandbox.url,
        "CLIENT_ID": harness.sandbox.client_id,
        "CLIENT_SECRET": harness.sandbox.client_secret,
    }
    script = SCRIPT.findall((settings.BASE_DIR / "docs" / "api.md").read_text())[0]

    with subprocess.Popen(
        ["sh", "-c", script],
        cwd=tmp_path,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as shell:
        while shell.poll() is None:
            Connection.objects.update(
                requests_per_minute=60_000
            )  # What the sandbox takes.
            harness.task_queue.run_all()
            time.sleep(0.02)
        output = shell.stdout.read() if shell.stdout else ""

    assert shell.returncode == 0, output
    with (tmp_path / "results.csv").open(encoding="utf-8-sig", newline="") as results:
        data = list(csv.reader(results))
    results_of_rows = [
        "invalid" if row[3] == "much" else "created_or_updated" for row in rows
    ]
    assert [line[:6] for line in data[1:]] == [
        [*row, str(number), end]
        for number, (row, end) in enumerate(zip(rows, results_of_rows, strict=True), 2)
    ]
    assert len(harness.records()) == ROWS - 1
    assert '"sample_rows": [8]' in output
