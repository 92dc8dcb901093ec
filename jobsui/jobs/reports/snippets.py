"""How to run a job from code: by the REST API, the command line and the
Zendesk-compatible endpoint. Each snippet is text for bash, ready to paste: everything
people typed is quoted, and the token is a variable."""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from jobsui.files.dialect import DELIMITERS
from jobsui.files.encoding import UTF8
from jobsui.jobs.enums import Action, ParentRows
from jobsui.jobs.live.row_ranges import RowRanges
from jobsui.jobs.mapping.decimal_marks import decimal_marks
from jobsui.jobs.mapping.field_targets import api_name, schema_of, targets_for
from jobsui.jobs.mapping.matching import suggest
from jobsui.jobs.mapping.options import UNDO_FIELDS, UNDO_ROWS, Match, Options
from jobsui.jobs.mapping.row_reader import Item, RowReader, cell_readers
from jobsui.jobs.mapping.rules import rules_of
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.jobs.models import BatchBlob, File, Job
from jobsui.jobs.models.batch import Unreadable
from jobsui.jobs.records.compare import FIELDS

MAPPING_FILE = "mapping.json"
SAMPLE_SIZE = 2
"""How many of the items are shown."""
BEARER = '-H "Authorization: Bearer $JOBSUI_TOKEN"'
BASIC = '-u "api/token:$JOBSUI_TOKEN"'
NEXT = " \\\n  "
"""Between the words of a command over several lines."""
CALLS = {
    ParentRows.FAILED: "retry",
    ParentRows.UNSENT: "continue",
    ParentRows.UNDONE: "undo",
}
"""{rows of the parent: what a program asks of the parent for a job with them}."""
PRINT_ID = """python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'"""


@dataclass(frozen=True, slots=True)
class Snippets:
    rest: str
    command: str
    """For runjob. "" when runjob cannot run the job: it takes whole files with
    columns."""
    drop_in: str
    """"" for an undo: the endpoint does what Zendesk's own one can do."""


@dataclass(frozen=True, slots=True)
class Sample:
    action: Action
    """What a request with these items does: a compared job has batches of several actions."""
    items: list[Any]


def for_job(job: Job, base: str) -> Snippets:
    """`base`: the address of this server's home page, such as
    "https://jobs.example.com/"."""
    if job.parent and job.parent_rows == ParentRows.UNDONE:
        return Snippets(
            rest=_rest_of_parent(job, job.parent, base), command="", drop_in=""
        )
    sample = _sample(job)
    is_whole_file = not job.parent_id and not job.file.is_raw_items
    return Snippets(
        rest=_rest(job, base, sample.items),
        command=_runjob(job) if is_whole_file else "",
        drop_in=_drop_in(job, base, sample),
    )


def list_jobs(base: str) -> str:
    """A call to try a new token with."""
    return f"curl {word(base + 'api/v1/jobs')}{NEXT}{BEARER}"


def post(url: str, credentials: str, body: str, *, expands: bool = False) -> str:
    """A curl call that posts a JSON body. With `expands` the shell replaces variables
    in it."""
    delimiter = "JSON" if expands else "'JSON'"
    words = (
        f"curl -X POST {word(url)}",
        credentials,
        "-H 'Content-Type: application/json'",
        # Standard input, because a hundred records are too long for an argument.
        f"--data-binary @- <<{delimiter}",
    )
    return f"{NEXT.join(words)}\n{body}\nJSON"


def word(text: str) -> str:
    """One word of a command line. Control characters are escaped, because a terminal
    would obey them when they are pasted."""

    def escape(found: re.Match[str]) -> str:
        return rf"'$'\u{ord(found[0]):04x}''"

    return re.sub(r"[\x00-\x1f\x7f-\x9f]", escape, shlex.quote(text))


def _rest(job: Job, base: str, sample: list[Any]) -> str:
    if job.parent:
        return _rest_of_parent(job, job.parent, base)
    if job.file.is_raw_items:
        return _rest_of_items(job, base, sample)
    return _rest_of_file(job, base)


