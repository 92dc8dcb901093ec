"""Addresses below /api/. None of them asks for a log-in: programs bring a token, which
each view looks at itself."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from jobsui.api.problems import BODY_TOO_LARGE, NOT_FOUND, Problem
from jobsui.api.v1.api import api

FOR_PEOPLE = ("openapi-view",)
"""The documentation page is read by people, who are signed in."""
TAKES_FILES = ("files",)


@csrf_exempt
@login_not_required
def nowhere(request: HttpRequest) -> HttpResponse:
    """Whatever is asked for below /api/v1/ that does not exist."""
    return Problem(
        404, "not_found", f"{NOT_FOUND} All calls are listed at /api/v1/docs."
    ).response()


def _opened(pattern: URLPattern | URLResolver) -> URLPattern | URLResolver:
    if isinstance(pattern, URLResolver):
        return pattern
    if pattern.name not in FOR_PEOPLE:
        pattern.callback = login_not_required(pattern.callback)
    if str(pattern.pattern) in TAKES_FILES:
        pattern.callback.takes_files = True  # type: ignore[attr-defined]
    pattern.callback.too_large = _too_large  # type: ignore[attr-defined]
    pattern.callback = _told(pattern.callback)
    return pattern


def _told(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """`view`, which tells a wrong method as a problem too."""

    @wraps(view)
    def telling(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        allowed = ", ".join(sorted(response["Allow"].split(", ")))
        told = Problem(405, "wrong_method", f"This address takes {allowed}.").response()
        told["Allow"] = allowed
        return told

    return telling


def _too_large(megabytes: int) -> HttpResponse:
    detail = f"Files may be at most {megabytes:,} MB: split it, or raise JOBSUI_MAX_UPLOAD_MB."
    return Problem(413, "too_large", detail if megabytes else BODY_TOO_LARGE).response()


def _v1() -> tuple[list[URLPattern | URLResolver], str, str]:
    patterns, app, namespace = api.urls
    return [*map(_opened, patterns), re_path("", nowhere)], app, namespace


urlpatterns = [path("v1/", _v1()), path("v2/", include("jobsui.api.dropin.urls"))]
