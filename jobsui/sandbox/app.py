"""One request's way: route, sign-in, limits, faults, handler, headers."""

import time

from jobsui.sandbox import api_jobs, control, routes
from jobsui.sandbox.account import Account
from jobsui.sandbox.calls import Call
from jobsui.sandbox.errors import (
    Refused,
    bad_bearer,
    missing_scope,
    not_authenticated,
    role_may_not,
    unknown_route,
)
from jobsui.sandbox.protocol import Answer, Request, json_answer

OPEN_PATHS = ("/oauth/", "/api/v2/users/me")
"""Where no sign-in is asked for."""
HTML_502 = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
HTML_LOGIN = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to Zendesk</body></html>\n"


class App:
    def __init__(self, account: Account) -> None:
        self.account = account
        self.answered = 0

    def __call__(self, request: Request) -> Answer:
        self.account.settle()
        controls = request.path.startswith("/sandbox/")
        answer = (
            control.handle(self.account, request) if controls else self._api(request)
        )
        self.account.journal.flush()
        return answer

    def _api(self, request: Request) -> Answer:
        struck: list[str] = []
        try:
            answer = self._guarded(request, struck)
        except Refused as refusal:
            answer = refusal.answer
        settings = self.account.settings
        answer.headers |= self.account.requests.headers(
            settings.requests_per_minute, settings.window_seconds
        )
        answer.delay += settings.latency_ms / 1000
        self.answered += 1
        answer.headers["X-Zendesk-Request-Id"] = f"sandbox-{self.answered:08d}"
        self.account.log.append(
            {
                "time": time.time(),
                "method": request.method,
                "path": request.path,
                "query": request.query,
                "status": 0 if answer.dropped else answer.status,
                "faults": struck,
            }
        )
        return answer

    def _guarded(self, request: Request, struck: list[str]) -> Answer:
        found = routes.match(request.method, request.path)
        if found is None:
            raise unknown_route()
        call = self._signed_in(request)
        if refusal := self._over_limit():
            return refusal
        if answer := self._refused_by_fault(call, struck):
            return answer
        check_rights(call)
        answer = found.handler(call, *found.parameters)
        return self._spoiled_by_fault(call, answer, struck)

    def _signed_in(self, request: Request) -> Call:
        authorization = request.headers.get("authorization")
        if authorization and not request.path.startswith("/oauth/"):
            if (
                not self.account.settings.api_tokens
                and authorization.lower().startswith("basic ")
            ):
                raise not_authenticated()
            return Call(
                self.account, request, self.account.tokens.signed_in(authorization)
            )
        if not request.path.startswith(OPEN_PATHS):
            raise not_authenticated()
        return Call(self.account, request, signed_in=False)

    def _over_limit(self) -> Answer | None:
        settings = self.account.settings
        if self.account.requests.take(
            settings.requests_per_minute, settings.window_seconds
        ):
            return None
        return rate_limited(self.account.requests.reset_in(settings.window_seconds))

    def _refused_by_fault(self, call: Call, struck: list[str]) -> Answer | None:
        """The answer of a fault that strikes before anything is done."""
        retry_after = self.account.settings.retry_after
        method, writes = call.request.method, is_write(call.request)
        posts_job = method == "POST" and call.request.path.removesuffix(
            ".json"
        ).endswith("/jobs")
        faults: list[tuple[str, bool, Answer]] = [
            ("rate-429", True, rate_limited(retry_after)),
            ("500", True, json_answer(500, {"error": "InternalError"})),
            (
                "503",
                True,
                Answer(503, b"Service Unavailable\n", {"Content-Type": "text/plain"}),
            ),
            (
                "503-retry-after",
                True,
                Answer(503, b"Database collision\n", {"Retry-After": str(retry_after)}),
            ),
            ("html-502", True, html(502, HTML_502)),
            ("html-200", True, html(200, HTML_LOGIN)),
            (
                "409",
                writes,
                json_answer(
                    409,
                    {
                        "error": "Conflict",
                        "description": "The resource is being changed.",
                    },
                ),
            ),
            ("missing-scope", writes, missing_scope("write").answer),
            ("drop-before-accept", posts_job, Answer(0, dropped=True)),
            (
                "no-answer",
                posts_job,
                Answer(0, dropped=True, delay=self.account.settings.slow_seconds),
            ),
        ]
        for name, concerns, answer in faults:
            if concerns and self._strikes(name, call, struck):
                return answer
        if posts_job and self._strikes("too-many-jobs", call, struck):
            return api_jobs.too_many_jobs(call)
        return self._bearer_expired(call, struck)

    def _bearer_expired(self, call: Call, struck: list[str]) -> Answer | None:
        if call.token is None or not self._strikes("bearer-expired", call, struck):
            return None
        self.account.tokens.expire(call.token)
        raise bad_bearer()

    def _spoiled_by_fault(
        self, call: Call, answer: Answer, struck: list[str]
    ) -> Answer:
        """Faults that strike when the work is done."""
        if self._strikes("slow", call, struck):
            answer.delay += self.account.settings.slow_seconds
        if answer.status == 201 and call.request.path.removesuffix(".json").endswith(
            "/jobs"
        ):
            if self._strikes("drop-after-accept", call, struck):
                return Answer(0, delay=answer.delay, dropped=True)
            if self._strikes("502-after-accept", call, struck):
                return html(502, HTML_502)
        return answer

    def _strikes(self, name: str, call: Call, struck: list[str]) -> bool:
        if not self.account.faults.strikes(
            name, call.request.method, call.request.path
        ):
            return False
        struck.append(name)
        return True


def is_write(request: Request) -> bool:
    searches = request.path.removesuffix(".json").endswith("/search")
    return (
        request.method != "GET"
        and not searches
        and not request.path.startswith("/oauth/")
    )


def check_rights(call: Call) -> None:
    """What the token's scopes and the person's role allow; raises Refused."""
    if call.token:
        scope = "write" if is_write(call.request) else "read"
        if scope not in call.token.scopes:
            raise missing_scope(scope)
    if (
        call.account.settings.role == "end-user"
        and "custom_objects" in call.request.path
    ):
        raise role_may_not()


def rate_limited(seconds: int) -> Answer:
    headers = {"Content-Type": "text/plain; charset=utf-8", "Retry-After": str(seconds)}
    return Answer(429, b"Number of allowed API requests per minute exceeded", headers)


def html(status: int, body: bytes) -> Answer:
    return Answer(status, body, {"Content-Type": "text/html; charset=utf-8"})
