from functools import partial
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobsui import paging
from jobsui.access import lookup
from jobsui.jobs.control import undo
from jobsui.jobs.enums import SUCCEEDED, BatchState, Outcome
from jobsui.jobs.reports import batch_details, job_progress, reading_log
from jobsui.web import http
from jobsui.web.http import HtmxRequest

FAILED = "failed"
NOT_SENT = "not_sent"
UNDOABLE = frozenset(SUCCEEDED) - {Outcome.UNCHANGED}


@require_safe
def batch_list(request: HtmxRequest, code: UUID) -> HttpResponse:
    job = lookup.job(request.user, code)
    found = job.batches.all()
    state = request.GET.get("state", "")
    if state == FAILED:
        found = found.filter(failed__gt=0)
    elif state == NOT_SENT:
        found = batch_details.unsent(found)
    elif state in BatchState:
        found = found.filter(state=state)
    else:
        state = ""
    by_number = partial(paging.by_number, found, "seq")
    context = {
        "job": job,
        "tab": "batches",
        "state": state,
        "states": BatchState.choices,
        "page": http.page_at(by_number, request.GET.get("after", "")),
    }
    return render(request, "jobs/batches.html", context)


@require_safe
def detail(request: HtmxRequest, code: UUID, seq: int) -> HttpResponse:
    """One batch: request, attempts, responses, and the result of each row."""
    batch = lookup.batch(request.user, code, seq)
    job = batch.job
    reading_log.bodies_seen(batch)
    context = {
        "job": job,
        "batch": batch,
        "is_unsent": batch_details.is_unsent(batch),
        "may_undo": batch.succeeded and undo.undoable_rows(job),
        "undoable": UNDOABLE,
        "details": batch_details.details(batch),
        "saved": job_progress.saved_label(batch.action),
        "previous": seq - 1,
        "next": seq + 1 if seq < job.batches_total else None,
        "next_failed": batch_details.next_failed_batch(job, after=seq),
    }
    return render(request, "jobs/batch.html", context)
