"""Types shared by request and response bodies."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from ninja import Path
from pydantic import AfterValidator, ConfigDict, Field

from jobsui.api.auth import ApiRequest
from jobsui.api.problems import ProblemOut
from jobsui.api.schema import Schema
from jobsui.paging import MAX_INTEGER, Page

MAX_LIMIT = 200
COMMON_ERRORS = (401, 403, 422, 429)
"""Error statuses that every operation may answer."""
NOT_STORABLE = (
    "contains a NUL character or half of a surrogate pair, which cannot be stored; "
    "remove it"
)


def _storable_text(text: str) -> str:
    has_surrogate = any("\ud800" <= character <= "\udfff" for character in text)
    if "\x00" in text or has_surrogate:
        raise ValueError(NOT_STORABLE)
    return text


def _storable_time(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 9000:
        raise ValueError("must be between the years 1900 and 9000")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


STORABLE = AfterValidator(_storable_text)
Text = Annotated[str, STORABLE]
Name = Annotated[str, Field(min_length=1, max_length=255), STORABLE]
Id = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
Code = Annotated[UUID, Path(alias="id")]
"""The `code` of a model, which programs know as its `id`."""
Timestamp = Annotated[datetime, AfterValidator(_storable_time)]
"""UTC unless it says otherwise."""
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]


class Body(Schema):
    """A request body. Unknown members and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ListOut[T](Schema):
    """One page of a list."""

    items: list[T]
    next: str | None
    """Address of the next page; null on the last page."""


def responses(status: int, body: Any, *errors: int) -> dict[Any, Any]:
    """The `response` of an operation: its success, and the errors it may answer in
    addition to COMMON_ERRORS."""
    error_statuses = sorted({*COMMON_ERRORS, *errors})
    return {status: body} | dict.fromkeys(error_statuses, ProblemOut)


def list_response[E, T](
    request: ApiRequest, page: Page[E], serialize: Callable[[E], T]
) -> dict[str, Any]:
    """A page as the body of a ListOut."""
    return {
        "items": [serialize(entry) for entry in page.entries],
        "next": _next_page(request, page.older),
    }


def unpaged_response(items: Sequence[Any]) -> dict[str, Any]:
    """A list that always fits on one page."""
    return {"items": list(items), "next": None}


def _next_page(request: ApiRequest, cursor: str) -> str | None:
    if not cursor:
        return None
    query = request.GET.dict() | {"cursor": cursor}
    return request.build_absolute_uri(f"{request.path}?{urlencode(query)}")
