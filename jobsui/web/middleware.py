from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import patch_cache_control

from jobsui.web import first_run


class SignInRequired(LoginRequiredMiddleware):
    """Every page needs a log-in. A poll of somebody whose session has ended is answered
    with a fragment that says so and polls no more; a redirect would put the log-in page
    into the middle of theirs."""

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponse:
        if request.headers.get("HX-Request"):
            return render(request, "includes/signed_out.html")
        if first_run.is_due():
            return redirect("first_run")
        return super().handle_no_permission(request, view_func)


class BodyLimit:
    """Refuses what is too large by its own account before any of it is read. More than
    that account is never read: the request's stream ends there. Stands before all that
    looks into a form."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: Any,
        kwargs: Any,
    ) -> HttpResponse | None:
        files = settings.MAX_UPLOAD_BYTES if getattr(view, "takes_files", False) else 0
        length = request.META.get("CONTENT_LENGTH") or "0"
        if int(length) <= files + settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return None
        if too_large := getattr(view, "too_large", None):  # Programs read no pages.
            answer: HttpResponse = too_large(files // 1024**2)
            return answer
        page = "413.html#said" if request.headers.get("HX-Request") else "413.html"
        return render(request, page, {"megabytes": files // 1024**2}, status=413)


def no_store(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """What was shown to a signed-in person or a program stays in no cache."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.user.is_authenticated or request.path.startswith("/api/"):
            patch_cache_control(response, no_store=True, private=True)
        return response

    return middleware


def gone(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """A poll of what is no longer there is answered with a fragment that says so and
    polls no more: htmx would ignore an error page and ask again for ever."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if (
            response.status_code == 404
            and request.method == "GET"
            and request.headers.get("HX-Request")
        ):
            return render(request, "includes/gone.html")
        return response

    return middleware
