"""Run beside the product's processes, under their settings: `valkey` becomes the queue; `job HOST FILE yes|no` makes a
`create` job of the file, with or without external ids of its own, launches it, and prints its id."""

import os
import sys
import time
from pathlib import Path

import django


def main() -> None:
    django.setup()
    what, *rest = sys.argv[1:]
    if what == "valkey":
        become_valkey()
    else:
        launch(*rest)


def become_valkey() -> None:
    from jobsui.ops import valkey  # noqa: PLC0415

    command = valkey.command()
    os.execv(command[0], command)


def launch(host: str, path: str, own_external_ids: str) -> None:
    from jobsui.connections import objects  # noqa: PLC0415
    from jobsui.jobs.engine import checking, control, intake, mapping  # noqa: PLC0415
    from jobsui.jobs.engine.options import Options  # noqa: PLC0415
    from jobsui.jobs.enums import Action, FileState, JobState  # noqa: PLC0415
    from tests.factories import make_connection, make_object  # noqa: PLC0415

    connection = make_connection(host=host, email="admin@sandbox.example", requests_per_minute=60_000)
    connection.set_secret("api_token", "sandbox-api-token")
    connection.save()
    objects.refresh(make_object(connection, "gadget"))
    file = intake.receive([Path(path).read_bytes()], "rows.csv", by=None)
    while file.state == FileState.READING:
        time.sleep(0.1)
        file.refresh_from_db()
    job = control.draft(connection, "gadget", Action.CREATE, file, by=None)
    offered = mapping.targets(checking.schema_of(job), Action.CREATE)
    control.set_mapping(
        job, mapping.suggest(file.columns, offered), Options(own_external_ids=own_external_ids == "yes")
    )
    checking.start(job, by=None)
    while job.state != JobState.READY:
        time.sleep(0.1)
        job.refresh_from_db()
    control.launch(job, by=None)
    sys.stdout.write(f"{job.pk}\n")


if __name__ == "__main__":
    main()
