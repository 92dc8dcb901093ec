"""Reads of records and objects, passed on to the Zendesk account of the caller's
connection."""

import re

from django.http import HttpRequest, HttpResponse

from jobsui.api.dropin import errors
from jobsui.api.dropin.authentication import Caller
from jobsui.connections import hosts, proxy_reads, test_request
from jobsui.connections.errors import ConnectionsError, RequestRefused, ZendeskError
from jobsui.jobs.delivery import driver_pool

LINKS = (
    "url",
    "next",
    "prev",
    "first",
    "last",
    "next_page",
    "previous_page",
    "after_url",
    "before_url",
)
"""Members that hold addresses of the API."""
KEPT_HEADERS = re.compile(
    r"retry-after|x-rate-limit.*|ratelimit-.*|zendesk-ratelimit-.*", re.IGNORECASE
)
KINDS = ("application/json", "text/plain")
"""Zendesk's refusal of too many requests is plain text."""


def read(request: HttpRequest, caller: Caller) -> HttpResponse:
    return _passed_on(request, caller, None)


def search(request: HttpRequest, caller: Caller) -> HttpResponse:
    """A search by filter: its condition is a body, so it is a POST, but it reads all
    the same."""
    return _passed_on(request, caller, request.body)


def _passed_on(
    request: HttpRequest, caller: Caller, body: bytes | None
) -> HttpResponse:
    path = _path(request)
    connection = caller.connection
    try:
        answer = proxy_reads.read(
            connection,
            path,
            method=request.method or "GET",
            body=body,
            beside_driver=driver_pool.is_driven(connection.host),
        )
    except proxy_reads.Busy as busy:
        raise errors.slow_down(busy.retry_after) from None
    except (ZendeskError, ConnectionsError) as error:
        raise errors.no_answer(error) from None
    return _answered(
        answer, hosts.address(connection.host), request.build_absolute_uri("/")[:-1]
    )


def _path(request: HttpRequest) -> str:
    """As it goes to Zendesk. Raises Refused for what could be read in two ways."""
    query = request.META.get("QUERY_STRING", "")
    path = f"{request.path_info}?{query}" if query else request.path_info
    try:
        test_request.check_path(path)
    except RequestRefused as refusal:
        raise errors.bad_request("InvalidAddress", str(refusal)) from None
    return path


def _answered(answer: proxy_reads.Answer, theirs: str, ours: str) -> HttpResponse:
    kind = answer.headers.get("Content-Type") or ""
    if answer.body and not kind.startswith(KINDS):
        raise errors.no_json(answer.status)
    headers = {
        name: value
        for name, value in answer.headers.items()
        if KEPT_HEADERS.fullmatch(name)
    }
    body = _with_our_address(answer.body, theirs, ours)
    return HttpResponse(
        body, status=answer.status, content_type=kind or KINDS[0], headers=headers
    )


def _with_our_address(body: bytes, theirs: str, ours: str) -> bytes:
    """A client follows links, with our token, so they must lead back to us. Values of
    fields stay as they are."""
    link = rb'("(?:%s)"\s*:\s*")%s(?=/api/v2/)' % (
        "|".join(LINKS).encode(),
        re.escape(theirs).encode(),
    )
    return re.sub(link, lambda found: found[1] + ours.encode(), body)
