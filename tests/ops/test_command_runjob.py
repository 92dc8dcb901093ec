import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from jobsui.jobs import queueing, tasks
from jobsui.jobs.control import actions
from jobsui.jobs.enums import Action, EventKind, JobState, Weight
from jobsui.jobs.models import BatchImages, File, Job, RunSettings
from jobsui.jobs.preparation import file_reading
from jobsui.ops import file_check, wait
from tests.acceptance.processes import TIMEOUT, Processes, wait_until
from tests.factories import make_user
from tests.harness import Harness, gadgets, to_csv
from tests.ops.commands import Ran, Terminal, run


@pytest.fixture(autouse=True)
def _workers(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run enqueued tasks whenever the command sleeps."""

    def work(_seconds: float) -> None:
        # A driver would wait for the planner of a job, which runs behind it here.
        harness.task_queue.sort(key=lambda task: task[0] == "drive")
        harness.task_queue.run_all()

    monkeypatch.setattr(wait, "sleep", work)
    monkeypatch.setattr(queueing, "is_reachable", lambda: True)


@pytest.fixture(autouse=True)
def _empty_storage() -> None:
    for folder in ("uploads", "staged"):
        shutil.rmtree(settings.MEDIA_ROOT / folder, ignore_errors=True)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes | list[dict[str, object]]], str]:
    def write(content: bytes | list[dict[str, object]]) -> str:
        path = tmp_path / "rows.csv"
        path.write_bytes(to_csv(content) if isinstance(content, list) else content)
        return str(path)

    return write


Write = Callable[[bytes | list[dict[str, object]]], str]


def runjob(
    path: str,
    *words: str,
    action: str = "create",
    key: str = "gadget",
    err: io.StringIO | None = None,
) -> Ran:
    return run(
        "runjob",
        path,
        "--connection",
        "Sandbox",
        "--object",
        key,
        "--action",
        action,
        *words,
        err=err,
    )


def nothing_is_left() -> bool:
    stored = [
        path
        for path in settings.MEDIA_ROOT.rglob("*")
        if path.is_file() and path.name != "storage_id"
    ]
    return not (Job.objects.exists() or File.objects.exists() or stored)


def test_wait_ends_when_every_row_succeeded(harness: Harness, file: Write) -> None:
    harness.object()

    ran = runjob(file(gadgets(250)), "--wait")

    job = Job.objects.get()
    page = f"/jobs/{job.code}/"
    assert ran.status == 0
    assert ran.lines == [
        "Completed: 250 created of 250 rows.",
        f"Job page: {page}   Results: manage.py jobs results {str(job.code)[:8]}",
    ]
    assert ran.err.splitlines() == [
        "Columns: external_id=external_id, name=name, serial=serial, price=price.",
        f"Launched {str(job.code)[:8]}. Job page: {page}",
    ]
    assert len(harness.records()) == 250


def test_job_is_launched_without_waiting(harness: Harness, file: Write) -> None:
    harness.object()
    ana = make_user("ana")

    ran = runjob(
        file(gadgets(2)), "--user", "ana", "--priority", "low", "--blank", "clear"
    )

    job = Job.objects.get()
    assert ran.status == 0
    assert ran.out == f"{job.code} /jobs/{job.code}/\n"
    assert job.state == JobState.QUEUED
    assert job.created_by == ana
    assert job.weight == Weight.LOW
    assert job.options["blank"] == "clear"
    assert job.events.get(kind=EventKind.LAUNCHED).by == ana
    assert job.file.uploaded_by == ana


def test_refused_rows_are_listed_by_cause(harness: Harness, file: Write) -> None:
    harness.object()
    harness.sandbox.add_records(
        "gadget",
        [
            {
                "external_id": "g-1",
                "name": "Gadget",
                "custom_object_fields": {"serial": "AB-000001"},
            }
        ],
    )

    ran = runjob(file(gadgets(3)), "--wait")

    assert ran.status == 1
    assert ran.lines[0] == "Completed: 2 created, 1 failed of 3 rows."
    assert ran.lines[1].startswith("      1 x ")
    assert ran.lines[1].endswith("(row 2)")


def test_a_launch_names_the_jobs_that_it_waits_for(
    harness: Harness, file: Write
) -> None:
    harness.object()
    earlier = harness.planned(gadgets(5), Action.UPSERT_BY_EXTERNAL_ID, name="old.csv")
    actions.pause(earlier, by=None)

    ran = runjob(file(gadgets(3)))

    assert "wait for jobs launched earlier: old.csv (3 rows)." in ran.err


UPSERT = "create_or_update_by_external_id"


def compared_gadgets(harness: Harness) -> list[dict[str, object]]:
    """Of five gadgets three are in the account, one of them with another price."""
    harness.object()
    harness.run(gadgets(3), Action.CREATE)
    rows = gadgets(5)
    rows[1]["price"] = "7"
    return rows


def test_compared_job_sends_only_what_differs(harness: Harness, file: Write) -> None:
    path = file(compared_gadgets(harness))

    ran = runjob(path, "--compare", "--wait", action=UPSERT)

    job = Job.objects.get(action=UPSERT)
    assert ran.status == 0
    assert ran.lines[0] == "Completed: 2 created, 1 updated, 2 unchanged of 5 rows."
    assert ran.err.splitlines()[1:3] == [
        "Compared with Zendesk: 2 same, 1 change, 2 create of 5 rows.",
        "Values that change: price 1.",
    ]
    assert job.options["compare"]


def test_comparison_is_written_as_json(harness: Harness, file: Write) -> None:
    path = file(compared_gadgets(harness))

    ran = runjob(path, "--compare", "--json", action=UPSERT)

    comparison, launched = ran.data
    job = Job.objects.get(action=UPSERT)
    assert ran.status == 0
    assert comparison["job"] == str(job.code)
    assert comparison["state"] == "done"
    assert comparison["counts"]["same"] == 2
    assert comparison["changed_cells"] == [{"field": "price", "cells": 1, "blank": 0}]
    assert launched["comparison"] == f"/api/v1/jobs/{job.code}/comparison"


def test_failed_comparison_prevents_the_launch(harness: Harness, file: Write) -> None:
    path = file(compared_gadgets(harness))
    harness.sandbox.faults(**{"refused-reads": {"rate": 1, "path": "/records"}})

    ran = runjob(path, "--compare", "--wait", action=UPSERT)

    assert ran.status == 2
    assert ran.err.splitlines()[-1].startswith(
        "The rows were not compared with Zendesk, so nothing was sent. "
    )
    assert not Job.objects.filter(action=UPSERT).exists()


def test_what_records_hold_is_kept(harness: Harness, file: Write) -> None:
    path = file(compared_gadgets(harness))

    ran = runjob(path, "--keep-undo", "--wait", action=UPSERT)

    assert ran.status == 0
    assert ran.lines[0] == "Completed: 2 created, 3 updated of 5 rows."
    assert BatchImages.objects.filter(batch__job__action=UPSERT).exists()


@pytest.mark.parametrize("chosen", ["watched", "strict"])
def test_compared_job_refuses_changes(
    harness: Harness, file: Write, chosen: str
) -> None:
    path = file(compared_gadgets(harness))

    ran = runjob(path, "--compare", "--refuse-changed", chosen, "--wait", action=UPSERT)

    job = Job.objects.get(action=UPSERT)
    assert ran.status == 0
    assert job.options["refuse_changed"] == chosen


def test_changes_are_refused_after_a_comparison_only(
    harness: Harness, file: Write
) -> None:
    path = file(compared_gadgets(harness))

    ran = runjob(path, "--refuse-changed", "strict", action=UPSERT)

    assert ran.status == 2
    assert ran.err == (
        "--refuse-changed needs what the records held before. Add --compare.\n"
    )


def test_only_existing_records_are_updated(harness: Harness, file: Write) -> None:
    path = file(compared_gadgets(harness))

    ran = runjob(path, "--only-existing", "--wait", action=UPSERT)

    assert ran.status == 1
    assert ran.lines[0] == "Completed: 1 updated, 2 unchanged, 2 failed of 5 rows."
    assert set(harness.records()) == {"g-1", "g-2", "g-3"}


def test_only_an_upsert_by_external_id_leaves_new_records_out(
    harness: Harness, file: Write
) -> None:
    harness.object()

    ran = runjob(file(gadgets(1)), "--only-existing", action="update")

    assert ran.status == 2
    assert ran.err == (
        "--only-existing is for the action create_or_update_by_external_id. Leave it out: an "
        "update creates no records.\n"
    )
    assert nothing_is_left()


def test_new_records_are_not_compared(harness: Harness, file: Write) -> None:
    harness.object()

    ran = runjob(file(gadgets(1)), "--compare")

    assert ran.status == 2
    assert ran.err == (
        "New records have no record in Zendesk to be compared with. "
        "Leave --compare out.\n"
    )
    assert nothing_is_left()


def test_problems_prevent_the_launch(harness: Harness, file: Write) -> None:
    harness.object()
    rows = gadgets(9)
    for row in rows[:7]:
        row["price"] = "1,5,0"
    rows[8]["serial"] = "nonsense"

    ran = runjob(file(rows))

    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.splitlines()[1:] == [
        "      7 x price: The value is not a number, for example “1,5,0”. "
        "(rows 2, 3, 4, 5, 6 and 2 more)",
        "          Write digits with a point, such as 1250.50, or as the other numbers "
        "of the column are written.",
        "      1 x serial: The value does not match the pattern of Serial, "
        "for example “nonsense”. (row 10)",
        "          It must match the field's pattern ^[A-Z]{2}-[0-9]{6}$",
        "8 rows with problems, so nothing was sent. Fix the file, or add --invalid skip.",
    ]
    assert harness.sandbox.jobs() == []
    assert nothing_is_left()


def test_only_columns_named_by_map_are_sent(harness: Harness, file: Write) -> None:
    harness.object()
    path = file(b"no=1,what,serial,price\nA-1,Drill,AB-000001,9.5\n")

    ran = runjob(
        path,
        "--map",
        "no=1=external_id",
        "--map",
        "what=name",
        "--map",
        "serial=serial",
    )

    assert Job.objects.get().mapping == {
        "no=1": "external_id",
        "what": "name",
        "serial": "field:serial",
    }
    assert ran.err.splitlines() == [
        "Columns: no=1=external_id, what=name, serial=serial.",
        "Not sent: price.",
    ]


def test_map_others_matches_the_other_columns(harness: Harness, file: Write) -> None:
    harness.object()
    path = file(b"name,what,serial,price\nA-1,Drill,AB-000001,9.5\n")

    runjob(path, "--map", "what=name", "--map-others")

    assert Job.objects.get().mapping == {
        "what": "name",
        "serial": "field:serial",
        "price": "field:price",
    }


def test_mapping_file_has_rules_and_constants(
    harness: Harness, file: Write, tmp_path: Path
) -> None:
    harness.object()
    path = file(b"brand,model,code,extra\nAcme,X2,ab-000001,1\n")
    mapping = {
        "mapping": {
            "brand": {"field": "name", "also": ["model"]},
            "code": {"field": "serial", "case": "upper"},
        },
        "constants": {"seats": 4},
    }
    (tmp_path / "m.json").write_text(json.dumps(mapping))

    ran = runjob(path, "--mapping", str(tmp_path / "m.json"), "--wait")

    assert ran.status == 0
    assert "Columns: brand + model=name, code=serial, “4”=seats." in ran.err
    assert "Not sent: extra." in ran.err
    [item] = Job.objects.get().batches.select_related("blob").get().blob.items
    assert item["name"] == "Acme X2"
    assert item["custom_object_fields"] == {"serial": "AB-000001", "seats": 4}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "JSON: Invalid JSON"),
        ('{"mapping": {"a": {"field": "name", "trim": 1}}}', "mapping.a.rules.trim: "),
        ('{"maping": {}}', "maping: Extra inputs are not permitted."),
        ('{"constants": {"colour": "red"}}', "cannot fill a field 'colour'"),
    ],
)
def test_mapping_file_that_cannot_be_read_is_refused(
    harness: Harness, file: Write, tmp_path: Path, content: str, said: str
) -> None:
    harness.object()
    (tmp_path / "m.json").write_text(content)

    ran = runjob(file(gadgets(1)), "--mapping", str(tmp_path / "m.json"))

    assert ran.status == 2
    assert said in ran.err
    assert nothing_is_left()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--map", "name=colour"],
            "This action cannot fill a field 'colour'. It can fill: name, external_id, ",
        ),
        (
            ["--map", "nix=name"],
            "The file has no column 'nix'. Serial is required. Map a column to it. Use --map ",
        ),
        (
            ["--map", "name=name", "--map", "name=notes"],
            "--map names name more than once. A column fills one field.",
        ),
        (
            ["--map", "name=name"],
            "Serial is required. Map a column to it. Use --map COLUMN=FIELD. Columns: name, s.",
        ),
        (["--user", "zoe"], "There is no user 'zoe'."),
    ],
)
def test_impossible_job_is_refused_and_leaves_nothing(
    harness: Harness, file: Write, words: list[str], sentence: str
) -> None:
    harness.object()

    ran = runjob(file(b"name,s\nDrill,AB-000001\n"), *words)

    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.startswith(sentence)
    assert nothing_is_left()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (
            b"\x89PNG\r\n\x1a\n",
            "rows.csv: This is a picture. Upload CSV, XLSX, XLS, ODS, JSON or JSON Lines.",
        ),
        (b"name\n", "rows.csv: The file has a header but no rows."),
    ],
)
def test_file_that_is_not_a_table_is_refused(
    harness: Harness, file: Write, content: bytes, sentence: str
) -> None:
    harness.object()

    ran = runjob(file(content))

    assert ran.status == 2
    assert ran.out == ""
    assert ran.err == f"{sentence}\n"
    assert nothing_is_left()


def test_missing_file_is_reported(harness: Harness) -> None:
    harness.object()

    assert (
        runjob("/nowhere/rows.csv").err
        == "No such file or directory: /nowhere/rows.csv.\n"
    )


def test_unknown_object_is_read_from_zendesk(harness: Harness, file: Write) -> None:
    harness.object()
    harness.connection.objects_known.all().delete()

    assert runjob(file(gadgets(1))).status == 0
    assert runjob(file(gadgets(1)), key="nix").err == (
        "nix could not be read. Zendesk did not find this (Not found). "
        "Check the object key, and that custom objects are turned on.\n"
    )


def test_fields_are_read_from_zendesk_first(harness: Harness, file: Write) -> None:
    known = harness.object()
    known.fields = []
    known.save()

    assert runjob(file(gadgets(1))).status == 0


def test_refused_credentials_are_reported(harness: Harness, file: Write) -> None:
    harness.object()
    harness.connection.set_secret("api_token", "wrong-secret")
    harness.connection.save()

    ran = runjob(file(gadgets(1)))

    assert ran.status == 2
    assert nothing_is_left()
    assert ran.err.startswith("Zendesk does not accept the credentials (")
    assert "wrong-secret" not in ran.err


def test_standard_input_is_read(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    monkeypatch.setattr(
        sys,
        "stdin",
        io.TextIOWrapper(io.BytesIO(b'[{"name": "Drill", "serial": "AB-000001"}]')),
    )

    ran = runjob("-")

    assert ran.status == 0
    assert Job.objects.get().file.name == "stdin"
    assert Job.objects.get().file.format == "json"


def test_json_lines_report_progress_without_invalid_rows(
    harness: Harness, file: Write
) -> None:
    harness.object()
    rows = gadgets(3)
    rows[1]["price"] = "1,5,0"

    ran = runjob(file(rows), "--wait", "--json", "--invalid", "skip")

    job = Job.objects.get()
    problem, first, last = ran.data
    assert ran.status == 1
    assert sorted(harness.records()) == ["g-1", "g-3"]
    assert problem["count"] == 1
    assert problem["column"] == "price"
    assert problem["code"] == "not_a_number"
    assert problem["sample_rows"] == [3]
    assert problem["sample_values"] == ["1,5,0"]
    assert first["id"] == str(job.code)
    assert first["state"] == "queued"
    assert first["limited_by"] == "worker"
    assert last["state"] == "completed"
    assert last["counts"]["created"] == 2
    assert last["counts"]["invalid"] == 1
    assert last["batches"] == {"total": 1, "waiting": 0, "in_flight": 0, "done": 1}
    assert last["file_name"] == "rows.csv"
    assert last["connection_name"] == "Sandbox"
    assert last["url"] == f"/jobs/{job.code}/"


def test_run_settings_have_defaults_and_options(harness: Harness, file: Write) -> None:
    harness.object()
    path = file(gadgets(1))

    usual = runjob(path)
    other = runjob(
        path,
        "--priority",
        "low",
        "--hold-after-first-batch",
        "--no-generate-external-ids",
    )

    made = list(Job.objects.order_by("pk"))
    assert usual.status == 0
    assert other.status == 0
    assert [job.run_settings for job in made] == [
        RunSettings(stop_percent=50, stop_refusals=10),
        RunSettings(Weight.LOW, stop_percent=50, stop_refusals=10),
    ]
    assert [
        (job.hold_after_first_batch, job.options["generate_external_ids"])
        for job in made
    ] == [
        (False, True),
        (True, False),
    ]


def test_progress_bar_moves_on_a_terminal(
    harness: Harness, file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    monkeypatch.setattr(
        wait, "sleep", lambda _: actions.pause(Job.objects.get(), by=None)
    )
    monkeypatch.setenv("COLUMNS", "80")

    ran = runjob(file(gadgets(2)), "--wait", err=Terminal())

    job = Job.objects.get()
    shown = [
        line.strip() for line in ran.err.replace("\n", "\r").split("\r") if line.strip()
    ]
    assert shown[-3:] == [
        f"[{'#' * 24}] 100 %  Checking 2 of 2 rows",
        f"Launched {str(job.code)[:8]}. Job page: /jobs/{job.code}/",
        f"[{'.' * 16}]   0 %  queued, 0 of 2 rows, limited by: waiting for a worker",
    ]


def test_interrupted_wait_leaves_the_job_running(
    harness: Harness, file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()

    def ctrl_c(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(wait, "sleep", ctrl_c)

    ran = runjob(file(gadgets(1)), "--wait")

    job = Job.objects.get()
    name = str(job.code)[:8]
    assert ran.status == 130
    assert ran.out == ""
    assert job.state == JobState.QUEUED
    assert ran.err.splitlines()[-1] == (
        f"The job continues. Wait again: manage.py jobs wait {name}   "
        f"Cancel it: manage.py jobs cancel {name}"
    )


def test_interrupted_before_the_launch_leaves_nothing(
    harness: Harness, file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()

    def ctrl_c(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(actions, "launch", ctrl_c)

    ran = runjob(file(gadgets(1)))

    assert ran.status == 130
    assert ran.err.splitlines()[-1] == "Interrupted."
    assert nothing_is_left()


def test_faster_worker_is_polled(
    harness: Harness, file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    own_read = file_reading.read_file
    monkeypatch.setattr(
        file_reading, "read_file", lambda *_, **__: None
    )  # As when somebody else has the lease.

    def worker(_: float) -> None:
        own_read(File.objects.get(), stopping=queueing.stopping)

    monkeypatch.setattr(file_check, "sleep", worker)

    assert runjob(file(gadgets(1))).status == 0


def test_wait_ends_when_the_job_needs_a_person(
    harness: Harness, file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    monkeypatch.setattr(
        wait, "sleep", lambda _: actions.pause(Job.objects.get(), by=None)
    )

    ran = runjob(file(gadgets(1)), "--wait")

    assert ran.status == 1
    assert ran.lines[0] == "Paused: 1 pending of 1 row."


def test_unavailable_queue_is_reported(
    harness: Harness, file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    monkeypatch.setattr(queueing, "is_reachable", lambda: False)

    ran = runjob(file(gadgets(1)))

    assert ran.status == 0
    assert (
        ran.err.splitlines()[-1]
        == "The queue is not available. The job starts when Jobs UI runs: manage.py up"
    )


def test_exit_status_of_real_processes(
    harness: Harness, file: Write, tmp_path: Path
) -> None:
    harness.object()
    bad = tmp_path / "bad.csv"
    bad.write_text("name,serial\nDrill,nonsense\n")
    environment = Processes(tmp_path).environment | {
        "DJANGO_SETTINGS_MODULE": "jobsui.settings"
    }
    job = ["--connection", "Sandbox", "--object", "gadget", "--action", "create"]
    commands = {
        0: ["runjob", file(gadgets(1)), *job, "--wait"],
        1: ["files", "check", str(bad), *job],
        2: ["files", "check", "nowhere.csv", *job],
    }
    processes = {
        status: subprocess.Popen(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), *words],
            cwd=tmp_path,
            text=True,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for status, words in commands.items()
    }

    wait_until(Job.objects.filter(state=JobState.QUEUED).exists, "the launch")
    tasks.plan_job(Job.objects.get(state=JobState.QUEUED).pk)
    tasks.drive()

    output = {
        status: process.communicate(timeout=TIMEOUT)
        for status, process in processes.items()
    }
    assert {status: process.returncode for status, process in processes.items()} == {
        0: 0,
        1: 1,
        2: 2,
    }
    assert output[0][0].startswith("Completed: 1 created of 1 row.\n")
    assert output[1][0].startswith("1 row, 1 row with problems.\n      1 x serial: ")
    assert output[2] == ("", "CommandError: No such file or directory: nowhere.csv.\n")


# Making the account match the file


def matched_gadgets(harness: Harness) -> list[dict[str, object]]:
    """A file that lacks two of five records, and changes one."""
    harness.object()
    harness.sandbox.add_records(
        "gadget",
        [
            {
                "external_id": row["external_id"],
                "name": row["name"],
                "custom_object_fields": {
                    "serial": row["serial"],
                    "price": float(row["price"]),
                },
            }
            for row in gadgets(5)
        ],
    )
    rows = gadgets(3)
    rows[0]["price"] = "7"
    return rows


MATCH = ("--match", "--only-in-account", "delete", "--max-percent", "40")


def typing(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A person at a terminal types this."""
    monkeypatch.setattr(sys, "stdin", Terminal(f"{text}\n"))


def test_account_matches_the_file_within_the_number_consented(
    harness: Harness, file: Write
) -> None:
    path = file(matched_gadgets(harness))

    ran = runjob(path, *MATCH, "--delete-at-most", "2", "--wait", action=UPSERT)

    assert ran.status == 0
    assert "Compared with Zendesk: 2 same, 1 change of 3 rows." in ran.err
    assert "Only in the account: 2 to delete of 5 records." in ran.err
    assert ran.lines[0] == "Completed: 1 updated, 2 deleted, 2 unchanged of 5 rows."
    assert sorted(harness.records()) == ["g-1", "g-2", "g-3"]


def test_more_deletions_than_consented_send_nothing(
    harness: Harness, file: Write
) -> None:
    path = file(matched_gadgets(harness))

    ran = runjob(path, *MATCH, "--delete-at-most", "1", "--wait", action=UPSERT)

    assert ran.status == 2
    assert ran.err.splitlines()[-1] == (
        "No record can be deleted. 2 records would be deleted. The limit is 1."
    )
    assert len(harness.records()) == 5
    assert nothing_is_left()


def test_larger_share_of_deletions_sends_nothing(harness: Harness, file: Write) -> None:
    path = file(matched_gadgets(harness))

    ran = runjob(path, *MATCH[:3], "--delete-at-most", "2", action=UPSERT)

    assert ran.status == 2
    assert ran.err.splitlines()[-1] == (
        "No record can be deleted. 2 records of 5 would be deleted, 40 %. The limit is 2 %."
    )
    assert nothing_is_left()


def test_deletions_are_consented_to_by_typing_their_number(
    harness: Harness, file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(matched_gadgets(harness))
    typing(monkeypatch, "2")

    ran = runjob(path, *MATCH, "--wait", action=UPSERT)

    assert ran.status == 0
    assert "Type 2 to delete 2 records: " in ran.err
    assert len(harness.records()) == 3


def test_another_number_sends_nothing(
    harness: Harness, file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(matched_gadgets(harness))
    typing(monkeypatch, "yes")

    ran = runjob(path, *MATCH, action=UPSERT)

    assert ran.status == 2
    assert ran.err.endswith("Nothing was sent.\n")
    assert nothing_is_left()


def test_deletions_without_consent_send_nothing(
    harness: Harness, file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(matched_gadgets(harness))
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    ran = runjob(path, *MATCH, action=UPSERT)

    assert ran.status == 2
    assert ran.err.splitlines()[-1] == (
        "2 records would be deleted, so nothing was sent. Add --delete-at-most 2, or run the "
        "command on a terminal."
    )
    assert nothing_is_left()


def test_match_by_itself_deletes_nothing(harness: Harness, file: Write) -> None:
    path = file(matched_gadgets(harness))

    ran = runjob(path, "--match", "--different", "leave", "--wait", action=UPSERT)

    assert ran.status == 1
    assert "Only in the account: 2 left alone of 5 records." in ran.err
    assert "Left alone: 1 row." in ran.err
    assert ran.lines[0] == "Completed: 2 unchanged, 1 cancelled of 3 rows."
    assert len(harness.records()) == 5


@pytest.mark.parametrize(
    ("words", "action", "error"),
    [
        (
            ["--match"],
            "update",
            "--match is for the action create_or_update_by_external_id.",
        ),
        (
            ["--only-in-account", "delete", "--different", "leave"],
            "create_or_update_by_external_id",
            "--different needs --match.",
        ),
        (
            ["--match", "--delete-at-most", "3"],
            "create_or_update_by_external_id",
            "--delete-at-most is for records that only the account has. Add "
            "--only-in-account delete.",
        ),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    harness: Harness, file: Write, words: list[str], action: str, error: str
) -> None:
    harness.object()

    ran = runjob(file(gadgets(1)), *words, action=action)

    assert (ran.status, ran.err) == (2, f"{error}\n")
    assert nothing_is_left()
