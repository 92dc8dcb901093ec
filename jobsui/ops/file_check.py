"""Reads and checks a file of the command line in this process, without a worker."""

import argparse
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import sleep
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from django.core.management.base import CommandParser
from django.db import connection as database
from pydantic import ValidationError

from jobsui.api.v1.mapping_in import MappingFile, stored_mapping
from jobsui.jobs.control import drafts
from jobsui.jobs.control.auto_mapping import auto_map
from jobsui.jobs.enums import Action, FileState, JobState
from jobsui.jobs.errors import MappingRefused
from jobsui.jobs.mapping import field_targets
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.rules import NO_RULE, Rule, rules_of, used_columns
from jobsui.jobs.models import File, Job
from jobsui.jobs.preparation import checker, file_formats, file_reading, uploads
from jobsui.ops import lookup, output
from jobsui.ops.terminal import ProgressBar, TerminalCommand, command_error
from jobsui.text import counted

if TYPE_CHECKING:
    from django.contrib.auth.models import User

DELIMITERS = {name: sign for sign, name in file_formats.DELIMITERS.items()}
"""{name of the option: character}."""
CHUNK_BYTES = 1 << 20
POLL_SECONDS = 0.2


def add_arguments(parser: CommandParser) -> None:
    """The options that describe a job."""
    _add_target_arguments(parser)
    _add_mapping_arguments(parser)
    _add_layout_arguments(parser)


def _add_target_arguments(parser: CommandParser) -> None:
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


def _add_mapping_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        type=_column_and_field,
        metavar="COLUMN=FIELD",
        help=(
            "map a column to a field: name, external_id, id or a field's key. "
            "Only mapped columns are sent. "
            "Without --map and --mapping, columns are matched to fields by name"
        ),
    )
    parser.add_argument(
        "--mapping",
        metavar="FILE.json",
        help='a JSON object with the members "mapping" and "constants" of POST /jobs in the '
        "REST API: columns with rules, and fields with the same value in every row",
    )
    parser.add_argument(
        "--map-others",
        action="store_true",
        help="also match the other columns to fields by name",
    )
    parser.add_argument(
        "--blank",
        choices=["skip", "clear"],
        default="skip",
        help=(
            "what an empty cell does: skip leaves the field as it is (the default), "
            "clear empties it"
        ),
    )
    parser.add_argument(
        "--decimal-mark",
        choices=["auto", "point", "comma"],
        default="auto",
        help="how numbers are written: 1,234.5 (point) or 1.234,5 (comma); by default "
        "as their column shows",
    )
    parser.add_argument(
        "--no-generate-external-ids",
        action="store_false",
        dest="generate_external_ids",
        help=(
            "do not generate external IDs for rows to create. "
            "Rows whose response is lost may then stay uncertain"
        ),
    )


def _usual_name(encoding: str) -> str:
    """ "cp1251" for "windows-1251". An unknown name stays as it is."""
    try:
        return file_formats.known_encoding(encoding).removesuffix("-sig")
    except ValueError:
        return encoding


def _add_layout_arguments(parser: CommandParser) -> None:
    encodings = file_formats.ENCODING_NAMES
    parser.add_argument(
        "--encoding",
        default="",
        type=_usual_name,
        choices=encodings,
        metavar="E",
        help=f"{', '.join(encodings)}; detected by default",
    )
    parser.add_argument(
        "--delimiter",
        default="",
        choices=list(DELIMITERS),
        help="of a CSV file; detected by default",
    )
    parser.add_argument(
        "--sheet",
        default="",
        help="of a workbook; by default the one that looks most like a table. Of a JSON "
        "document: the path to the list of rows, such as data.items",
    )
    parser.add_argument(
        "--quoting",
        default="",
        choices=list(file_formats.QUOTINGS),
        help="what quotation marks mean in a CSV file; detected by default",
    )
    parser.add_argument(
        "--header-row",
        type=int,
        default=0,
        metavar="N",
        help="the row with the names of the columns; detected by default",
    )
    parser.add_argument(
        "--values",
        default="",
        choices=list(file_formats.VALUES),
        help="what is read of a workbook's numbers, times and dates with a format: "
        "the stored value (the default), or the shown one, such as 00042 for 42",
    )


@contextmanager
def checked(
    command: TerminalCommand,
    options: dict[str, Any],
    *,
    by: "User | None" = None,
    invalid: Literal["stop", "skip"] = "stop",
    compare: bool = False,
    only_existing: bool = False,
) -> Iterator[Job]:
    """The file as a draft with all rows checked. The draft is discarded at the end of
    the block, unless it was launched. Raises CommandError and the engine's errors."""
    connection = lookup.connection(options["connection"])
    custom_object = lookup.custom_object(connection, options["object"])
    file = _receive(options, by)
    job = drafts.create_draft(
        custom_object.connection,
        custom_object.key,
        options["action"],
        file,
        by=by,
        options=Options(
            blank=options["blank"],
            decimal_mark=options["decimal_mark"],
            invalid=invalid,
            generate_external_ids=options["generate_external_ids"],
            compare=compare,
            only_existing=only_existing,
        ),
    )
    bar = ProgressBar(command.stderr)
    try:
        _read(job, bar)
        _map(job, options)
        for line in _notes(job):
            command.log(line)
        _check(job, bar)
        yield job
    finally:
        bar.clear()
        job.refresh_from_db()
        if job.is_draft:
            drafts.discard(job)


