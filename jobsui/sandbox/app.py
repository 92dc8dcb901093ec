"""Handles one request: route, authentication, limits, faults, handler, headers."""

import time

from jobsui.sandbox import api_jobs, control, kinds, routes
from jobsui.sandbox.account import Account
from jobsui.sandbox.calls import Call
from jobsui.sandbox.errors import (
    Refused,
    bad_bearer,
    export_error,
    missing_scope,
    not_authenticated,
    role_may_not,
    unknown_route,
)
from jobsui.sandbox.protocol import JsonObject, Request, Response, json_response
from jobsui.sandbox.settings import Settings

OPEN_PATHS = ("/oauth/", "/api/v2/users/me")
"""Paths that need no credentials."""
HTML_502 = (
    b"<html><head><title>502 Bad Gateway</title></head>"
    b"<body><h1>502 Bad Gateway</h1></body></html>\n"
)
HTML_LOGIN = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head>"
    b"<body>Sign in to Zendesk</body></html>\n"
)


class App:
    def __init__(self, account: Account) -> None:
        self.account = account
        self.handled = 0

    def __call__(self, request: Request) -> Response:
        self.account.settle()
        if request.path.startswith("/sandbox/"):
            response = control.handle(self.account, request)
        else:
            response = self._api(request)
        self.account.journal.flush()
        return response

    def _api(self, request: Request) -> Response:
        triggered: list[str] = []
        try:
            response = self._guarded(request, triggered)
        except Refused as refusal:
            response = refusal.response_under(self.account.assumptions)
        settings = self.account.settings
        response.headers |= self.account.requests.headers(
            settings.requests_per_minute, settings.window_seconds
        )
        response.delay += settings.latency_ms / 1000
        self.handled += 1
        response.headers["X-Zendesk-Request-Id"] = f"sandbox-{self.handled:08d}"
        self._log(request, response, triggered)
        return response

    def _log(self, request: Request, response: Response, triggered: list[str]) -> None:
        entry: JsonObject = {
            "time": time.time(),
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "status": 0 if response.dropped else response.status,
            "faults": triggered,
        }
        self.account.log.append(entry)

    def _guarded(self, request: Request, triggered: list[str]) -> Response:
        if refusal := self._too_long(request):
            return refusal
        found = routes.match(request.method, request.path)
        if found is None:
            raise unknown_route()
        self.account.received[kinds.kind_of(request, found.handler)] += 1
        call = self._authenticated(request)
        if refusal := self._over_limit() or self._too_large(request):
            return refusal
        if response := self._fault_before(call, triggered):
            return response
        check_permissions(call)
        response = found.handler(call, *found.parameters)
        return self._fault_after(call, response, triggered)

    def _authenticated(self, request: Request) -> Call:
        authorization = request.headers.get("authorization")
        if authorization and not request.path.startswith("/oauth/"):
            is_api_token = authorization.lower().startswith("basic ")
            if is_api_token and not self.account.settings.api_tokens:
                raise not_authenticated()
            token = self.account.tokens.authenticate(authorization)
            return Call(self.account, request, token)
        if not request.path.startswith(OPEN_PATHS):
            raise not_authenticated()
        return Call(self.account, request, signed_in=False)

    def _over_limit(self) -> Response | None:
        limit = self.account.settings.requests_per_minute
        seconds = self.account.settings.window_seconds
        if self.account.requests.take(limit, seconds, self.account.assumptions):
            return None
        return rate_limited(self.account.requests.reset_in(seconds))

    def _too_long(self, request: Request) -> Response | None:
        """The refusal of an address that is too long, by the server in front of the API."""
        assumptions = self.account.assumptions
        limit = assumptions.address_limit
        if not limit or request.address_length <= limit:
            return None
        status = int(assumptions.long_address)
        return html(status, b"<html><h1>The address is too long</h1></html>")

    def _too_large(self, request: Request) -> Response | None:
        limit = self.account.assumptions.request_limit_bytes
        if not limit or len(request.body) <= limit:
            return None
        return html(413, b"<html><h1>413 Request Entity Too Large</h1></html>")

    def _fault_before(self, call: Call, triggered: list[str]) -> Response | None:
        """The response of a fault that triggers before the handler runs."""
        names = ["rate-429", "500", "503", "503-retry-after", "html-502", "html-200"]
        if is_write(call.request):
            names += ["409", "missing-scope"]
        elif "/records" in call.request.path:
            names.append("refused-reads")
        elif "/job_statuses" in call.request.path:
            names.append("refused-statuses")
        elif "/incremental/" in call.request.path:
            names.append("refused-exports")
        if is_job_post(call.request):
            names += ["drop-before-accept", "no-answer", "too-many-jobs"]
        if call.token:
            names.append("bearer-expired")
        for name in names:
            if self._triggers(name, call, triggered):
                return self._fault_response(name, call)
        return None

    def _fault_response(self, name: str, call: Call) -> Response:
        if name == "too-many-jobs":
            return api_jobs.too_many_jobs(call)
        if name == "bearer-expired" and call.token:
            self.account.tokens.expire(call.token)
            return bad_bearer().response
        return fault_responses(self.account.settings)[name]

    def _fault_after(
        self, call: Call, response: Response, triggered: list[str]
    ) -> Response:
        """The response, changed by the faults that trigger after the handler ran."""
        if self._triggers("slow", call, triggered):
            response.delay += self.account.settings.slow_seconds
        if response.status != 201 or not is_job_post(call.request):
            return response
        if self._triggers("drop-after-accept", call, triggered):
            return Response(0, delay=response.delay, dropped=True)
        if self._triggers("502-after-accept", call, triggered):
            return html(502, HTML_502)
        return response

    def _triggers(self, name: str, call: Call, triggered: list[str]) -> bool:
        request = call.request
        if not self.account.faults.triggers(name, request.method, request.path):
            return False
        triggered.append(name)
        return True


