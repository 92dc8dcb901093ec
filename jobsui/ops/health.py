"""/healthz: whether this process could serve people now."""

from collections.abc import Callable

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from jobsui.jobs import queueing

PATH = "/healthz"


def middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Answers before anything else looks at the request: who asks comes by a bare
    address instead of an allowed host name, without TLS and without a log-in."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        return healthz(request) if request.path_info == PATH else get_response(request)

    return answer


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 once database and queue answer and migrations are done, else 503; says
    nothing more to strangers."""
    return HttpResponse(
        status=200 if _is_migrated() and queueing.is_reachable() else 503
    )


def _is_migrated() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error:
        return False
