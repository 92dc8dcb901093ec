"""The history of a record: what jobs have done with it, and what Zendesk holds now."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.urls import reverse
from ninja import Router
from pydantic import Field

from jobsui import paging
from jobsui.access import lookup
from jobsui.api.auth import ApiRequest
from jobsui.api.schema import Schema
from jobsui.api.v1 import reads
from jobsui.api.v1.reads import ChangeOut, field_name
from jobsui.api.v1.types import (
    STORABLE,
    Code,
    ListOut,
    Name,
    Text,
    list_response,
    responses,
)
from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.models.record_rows import file_row
from jobsui.jobs.reports import record_history, record_now, record_values
from jobsui.jobs.reports.record_history import Touch
from jobsui.jobs.reports.record_now import Now

router = Router()
Key = Annotated[str, Field(min_length=1, max_length=255), STORABLE]


class TouchOut(Schema):
    job: UUID
    url: str
    """Address of the job's page."""
    row: int | None
    """Row number in the file of the job; null for a record that only the account had."""
    at: datetime | None
    """When the batch of the row ended."""
    by: str | None
    """Username of who created the job."""
    action: Action
    """What was sent for the row."""
    outcome: Outcome
    record_id: str | None
    note: str | None
    """Why the row was kept or left as it is."""
    is_old_known: bool
    """Whether it is known what the record held before. If not, `old` is null."""
    changes: list[ChangeOut]


class ValueOut(Schema):
    field: str
    value: str


class RecordOut(Schema):
    """What Zendesk holds now."""

    id: str
    updated_at: str
    updated_by: str | None
    """ID of a user."""
    values: list[ValueOut]
    """Those that are not blank."""


class RecordHistoryOut(ListOut[TouchOut]):
    now: RecordOut | None
    """Null if no record has this ID, or if it could not be read."""
    problem: str | None
    """Why the record could not be read."""


@router.get(
    "/{uuid:id}/objects/{key}/record-history",
    operation_id="get_record_history",
    summary="Get the history of a record",
    response=responses(200, RecordHistoryOut, 404),
)
def history(
    request: ApiRequest, code: Code, key: Name, record: Key, cursor: Text = ""
) -> Any:
    """Every row of a job that has written the record, or has found it as the file says: newest
    first, 20 on a page. `record` is its ID or external ID. A record that an undo has created
    again has several IDs, and each of them finds the whole history. What the record holds now
    is read from Zendesk."""
    connection = lookup.connection(request.auth, code)
    custom_object = lookup.object_of_key(request.auth, connection, key)
    now = record_now.read(custom_object, record)
    after = paging.after(cursor)
    page = record_history.page(custom_object, now.keys(record), after=after)

    def serialize_one(touch: Touch) -> TouchOut:
        url = request.build_absolute_uri(reverse("jobs:detail", args=[touch.job.code]))
        return serialize(touch, url)

    body = list_response(request, page, serialize_one)
    return body | {"now": _serialize_now(now), "problem": now.problem or None}


def serialize(touch: Touch, url: str) -> TouchOut:
    return TouchOut(
        job=touch.job.code,
        url=url,
        row=file_row(touch.row),
        at=touch.at,
        by=touch.job.created_by.username if touch.job.created_by else None,
        action=touch.action,
        outcome=Outcome(touch.result.outcome),
        record_id=touch.result.record_id or None,
        note=touch.result.message or None,
        is_old_known=touch.image is not None,
        changes=reads.changes(record_values.before_and_sent(touch.item, touch.image)),
    )


def _serialize_now(now: Now) -> RecordOut | None:
    if now.record is None:
        return None
    return RecordOut(
        id=now.record.id,
        updated_at=now.record.updated_at,
        updated_by=now.record.updated_by or None,
        values=[
            ValueOut(field=field_name(name), value=text) for name, text in now.texts
        ],
    )