def fault_responses(settings: Settings) -> dict[str, Response]:
    """The responses of the faults that ignore what the request asks for."""
    conflict = {"error": "Conflict", "description": "The resource is being changed."}
    retry_after = {"Retry-After": str(settings.retry_after)}
    plain_text = {"Content-Type": "text/plain"}
    return {
        "rate-429": rate_limited(settings.retry_after),
        "500": json_response(500, {"error": "InternalError"}),
        "503": Response(503, b"Service Unavailable\n", plain_text),
        "503-retry-after": Response(503, b"Database collision\n", retry_after),
        "html-502": html(502, HTML_502),
        "html-200": html(200, HTML_LOGIN),
        "409": json_response(409, conflict),
        "missing-scope": missing_scope("write").response,
        "refused-reads": role_may_not().response,
        "refused-statuses": role_may_not().response,
        "refused-exports": export_error(403, "Forbidden", "Forbidden").response,
        "drop-before-accept": Response(0, dropped=True),
        "no-answer": Response(0, dropped=True, delay=settings.slow_seconds),
    }


def is_write(request: Request) -> bool:
    is_search = request.path.removesuffix(".json").endswith("/search")
    is_sign_in = request.path.startswith("/oauth/")
    return request.method != "GET" and not is_search and not is_sign_in


def is_job_post(request: Request) -> bool:
    path = request.path.removesuffix(".json")
    return request.method == "POST" and path.endswith("/jobs")


def check_permissions(call: Call) -> None:
    """Check the token's scopes and the user's role. Raises Refused."""
    if call.token:
        sufficient = sufficient_scopes(call)
        if sufficient and not sufficient & set(call.token.scopes):
            raise missing_scope(min(sufficient, key=len))
    role = call.account.settings.role
    if role == "end-user" and "custom_objects" in call.request.path:
        raise role_may_not()


def sufficient_scopes(call: Call) -> set[str]:
    """The scopes of which the request requires one; none for a request that any token
    may send."""
    assumptions = call.account.assumptions
    path = call.request.path.removesuffix(".json")
    right = "write" if is_write(call.request) else "read"
    if path.endswith("/users/me") and assumptions.users_me_scope == "any":
        return set()
    if is_job_post(call.request):
        is_granular = assumptions.jobs_scope == "granular"
    elif "/job_statuses" in path:
        is_granular = assumptions.job_statuses_scope == "granular"
    else:
        is_granular = "/custom_objects" in path
    return {right, f"custom_objects:{right}"} if is_granular else {right}


def rate_limited(seconds: int) -> Response:
    headers = {"Content-Type": "text/plain; charset=utf-8", "Retry-After": str(seconds)}
    return Response(429, b"Number of allowed API requests per minute exceeded", headers)


def html(status: int, body: bytes) -> Response:
    return Response(status, body, {"Content-Type": "text/html; charset=utf-8"})
