"""Dispatches requests to views by method, and answers every error as Zendesk does."""

import logging
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from jobsui import waits
from jobsui.access.limits import LimitReached
from jobsui.api.dropin import errors
from jobsui.api.dropin.authentication import authenticate
from jobsui.api.dropin.errors import DropinError

logger = logging.getLogger(__name__)

JSON = "application/json"

View = Callable[..., HttpResponseBase]
"""Takes the request, its Caller, and the groups of the address."""


def dispatch(*, takes_files: bool = False, **views: View) -> View:
    """One view from the `views` for each method. With `takes_files`, bodies may be as
    large as an upload."""

    def dispatched(request: HttpRequest, *groups: str) -> HttpResponseBase:
        view = views.get(request.method or "")
        if view is None:
            raise errors.method_not_allowed(views)
        caller = authenticate(request)
        if request.method == "POST":
            _require_json(request)
        return view(request, caller, *groups)

    return _public(dispatched, takes_files=takes_files)


def _require_json(request: HttpRequest) -> None:
    """Raise DropinError for a body that a form of another site can send. A browser that
    knows a token as its user's password would add it to such a request."""
    if request.content_type != JSON:
        raise errors.unsupported_media_type(JSON)


def _public(view: View, *, takes_files: bool = False) -> View:
    """`view` without session and CSRF checks, and with errors as responses."""

    @csrf_exempt
    @login_not_required
    def public(request: HttpRequest, *groups: str) -> HttpResponseBase:
        try:
            return view(request, *groups)
        except DropinError as error:
            return error.response
        except LimitReached as reached:
            return errors.rate_limited(reached.retry_after).response
        except Http404:
            return errors.not_found().response
        except Exception:
            logger.exception("%s %s failed.", request.method, request.path)
            return errors.internal_error().response

    attributes: Any = public
    attributes.takes_files = takes_files
    attributes.too_large = _too_large
    attributes.busy = _busy
    return public


def _too_large(megabytes: int) -> HttpResponse:
    """What middleware.BodyLimit answers. `megabytes`: the maximum for a job, 0 for other
    bodies."""
    description = "The request body is too large."
    if megabytes:
        description = (
            f"The job is too large. The maximum is {megabytes:,} MB. "
            "Split the job, or raise JOBSUI_MAX_UPLOAD_MB."
        )
    return errors.too_large(description).response


def _busy() -> HttpResponse:
    """What middleware.BodyLimit answers when no place for another large body or stream is free."""
    return errors.rate_limited(waits.RETRY_AFTER_SECONDS).response


def _unknown_route(_request: HttpRequest) -> HttpResponseBase:
    """Answered before authentication, as Zendesk does."""
    raise errors.unknown_route()


unknown_route = _public(_unknown_route)
