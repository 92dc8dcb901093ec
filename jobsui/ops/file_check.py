"""From a file on the command line to a checked draft, in this process: problems are
told at once, and no worker is needed for it."""

import argparse
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from time import sleep
from typing import TYPE_CHECKING, Any, BinaryIO

from django.core.management.base import CommandParser
from django.db import connection as database

from jobsui.jobs.control import drafts
from jobsui.jobs.control.auto_mapping import auto_map
from jobsui.jobs.enums import Action, FileState, JobState
from jobsui.jobs.errors import MappingRefused
from jobsui.jobs.mapping import field_targets
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import File, Job
from jobsui.jobs.preparation import checker, file_formats, file_reading, uploads
from jobsui.ops import lookup
from jobsui.ops.terminal import Meter, TerminalCommand, could_not
from jobsui.text import counted

if TYPE_CHECKING:
    from django.contrib.auth.models import User

DELIMITERS = {word: sign for sign, word in file_formats.DELIMITERS.items()}
PIECE = 1 << 20
LOOK_SECONDS = 0.2


def add_arguments(parser: CommandParser) -> None:
    """What a job is made of."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help=f"{file_formats.LABELS}; - reads standard input",
    )
    parser.add_argument(
        "--connection", required=True, metavar="C", help="name or code of a connection"
    )
    parser.add_argument(
        "--object", required=True, metavar="KEY", help="key of the custom object"
    )
    parser.add_argument(
        "--action",
        required=True,
        choices=Action.values,
        metavar="A",
        help=", ".join(Action.values),
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        type=_pair,
        metavar="COLUMN=FIELD",
        help="which column fills which field (name, external_id, id, or a field's key); only those named are sent. "
        "Without it, columns named like fields map themselves",
    )
    parser.add_argument(
        "--map-others",
        action="store_true",
        help="columns not named by --map map themselves too",
    )
    parser.add_argument(
        "--blank",
        choices=["skip", "clear"],
        default="skip",
        help="an empty cell leaves the field as it is (skip, the default) or empties it (clear)",
    )
    parser.add_argument(
        "--no-generate-external-ids",
        action="store_false",
        dest="generate_external_ids",
        help="rows to create without an external id get none; those whose answer is lost may stay uncertain",
    )
    encodings = file_formats.ENCODING_NAMES
    parser.add_argument(
        "--encoding",
        default="",
        choices=encodings,
        metavar="E",
        help=f"{', '.join(encodings)}; detected if not said",
    )
    parser.add_argument(
        "--delimiter",
        default="",
        choices=list(DELIMITERS),
        help="of a CSV; detected if not said",
    )
    parser.add_argument(
        "--sheet",
        default="",
        help="of a workbook; if not said, the one that looks most like a table",
    )


@contextmanager
def checked(
    command: TerminalCommand,
    options: dict[str, Any],
    *,
    by: "User | None" = None,
    invalid: str = "stop",
) -> Iterator[Job]:
    """The file as a draft whose rows were all checked. Unless it is launched within the
    block, nothing is left of it afterwards. Raises CommandError, and what the engine
    refuses."""
    target = lookup.custom_object(
        lookup.connection(options["connection"]), options["object"]
    )
    file = _received(options, by)
    said = {name: options[name] for name in ("blank", "generate_external_ids")}
    chosen = Options.from_json(said | {"invalid": invalid})
    job = drafts.create_draft(
        target.connection, target.key, options["action"], file, by=by, options=chosen
    )
    meter = Meter(command.stderr)
    try:
        _read(job, meter)
        _map(job, options["map"], others=options["map_others"])
        for line in _findings(job):
            command.tell(line)
        _check(job, meter)
        yield job
    finally:
        meter.clear()
        job.refresh_from_db()
        if job.is_draft:
            drafts.discard(job)


def _received(options: dict[str, Any], by: "User | None") -> File:
    layout = {
        "encoding": options["encoding"],
        "delimiter": DELIMITERS.get(options["delimiter"], ""),
        "sheet": options["sheet"],
    }
    if options["file"] == "-":
        return uploads.receive(_pieces(sys.stdin.buffer), "stdin", by=by, **layout)
    path = Path(options["file"])
    with path.open("rb") as content:
        return uploads.receive(_pieces(content), path.name, by=by, **layout)


def _pieces(content: BinaryIO) -> Iterator[bytes]:
    return iter(partial(content.read, PIECE), b"")


def _read(job: Job, meter: Meter) -> None:
    file = job.file

    def is_read() -> bool:
        file.refresh_from_db()
        meter.show(f"Reading {file.name}: {counted(file.rows_read, 'row')}")
        return file.state != FileState.READING

    _until(
        is_read,
        lambda stopping: file_reading.read_file(
            File.objects.get(pk=file.pk), stopping=stopping
        ),
    )
    meter.clear()
    if file.state == FileState.REJECTED:
        raise could_not(f"{file.name}: {file.error}")


def _map(job: Job, pairs: list[tuple[str, str]], *, others: bool) -> None:
    offered = field_targets.targets_for(job)
    chosen = {
        column: field_targets.target_key(field, offered)
        for column, field in _told_once(pairs).items()
    }
    if others or not chosen:
        auto_map(job, by=job.created_by, chosen=chosen)
    else:
        options = Options.from_json(job.options)
        drafts.set_mapping(job, chosen, options, by=job.created_by)
    try:
        checker.require_mapping(job)
    except MappingRefused as refusal:
        columns = ", ".join(job.file.columns)
        fields = ", ".join(target.api_name for target in offered)
        raise could_not(
            f"{refusal} Use --map COLUMN=FIELD. Columns: {columns}. Fields: {fields}."
        ) from refusal


def _told_once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    columns = [column for column, _ in pairs]
    if doubles := sorted({column for column in columns if columns.count(column) > 1}):
        raise could_not(
            f"--map names {', '.join(doubles)} twice. A column fills one field."
        )
    return dict(pairs)


def _findings(job: Job) -> list[str]:
    """What people should know before they see the problems: what was odd about the
    file, and what is sent of it."""
    columns: list[str] = job.file.columns
    filled = {
        column: field_targets.api_name(target) for column, target in job.mapping.items()
    }
    sent = [f"{column}={filled[column]}" for column in columns if column in filled]
    left = [column for column in columns if column not in filled]
    lines = [*job.file.warnings, f"Columns: {', '.join(sent)}."]
    return [*lines, f"Not sent: {', '.join(left)}."] if left else lines


def _check(job: Job, meter: Meter) -> None:
    checker.start(job, by=job.created_by)

    def is_checked() -> bool:
        job.refresh_from_db()
        done = job.rows_checked
        rows = job.file.rows or 1
        meter.show(f"Checking {done:,} of {counted(rows, 'row')}", 100 * done // rows)
        return job.state != JobState.CHECKING

    _until(
        is_checked,
        lambda stopping: checker.check(Job.objects.get(pk=job.pk), stopping=stopping),
    )
    meter.clear()
    if job.state != JobState.READY:
        raise could_not(job.reason)


def _until(is_done: Callable[[], bool], work: Callable[[Event], None]) -> None:
    """Work in a thread and look in between. Where a worker was quicker, there is only
    to look."""
    stopping = Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            while True:
                task = pool.submit(_with_own_connection, work, stopping)
                while wait([task], timeout=LOOK_SECONDS).not_done:
                    is_done()
                task.result()
                if is_done():
                    return
                sleep(LOOK_SECONDS)
        finally:
            stopping.set()  # The thread looks at it between two stretches of rows.


def _with_own_connection(work: Callable[[Event], None], stopping: Event) -> None:
    """A connection to the database belongs to the thread that made it."""
    try:
        work(stopping)
    finally:
        database.close()


def _pair(text: str) -> tuple[str, str]:
    """Keys of fields hold no "=", columns may."""
    column, sign, field = text.rpartition("=")
    if not (column and sign and field):
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=FIELD.")
    return column, field
