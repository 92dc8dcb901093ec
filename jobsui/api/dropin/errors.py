"""Errors in the forms that Zendesk uses, with sentences that say what to do.
docs/zendesk.md says how certain each form is."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse, JsonResponse

from jobsui.connections.errors import (
    ConnectionsError,
    NotSent,
    RateLimited,
    Unconfirmed,
    ZendeskError,
    explain,
)

RETRY_AFTER_SECONDS = "30"
RATE_LIMITED = "Number of allowed API requests per minute exceeded"


class DropinError(Exception):
    """Ends a request with this response."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response.status_code)
        self.response = response


def _json_error(status: int, body: dict[str, Any], **headers: str) -> DropinError:
    """Names of `headers` have underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return DropinError(JsonResponse(body, status=status, headers=named))


def _described(
    status: int, error: str, description: str, **headers: str
) -> DropinError:
    body = {"error": error, "description": description}
    return _json_error(status, body, **headers)


def unknown_route() -> DropinError:
    return _described(404, "InvalidEndpoint", "Not found")


def not_found() -> DropinError:
    return _described(404, "RecordNotFound", "Not found")


def method_not_allowed(allowed: Iterable[str]) -> DropinError:
    methods = ", ".join(allowed)
    description = (
        f"This address supports {methods}. Jobs UI runs bulk jobs and forwards reads. "
        "Send any other request to Zendesk itself."
    )
    return _described(405, "MethodNotAllowed", description, Allow=methods)


def https_required(description: str) -> DropinError:
    return _described(403, "HttpsRequired", description)


def not_authenticated() -> DropinError:
    return _json_error(
        401,
        {"error": "Couldn't authenticate you"},
        WWW_Authenticate='Basic realm="Jobs UI"',
    )


def invalid_bearer() -> DropinError:
    body = {
        "error": "invalid_token",
        "error_description": (
            "The access token provided is expired, revoked, malformed "
            "or invalid for other reasons."
        ),
    }
    challenge = 'Bearer realm="Jobs UI", error="invalid_token"'
    return _json_error(401, body, WWW_Authenticate=challenge)


def too_many_invalid_tokens(seconds: int) -> DropinError:
    description = (
        "Too many invalid API tokens from this address. Correct the token, then wait "
        f"{seconds} seconds."
    )
    return _described(
        429, "TooManyInvalidTokens", description, Retry_After=str(seconds)
    )


def forbidden(description: str) -> DropinError:
    return _described(403, "Forbidden", description)


def invalid_parameter(attribute: str, rule: str, action: str) -> DropinError:
    """The form of Zendesk's parameter layer. `action` is like
    "api/v2/custom_objects/jobs/create"."""
    message = (
        f"You passed an invalid value for the {attribute} attribute. "
        f"Invalid parameter: {attribute} {rule} from {action}"
    )
    body = {"error": {"title": "Invalid attribute", "message": message}}
    return _json_error(400, body)


def bad_request(error: str, description: str) -> DropinError:
    return _described(400, error, description)


def length_required() -> DropinError:
    return _described(
        411, "LengthRequired", "Send the body with a Content-Length header."
    )


def unsupported_media_type(accepted: str) -> DropinError:
    description = f"Send the body with the header Content-Type: {accepted}."
    return _described(415, "UnsupportedMediaType", description, Accept_Post=accepted)


def too_large(description: str) -> DropinError:
    return _described(413, "TooLarge", description)


def no_room(description: str) -> DropinError:
    return _described(507, "InsufficientStorage", description)


def rate_limited(seconds: int) -> DropinError:
    """Plain text, as Zendesk sends it."""
    return DropinError(
        HttpResponse(
            RATE_LIMITED,
            status=429,
            content_type="text/plain; charset=utf-8",
            headers={"Retry-After": str(seconds)},
        )
    )


def zendesk_failed(error: ZendeskError | ConnectionsError) -> DropinError:
    """503 if Zendesk is unavailable for now, 502 if the connection needs a person."""
    if isinstance(error, RateLimited | NotSent | Unconfirmed):
        return _described(
            503,
            "ServiceUnavailable",
            explain(error),
            Retry_After=RETRY_AFTER_SECONDS,
        )
    description = explain(error) if isinstance(error, ZendeskError) else str(error)
    return _described(502, "BadGateway", description)


def not_json(status: int) -> DropinError:
    """The response is something else, for example the web page of a proxy."""
    description = (
        f"Zendesk responded with {status} and a body that is not JSON. "
        "Try again in a minute."
    )
    return _described(502, "BadGateway", description)


def internal_error() -> DropinError:
    description = "Something went wrong. Try again. The server log has the details."
    return _described(500, "InternalServerError", description)
