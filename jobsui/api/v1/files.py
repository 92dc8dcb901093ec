"""Files: uploaded for jobs, kept exactly as they came."""

from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpResponse
from ninja import File, Form, Router, Schema
from ninja.files import UploadedFile
from pydantic import AfterValidator, Field

from jobsui.access import lookup
from jobsui.api import idempotency
from jobsui.api.auth import RUN, ApiRequest
from jobsui.api.problems import Problem
from jobsui.api.v1.types import Code, Text, answers
from jobsui.jobs.enums import FileState
from jobsui.jobs.models import File as StoredFile
from jobsui.jobs.preparation import uploads

router = Router()
CHOICES = ["", *uploads.ENCODINGS]
ONE_FILE = (
    "Send one file, as the part “file” of multipart/form-data: curl -F file=@rows.csv"
)


def _known(encoding: str) -> str:
    if encoding.lower() not in CHOICES:
        raise ValueError(f"is not known; it can be {', '.join(CHOICES[1:])}")
    return encoding.lower()


class LayoutIn(Schema):
    """How to read the file, where it should not be detected."""

    encoding: Annotated[
        str, Field(json_schema_extra={"enum": CHOICES}), AfterValidator(_known)
    ] = ""
    delimiter: Literal["", ",", ";", "\t", "|"] = ""
    sheet: Annotated[Text, Field(max_length=255)] = ""
    """Of a workbook; the first if not said."""


class SampleRow(Schema):
    row: int
    cells: list[str]


class FileOut(Schema):
    id: UUID
    name: str
    state: FileState
    format: str | None
    """csv, xlsx, json or jsonl; null until it is read."""
    size: int
    """Bytes."""
    sha256: str
    encoding: str | None
    delimiter: str | None
    sheets: list[str]
    columns: list[str]
    rows: int | None
    sample: list[SampleRow]
    """The first rows."""
    error: str | None
    """Why it was rejected, and what to do."""


@router.post(
    "",
    auth=RUN,
    operation_id="upload_file",
    summary="Upload a file",
    response=answers(201, FileOut, 400, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def upload(
    request: ApiRequest, layout: Form[LayoutIn], file: File[UploadedFile]
) -> HttpResponse:
    """CSV, XLSX, JSON or JSON Lines, as `multipart/form-data`. It is stored as it comes
    and read in the background, by which it becomes `ready`, or `rejected`. A job can be
    made of it at once."""
    if len(request.FILES) != 1 or len(request.FILES.getlist("file")) != 1:
        raise Problem(422, "one_file", ONE_FILE)
    chosen = layout.dict()
    with uploads.storing(file.chunks(), file.name or "") as stored:

        def make() -> idempotency.Made:
            return 201, shown(uploads.register(stored, by=request.auth.user, **chosen))

        facts = [stored.sha256, stored.name, *chosen.values()]
        return idempotency.once(request, make, fingerprint="\n".join(facts))


@router.get(
    "/{uuid:id}",
    operation_id="get_file",
    summary="A file",
    response=answers(200, FileOut, 404),
)
def detail(request: ApiRequest, code: Code) -> Any:
    """What was detected about it, and its first rows."""
    return shown(lookup.file(request.auth, code))


def shown(file: StoredFile) -> FileOut:
    return FileOut(
        id=file.code,
        name=file.name,
        state=FileState(file.state),
        format=file.format or None,
        size=file.size,
        sha256=file.sha256,
        encoding=file.encoding.removesuffix("-sig") or None,
        delimiter=file.delimiter or None,
        sheets=file.sheets,
        columns=file.columns,
        rows=file.rows,
        sample=[SampleRow(row=row, cells=cells) for row, cells in file.sample],
        error=file.error or None,
    )
