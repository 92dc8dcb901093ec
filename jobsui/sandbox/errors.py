"""The bodies of refusals. docs/sandbox.md says which of them are known and which are
assumed."""

from jobsui.sandbox.protocol import Answer, Json, json_answer


class Refused(Exception):
    """Ends a request with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def unknown_route() -> Refused:
    return Refused(
        json_answer(404, {"error": "InvalidEndpoint", "description": "Not found"})
    )


def not_found() -> Refused:
    return Refused(
        json_answer(404, {"error": "RecordNotFound", "description": "Not found"})
    )


def custom_objects_off() -> Refused:
    message = "Custom objects are not activated on this account."
    return Refused(
        json_answer(404, {"error": {"title": "Not Found", "message": message}})
    )


def not_authenticated() -> Refused:
    answer = json_answer(401, {"error": "Couldn't authenticate you"})
    answer.headers["WWW-Authenticate"] = 'Basic realm="Web Password"'
    return Refused(answer)


def bad_bearer() -> Refused:
    description = "The access token provided is expired, revoked, malformed or invalid for other reasons."
    answer = json_answer(
        401, {"error": "invalid_token", "error_description": description}
    )
    answer.headers["WWW-Authenticate"] = 'Bearer realm="Zendesk", error="invalid_token"'
    return Refused(answer)


def missing_scope(scope: str) -> Refused:
    description = f"You are missing the following required scopes: {scope}"
    return Refused(json_answer(403, {"error": "Forbidden", "description": description}))


def role_may_not() -> Refused:
    message = (
        "You do not have access to this page. "
        "Please contact the account owner of this help desk for further help."
    )
    return Refused(
        json_answer(403, {"error": {"title": "Forbidden", "message": message}})
    )


def invalid_parameter(attribute: str, rule: str, action: str) -> Refused:
    """The form of Zendesk's parameter layer: `action` is like
    "api/v2/custom_objects/jobs/create"."""
    message = (
        f"You passed an invalid value for the {attribute} attribute. "
        f"Invalid parameter: {attribute} {rule} from {action}"
    )
    return Refused(
        json_answer(400, {"error": {"title": "Invalid attribute", "message": message}})
    )


def unreadable_json() -> Refused:
    return Refused(
        json_answer(
            400,
            {
                "error": "Unprocessable JSON",
                "description": "The body is not valid JSON",
            },
        )
    )


def record_invalid(details: dict[str, list[dict[str, str]]]) -> Refused:
    body = {
        "error": "RecordInvalid",
        "description": "Record validation errors",
        "details": details,
    }
    return Refused(json_answer(422, body))


def invalid_because(description: str) -> Refused:
    return record_invalid({"base": [{"description": description}]})


def export_error(status: int, code: str, title: str) -> Refused:
    errors: Json = [{"code": code, "status": str(status), "title": title}]
    return Refused(json_answer(status, {"errors": errors}))


def oauth_error(code: str, description: str, *, status: int = 400) -> Refused:
    return Refused(
        json_answer(status, {"error": code, "error_description": description})
    )
