"""Files: upload and read."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import File, Form, Router
from ninja.files import UploadedFile
from pydantic import AfterValidator, Field

from jobsui.access import limits, lookup
from jobsui.access.limits import Limited
from jobsui.access.models import ApiToken, Scope
from jobsui.api import idempotency
from jobsui.api.auth import ApiRequest, Bearer
from jobsui.api.problems import Problem
from jobsui.api.schema import Schema
from jobsui.api.v1 import file_warnings
from jobsui.api.v1.file_warnings import FileWarningOut
from jobsui.api.v1.types import Code, Text, responses
from jobsui.jobs.enums import FileState
from jobsui.jobs.models import File as StoredFile
from jobsui.jobs.preparation import file_formats, upload_room, uploads

router = Router()
ENCODINGS = ["", *file_formats.ENCODING_NAMES]
DELIMITERS = ["", *file_formats.DELIMITERS]
UPLOAD = (
    f"Uploads {file_formats.LABELS} as `multipart/form-data`. Jobs UI stores the file "
    "unchanged and reads it in the background; it is then `ready` or `rejected`. You "
    "can create a job from it at once."
)
ONE_FILE = (
    "Send one file, as the part “file” of multipart/form-data: curl -F file=@rows.csv"
)


def _known_encoding(name: str) -> str:
    return name and file_formats.known_encoding(name)


def _known_delimiter(sign: str) -> str:
    if sign not in DELIMITERS:
        words = ", ".join(file_formats.DELIMITERS.values())
        raise ValueError(f"is not supported; choose the character for {words}")
    return sign


class LayoutIn(Schema):
    """How to read the file. Empty values are detected."""

    encoding: Annotated[
        str,
        Field(json_schema_extra={"enum": ENCODINGS}),
        AfterValidator(_known_encoding),
    ] = ""
    delimiter: Annotated[
        str,
        Field(json_schema_extra={"enum": DELIMITERS}),
        AfterValidator(_known_delimiter),
    ] = ""
    sheet: Annotated[Text, Field(max_length=255)] = ""
    """Sheet of a workbook. Without it, the sheet that looks most like a table. Of a JSON
    document: the path to the list of rows, such as `data.items`."""
    quoting: Literal["", "double", "backslash", "single", "none"] = ""
    """What quotation marks mean in a CSV file: `double` quoted cells, in which they are
    doubled; `backslash` quoted cells, in which a backslash precedes them; `single` the
    same as `double`, with apostrophes; `none` nothing."""
    header_row: Annotated[int, Field(ge=0, le=1000)] = 0
    """The row with the names of the columns; 0: detected."""
    values: Literal["", "stored", "shown"] = ""
    """Which value of a number, time or date of a workbook counts where its format shows
    another one than is stored: `stored` 42, or `shown` 00042. Stored by default."""


class SampleRow(Schema):
    row: int
    cells: list[str]


class EncodingSampleOut(Schema):
    row: int
    text: str
    """A cell, or a part of it, as it would read."""


class EncodingProposalOut(Schema):
    encoding: str
    samples: list[EncodingSampleOut]
    """Cells that the proposed encodings read differently."""


class FileOut(Schema):
    id: UUID
    name: str
    state: FileState
    format: Annotated[
        str | None,
        Field(
            description=(
                f"One of {', '.join(file_formats.NAMES)}; null until it is read, and "
                "for a file that is none of these."
            )
        ),
    ]
    size: int
    """Bytes."""
    sha256: str
    description: str | None
    """What was found, in one line: "CSV, Windows-1252, semicolon, 12 columns, 48,112 rows,
    header in row 1". null: nothing."""
    encoding: str | None
    proposals: list[EncodingProposalOut]
    """The encodings that the file may have, the best first, if that is not certain. The
    file is `rejected` then: upload it again with one of them as `encoding`."""
    delimiter: str | None
    quoting: str | None
    header_row: int | None
    """null: the format has no header."""
    sheets: list[str]
    """Of a workbook. Of a JSON document: the paths to its lists. [] for other files."""
    sheet: str | None
    """The sheet or list that was read."""
    values: str | None
    """`stored` or `shown`, for a workbook."""
    columns: list[str]
    rows: int | None
    sample: list[SampleRow]
    """The first rows. Long cells are shortened."""
    warnings: list[FileWarningOut]
    """What looks damaged, was left out, or may mean something else. Every job made of the
    file has them, too."""
    error: str | None
    """Why the file was rejected, and what to do."""
    pruned_at: datetime | None
    """When the retention settings deleted the content, the sample and the warnings; null: they are
    kept. A job cannot be created from the file then."""


class UploadBearer(Bearer):
    """Also counts the upload and finds out whether it has room, before it is read."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        api_token = super().authenticate(request, token)
        if api_token:
            limits.count(api_token, Limited.UPLOAD)
            length = int(request.META.get("CONTENT_LENGTH") or 0)
            upload_room.require_room(length, by=api_token.user)
        return api_token


@router.post(
    "",
    auth=UploadBearer(Scope.RUN),
    operation_id="upload_file",
    summary="Upload a file",
    description=UPLOAD,
    response=responses(201, FileOut, 400, 409, 413, 507),
    openapi_extra=idempotency.PARAMETER,
)
def upload(
    request: ApiRequest, layout: Form[LayoutIn], file: File[UploadedFile]
) -> HttpResponse:
    if len(request.FILES) != 1 or len(request.FILES.getlist("file")) != 1:
        raise Problem(422, "one_file", ONE_FILE)
    chosen = layout.dict()
    with uploads.storing(file.chunks(), file.name or "") as stored:

        def register() -> idempotency.Result:
            registered = uploads.register(
                stored,
                by=request.auth.user,
                connection=request.auth.connection,
                **chosen,
            )
            return 201, serialize(registered)

        identity = [stored.sha256, stored.name, *map(str, chosen.values())]
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
        description=file_formats.description(file) or None,
        encoding=file.encoding.removesuffix("-sig") or None,
        proposals=[_proposal(proposal) for proposal in file.proposals],
        delimiter=file.delimiter or None,
        quoting=file.quoting or None,
        header_row=file.header_row or None,
        sheets=file.sheets,
        sheet=file.sheet or None,
        values=file.values or None,
        columns=file.columns,
        rows=file.rows,
        sample=[SampleRow(row=row, cells=cells) for row, cells in file.sample],
        warnings=file_warnings.serialize(file),
        error=file.error or None,
        pruned_at=file.content_pruned_at,
    )


def _proposal(proposal: dict[str, Any]) -> EncodingProposalOut:
    cells = zip(proposal["rows"], proposal["texts"], strict=True)
    return EncodingProposalOut(
        encoding=proposal["encoding"].removesuffix("-sig"),
        samples=[EncodingSampleOut(row=row, text=text) for row, text in cells],
    )
