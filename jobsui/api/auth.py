"""Authentication and scopes of the REST API."""

from django.http import HttpRequest
from ninja.security import HttpBearer

from jobsui.access import policy, tokens
from jobsui.access.models import ApiToken, Scope
from jobsui.api.problems import Problem
from jobsui.api.throttle import count_rejected_token


class ApiRequest(HttpRequest):
    auth: ApiToken


class Bearer(HttpBearer):
    """Accepts tokens of at least this scope."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        api_token = tokens.authenticate(token)
        if api_token is None:
            if wait := count_rejected_token(request):
                raise Problem(
                    429,
                    "too_many_invalid_tokens",
                    f"Too many invalid tokens. Wait {wait} seconds.",
                    retry_after=wait,
                )
            return None
        require_scope(api_token, self._scope)
        return api_token


READ = Bearer(Scope.READ)
RUN = Bearer(Scope.RUN)
ADMIN = Bearer(Scope.ADMIN)


def require_scope(token: ApiToken, scope: Scope) -> None:
    """Raise Problem unless the token has this scope."""
    if why := policy.scope_refusal(token, scope):
        sentence = f"This requires a token with the scope {scope.value}. {why}"
        raise Problem(403, "scope_missing", sentence)
