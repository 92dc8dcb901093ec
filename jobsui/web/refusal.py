"""The page that says why a request was not carried out, for requests that never reach their
view or leave it at once."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from jobsui.web.addresses import page_behind


def refused(
    request: HttpRequest,
    status: int,
    title: str,
    sentence: str,
    *,
    retry_after: int | None = None,
) -> HttpResponse:
    """For htmx, the message alone. `retry_after`: seconds."""
    page = {"title": title, "sentence": sentence, "page": page_behind(request)}
    template = "refused.html"
    if request.headers.get("HX-Request"):
        template += "#message"
    response = render(request, template, page, status=status)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response
