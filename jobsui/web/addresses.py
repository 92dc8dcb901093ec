"""Which page an address belongs to. Addresses that only accept a form have no page of
their own: they belong to the nearest page above them."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST


def post_only[**P, R: HttpResponseBase](view: Callable[P, R]) -> Callable[P, R]:
    """Django's `require_POST`, and a mark that the address cannot be opened."""
    guarded: Callable[P, R] = require_POST(view)
    guarded.is_post_only = True  # type: ignore[attr-defined]
    return guarded


def page_of(path: str) -> str:
    """The path itself when it can be opened, otherwise the nearest page above it."""
    while path != "/":
        if _can_be_opened(path):
            return path
        parent = path.rstrip("/").rpartition("/")[0]
        path = f"{parent}/"
    return path


def page_of_request(request: HttpRequest) -> str:
    """The page, with its query, that an answer to this request stands on. The query with
    which another site sends people back has a code, and is left out."""
    page = page_of(request.path)
    match = request.resolver_match
    is_way_back = match is not None and getattr(match.func, "is_way_back", False)
    if page == request.path and not is_way_back:
        return request.get_full_path()
    return page


def page_behind(request: HttpRequest) -> str:
    """The page, with its query, from which a person sent this request."""
    is_htmx = bool(request.headers.get("HX-Request"))
    if request.method in ("GET", "HEAD") and not is_htmx:
        return page_of_request(request)
    sent_from = request.headers.get("HX-Current-URL") if is_htmx else None
    url = sent_from or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(url, {request.get_host()}):
        return page_of(request.path)
    parts = urlsplit(url)
    page = page_of(parts.path or "/")
    if page == parts.path and parts.query:
        return f"{page}?{parts.query}"
    return page


def _can_be_opened(path: str) -> bool:
    try:
        view = resolve(path).func
    except Resolver404:
        return False
    return not getattr(view, "is_post_only", False)
