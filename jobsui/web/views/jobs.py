from functools import partial
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from jobsui import paging
from jobsui.access import lookup
from jobsui.jobs.control import actions, retries
from jobsui.jobs.models import Job, RowError
from jobsui.jobs.reports import event_sentences, job_progress, snippets
from jobsui.web import http
from jobsui.web.forms.jobs import HistoryForm
from jobsui.web.http import HtmxRequest

SHOWN_CAUSES = 5


@require_safe
def job_list(request: HtmxRequest) -> HttpResponse:
    """The history; the filter form swaps the table alone."""
    everything = lookup.jobs(request.user)
    form = HistoryForm(
        request.GET,
        connections=lookup.connections(request.user),
        people=lookup.people(request.user),
    )
    found = form.narrowed(everything)
    kept = request.GET.copy()
    kept.pop("cursor", None)
    shown = http.page_at(partial(paging.by_time, found), request.GET.get("cursor", ""))
    # What is all on this page need not be counted.
    count = (
        paging.capped_count(found)
        if shown.older or shown.newer
        else str(len(shown.entries))
    )
    page = {"form": form, "page": shown, "count": count, "kept": kept.urlencode()}
    response = render(
        request, "jobs/list.html#table" if request.htmx else "jobs/list.html", page
    )
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
def detail(request: HtmxRequest, code: UUID) -> HttpResponse:
    job = lookup.draft_or_job(request.user, code)
    if job.is_draft:
        return redirect("jobs:upload", code)
    page = _live(job) | {
        "may": actions.may(job),
        "tab": "detail",
        "rules": job.run_settings,
        "retries": job_progress.retries(job),
        "retriable": retries.retriable_causes(job),
    }
    return render(request, "jobs/detail.html", page)


@require_safe
def progress(request: HtmxRequest, code: UUID) -> HttpResponse:
    """The live section: 204 when nothing is new; when other buttons have come to apply,
    the page is loaded anew."""
    job = lookup.job(request.user, code)
    if request.GET.get("state", job.state) != job.state:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    if request.GET.get("v") == _seen(job):
        return HttpResponse(status=204)
    return render(request, "jobs/detail.html#progress", _live(job))


@require_safe
def rows(request: HtmxRequest, code: UUID) -> HttpResponse:
    """Rows that did not succeed, by cause and outcome."""
    job = lookup.job(request.user, code)
    found = job.row_errors.select_related("batch")
    cause = job.causes.filter(
        pk=paging.parse_integer(request.GET.get("cause", "")) or 0
    ).first()
    outcome = request.GET.get("outcome", "")
    if cause:
        found = found.filter(cause=cause)
    if outcome in RowError.OUTCOMES:
        found = found.filter(outcome=outcome)
    else:
        outcome = ""
    page = {
        "job": job,
        "tab": "rows",
        "page": http.page_at(
            partial(paging.by_number, found, "row"), request.GET.get("after", "")
        ),
        "causes": job_progress.causes(job, most=50),
        "outcomes": [(o.value, o.label) for o in RowError.OUTCOMES],
        "cause": cause,
        "outcome": outcome,
        "retriable": retries.retriable_causes(job) if cause else {},
    }
    return render(request, "jobs/rows.html", page)


@require_safe
def events(request: HtmxRequest, code: UUID) -> HttpResponse:
    job = lookup.job(request.user, code)
    page = {
        "job": job,
        "tab": "events",
        "events": event_sentences.latest_events(job),
        "options": job.options,
        "rules": job.run_settings,
        "mapped": job_progress.mapped(job),
    }
    return render(request, "jobs/events.html", page)


@require_safe
def api(request: HtmxRequest, code: UUID) -> HttpResponse:
    """How a program asks for the same job."""
    job = lookup.job(request.user, code)
    shown = snippets.recipes(job, request.build_absolute_uri(reverse("home")))
    return render(
        request, "jobs/api.html", {"job": job, "tab": "api", "recipes": shown}
    )


def _live(job: Job) -> dict[str, object]:
    return {
        "job": job,
        "seen": _seen(job),
        "now": job_progress.progress(job),
        "strip": job_progress.strip(job),
        "retriable": {},  # Buttons have no place in what is replaced every second.
        "causes": job_progress.causes(job, most=SHOWN_CAUSES)
        if job.failed or job.invalid or job.uncertain
        else [],
    }


def _seen(job: Job) -> str:
    """Another one when the live section has something new to show: workers that are
    gone change no job."""
    return f"{job.version}-{job.current_limit}"
