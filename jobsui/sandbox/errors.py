"""The bodies of error responses. docs/sandbox.md says which are known and which are
assumed."""

from collections.abc import Callable

from jobsui.sandbox.assumptions import Assumptions
from jobsui.sandbox.protocol import Json, Response, json_response


class Refused(Exception):
    """Ends a request with this response."""

    def __init__(
        self, response: Response, *, assumption: str = "", text: str = ""
    ) -> None:
        """`assumption`: which one gives the response another form, with this text."""
        super().__init__(response.status)
        self.response = response
        self.assumption = assumption
        self.text = text

    def response_under(self, assumptions: Assumptions) -> Response:
        """The response in the form that is assumed now."""
        if not self.assumption:
            return self.response
        value = getattr(assumptions, self.assumption)
        other = OTHER_FORMS.get((self.assumption, value))
        return other(self.text) if other else self.response


def unknown_route() -> Refused:
    body = {"error": "InvalidEndpoint", "description": "Not found"}
    return Refused(json_response(404, body))


def not_found() -> Refused:
    body = {"error": "RecordNotFound", "description": "Not found"}
    return Refused(json_response(404, body))


def unknown_object() -> Refused:
    return Refused(not_found().response, assumption="unknown_object")


def custom_objects_off() -> Refused:
    return titled_error(
        404, "Not Found", "Custom objects are not activated on this account."
    )


def titled_error(status: int, title: str, message: str) -> Refused:
    body = {"error": {"title": title, "message": message}}
    return Refused(json_response(status, body))


def not_authenticated() -> Refused:
    response = json_response(401, {"error": "Couldn't authenticate you"})
    response.headers["WWW-Authenticate"] = 'Basic realm="Web Password"'
    return Refused(response)


def bad_bearer() -> Refused:
    description = (
        "The access token provided is expired, revoked, malformed "
        "or invalid for other reasons."
    )
    response = json_response(
        401, {"error": "invalid_token", "error_description": description}
    )
    response.headers["WWW-Authenticate"] = (
        'Bearer realm="Zendesk", error="invalid_token"'
    )
    return Refused(response)


def missing_scope(scope: str) -> Refused:
    description = f"You are missing the following required scopes: {scope}"
    return Refused(
        json_response(403, {"error": "Forbidden", "description": description})
    )


def role_may_not() -> Refused:
    message = (
        "You do not have access to this page. "
        "Please contact the account owner of this help desk for further help."
    )
    response = titled_error(403, "Forbidden", message).response
    return Refused(response, assumption="role_error", text=message)


def invalid_parameter(attribute: str, rule: str, action: str) -> Refused:
    """An error in the form of Zendesk's parameter checks. `action` is, for example,
    "api/v2/custom_objects/jobs/create"."""
    message = (
        f"You passed an invalid value for the {attribute} attribute. "
        f"Invalid parameter: {attribute} {rule} from {action}"
    )
    response = titled_error(400, "Invalid attribute", message).response
    return Refused(response, assumption="invalid_request", text=message)


def unreadable_json() -> Refused:
    body = {
        "error": "Unprocessable JSON",
        "description": "The body is not valid JSON",
    }
    return Refused(json_response(400, body), assumption="malformed_json")


def record_invalid(details: dict[str, list[dict[str, str]]]) -> Refused:
    body = {
        "error": "RecordInvalid",
        "description": "Record validation errors",
        "details": details,
    }
    return Refused(json_response(422, body))


def invalid_because(description: str) -> Refused:
    return record_invalid({"base": [{"description": description}]})


def export_error(status: int, code: str, title: str) -> Refused:
    errors: Json = [{"code": code, "status": str(status), "title": title}]
    return Refused(json_response(status, {"errors": errors}))


def oauth_error(code: str, description: str, *, status: int = 400) -> Refused:
    return Refused(
        json_response(status, {"error": code, "error_description": description})
    )


def wrong_client() -> Refused:
    return Refused(wrong_client_response(401), assumption="invalid_client")


def wrong_client_response(status: int) -> Response:
    description = "Client authentication failed due to unknown client or secret."
    return oauth_error("invalid_client", description, status=status).response


def parameter_errors(text: str) -> Response:
    error = {"code": "InvalidParameter", "title": "Invalid parameter", "detail": text}
    return json_response(400, {"errors": [error]})


OTHER_FORMS: dict[tuple[str, str], Callable[[str], Response]] = {
    ("invalid_request", "400-errors"): parameter_errors,
    ("invalid_request", "422"): lambda text: invalid_because(text).response,
    ("unknown_object", "titled"): lambda _: (
        titled_error(404, "Not Found", "Custom object not found").response
    ),
    ("malformed_json", "422"): lambda _: json_response(
        422, {"error": "Unprocessable Entity", "description": "Malformed JSON"}
    ),
    ("role_error", "description"): lambda text: json_response(
        403, {"error": "Forbidden", "description": text}
    ),
    ("invalid_client", "400"): lambda _: wrong_client_response(400),
}
"""The response by assumption and value, where it is not the one raised."""
