"""Shared by the views of all pages."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from jobsui.access import limits, policy
from jobsui.access.limits import Limited, LimitReached
from jobsui.paging import BadCursor, Page
from jobsui.web.refusal import too_many


class HtmxRequest(HttpRequest):
    htmx: HtmxDetails
    user: User  # SignInRequired lets only signed-in people pass.


def admin_required[**P, R: HttpResponseBase](
    view: Callable[Concatenate[HtmxRequest, P], R],
) -> Callable[Concatenate[HtmxRequest, P], R]:
    """For everyone but administrators the page does not exist: 404."""

    @wraps(view)
    def guarded(request: HtmxRequest, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not policy.is_administrator(request.user):
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def limited[**P, R: HttpResponseBase](
    what: Limited,
) -> Callable[
    [Callable[Concatenate[HtmxRequest, P], R]],
    Callable[Concatenate[HtmxRequest, P], HttpResponseBase],
]:
    """Counts each call of a view. Beyond the person's limit, the page says so."""

    def wrap(
        view: Callable[Concatenate[HtmxRequest, P], R],
    ) -> Callable[Concatenate[HtmxRequest, P], HttpResponseBase]:
        @wraps(view)
        def counted(
            request: HtmxRequest, /, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponseBase:
            try:
                limits.count(request.user, what)
            except LimitReached as reached:
                return too_many(request, reached)
            return view(request, *args, **kwargs)

        return counted

    return wrap


def go(request: HtmxRequest, to: str, *args: Any) -> HttpResponse:
    """A redirect. htmx loads the whole page instead of swapping it into this one."""
    return go_to(request, reverse(to, args=args))


def go_to(request: HtmxRequest, address: str) -> HttpResponse:
    """As `go`, to an address."""
    if request.htmx:
        return HttpResponseClientRedirect(address)
    return redirect(address)


def takes_files[**P, R: HttpResponseBase](view: Callable[P, R]) -> Callable[P, R]:
    """Marks a view that accepts uploads (middleware.BodyLimit)."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def calls_zendesk[**P, R: HttpResponseBase](view: Callable[P, R]) -> Callable[P, R]:
    """Marks a view that waits for Zendesk, by a POST or on the way back from it
    (middleware.BodyLimit)."""
    view.calls_zendesk = True  # type: ignore[attr-defined]
    return view


def page_at[T](page: Callable[[str], Page[T]], cursor: str) -> Page[T]:
    """The page at this cursor, or the first page if the cursor is invalid or leads
    past the end."""
    try:
        found = page(cursor)
    except BadCursor:
        return page("")
    return found if found.entries else page("")
