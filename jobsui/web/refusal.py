"""The page that says why a request was not carried out, for requests that never reach their
view or leave it at once."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from jobsui.access.limits import LimitReached
from jobsui.jobs.errors import NoRoom
from jobsui.web.addresses import page_behind


def refused(
    request: HttpRequest,
    status: int,
    title: str,
    sentence: str,
    *,
    retry_after: int | None = None,
    back: str = "",
) -> HttpResponse:
    """For htmx, the message alone. `retry_after`: seconds; `back`: an address, "" for the
    page from which the request was sent."""
    page = {"title": title, "sentence": sentence, "page": back or page_behind(request)}
    template = "refused.html"
    if request.headers.get("HX-Request"):
        template += "#message"
    response = render(request, template, page, status=status)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


def no_room(request: HttpRequest, refusal: NoRoom) -> HttpResponse:
    return refused(request, 507, "No room for the upload", str(refusal))


def too_many(request: HttpRequest, reached: LimitReached) -> HttpResponse:
    return refused(
        request,
        429,
        "Too many requests",
        str(reached),
        retry_after=reached.retry_after,
    )
