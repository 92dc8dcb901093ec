"""Who is calling, and whether they may."""

from django.http import HttpRequest
from ninja.security import HttpBearer

from jobsui.access import tokens
from jobsui.access.models import ApiToken, Scope
from jobsui.api.problems import Problem
from jobsui.api.throttle import wrong_token


class ApiRequest(HttpRequest):
    auth: ApiToken


class Bearer(HttpBearer):
    """Lets in tokens of at least this scope."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        known = tokens.recognise(token)
        if known is None:
            if wait := wrong_token(request):
                raise Problem(
                    429,
                    "too_many_wrong_tokens",
                    f"Too many wrong tokens. Wait {wait} seconds.",
                    retry_after=wait,
                )
            return None
        require(known, self._scope)
        return known


READ = Bearer(Scope.READ)
RUN = Bearer(Scope.RUN)
ADMIN = Bearer(Scope.ADMIN)


def require(token: ApiToken, scope: Scope) -> None:
    """Raise Problem unless the token may do what needs this scope."""
    if not token.may.includes(scope):
        raise Problem(
            403,
            "scope_missing",
            f"This needs a token of the scope {scope.value}; yours may only "
            f"{token.may.value}. Make another at /tokens/.",
        )
