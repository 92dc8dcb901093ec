"""Create a `create` job of a file, launch it and print its id. Runs beside the product's
processes, with their settings: `python -m tests.acceptance.launching HOST FILE`."""

import sys
import time
from pathlib import Path

import django


def launch(host: str, path: str) -> None:
    django.setup()
    from jobsui.connections import objects  # noqa: PLC0415
    from jobsui.jobs.control import actions, drafts  # noqa: PLC0415
    from jobsui.jobs.control.auto_mapping import auto_check  # noqa: PLC0415
    from jobsui.jobs.enums import Action, FileState, JobState  # noqa: PLC0415
    from jobsui.jobs.preparation import uploads  # noqa: PLC0415
    from tests.factories import make_connection, make_object  # noqa: PLC0415

    connection = make_connection(
        host=host, email="admin@sandbox.example", requests_per_minute=60_000
    )
    connection.set_secret("api_token", "sandbox-api-token")
    connection.save()
    objects.refresh(make_object(connection, "gadget"))
    file = uploads.receive([Path(path).read_bytes()], "rows.csv", by=None)
    while file.state == FileState.READING:
        time.sleep(0.1)
        file.refresh_from_db()
    job = drafts.create_draft(connection, "gadget", Action.CREATE, file, by=None)
    auto_check(job, by=None)
    while job.state != JobState.READY:
        time.sleep(0.1)
        job.refresh_from_db()
    actions.launch(job, by=None)
    sys.stdout.write(f"{job.pk}\n")


if __name__ == "__main__":
    launch(*sys.argv[1:])
