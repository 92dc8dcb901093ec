"""Cursor pagination as Zendesk has it, over our own."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest

from jobsui import paging
from jobsui.api.dropin.errors import Refused, invalid_parameter
from jobsui.jobs.models import Job

MOST = 100
SIZE = "page[size]"
AFTER = "page[after]"
BEFORE = "page[before]"


@dataclass(frozen=True, slots=True)
class Page:
    jobs: Sequence[Job]
    ends: dict[str, Any]
    """The `meta` and `links` that go with it."""


def page(request: HttpRequest, jobs: QuerySet[Job], where: str) -> Page:
    """The page that is asked for, newest first. Raises Refused when that makes no
    sense; `where` names the action."""
    size = _size(request, where)
    after = _cursor(request, AFTER, where)
    before = _cursor(request, BEFORE, where)
    if after and before:
        raise invalid_parameter("page", "must not have both after and before", where)
    try:
        found = paging.by_time(
            jobs, f"<{after}" if after else f">{before}" if before else "", size
        )
    except paging.BadCursor:
        raise _no_cursor(AFTER if after else BEFORE, where) from None
    return Page(
        found.entries,
        _ends(
            request, found, size, has_more=bool(found.newer if before else found.older)
        ),
    )


def _ends(
    request: HttpRequest, page: paging.Page[Job], size: int, *, has_more: bool
) -> dict[str, Any]:
    shown = page.entries
    last, first = (
        (_encoded(paging.place(shown[-1])), _encoded(paging.place(shown[0])))
        if shown
        else (None, None)
    )
    return {
        "meta": {"has_more": has_more, "after_cursor": last, "before_cursor": first},
        "links": {
            "next": _link(request, AFTER, last, size) if page.older else None,
            "prev": _link(request, BEFORE, first, size) if page.newer else None,
        },
    }


def _link(request: HttpRequest, way: str, cursor: str | None, size: int) -> str:
    query = {
        name: value
        for name, value in request.GET.items()
        if name not in {AFTER, BEFORE}
    }
    return request.build_absolute_uri(
        f"{request.path}?{urlencode(query | {way: cursor, SIZE: size})}"
    )


def _size(request: HttpRequest, where: str) -> int:
    size = paging.whole(request.GET.get(SIZE, str(MOST)))
    if size is None or not 1 <= size <= MOST:
        raise invalid_parameter(SIZE, f"must be an integer from 1 to {MOST}", where)
    return size


def _encoded(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode()


def _cursor(request: HttpRequest, way: str, where: str) -> str:
    """The place it points at; "" when there is none."""
    try:
        return base64.urlsafe_b64decode(request.GET.get(way, "")).decode()
    except (binascii.Error, ValueError):
        raise _no_cursor(way, where) from None


def _no_cursor(way: str, where: str) -> Refused:
    return invalid_parameter(way, "is no cursor of ours", where)
