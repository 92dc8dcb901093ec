"""The bodies of error responses. docs/sandbox.md says which are known and which are
assumed."""

from jobsui.sandbox.protocol import Json, Response, json_response


class Refused(Exception):
    """Ends a request with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def unknown_route() -> Refused:
    body = {"error": "InvalidEndpoint", "description": "Not found"}
    return Refused(json_response(404, body))


def not_found() -> Refused:
    body = {"error": "RecordNotFound", "description": "Not found"}
    return Refused(json_response(404, body))


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
    return titled_error(403, "Forbidden", message)


def invalid_parameter(attribute: str, rule: str, action: str) -> Refused:
    """An error in the form of Zendesk's parameter checks. `action` is, for example,
    "api/v2/custom_objects/jobs/create"."""
    message = (
        f"You passed an invalid value for the {attribute} attribute. "
        f"Invalid parameter: {attribute} {rule} from {action}"
    )
    return titled_error(400, "Invalid attribute", message)


def unreadable_json() -> Refused:
    body = {
        "error": "Unprocessable JSON",
        "description": "The body is not valid JSON",
    }
    return Refused(json_response(400, body))


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
