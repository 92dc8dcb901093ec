"""The way to a page of another site and back, as in a sign-in there.

Browsers send our cookies only with requests that come from our own pages (SameSite=Strict),
and forms lead only to our own pages (form-action in SECURE_CSP), even by a redirect. So a
person leaves by a page that opens the other site, and comes back to a page that opens the
same address again. Neither needs JavaScript."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_cache_control

ARRIVED = "arrived"
"""In the query of an address that our own page has opened."""


def leave(request: HttpRequest, address: str, site: str) -> HttpResponse:
    """A page that opens an address of another site. `site`: its name for people."""
    return _page(request, address, f"Continue to {site}")


def way_back[**P, R: HttpResponseBase](view: Callable[P, R]) -> Callable[P, R]:
    """Marks a view to which other sites send people (Crossing). Its query has one more
    name: ARRIVED."""
    view.is_way_back = True  # type: ignore[attr-defined]
    return view


class Crossing:
    """Where a request from another site comes without the session, a page repeats it from
    our own site. Somebody who has no session passes the second time. Must come before
    SignInRequired. Cookies stay as they are."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        _args: Any,
        _kwargs: Any,
    ) -> HttpResponse | None:
        if not getattr(view, "is_way_back", False) or request.method != "GET":
            return None
        if "HX-Request" in request.headers:
            return None
        if settings.SESSION_COOKIE_NAME in request.COOKIES or ARRIVED in request.GET:
            return None
        query: QueryDict = request.GET.copy()
        query[ARRIVED] = "1"
        return _page(request, f"{request.path}?{query.urlencode()}", "Continue")


def _page(request: HttpRequest, address: str, title: str) -> HttpResponse:
    page = {"address": address, "title": title}
    response = render(request, "crossing.html", page)
    # The address may have a code that is valid once.
    response["Referrer-Policy"] = "no-referrer"
    patch_cache_control(response, no_store=True, private=True)
    return response
