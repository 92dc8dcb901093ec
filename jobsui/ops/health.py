from django.contrib.auth.decorators import login_not_required
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from jobsui.jobs import queueing


@require_safe
@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """200 once database and queue answer and migrations are done, else 503; says nothing more to strangers."""
    return HttpResponse(status=200 if _is_migrated() and queueing.answers() else 503)


def _is_migrated() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except OperationalError:
        return False
