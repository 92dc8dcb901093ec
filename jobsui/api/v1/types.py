"""What requests and answers are made of."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from ninja import Path, Schema
from pydantic import AfterValidator, ConfigDict, Field

from jobsui.api.auth import ApiRequest
from jobsui.api.problems import ProblemOut
from jobsui.paging import LARGEST, Page

MOST = 200
COMMON = (401, 403, 422, 429)
"""Statuses that any call may be refused with."""


def _plain(text: str) -> str:
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError(
            "holds characters that no database keeps (a zero character, or half of one); remove them"
        )
    return text


def _storable(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 9000:
        raise ValueError("must lie between the years 1900 and 9000")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


PLAIN = AfterValidator(_plain)
Text = Annotated[str, PLAIN]
"""Any text that can be stored."""
Name = Annotated[str, Field(min_length=1, max_length=255), PLAIN]
Id = Annotated[int, Field(ge=1, le=LARGEST)]
Code = Annotated[UUID, Path(alias="id")]
"""By which the address tells a thing; members call it `id`, too."""
Moment = Annotated[datetime, AfterValidator(_storable)]
"""A time; UTC where it does not say."""
Limit = Annotated[int, Field(ge=1, le=MOST)]


class Body(Schema):
    """A request body: unknown members and wrong types are refused, not ignored or
    guessed at."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Listed[T](Schema):
    """One page of a list."""

    items: list[T]
    next: str | None
    """Address of the next page; null on the last."""


def answers(status: int, body: Any, *refusals: int) -> dict[Any, Any]:
    """The `response` of an operation: what it answers, and what it may be refused with
    beside COMMON."""
    return {status: body} | dict.fromkeys(sorted({*COMMON, *refusals}), ProblemOut)


def listed[E, T](
    request: ApiRequest, page: Page[E], shown: Callable[[E], T]
) -> dict[str, Any]:
    """A page of a list as it is answered."""
    return {
        "items": [shown(entry) for entry in page.entries],
        "next": _following(request, page.older),
    }


def whole_list(entries: Sequence[Any]) -> dict[str, Any]:
    """A list that fits one page."""
    return {"items": list(entries), "next": None}


def _following(request: ApiRequest, cursor: str) -> str | None:
    if not cursor:
        return None
    kept = {name: value for name, value in request.GET.items() if name != "cursor"}
    return request.build_absolute_uri(
        f"{request.path}?{urlencode(kept | {'cursor': cursor})}"
    )
