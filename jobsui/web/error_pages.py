"""Pages for requests that never reach a view. Behind a proxy they name the setting that
has to be changed."""

from urllib.parse import urlsplit

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.middleware.csrf import REASON_BAD_ORIGIN, REASON_BAD_REFERER
from django.shortcuts import render

from jobsui.jobs.errors import NoRoom
from jobsui.web.addresses import page_behind
from jobsui.web.refusal import no_room


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, NoRoom):
        return no_room(request, exception)
    host = ""
    if isinstance(exception, DisallowedHost):
        host, _ = split_domain_port(request.META.get("HTTP_HOST", "").lower())
    return render(request, "400.html", {"host": host}, status=400)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without a valid token, or from an address that is not trusted."""
    origin = _untrusted_origin(request, reason)
    page = {"origin": origin, "page": page_behind(request)}
    return render(request, "403_csrf.html", page, status=403)


def _untrusted_origin(request: HttpRequest, reason: str) -> str:
    """The origin that Django refused, "" when the reason is another one."""
    origin: str = request.META.get("HTTP_ORIGIN", "")
    if reason == REASON_BAD_ORIGIN % origin:
        return origin
    referer = urlsplit(request.META.get("HTTP_REFERER", ""))
    if reason == REASON_BAD_REFERER % referer.geturl():
        return f"{referer.scheme}://{referer.netloc}"
    return ""
