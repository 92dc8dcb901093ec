import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control

from jobsui import waits
from jobsui.access import factors, limits
from jobsui.access.client_address import client_address
from jobsui.access.limits import Limited, LimitReached
from jobsui.audit import origin
from jobsui.jobs.errors import NoRoom
from jobsui.jobs.preparation import upload_room
from jobsui.web import first_run
from jobsui.web.addresses import page_behind, page_of
from jobsui.web.refusal import no_room, refused, too_many

logger = logging.getLogger(__name__)

MAX_FORM_BYTES = 4 * 1024**2
"""Without files. Takes 25 times as much memory if each byte is encoded. The largest form has
the body of a test request, up to 1 MB before it is encoded."""
BUSY = (
    "Jobs UI serves as many uploads, downloads and waiting requests as it can at the moment. "
    "Nothing was changed. Try again in a few seconds."
)

REFUSALS = (401, 403, 404, 429)
"""Things of other connections are answered as missing."""
MUST_CHANGE_PASSWORD = "must_change_password"  # noqa: S105
"""In the session of a person who has signed in with a temporary password."""
UNSENT = "unsent"
"""In the address of the sign-in page: a form was sent after the session had ended."""


class SignInRequired(LoginRequiredMiddleware):
    """Every page requires a sign-in, which then leads back to the page the person came
    from. A form is not sent again: the page says that nothing was changed.

    For htmx, the response is a fragment that says so and stops polling. A redirect
    would swap the sign-in page into the open page."""

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, _view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponse:
        sign_in = self._sign_in_address(request)
        if request.headers.get("HX-Request"):
            page = {"sign_in": sign_in, "is_poll": request.method == "GET"}
            return render(request, "includes/signed_out.html", page)
        if first_run.is_due():
            return redirect("first_run")
        return redirect(sign_in)

    def _sign_in_address(self, request: HttpRequest) -> str:
        query = QueryDict(mutable=True)
        query[REDIRECT_FIELD_NAME] = page_behind(request)
        if request.method not in ("GET", "HEAD"):
            query[UNSENT] = "1"
        return f"{reverse('account_login')}?{query.urlencode(safe='/')}"


class SetupRequired:
    """A temporary password opens only the page that changes it, and who needs a second factor
    gets only the pages that add one. Must come behind SignInRequired."""

    # Names of addresses.
    CHANGE_PASSWORD = ("account_change_password", "account_logout")
    ADD_FACTOR = (
        "mfa_index",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "account_reauthenticate",
        "account_logout",
    )

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
        is_public = not getattr(view, "login_required", True)
        allowed = () if is_public else self._allowed(request)
        match = request.resolver_match
        if not allowed or (match is not None and match.url_name in allowed):
            return None
        page = reverse(allowed[0])
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Redirect": page})
        return redirect(page)

    def _allowed(self, request: HttpRequest) -> tuple[str, ...]:
        """() for all pages; otherwise the first one is what is due."""
        if request.session.get(MUST_CHANGE_PASSWORD):
            return self.CHANGE_PASSWORD
        if isinstance(request.user, User) and factors.is_missing(request.user):
            return self.ADD_FACTOR
        return ()


