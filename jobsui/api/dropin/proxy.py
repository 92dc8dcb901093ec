"""Forwards reads of records and objects to the Zendesk account of the connection."""

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
FORWARDED_HEADERS = re.compile(
    r"retry-after|x-rate-limit.*|ratelimit-.*|zendesk-ratelimit-.*", re.IGNORECASE
)
CONTENT_TYPES = ("application/json", "text/plain")
"""Plain text is Zendesk's response to too many requests."""


def read(request: HttpRequest, caller: Caller) -> HttpResponse:
    return _forward(request, caller, None)


def search(request: HttpRequest, caller: Caller) -> HttpResponse:
    """A POST that only reads: its body is the condition of the search."""
    return _forward(request, caller, request.body)


def _forward(request: HttpRequest, caller: Caller, body: bytes | None) -> HttpResponse:
    path = _path(request)
    connection = caller.connection
    try:
        response = proxy_reads.read(
            connection,
            path,
            method=request.method or "GET",
            body=body,
            beside_driver=driver_pool.is_driven(connection.host),
        )
    except proxy_reads.Busy as busy:
        raise errors.rate_limited(busy.retry_after) from None
    except (ZendeskError, ConnectionsError) as error:
        raise errors.zendesk_failed(error) from None
    zendesk_address = hosts.address(connection.host)
    own_address = request.build_absolute_uri("/").removesuffix("/")
    return _response(response, zendesk_address, own_address)


def _path(request: HttpRequest) -> str:
    """The path and query to send. Raises DropinError for an ambiguous path."""
    query = request.META.get("QUERY_STRING", "")
    path = f"{request.path_info}?{query}" if query else request.path_info
    try:
        test_request.check_path(path)
    except RequestRefused as refusal:
        raise errors.bad_request("InvalidAddress", str(refusal)) from None
    return path


def _response(
    response: proxy_reads.Response, zendesk_address: str, own_address: str
) -> HttpResponse:
    content_type = response.headers.get("Content-Type") or ""
    if response.body and not content_type.startswith(CONTENT_TYPES):
        raise errors.not_json(response.status)
    headers = {
        name: value
        for name, value in response.headers.items()
        if FORWARDED_HEADERS.fullmatch(name)
    }
    return HttpResponse(
        _with_own_links(response.body, zendesk_address, own_address),
        status=response.status,
        content_type=content_type or CONTENT_TYPES[0],
        headers=headers,
    )


def _with_own_links(body: bytes, zendesk_address: str, own_address: str) -> bytes:
    """Clients follow links with a token of Jobs UI, so links must lead back here. Values
    of fields stay unchanged."""
    members = "|".join(LINKS).encode()
    address = re.escape(zendesk_address).encode()
    link = rb'("(?:%s)"\s*:\s*")%s(?=/api/v2/)' % (members, address)
    return re.sub(link, lambda match: match[1] + own_address.encode(), body)
