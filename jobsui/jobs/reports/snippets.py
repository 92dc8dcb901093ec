"""A job as programs ask for it: by the REST API, on the command line, at the drop-in
endpoint. Each is text for bash, ready to be pasted: whatever people typed is quoted,
and the token is left as a variable."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from jobsui.files.delimited import DELIMITERS
from jobsui.files.encoding import UTF8
from jobsui.jobs.enums import Action, ParentRows
from jobsui.jobs.mapping.field_targets import api_name, schema_of, suggest, targets_for
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.row_reader import Item, RowReader
from jobsui.jobs.models import BatchBlob, File, Job

SAMPLE = 2
"""How many items stand for all of them."""
BEARER = '-H "Authorization: Bearer $JOBSUI_TOKEN"'
BASIC = '-u "api/token:$JOBSUI_TOKEN"'
NEXT = " \\\n  "
"""Between the words of a command that goes over several lines."""
ITS_ID = """python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'"""


@dataclass(frozen=True, slots=True)
class Snippets:
    """Ways to ask for a job once more."""

    rest: str
    command: str
    """Of runjob; "" for a job it cannot ask for: it takes whole files with columns."""
    drop_in: str


def for_job(job: Job, base: str) -> Snippets:
    """`base`: the address of this server's first page, such as
    "https://jobs.example.com/"."""
    sample = _sample(job)
    takes_columns = not (job.parent_id or job.file.is_raw_items)
    return Snippets(
        _rest(job, base, sample),
        _runjob(job) if takes_columns else "",
        _drop_in(job, base, sample),
    )


def list_jobs(base: str) -> str:
    """What a new token can be tried with."""
    return f"curl {word(base + 'api/v1/jobs')}{NEXT}{BEARER}"


def post(url: str, sign_in: str, body: str, *, expands: bool = False) -> str:
    """A JSON body as a curl call. With `expands` the shell fills in the variables in
    it."""
    # By way of standard input: a hundred records are more than an argument may hold.
    end = "JSON" if expands else "'JSON'"
    words = (
        f"curl -X POST {word(url)}",
        sign_in,
        "-H 'Content-Type: application/json'",
        f"--data-binary @- <<{end}",
    )
    return f"{NEXT.join(words)}\n{body}\nJSON"


def word(text: str) -> str:
    """One word of a command line. Control characters are spelled out: pasted as they
    are, a terminal would obey."""
    return re.sub(
        r"[\x00-\x1f\x7f-\x9f]",
        lambda found: rf"'$'\u{ord(found[0]):04x}''",
        shlex.quote(text),
    )


def _rest(job: Job, base: str, sample: list[Any]) -> str:
    if job.parent:
        is_retry = job.parent_rows == ParentRows.FAILED
        action = "retry" if is_retry else "continue"
        options = {"cause": job.cause_id} if job.cause_id else {}
        address = f"{base}api/v1/jobs/{job.parent.code}/{action}"
        return post(address, BEARER, _json(options | {"launch": True}))
    url, order = f"{base}api/v1/jobs", _order(job)
    if job.file.is_raw_items:
        items = [
            item if isinstance(item, dict) else {Action(job.action).key: item}
            for item in sample
        ]
        return post(url, BEARER, _json(order | {"items": items, "launch": True}))
    chosen = {"mapping": dict(_fields(job)), "options": _options(job), "launch": True}
    body = '{\n  "file": "$FILE",' + _unexpanded(_json(order | chosen)).removeprefix(
        "{"
    )
    return f"{_upload(job.file, base)}\n{post(url, BEARER, body, expands=True)}"


def _order(job: Job) -> dict[str, Any]:
    return {
        "connection": str(job.connection.code),
        "object": job.object_key,
        "action": job.action,
    }


def _upload(file: File, base: str) -> str:
    """The id of the uploaded file, in $FILE."""
    name = re.sub(r'(["\\])', r"\\\1", file.name)  # As curl reads it.
    parts = [f"-F {word(f'file=@"{name}"')}"]
    parts += [
        f"--form-string {word(f'{option}={value}')}"
        for option, value in _layout(file).items()
    ]
    return f"FILE=$({NEXT.join([f'curl -sS {word(base + "api/v1/files")}', BEARER, *parts, f'| {ITS_ID}'])})"


def _runjob(job: Job) -> str:
    name = job.file.name
    words = [
        f".venv/bin/python manage.py runjob {word(f'./{name}' if name.startswith('-') else name)}"
    ]
    # What begins with "-" would be taken for an option.
    words += [
        f"--{option}{'=' if value.startswith('-') else ' '}{word(value)}"
        for option, value in _told(job)
    ]
    words += (
        []
        if _options(job).get("generate_external_ids", True)
        else ["--no-generate-external-ids"]
    )
    return NEXT.join([*words, "--wait"])


def _told(job: Job) -> Iterator[tuple[str, str]]:
    """The options of runjob, but for those that say what it does anyway."""
    yield from (
        ("connection", job.connection.name),
        ("object", job.object_key),
        ("action", job.action),
    )
    for name, value in _layout(job.file).items():
        yield name, DELIMITERS.get(value, value) if name == "delimiter" else value
    usual = Options().to_json()
    chosen = _options(job)
    yield from (
        (name, chosen[name])
        for name in ("blank", "invalid")
        if chosen[name] != usual[name]
    )
    if job.mapping != suggest(job.file.columns, targets_for(job)):
        yield from (("map", f"{column}={field}") for column, field in _fields(job))


def _drop_in(job: Job, base: str, sample: list[Any]) -> str:
    url = f"{base}api/v2/custom_objects/{quote(job.object_key, safe='')}/jobs"
    return post(url, BASIC, _json({"job": {"action": job.action, "items": sample}}))


def _sample(job: Job) -> list[Any]:
    """Its first items as they were planned; before that, what the sample of its file
    becomes."""
    if planned := BatchBlob.objects.filter(batch__job=job, batch__seq=1).first():
        return [json.loads(line) for line in planned.lines[:SAMPLE]]
    reader = RowReader(
        schema_of(job),
        Action(job.action),
        job.mapping,
        job.file.columns,
        Options.from_json(job.options),
    )
    judged = (reader.read((number, cells)) for number, cells in job.file.sample)
    return [json.loads(item.json) for item in judged if isinstance(item, Item)][:SAMPLE]


def _layout(file: File) -> dict[str, str]:
    """How the file is to be read, where that is not the usual way."""
    found = {
        "encoding": file.encoding,
        "delimiter": file.delimiter,
        "sheet": file.sheet if file.sheets[1:] else "",
    }
    return {
        name: value for name, value in found.items() if value not in {"", UTF8, ","}
    }


def _options(job: Job) -> dict[str, Any]:
    """As the REST API takes them."""
    options = Options.from_json(job.options)
    own = {} if options.generate_external_ids else {"generate_external_ids": False}
    return {"blank": options.blank, "invalid": options.invalid} | own


def _fields(job: Job) -> Iterator[tuple[str, str]]:
    """(column, what it fills as programs call it), in the order of the file."""
    for column in job.file.columns:
        if column in job.mapping:
            yield column, api_name(job.mapping[column])


def _json(value: Any) -> str:
    """Indented; control characters are spelled out, as in words."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return re.sub(r"[\x7f-\x9f]", lambda found: rf"\u{ord(found[0]):04x}", text)


def _unexpanded(text: str) -> str:
    """Text that the shell leaves as it is where it fills in variables."""
    return re.sub(r"([\\$`])", r"\\\1", text)
