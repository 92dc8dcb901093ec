"""Files: upload and read."""

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
from jobsui.api.v1.types import Code, Text, responses
from jobsui.jobs.enums import FileState
from jobsui.jobs.models import File as StoredFile
from jobsui.jobs.preparation import uploads

router = Router()
ENCODING_CHOICES = ["", *uploads.ENCODINGS]
ONE_FILE = (
    "Send one file, as the part “file” of multipart/form-data: curl -F file=@rows.csv"
)


def _known_encoding(encoding: str) -> str:
    if encoding.lower() not in ENCODING_CHOICES:
        known = ", ".join(uploads.ENCODINGS)
        raise ValueError(f"is not supported; choose one of {known}")
    return encoding.lower()


class LayoutIn(Schema):
    """How to read the file. Empty values are detected."""

    encoding: Annotated[
        str,
        Field(json_schema_extra={"enum": ENCODING_CHOICES}),
        AfterValidator(_known_encoding),
    ] = ""
    delimiter: Literal["", ",", ";", "\t", "|"] = ""
    sheet: Annotated[Text, Field(max_length=255)] = ""
    """Sheet of a workbook."""


class SampleRow(Schema):
    row: int
    cells: list[str]


class FileOut(Schema):
    id: UUID
    name: str
    state: FileState
    format: str | None
    """`csv`, `xlsx`, `json` or `jsonl`; null until the file is read."""
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
    """Why the file was rejected, and what to do."""


@router.post(
    "",
    auth=RUN,
    operation_id="upload_file",
    summary="Upload a file",
    response=responses(201, FileOut, 400, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def upload(
    request: ApiRequest, layout: Form[LayoutIn], file: File[UploadedFile]
) -> HttpResponse:
    """Uploads CSV, XLSX, JSON or JSON Lines as `multipart/form-data`. Jobs UI stores
    the file unchanged and reads it in the background; it is then `ready` or `rejected`.
    You can create a job from it at once."""
    if len(request.FILES) != 1 or len(request.FILES.getlist("file")) != 1:
        raise Problem(422, "one_file", ONE_FILE)
    chosen = layout.dict()
    with uploads.storing(file.chunks(), file.name or "") as stored:

        def register() -> idempotency.Result:
            registered = uploads.register(stored, by=request.auth.user, **chosen)
            return 201, serialize(registered)

        identity = [stored.sha256, stored.name, *chosen.values()]
        return idempotency.run_once(
            request, register, body_identity="\n".join(identity)
        )


@router.get(
    "/{uuid:id}",
    operation_id="get_file",
    summary="Get a file",
    response=responses(200, FileOut, 404),
)
def detail(request: ApiRequest, code: Code) -> Any:
    """What was detected in the file, and its first rows."""
    return serialize(lookup.file(request.auth, code))


def serialize(file: StoredFile) -> FileOut:
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
