from functools import partial
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobsui import paging
from jobsui.access import lookup
from jobsui.jobs.enums import BatchState
from jobsui.jobs.reports import job_progress
from jobsui.web import http
from jobsui.web.http import HtmxRequest


@require_safe
def batch_list(request: HtmxRequest, code: UUID) -> HttpResponse:
    job = lookup.job(request.user, code)
    found = job.batches.all()
    state = request.GET.get("state", "")
    if state == "failed":
        found = found.filter(failed__gt=0)
    elif state in BatchState:
        found = found.filter(state=state)
    else:
        state = ""
    page = {
        "job": job,
        "tab": "batches",
        "state": state,
        "states": BatchState.choices,
        "page": http.page_at(
            partial(paging.by_number, found, "seq"), request.GET.get("after", "")
        ),
    }
    return render(request, "jobs/batches.html", page)


@require_safe
def detail(request: HtmxRequest, code: UUID, seq: int) -> HttpResponse:
    """One batch: the exact request and answer, its attempts, and what became of each
    row."""
    batch = lookup.batch(request.user, code, seq)
    page = {
        "job": batch.job,
        "batch": batch,
        "exchange": job_progress.exchange(batch),
        "next_failed": job_progress.next_failed_batch(batch.job, after=seq),
        "is_last": seq >= batch.job.batches_total,
    }
    return render(request, "jobs/batch.html", page)
