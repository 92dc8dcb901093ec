"""What comparisons, proofs and the plans of undos share: they read the live records of a job."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.contrib.auth.models import User
from pydantic import Field

from jobsui import paging
from jobsui.api.problems import Problem
from jobsui.api.schema import Schema
from jobsui.api.v1.types import Body
from jobsui.jobs.control import comparisons
from jobsui.jobs.enums import ReadState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.records.compare import FIELDS
from jobsui.jobs.reports.record_values import ComparedValue

MAX_CHOSEN = 10_000
RowNumber = Annotated[int, Field(ge=1, le=paging.MAX_INTEGER)]


class PageCounts(Schema):
    """A page has up to 100 rows."""

    read: int
    total: int
    """Grows while the state is `dividing`."""


class ReadOut(Schema):
    job: UUID
    state: ReadState
    reason: str | None
    """Why it failed."""
    created_at: datetime
    started_at: datetime | None
    """When the first page was read."""
    finished_at: datetime | None
    pages: PageCounts


class ChangeOut(Schema):
    field: str
    old: str | None
    """Null for blank, here and in `new`."""
    new: str | None


class RowChoiceIn(Body):
    leave_out: Annotated[list[RowNumber], Field(max_length=MAX_CHOSEN)] = Field(
        default_factory=list
    )
    """Rows that are not sent."""
    take: Annotated[list[RowNumber], Field(max_length=MAX_CHOSEN)] = Field(
        default_factory=list
    )
    """Rows that were left out before."""


def members(job: Job, read: RecordRead) -> dict[str, Any]:
    """The members of a ReadOut."""
    return {
        "job": job.code,
        "state": ReadState(read.state),
        "reason": read.reason or None,
        "created_at": read.created_at,
        "started_at": read.started_at,
        "finished_at": read.finished_at,
        "pages": PageCounts(read=read.pages_read, total=read.pages_total),
    }


def counts[C: Schema](kind: type[C], read: RecordRead) -> C:
    """`kind`: a schema whose members are the names of verdicts or landings."""
    return kind(**{name: read.counts.get(name, 0) for name in kind.model_fields})


def cells(read: RecordRead) -> list[tuple[str, int, int]]:
    """(field, how many of its values differ, how many of these are blank), most frequent
    first."""
    found = [
        (field_name(name), differing, blank)
        for name, (differing, blank) in read.changed_cells.items()
    ]
    return sorted(found, key=lambda each: (-each[1], each[0]))


def changes(values: Iterable[ComparedValue]) -> list[ChangeOut]:
    return [
        ChangeOut(
            field=field_name(value.name),
            old=value.old or None,
            new=value.new or None,
        )
        for value in values
    ]


def field_name(name: str) -> str:
    """What programs call a value of a record."""
    return name.removeprefix(f"{FIELDS}.")


def choose_rows(read: RecordRead, body: RowChoiceIn, *, by: User) -> None:
    """Raises NotPossibleNow."""
    comparisons.leave_out(read, body.leave_out, is_left_out=True, by=by)
    comparisons.leave_out(read, body.take, is_left_out=False, by=by)


def existing(read: RecordRead | None, message: str) -> RecordRead:
    """Raises Problem if there is none."""
    if read is None:
        raise Problem(404, "not_found", message)
    return read


def require_done(read: RecordRead, message: str) -> None:
    """Raises NotPossibleNow."""
    if read.state != ReadState.DONE:
        raise NotPossibleNow(message)