def _rest_of_parent(job: Job, parent: Job, base: str) -> str:
    """A job that sends rows of another job."""
    action = CALLS[ParentRows(job.parent_rows)]
    chosen: dict[str, Any] = {"cause": job.cause_id} if job.cause_id else {}
    if UNDO_ROWS in job.options:
        rows = RowRanges.from_json(job.options[UNDO_ROWS])
        chosen["rows"] = [f"{first}-{last}" for first, last in rows.ranges]
    if UNDO_FIELDS in job.options:
        chosen["fields"] = [
            name.removeprefix(f"{FIELDS}.") for name in job.options[UNDO_FIELDS]
        ]
    address = f"{base}api/v1/jobs/{parent.code}/{action}"
    return post(address, BEARER, _json(chosen | {"launch": True}))


def _rest_of_items(job: Job, base: str, sample: list[Any]) -> str:
    key = Action(job.action).key
    items = [item if isinstance(item, dict) else {key: item} for item in sample]
    body = _target(job) | {"items": items, "launch": True}
    return post(f"{base}api/v1/jobs", BEARER, _json(body))


def _rest_of_file(job: Job, base: str) -> str:
    """Two calls: the upload puts the id of the file in $FILE."""
    settings = _mapping(job) | {
        "options": _options(job),
        "launch": True,
    }
    members = _escaped(_json(_target(job) | settings)).removeprefix("{")
    body = '{\n  "file": "$FILE",' + members
    launch = post(f"{base}api/v1/jobs", BEARER, body, expands=True)
    return f"{_upload(job.file, base)}\n{launch}"


def _target(job: Job) -> dict[str, Any]:
    return {
        "connection": str(job.connection.code),
        "object": job.object_key,
        "action": job.action,
    }


def _upload(file: File, base: str) -> str:
    quoted_for_curl = re.sub(r'(["\\])', r"\\\1", file.name)
    content = f'file=@"{quoted_for_curl}"'
    options = [
        f"--form-string {word(f'{name}={value}')}"
        for name, value in _file_settings(file).items()
    ]
    words = [
        f"curl -sS {word(base + 'api/v1/files')}",
        BEARER,
        f"-F {word(content)}",
        *options,
        f"| {PRINT_ID}",
    ]
    return f"FILE=$({NEXT.join(words)})"


def _runjob(job: Job) -> str:
    name = job.file.name
    before = ""
    if job.rules:
        before = f"cat > {MAPPING_FILE} <<'JSON'\n{_json(_mapping(job))}\nJSON\n"
    path = f"./{name}" if name.startswith("-") else name
    words = [f".venv/bin/python manage.py runjob {word(path)}"]
    for option, value in _runjob_options(job):
        # A value that starts with "-" would be taken for an option.
        separator = "=" if value.startswith("-") else " "
        words.append(f"--{option}{separator}{word(value)}")
    options = Options.from_json(job.options)
    if not options.generate_external_ids:
        words.append("--no-generate-external-ids")
    is_compared = options.compare or options.refuse_changed != "off"
    if is_compared and Action(job.action).key:
        words.append("--compare")
    if options.only_existing:
        words.append("--only-existing")
    if options.keep_undo:
        words.append("--keep-undo")
    if options.match:
        words += ["--match", *_match_options(options.match)]
    return before + NEXT.join([*words, "--wait"])


def _match_options(match: Match) -> Iterator[str]:
    """Those that do not have their default."""
    default = Match()
    for name in ("only_in_file", "different", "only_in_account"):
        if getattr(match, name) != getattr(default, name):
            yield f"--{name.replace('_', '-')} {getattr(match, name)}"
    if match.deletes:
        yield f"--delete-at-most {match.max_records}"
    if match.max_percent != default.max_percent:
        yield f"--max-percent {match.max_percent:g}"


def _runjob_options(job: Job) -> Iterator[tuple[str, str]]:
    """(option, value), without those that have their default."""
    yield "connection", job.connection.name
    yield "object", job.object_key
    yield "action", job.action
    for name, value in _file_settings(job.file).items():
        is_delimiter = name == "delimiter"
        shown = DELIMITERS.get(value, value) if is_delimiter else value
        yield name.replace("_", "-"), shown
    defaults = Options().to_json()
    chosen = _options(job)
    for name in ("blank", "invalid", "warnings", "decimal_mark", "refuse_changed"):
        if chosen.get(name, defaults[name]) != defaults[name]:
            yield name.replace("_", "-"), chosen[name]
    if job.rules:
        yield "mapping", MAPPING_FILE
        return
    named = suggest(job.file.columns, targets_for(job))
    # Columns that no name decides might be matched by their words.
    is_default = job.mapping == named and len(named) == len(job.file.columns)
    if not is_default:
        for column, field in _fields(job):
            yield "map", f"{column}={field}"


