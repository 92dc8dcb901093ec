"""Zendesk's cursor pagination, on top of ours."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest

from jobsui import paging
from jobsui.api.dropin.errors import DropinError, invalid_parameter
from jobsui.jobs.models import Job

MAX_SIZE = 100
SIZE = "page[size]"
AFTER = "page[after]"
BEFORE = "page[before]"


@dataclass(frozen=True, slots=True)
class Page:
    jobs: Sequence[Job]
    navigation: dict[str, Any]
    """The members `meta` and `links` of the response."""


def page(request: HttpRequest, jobs: QuerySet[Job], action: str) -> Page:
    """The requested page, newest first. Raises DropinError for parameters that are not
    valid; `action` is Zendesk's name of the operation."""
    size = _size(request, action)
    after = _position(request, AFTER, action)
    before = _position(request, BEFORE, action)
    if after and before:
        raise invalid_parameter("page", "must not have both after and before", action)
    cursor = ""
    if after:
        cursor = f"<{after}"
    elif before:
        cursor = f">{before}"
    try:
        found = paging.by_time(jobs, cursor, size)
    except paging.BadCursor:
        raise _bad_cursor(AFTER if after else BEFORE, action) from None
    has_more = bool(found.newer if before else found.older)
    return Page(found.entries, _navigation(request, found, size, has_more=has_more))


def _navigation(
    request: HttpRequest, page: paging.Page[Job], size: int, *, has_more: bool
) -> dict[str, Any]:
    first = None
    last = None
    if page.entries:
        first = _encode(paging.position(page.entries[0]))
        last = _encode(paging.position(page.entries[-1]))
    return {
        "meta": {"has_more": has_more, "after_cursor": last, "before_cursor": first},
        "links": {
            "next": _link(request, AFTER, last, size) if page.older else None,
            "prev": _link(request, BEFORE, first, size) if page.newer else None,
        },
    }


def _link(request: HttpRequest, direction: str, cursor: str | None, size: int) -> str:
    query: dict[str, Any] = {
        name: value
        for name, value in request.GET.items()
        if name not in {AFTER, BEFORE}
    }
    query |= {direction: cursor, SIZE: str(size)}
    return request.build_absolute_uri(f"{request.path}?{urlencode(query)}")


def _size(request: HttpRequest, action: str) -> int:
    size = paging.parse_integer(request.GET.get(SIZE, str(MAX_SIZE)))
    if size is None or not 1 <= size <= MAX_SIZE:
        rule = f"must be an integer from 1 to {MAX_SIZE}"
        raise invalid_parameter(SIZE, rule, action)
    return size


def _encode(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode()


def _position(request: HttpRequest, direction: str, action: str) -> str:
    """The decoded cursor; "" without one."""
    try:
        return base64.urlsafe_b64decode(request.GET.get(direction, "")).decode()
    except (binascii.Error, ValueError):
        raise _bad_cursor(direction, action) from None


def _bad_cursor(direction: str, action: str) -> DropinError:
    return invalid_parameter(direction, "is not a cursor of this list", action)
