"""What is refused, in the forms Zendesk uses (docs/zendesk.md says how sure they are)
and with a sentence that says what to do."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse, JsonResponse

from jobsui.connections.errors import (
    ConnectionsError,
    Limited,
    NotSent,
    Unsure,
    ZendeskError,
    explain,
)

AGAIN_SECONDS = "30"
SLOW_DOWN = "Number of allowed API requests per minute exceeded"


class Refused(Exception):
    """Ends a request with this answer."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def _refused(status: int, body: dict[str, Any], **headers: str) -> Refused:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refused(JsonResponse(body, status=status, headers=named))


def unknown_route() -> Refused:
    return _refused(404, {"error": "InvalidEndpoint", "description": "Not found"})


def not_found() -> Refused:
    return _refused(404, {"error": "RecordNotFound", "description": "Not found"})


def wrong_method(allowed: Iterable[str]) -> Refused:
    methods = ", ".join(allowed)
    description = (
        f"Only {methods} is answered here. Jobs UI takes bulk jobs and passes reads on to Zendesk; send any other "
        "request to Zendesk itself."
    )
    return _refused(
        405, {"error": "MethodNotAllowed", "description": description}, Allow=methods
    )


def not_authenticated() -> Refused:
    return _refused(
        401,
        {"error": "Couldn't authenticate you"},
        WWW_Authenticate='Basic realm="Jobs UI"',
    )


def bad_bearer() -> Refused:
    description = "The access token provided is expired, revoked, malformed or invalid for other reasons."
    body = {"error": "invalid_token", "error_description": description}
    return _refused(
        401, body, WWW_Authenticate='Bearer realm="Jobs UI", error="invalid_token"'
    )


def too_many_wrong_tokens(seconds: int) -> Refused:
    description = f"Too many wrong API tokens came from this address. Wait {seconds} seconds, and correct the token."
    return _refused(
        429,
        {"error": "TooManyWrongTokens", "description": description},
        Retry_After=str(seconds),
    )


def forbidden(description: str) -> Refused:
    return _refused(403, {"error": "Forbidden", "description": description})


def invalid_parameter(attribute: str, rule: str, where: str) -> Refused:
    """The form of Zendesk's parameter layer; `where` is like
    "api/v2/custom_objects/jobs/create"."""
    message = (
        f"You passed an invalid value for the {attribute} attribute. "
        f"Invalid parameter: {attribute} {rule} from {where}"
    )
    return _refused(400, {"error": {"title": "Invalid attribute", "message": message}})


def bad_request(error: str, description: str) -> Refused:
    return _refused(400, {"error": error, "description": description})


def no_length() -> Refused:
    return _refused(
        411,
        {
            "error": "LengthRequired",
            "description": "Send the body with a Content-Length header.",
        },
    )


def too_large(description: str) -> Refused:
    return _refused(413, {"error": "TooLarge", "description": description})


def slow_down(seconds: int) -> Refused:
    headers = {"Retry-After": str(seconds)}
    return Refused(
        HttpResponse(
            SLOW_DOWN,
            status=429,
            content_type="text/plain; charset=utf-8",
            headers=headers,
        )
    )


def no_answer(error: ZendeskError | ConnectionsError) -> Refused:
    """Zendesk could not be asked: just now, or until somebody mends the connection."""
    if isinstance(error, Limited | NotSent | Unsure):
        return _refused(
            503,
            {"error": "ServiceUnavailable", "description": explain(error)},
            Retry_After=AGAIN_SECONDS,
        )
    description = explain(error) if isinstance(error, ZendeskError) else str(error)
    return _refused(502, {"error": "BadGateway", "description": description})


def no_json(status: int) -> Refused:
    """Zendesk answered with something else, such as a web page of a proxy."""
    description = f"Zendesk answered with {status} and something that is not JSON. Try again in a minute."
    return _refused(502, {"error": "BadGateway", "description": description})


def crashed() -> Refused:
    description = "Something broke on our side; the server's log has it. Try again."
    return _refused(500, {"error": "InternalServerError", "description": description})