def _drop_in(job: Job, base: str, sample: Sample) -> str:
    url = f"{base}api/v2/custom_objects/{quote(job.object_key, safe='')}/jobs"
    body = {"job": {"action": sample.action, "items": sample.items}}
    return post(url, BASIC, _json(body))


def _sample(job: Job) -> Sample:
    """Of its first batch as it was planned. Before that, and after its items were deleted,
    of the sample of its file."""
    first = BatchBlob.objects.filter(batch__job=job, batch__seq=1)
    planned = first.exclude(payload=b"").select_related("batch").first()
    if planned:
        own = planned.batch.own_action or job.action
        with suppress(Unreadable):
            return Sample(Action(own), planned.items[:SAMPLE_SIZE])
    options = Options.from_json(job.options)
    reader = RowReader(
        schema_of(job),
        Action(job.action),
        job.mapping,
        job.file.columns,
        options,
        decimal_marks(job.file, options),
        rules_of(job.rules),
    )
    results = (reader.read((number, cells)) for number, cells in job.file.sample)
    items = [json.loads(item.json) for item in results if isinstance(item, Item)]
    return Sample(Action(job.action), items[:SAMPLE_SIZE])


def _file_settings(file: File) -> dict[str, str]:
    """Encoding, delimiter and sheet, where they are not the default, and what else a
    person chose."""
    found = {
        "encoding": file.encoding,
        "delimiter": file.delimiter,
        "sheet": file.sheet if len(file.sheets) > 1 else "",
    }
    for name in ("quoting", "header_row", "values"):
        found[name] = str(file.chosen.get(name, ""))
    defaults = {"", UTF8, ","}
    return {name: value for name, value in found.items() if value not in defaults}


def _options(job: Job) -> dict[str, Any]:
    """In the form of the REST API."""
    options = Options.from_json(job.options)
    found: dict[str, Any] = {"blank": options.blank, "invalid": options.invalid}
    if options.warnings != "send":
        found["warnings"] = options.warnings
    if options.decimal_mark != "auto":
        found["decimal_mark"] = options.decimal_mark
    if not options.generate_external_ids:
        found["generate_external_ids"] = False
    if options.compare and Action(job.action).key:
        found["compare"] = True
    if options.keep_undo:
        found["keep_undo"] = True
    if options.refuse_changed != "off":
        found["refuse_changed"] = options.refuse_changed
    if options.only_existing:
        found["only_existing"] = True
    if options.match is not None:
        found["match"] = asdict(options.match)
    return found


def _fields(job: Job) -> Iterator[tuple[str, str]]:
    """(column, target as the API calls it), in the order of the file."""
    for column in job.file.columns:
        if column in job.mapping:
            yield column, api_name(job.mapping[column])


def _mapping(job: Job) -> dict[str, Any]:
    """Mapping and constants, in the form of the REST API."""
    found = {"mapping": dict(_fields_with_rules(job))}
    if constants := dict(_constants(job)):
        found["constants"] = constants
    return found


def _constants(job: Job) -> Iterator[tuple[str, Any]]:
    """(field as the API calls it, value)."""
    rules = rules_of(job.rules)
    if not any(rule.constant for rule in rules.values()):
        return
    schema = schema_of(job)
    action = Action(job.action)
    for cell in cell_readers(schema, action, {}, [], Options(), {}, rules):
        value: Any = cell.rule.constant
        with suppress(ValueProblem):
            value = json.loads(cell.read(value))
        yield api_name(cell.target.key), value


def _fields_with_rules(job: Job) -> Iterator[tuple[str, Any]]:
    """As `_fields`, in the form of the REST API."""
    for column, field in _fields(job):
        rule = job.rules.get(job.mapping[column])
        yield column, {"field": field, **rule} if rule else field


def _json(value: Any) -> str:
    """Indented, with control characters escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return re.sub(r"[\x7f-\x9f]", lambda found: rf"\u{ord(found[0]):04x}", text)


def _escaped(text: str) -> str:
    """Text that the shell leaves unchanged where it replaces variables."""
    return re.sub(r"([\\$`])", r"\\\1", text)
