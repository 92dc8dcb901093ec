"""Cursor pagination as Zendesk has it: by key and never by offset, so that any page costs what the first does."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest

from jobsui.api.dropin.refusals import invalid_parameter
from jobsui.jobs.models import Job

MOST = 100
SIZE, AFTER, BEFORE = "page[size]", "page[after]", "page[before]"
LARGEST = 2**63 - 1
"""What a database takes for a whole number."""


@dataclass(frozen=True, slots=True)
class Page:
    jobs: list[Job]
    ends: dict[str, Any]
    """The `meta` and `links` that go with it."""


def page(request: HttpRequest, jobs: QuerySet[Job], where: str) -> Page:
    """The page that is asked for, newest first. Raises Refused when that makes no sense; `where` names the action."""
    size = _size(request, where)
    after, before = _cursor(request, AFTER, where), _cursor(request, BEFORE, where)
    if after is not None and before is not None:
        raise invalid_parameter("page", "must not have both after and before", where)
    if before is not None:
        found = list(jobs.filter(pk__gt=before).order_by("pk")[: size + 1])
        shown = found[:size][::-1]
        older, newer = bool(shown), len(found) > size
    else:
        found = list((jobs if after is None else jobs.filter(pk__lt=after)).order_by("-pk")[: size + 1])
        shown = found[:size]
        older, newer = len(found) > size, bool(shown) and after is not None
    return Page(shown, _ends(request, shown, size, older=older, newer=newer, has_more=len(found) > size))


def _ends(
    request: HttpRequest, shown: list[Job], size: int, *, older: bool, newer: bool, has_more: bool
) -> dict[str, Any]:
    last, first = (_encoded(shown[-1].pk), _encoded(shown[0].pk)) if shown else (None, None)
    return {
        "meta": {"has_more": has_more, "after_cursor": last, "before_cursor": first},
        "links": {
            "next": _link(request, AFTER, last, size) if older else None,
            "prev": _link(request, BEFORE, first, size) if newer else None,
        },
    }


def _link(request: HttpRequest, way: str, cursor: str | None, size: int) -> str:
    query = {name: value for name, value in request.GET.items() if name not in {AFTER, BEFORE}}
    return request.build_absolute_uri(f"{request.path}?{urlencode(query | {way: cursor, SIZE: size})}")


def _size(request: HttpRequest, where: str) -> int:
    text = request.GET.get(SIZE, str(MOST))
    if not (text.isdecimal() and len(text) < 4 and 1 <= int(text) <= MOST):
        raise invalid_parameter(SIZE, f"must be an integer from 1 to {MOST}", where)
    return int(text)


def _encoded(pk: int) -> str:
    return base64.urlsafe_b64encode(str(pk).encode()).decode()


def _cursor(request: HttpRequest, way: str, where: str) -> int | None:
    """The key of the job it points at; None when there is no such cursor."""
    text = request.GET.get(way)
    if not text:
        return None
    try:
        pk = int(base64.urlsafe_b64decode(text))
    except (binascii.Error, ValueError):
        pk = -1
    if not 0 <= pk <= LARGEST:
        raise invalid_parameter(way, "is no cursor of ours", where)
    return pk
