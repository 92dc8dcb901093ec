"""Errors of the REST API as problem details (RFC 9457): `detail` says what is wrong and
what to do."""

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
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from jobsui.access.errors import TokenRefused
from jobsui.access.limits import LimitReached
from jobsui.access.policy import NotAllowed
from jobsui.api.schema import Schema
from jobsui.connections.errors import (
    ConnectionInUse,
    ConnectionRefused,
    ConnectionsError,
    RateLimited,
    Refused,
    ZendeskError,
    explain,
)
from jobsui.jobs.errors import (
    ChangedSinceCheck,
    FileRefused,
    JobsError,
    MappingRefused,
    NoRoom,
    NotPossibleNow,
    UnreachableNow,
)
from jobsui.paging import BadCursor

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 30
"""If Zendesk does not say when to try again."""
NOT_FOUND = (
    "Not found, or this token has no access to it. "
    "Check the ID and the connection of the token."
)
NOT_AUTHENTICATED = (
    "Send a valid API token in the header Authorization: Bearer TOKEN. "
    "Create one at /tokens/ or with manage.py createtoken."
)
BAD_CURSOR = "is not a cursor of this list; use next from a page, or leave it out"
BODY_TOO_LARGE = (
    "The request body is too large. The maximum is 10 MB. "
    "Upload rows as a file: POST /api/v1/files."
)
BUSY = (
    "Jobs UI serves as many uploads, downloads and waiting requests as it can at the moment. "
    "Nothing was changed. Repeat the request after the time in Retry-After."
)
MAX_ERRORS = 20
"""Of a body, that are listed."""
UNREADABLE = "The request could not be read. Check how its body is encoded."
UNEXPECTED = "Something went wrong. Try again. The server log has the details."
UNKNOWN_REFERENCE = "is unknown, or this token has no access to it"


class ProblemOut(Schema):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    """Identifies the error for programs."""
    errors: list[dict[str, str]] | None = None
    """What is wrong with single members: `{"where": ..., "message": ...}`."""


class Problem(Exception):
    """Ends a request with this error."""

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
        """Seconds until the request may be repeated; None: unknown."""

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
    """Turn Http404 into a validation error: what was not found is named by `member` of
    the body, not by the address."""
    try:
        yield
    except Http404:
        errors = [{"where": f"body.{member}", "message": UNKNOWN_REFERENCE}]
        detail = f"The {member} {UNKNOWN_REFERENCE}. Check its ID."
        raise Problem(422, f"unknown_{member}", detail, errors) from None


def problem_of(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case Http404():
            return Problem(404, "not_found", NOT_FOUND)
        case NotAllowed():
            return Problem(403, "not_allowed", str(error))
        case AuthenticationError():
            return Problem(401, "not_authenticated", NOT_AUTHENTICATED)
        case ValidationError():
            return _invalid(error)
        case BadCursor():
            errors = [{"where": "query.cursor", "message": BAD_CURSOR}]
            return Problem(422, "bad_cursor", f"query.cursor: {BAD_CURSOR}.", errors)
        case JobsError() | FileRefused():
            return _jobs_problem(error)
        case ConnectionInUse():
            return Problem(409, "not_possible_now", str(error))
        case ConnectionRefused():
            errors = [{"where": error.member, "message": str(error)}]
            return Problem(422, "refused", str(error), errors)
        case ConnectionsError():
            return Problem(422, "refused", str(error))
        case LimitReached():
            return Problem(
                429, "limit_reached", str(error), retry_after=error.retry_after
            )
        case TokenRefused():
            return Problem(403, "not_allowed", str(error))
        case ZendeskError():
            return _zendesk_problem(error)
        case RequestDataTooBig():
            return Problem(413, "too_large", BODY_TOO_LARGE)
        case HttpError():
            # The library wraps what the parser raises.
            if isinstance(error.__cause__, Problem):
                return error.__cause__
            return Problem(error.status_code, "bad_request", str(error))
        case SuspiciousOperation() | MultiPartParserError() | UnreadablePostError():
            return Problem(400, "bad_request", UNREADABLE)
    logger.error("An API request failed.", exc_info=error)
    return Problem(500, "internal_error", UNEXPECTED)


def install(api: NinjaAPI) -> None:
    """Answer every error of `api` as a problem."""

    def answer(
        _request: HttpRequest, error: Exception | type[Exception]
    ) -> HttpResponse:
        raised = error if isinstance(error, Exception) else error()
        return problem_of(raised).response()

    handled: list[type[Exception]] = [Exception, Http404, HttpError, ValidationError]
    for kind in handled:
        api.add_exception_handler(kind, answer)


def _jobs_problem(error: JobsError | FileRefused) -> Problem:
    detail = str(error)
    match error:
        case MappingRefused():
            errors = [
                {"where": "body.mapping", "message": problem}
                for problem in error.problems
            ]
            return Problem(422, "mapping_refused", detail, errors)
        case NoRoom():
            return Problem(507, "no_room", detail)
        case UnreachableNow():
            return Problem(
                503, "zendesk_unreachable", detail, retry_after=RETRY_AFTER_SECONDS
            )
        case ChangedSinceCheck():
            return Problem(409, "changed_since_check", detail)
        case NotPossibleNow():
            return Problem(409, "not_possible_now", detail)
    return Problem(422, "refused", detail)


def _zendesk_problem(error: ZendeskError) -> Problem:
    detail = explain(error)
    match error:
        case Refused():
            return Problem(422, "zendesk_refused", detail)
        case RateLimited():
            wait = RETRY_AFTER_SECONDS
            if error.retry_after is not None:
                wait = math.ceil(error.retry_after)
            return Problem(503, "zendesk_limited", detail, retry_after=wait)
    return Problem(502, "zendesk_unreachable", detail)


def _invalid(error: ValidationError) -> Problem:
    errors = [
        {"where": _where(each["loc"]), "message": _message(each)}
        for each in error.errors[:MAX_ERRORS]
    ]
    return invalid(errors, len(error.errors))


def invalid(errors: list[dict[str, str]], count: int) -> Problem:
    """`errors`: the first MAX_ERRORS of `count`."""
    first = errors[0]
    detail = f"{first['where']}: {first['message']}."
    if count > len(errors):
        detail += f" errors lists the first {len(errors)} of {count:,}."
    elif count > 1:
        detail += f" errors lists {count - 1} more."
    return Problem(422, "invalid", detail, errors)


def _where(loc: tuple[Any, ...]) -> str:
    """The parser's location as "body.options.blank", without the name of the Python
    parameter that follows "body"."""
    source, *path = [str(part) for part in loc]
    if source == "body":
        path = path[1:]
    return ".".join([source, *path])


def _message(error: dict[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    return message[:1].lower() + message[1:]
