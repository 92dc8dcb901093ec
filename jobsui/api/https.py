"""Programs are never redirected to https: one that sends its token in plain text would do so
with each request, and would not notice."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from jobsui.api.dropin import errors
from jobsui.api.problems import Problem

PATH = "/api/"
DROPIN_PATH = "/api/v2/"
HTTPS_REQUIRED = (
    "This address needs https. The token of this request was sent in plain text: revoke it, "
    "create another one, and use https."
)


def require_https(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Refuses what comes from programs over plain http behind a TLS proxy. Must come before
    the middleware that redirects pages."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            if request.path_info.startswith(DROPIN_PATH):
                return errors.https_required(HTTPS_REQUIRED).response
            if request.path_info.startswith(PATH):
                return _refusal()
        return get_response(request)

    return respond


def _refusal() -> HttpResponse:
    return Problem(403, "https_required", HTTPS_REQUIRED).response()
