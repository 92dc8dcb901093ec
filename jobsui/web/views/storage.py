from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobsui.jobs.reports import storage as report
from jobsui.web.http import HtmxRequest, admin_required


@require_safe
@admin_required
def storage(request: HtmxRequest) -> HttpResponse:
    """How much is stored, for how long it is kept, and what will be deleted."""
    return render(request, "storage.html", {"sizes": report.sizes()})
