"""Addresses below /api/. Each view authenticates its token itself, so none of them
requires a session."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from jobsui import waits
from jobsui.api.problems import BODY_TOO_LARGE, BUSY, NOT_FOUND, Problem
from jobsui.api.v1.api import api

NEEDS_SESSION = ("openapi-view",)
"""The documentation page, which people read."""
ACCEPTS_FILES = ("files",)
CALLS_ZENDESK = (
    "connections/<uuidstr:id>/test",
    "connections/<uuidstr:id>/objects/sync",
    "requests",
)
"""Their POST waits for Zendesk."""


@csrf_exempt
@login_not_required
def not_found(_request: HttpRequest) -> HttpResponse:
    """Any address below /api/v1/ that does not exist."""
    detail = f"{NOT_FOUND} /api/v1/docs lists all operations."
    return Problem(404, "not_found", detail).response()


def _prepare(pattern: URLPattern | URLResolver) -> URLPattern | URLResolver:
    """Set what the middleware reads from views, and answer errors as problems."""
    if isinstance(pattern, URLResolver):
        return pattern
    if pattern.name not in NEEDS_SESSION:
        pattern.callback = login_not_required(pattern.callback)
    if str(pattern.pattern) in ACCEPTS_FILES:
        pattern.callback.takes_files = True  # type: ignore[attr-defined]
    if str(pattern.pattern) in CALLS_ZENDESK:
        pattern.callback.calls_zendesk = True  # type: ignore[attr-defined]
    pattern.callback.too_large = _too_large  # type: ignore[attr-defined]
    pattern.callback.busy = _busy  # type: ignore[attr-defined]
    pattern.callback = _with_method_problem(pattern.callback)
    return pattern


def _with_method_problem(
    view: Callable[..., HttpResponse],
) -> Callable[..., HttpResponse]:
    """`view`, whose response to a wrong method is a problem too."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        allowed = ", ".join(sorted(response["Allow"].split(", ")))
        detail = f"This address supports {allowed}."
        problem = Problem(405, "method_not_allowed", detail).response()
        problem["Allow"] = allowed
        return problem

    return wrapped


def _too_large(megabytes: int) -> HttpResponse:
    """What middleware.BodyLimit answers. `megabytes`: the maximum for files, 0 for other
    bodies."""
    detail = BODY_TOO_LARGE
    if megabytes:
        detail = (
            f"The file is too large. The maximum is {megabytes:,} MB. "
            "Split the file, or raise JOBSUI_MAX_UPLOAD_MB."
        )
    return Problem(413, "too_large", detail).response()


def _busy() -> HttpResponse:
    """What middleware.BodyLimit answers when no place for another large body or stream is free."""
    wait = waits.RETRY_AFTER_SECONDS
    return Problem(429, "busy", BUSY, retry_after=wait).response()


def _v1() -> tuple[list[URLPattern | URLResolver], str, str]:
    patterns, app_name, namespace = api.urls
    prepared = [_prepare(pattern) for pattern in patterns]
    return [*prepared, re_path("", not_found)], app_name, namespace


urlpatterns = [path("v1/", _v1()), path("v2/", include("jobsui.api.dropin.urls"))]
