"""/healthz: whether this process can serve requests."""

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
    """Answers before all other middleware: a monitor may call an address that is not in
    ALLOWED_HOSTS, without TLS and without signing in."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        if request.path_info == PATH:
            return healthz(request)
        return get_response(request)

    return respond


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """200 if the database and the queue answer and all migrations are applied, else 503.
    The body is empty, because anyone may ask."""
    is_healthy = _is_migrated() and queueing.is_reachable()
    return HttpResponse(status=200 if is_healthy else 503)


def _is_migrated() -> bool:
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error:
        return False
    return not plan
