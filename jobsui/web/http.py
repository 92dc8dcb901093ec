"""What requests of pages have in common."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from jobsui.paging import BadCursor, Page


class HtmxRequest(HttpRequest):
    htmx: HtmxDetails
    user: User  # Nobody else gets past LoginRequiredMiddleware.


def admin_required[**P](
    view: Callable[Concatenate[HtmxRequest, P], HttpResponse],
) -> Callable[Concatenate[HtmxRequest, P], HttpResponse]:
    """Pages for administrators do not exist for others."""

    @wraps(view)
    def guarded(
        request: HtmxRequest, /, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponse:
        if not request.user.is_superuser:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def go(request: HtmxRequest, to: str, *args: Any) -> HttpResponse:
    """A redirect; htmx, which would put the other page into a part of this one, is told
    to load it whole."""
    return (
        HttpResponseClientRedirect(reverse(to, args=args))
        if request.htmx
        else redirect(to, *args)
    )


def takes_files[**P](view: Callable[P, HttpResponse]) -> Callable[P, HttpResponse]:
    """Marks a view whose requests may be as large as an upload
    (middleware.BodyLimit)."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def page_at[T](page: Callable[[str], Page[T]], cursor: str) -> Page[T]:
    """The page an address asks for; the first where that leads nowhere, or not any
    more."""
    try:
        found = page(cursor)
    except BadCursor:
        return page("")
    return found if found.entries else page("")
