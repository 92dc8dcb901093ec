"""Refusals of the API as problem details (RFC 9457): `detail` says what is wrong and
what to do about it."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    UnreadablePostError,
)
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError

from jobsui.access.errors import TokenRefused
from jobsui.connections.errors import (
    ConnectionInUse,
    ConnectionRefused,
    ConnectionsError,
    Limited,
    Refused,
    ZendeskError,
    explain,
)
from jobsui.jobs.errors import (
    ChangedSinceCheck,
    FileRefused,
    JobsError,
    MappingRefused,
    NotPossibleNow,
    UnreachableNow,
)
from jobsui.paging import BadCursor

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
AGAIN_SECONDS = 30
"""After which Zendesk may answer again, where nobody says."""
NOT_FOUND = "There is no such thing, or this token does not see it. Check the id, and the connection of the token."
NOT_SIGNED_IN = (
    "Send a valid API token in the header Authorization: Bearer TOKEN. Make one at /tokens/, or by manage.py "
    "createtoken."
)
BAD_CURSOR = "is none of a page of this list; follow next of a page, or leave it out"
BODY_TOO_LARGE = (
    "The body is larger than 10 MB. Send rows as a file: POST /api/v1/files."
)
UNEXPECTED = "Something went wrong on our side; the server's log has it. Try again."


class ProblemOut(Schema):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    """A word for programs."""
    errors: list[dict[str, str]] | None = None
    """What is wrong with single members: {"where": ..., "message": ...}."""


class Problem(Exception):
    """Ends a request with this refusal."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: list[dict[str, str]] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after
        """Seconds after which it may be tried again; None: not said."""

    def response(self) -> HttpResponse:
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors is not None:
            body["errors"] = self.errors
        response = JsonResponse(body, status=self.status, content_type=CONTENT_TYPE)
        if self.status == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = 'Bearer realm="Jobs UI"'
        if self.retry_after is not None:
            response["Retry-After"] = str(self.retry_after)
        return response


@contextmanager
def named_in_body(member: str) -> Iterator[None]:
    """What `member` of the body names and is not found is a fault of the body, not of
    the address."""
    try:
        yield
    except Http404:
        said = "is not known, or this token does not see it"
        errors = [{"where": f"body.{member}", "message": said}]
        raise Problem(
            422, f"unknown_{member}", f"The {member} {said}. Check its id.", errors
        ) from None


def problem_of(error: Exception) -> Problem:
    """What an error means for the one who asked."""
    match error:
        case Problem():
            return error
        case Http404():
            return Problem(404, "not_found", NOT_FOUND)
        case AuthenticationError():
            return Problem(401, "not_signed_in", NOT_SIGNED_IN)
        case ValidationError():
            return _invalid(error)
        case BadCursor():
            errors = [{"where": "query.cursor", "message": BAD_CURSOR}]
            return Problem(422, "bad_cursor", f"query.cursor: {BAD_CURSOR}.", errors)
        case MappingRefused():
            errors = [
                {"where": "body.mapping", "message": each} for each in error.problems
            ]
            return Problem(422, "mapping_refused", str(error), errors)
        case UnreachableNow():
            return Problem(
                503, "zendesk_unreachable", str(error), retry_after=AGAIN_SECONDS
            )
        case ChangedSinceCheck():
            return Problem(409, "changed_since_check", str(error))
        case NotPossibleNow():
            return Problem(409, "not_possible_now", str(error))
        case ConnectionInUse():
            return Problem(409, "not_possible_now", str(error))
        case ConnectionRefused():
            return Problem(
                422,
                "refused",
                str(error),
                [{"where": error.member, "message": str(error)}],
            )
        case JobsError() | ConnectionsError() | FileRefused():
            return Problem(422, "refused", str(error))
        case TokenRefused():
            return Problem(403, "not_allowed", str(error))
        case Refused():
            return Problem(422, "zendesk_refused", explain(error))
        case Limited():
            wait = (
                AGAIN_SECONDS
                if error.retry_after is None
                else math.ceil(error.retry_after)
            )
            return Problem(503, "zendesk_limited", explain(error), retry_after=wait)
        case ZendeskError():
            return Problem(502, "zendesk_unreachable", explain(error))
        case RequestDataTooBig():
            return Problem(413, "too_large", BODY_TOO_LARGE)
        case HttpError():
            cause = error.__cause__
            return (
                cause
                if isinstance(cause, Problem)
                else Problem(error.status_code, "bad_request", str(error))
            )
        case SuspiciousOperation() | MultiPartParserError() | UnreadablePostError():
            return Problem(
                400,
                "bad_request",
                "The request cannot be read. Check how its body is built.",
            )
    logger.error("A request to the API failed.", exc_info=error)
    return Problem(500, "unexpected", UNEXPECTED)


def install(api: NinjaAPI) -> None:
    """Have every error of `api` answered as a problem."""

    def answer(
        request: HttpRequest, error: Exception | type[Exception]
    ) -> HttpResponse:
        return problem_of(error if isinstance(error, Exception) else error()).response()

    handled: list[type[Exception]] = [Exception, Http404, HttpError, ValidationError]
    for kind in handled:
        api.add_exception_handler(kind, answer)


def _invalid(error: ValidationError) -> Problem:
    errors = [
        {"where": _where(each["loc"]), "message": _message(each)}
        for each in error.errors
    ]
    first = errors[0]
    more = f" And {len(errors) - 1} more, in errors." if len(errors) > 1 else ""
    return Problem(
        422, "invalid", f"{first['where']}: {first['message']}.{more}", errors
    )


def _where(loc: tuple[Any, ...]) -> str:
    """ "body.options.blank" for where the parser found it; without the name of our own
    parameter."""
    place, *path = [str(part) for part in loc]
    named = path[1:] if place == "body" else path
    return ".".join([place, *named])


def _message(error: dict[str, Any]) -> str:
    said = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    return said[:1].lower() + said[1:]