class BodyLimit:
    """Refuses a request with too large a Content-Length before its body is read. Django
    never reads more than this length. A large body holds a place for waiting requests while
    it comes, a stream until it is sent, and a view that calls Zendesk all the time. Must come
    before all middleware that reads forms."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with ExitStack() as held:
            request.held = held  # type: ignore[attr-defined]
            response = self._get_response(request)
        if not response.streaming:
            return response
        with ExitStack() as held:
            is_held = held.enter_context(waits.place())
            # What a POST has changed stays, so its response is sent.
            if not is_held and request.method == "GET":
                response.close()
                return _busy(request)
            # The server calls these after the last piece, and when the client is gone.
            closers = response._resource_closers  # type: ignore[attr-defined]
            closers.append(held.pop_all().close)
        return response

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        _args: Any,
        _kwargs: Any,
    ) -> HttpResponse | None:
        length = int(request.META.get("CONTENT_LENGTH") or "0")
        max_bytes = _max_body(request, view)
        if length > max_bytes:
            return _too_large(request, view)
        if refusal := _refused_upload(request, view, length):
            return refusal
        acts = request.method == "POST" or getattr(view, "is_way_back", False)
        is_waiting = getattr(view, "calls_zendesk", False) and acts
        if length <= waits.MAX_SMALL_BODY and not is_waiting:
            return None
        held: ExitStack = request.held  # type: ignore[attr-defined]
        if held.enter_context(waits.place()):
            return None
        return _busy(request)


def _busy(request: HttpRequest) -> HttpResponse:
    view = request.resolver_match.func if request.resolver_match else None
    if busy := getattr(view, "busy", None):
        answer: HttpResponse = busy()
        return answer
    title = "Jobs UI is busy"
    return refused(request, 429, title, BUSY, retry_after=waits.RETRY_AFTER_SECONDS)


def _refused_upload(
    request: HttpRequest, view: Callable[..., HttpResponseBase], length: int
) -> HttpResponse | None:
    """Counts an upload to a page. Programs are not known before their view."""
    is_upload = getattr(view, "takes_files", False) and request.method == "POST"
    if not is_upload or hasattr(view, "too_large") or not request.user.is_authenticated:
        return None
    try:
        limits.count(request.user, Limited.UPLOAD)
        upload_room.require_room(length, by=request.user)
    except LimitReached as reached:
        return too_many(request, reached)
    except NoRoom as refusal:
        return no_room(request, refusal)
    return None


def _max_body(request: HttpRequest, view: Callable[..., HttpResponseBase]) -> int:
    is_form = request.content_type == "application/x-www-form-urlencoded"
    if getattr(view, "takes_files", False) and not is_form:
        upload: int = settings.MAX_UPLOAD_BYTES
        return upload + settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if hasattr(view, "too_large"):
        return settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    is_public = not getattr(view, "login_required", True)
    largest = waits.MAX_SMALL_BODY if is_public else MAX_FORM_BYTES
    return min(largest, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def _too_large(
    request: HttpRequest, view: Callable[..., HttpResponseBase]
) -> HttpResponse:
    takes_files = getattr(view, "takes_files", False)
    megabytes = settings.MAX_UPLOAD_BYTES // 1024**2 if takes_files else 0
    # Programs get no page.
    if too_large := getattr(view, "too_large", None):
        refusal: HttpResponse = too_large(megabytes)
        return refusal
    is_htmx = request.headers.get("HX-Request")
    page = "413.html#message" if is_htmx else "413.html"
    return render(request, page, {"megabytes": megabytes}, status=413)


def audited(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Says who acts in a request, and from where, for the audit log. Programs are known once
    their token is. What was refused is in the server's log: in the audit log, somebody could
    write as many entries as they like."""

    def middleware(request: HttpRequest) -> HttpResponse:
        person = request.user.get_username()
        with origin.of_request(client_address(request), person):
            response = get_response(request)
            if response.status_code in REFUSALS:
                _log_refusal(request, response.status_code)
            return response

    return middleware


def _log_refusal(request: HttpRequest, status: int) -> None:
    source = origin.current()
    who = " ".join(filter(None, (source.person, source.means))) or "a stranger"
    logger.warning(
        "%s %s: %s for %s from %s",
        request.method,
        request.path,
        status,
        who,
        source.address,
    )


def no_store(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Keeps pages for signed-in people and responses to programs out of caches."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.user.is_authenticated or request.path.startswith("/api/"):
            patch_cache_control(response, no_store=True, private=True)
        return response

    return middleware


def gone(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answers polls of something that was deleted with a fragment that says so and
    stops polling. htmx would ignore an error page and poll forever."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        is_poll = request.method == "GET" and request.headers.get("HX-Request")
        if response.status_code == 404 and is_poll:
            return render(request, "includes/gone.html")
        return response

    return middleware


def method_not_allowed(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """An address that only accepts a form, opened in a browser, leads to its page.
    Django's own answer is empty."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != 405 or response.content:
            return response
        page = render(request, "405.html", {"page": page_of(request.path)}, status=405)
        page["Allow"] = response["Allow"]
        return page

    return middleware
