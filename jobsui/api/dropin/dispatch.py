"""How programs come in: views that answer as Zendesk does, whatever happens."""

import logging
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from jobsui.api.dropin import errors
from jobsui.api.dropin.authentication import caller
from jobsui.api.dropin.errors import Refused

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]
"""Takes the request, who is calling, and what the address says."""


def door(*, takes_files: bool = False, **views: View) -> View:
    """One view of an address's views by method, for programs that bring a token. Bodies
    may be as large as an upload where it `takes_files`."""

    def answer(request: HttpRequest, *words: str) -> HttpResponseBase:
        view = views.get(request.method or "")
        if view is None:
            raise errors.wrong_method(views)
        return view(request, caller(request), *words)

    return _open(answer, takes_files=takes_files)


def closed(request: HttpRequest) -> HttpResponseBase:
    """What is not there is not there for anybody, and nobody is asked for a token
    first: so does Zendesk."""
    raise errors.unknown_route()


def _open(view: View, *, takes_files: bool = False) -> View:
    @csrf_exempt
    @login_not_required
    def answered(request: HttpRequest, *words: str) -> HttpResponseBase:
        try:
            return view(request, *words)
        except Refused as refusal:
            return refusal.answer
        except Http404:
            return errors.not_found().answer
        except Exception:
            logger.exception("%s %s failed.", request.method, request.path)
            return errors.crashed().answer

    marks: Any = answered
    marks.takes_files = takes_files
    marks.too_large = _too_large
    return answered


def _too_large(megabytes: int) -> HttpResponse:
    """What middleware.BodyLimit answers."""
    upload = f"A job may have {megabytes:,} MB: send it in parts, or raise JOBSUI_MAX_UPLOAD_MB."
    return errors.too_large(upload if megabytes else "The body is too large.").answer


nowhere = _open(closed)