def _receive(options: dict[str, Any], by: "User | None") -> File:
    layout = {
        "encoding": options["encoding"],
        "delimiter": DELIMITERS.get(options["delimiter"], ""),
        "sheet": options["sheet"],
        "quoting": options["quoting"],
        "header_row": options["header_row"],
        "values": options["values"],
    }
    if options["file"] == "-":
        return uploads.receive(_chunks(sys.stdin.buffer), "stdin", by=by, **layout)
    path = Path(options["file"])
    with path.open("rb") as content:
        return uploads.receive(_chunks(content), path.name, by=by, **layout)


def _chunks(content: BinaryIO) -> Iterator[bytes]:
    while chunk := content.read(CHUNK_BYTES):
        yield chunk


def _read(job: Job, bar: ProgressBar) -> None:
    file = job.file

    def read(stopping: Event) -> None:
        file_reading.read_file(File.objects.get(pk=file.pk), stopping=stopping)

    def is_read() -> bool:
        file.refresh_from_db()
        bar.show(f"Reading {file.name}: {counted(file.rows_read, 'row')}")
        return file.state != FileState.READING

    run_until(is_read, read)
    bar.clear()
    if file.state == FileState.REJECTED:
        raise command_error(f"{file.name}: {file.error}{_encoding_options(file)}")


def _encoding_options(file: File) -> str:
    """The option for each encoding that the file may have; "" if that is not asked."""
    options = [f"--encoding {proposal['encoding']}" for proposal in file.proposals]
    return f" Use {' or '.join(options)}." if options else ""


def _map(job: Job, options: dict[str, Any]) -> None:
    targets = field_targets.targets_for(job)
    chosen, rules = _mapping_file(job, options["mapping"])
    for column, field in _without_duplicates(options["map"]).items():
        chosen[column] = field_targets.target_key(field, targets)
    own_options = Options.from_json(job.options)
    drafts.set_mapping(job, chosen, own_options, by=job.created_by, rules=rules)
    if options["map_others"] or not chosen:
        auto_map(job, by=job.created_by, chosen=chosen)
    try:
        checker.require_mapping(job)
    except MappingRefused as refusal:
        columns = ", ".join(job.file.columns)
        fields = ", ".join(target.api_name for target in targets)
        raise command_error(
            f"{refusal} Use --map COLUMN=FIELD. Columns: {columns}. Fields: {fields}."
        ) from refusal


def _mapping_file(job: Job, path: str | None) -> tuple[dict[str, str], dict[str, Rule]]:
    """{column: target key} and {target key: rule} of the file of --mapping."""
    if not path:
        return {}, {}
    custom_object = lookup.custom_object(job.connection, job.object_key)
    try:
        found = MappingFile.model_validate_json(Path(path).read_bytes())
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False)
        where = ".".join(map(str, first["loc"]))
        raise command_error(f"{path}: {where or 'JSON'}: {first['msg']}.") from error
    action = Action(job.action)
    return stored_mapping(found.mapping, found.constants, custom_object, action)


def _without_duplicates(pairs: list[tuple[str, str]]) -> dict[str, str]:
    columns = [column for column, _ in pairs]
    duplicates = sorted({column for column in columns if columns.count(column) > 1})
    if duplicates:
        raise command_error(
            f"--map names {', '.join(duplicates)} more than once. "
            "A column fills one field."
        )
    return dict(pairs)


def _notes(job: Job) -> list[str]:
    """Warnings about the file, and which columns are sent."""
    rules = rules_of(job.rules)
    sent = []
    for column in job.file.columns:
        if target := job.mapping.get(column):
            names = (column, *rules.get(target, NO_RULE).also)
            sent.append(f"{' + '.join(names)}={field_targets.api_name(target)}")
    for target, rule in rules.items():
        if rule.constant:
            sent.append(f"“{rule.constant}”={field_targets.api_name(target)}")
    used = used_columns(job.mapping, rules)
    not_sent = [column for column in job.file.columns if column not in used]
    notes = [*output.file_warnings(job.file), f"Columns: {', '.join(sent)}."]
    if not_sent:
        notes.append(f"Not sent: {', '.join(not_sent)}.")
    return notes


def _check(job: Job, bar: ProgressBar) -> None:
    checker.start(job, by=job.created_by)

    def check(stopping: Event) -> None:
        checker.check(Job.objects.get(pk=job.pk), stopping=stopping)

    def is_checked() -> bool:
        job.refresh_from_db()
        done = job.rows_checked
        rows = job.file.rows or 1
        bar.show(f"Checking {done:,} of {counted(rows, 'row')}", 100 * done // rows)
        return job.state != JobState.CHECKING

    run_until(is_checked, check)
    bar.clear()
    if job.state != JobState.READY:
        raise command_error(job.reason)


def run_until(is_done: Callable[[], bool], work: Callable[[Event], None]) -> None:
    """Run `work` in a thread, again and again, until `is_done`. `is_done` is polled
    meanwhile, to show progress. If a worker took the task, only polling is left."""
    stopping = Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            while True:
                task = pool.submit(_with_own_connection, work, stopping)
                while wait([task], timeout=POLL_SECONDS).not_done:
                    is_done()
                task.result()
                if is_done():
                    return
                sleep(POLL_SECONDS)
        finally:
            stopping.set()


def _with_own_connection(work: Callable[[Event], None], stopping: Event) -> None:
    """Closes the database connection of the thread."""
    try:
        work(stopping)
    finally:
        database.close()


def _column_and_field(text: str) -> tuple[str, str]:
    """Split at the last "=": columns may contain one, field keys do not."""
    column, separator, field = text.rpartition("=")
    if not (column and separator and field):
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=FIELD.")
    return column, field
