from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from jobsui import paging
from jobsui.access import lookup
from jobsui.jobs.control import actions
from jobsui.jobs.enums import Outcome
from jobsui.jobs.errors import JobsError
from jobsui.jobs.mapping.options import Rules
from jobsui.jobs.models import Job, RowError
from jobsui.jobs.reports import job_progress, row_results, snippets
from jobsui.text import counted
from jobsui.web import http
from jobsui.web.forms.jobs import HistoryForm, RulesForm
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
        "rules": Rules.of(job),
        "retries": job_progress.retries(job),
        "retriable": actions.retriable_causes(job),
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
        pk=paging.whole(request.GET.get("cause", "")) or 0
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
        "retriable": actions.retriable_causes(job) if cause else {},
    }
    return render(request, "jobs/rows.html", page)


@require_safe
def events(request: HtmxRequest, code: UUID) -> HttpResponse:
    job = lookup.job(request.user, code)
    page = {
        "job": job,
        "tab": "events",
        "events": job.events.select_related("by")[:200],
        "options": job.options,
        "rules": Rules.of(job),
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


@require_safe
def results(request: HtmxRequest, code: UUID) -> HttpResponseBase:
    job = lookup.job(request.user, code)
    outcome = request.GET.get("outcome", "")
    if outcome and outcome not in Outcome:
        raise Http404
    try:
        lines = row_results.results_csv(
            job, outcome=outcome, raw=request.GET.get("raw") == "1"
        )
    except JobsError as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:detail", code)
    return _download(lines, f"{_stem(job)}-{outcome or 'results'}.csv")


@require_safe
def problems(request: HtmxRequest, code: UUID) -> HttpResponseBase:
    job = lookup.draft_or_job(request.user, code)
    try:
        lines = row_results.problems_csv(job)
    except JobsError as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:detail", code)
    return _download(lines, f"{_stem(job)}-problems.csv")


@require_POST
def pause(request: HtmxRequest, code: UUID) -> HttpResponse:
    return _ask(
        request,
        code,
        actions.pause,
        "Pausing. What is in flight is followed to its end.",
    )


@require_POST
def resume(request: HtmxRequest, code: UUID) -> HttpResponse:
    return _ask(request, code, actions.resume, "Going on.")


@require_http_methods(["GET", "POST"])
def rules(request: HtmxRequest, code: UUID) -> HttpResponse:
    """Change how a job runs that is not over."""
    job = lookup.job(request.user, code)
    if "adjust" not in actions.may(job):
        return redirect("jobs:detail", code)
    form = RulesForm(request.POST or None, initial=Rules.of(job).columns)
    if request.method == "POST" and form.is_valid():

        def change(job: Job, *, by: User) -> None:
            actions.set_rules(job, form.rules(), by=by)

        return _ask(request, code, change, "The job runs by these rules from now on.")
    return render(request, "jobs/rules.html", {"job": job, "form": form})


@require_POST
def cancel(request: HtmxRequest, code: UUID) -> HttpResponse:
    return _ask(
        request,
        code,
        actions.cancel,
        "Cancelling. Records already sent stay in Zendesk.",
    )


@require_POST
def retry(request: HtmxRequest, code: UUID) -> HttpResponse:
    """A new job of all failed rows, or of those of one cause."""
    job = lookup.job(request.user, code)
    chosen = paging.whole(request.POST.get("cause", ""))
    cause = lookup.cause(request.user, code, chosen) if chosen else None
    number = (
        actions.retriable_causes(job).get(cause.pk, 0)
        if cause
        else actions.left_to_retry(job)
    )
    try:
        child = actions.retry(job, by=request.user, cause=cause)
    except JobsError as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:detail", code)
    messages.success(
        request, f"A new job of {counted(number, 'failed row')}, checked again first."
    )
    return redirect("jobs:check", child.code)


@require_POST
def resolve(request: HtmxRequest, code: UUID) -> HttpResponse:
    decision = request.POST.get("decision", "")

    def decide(job: Job, *, by: User) -> None:
        actions.resolve(job, decision, by=by)

    return _ask(request, code, decide, actions.DECISIONS.get(decision, ""))


def _ask(
    request: HtmxRequest, code: UUID, act: Callable[..., None], done: str
) -> HttpResponse:
    job = lookup.job(request.user, code)
    try:
        act(job, by=request.user)
    except JobsError as refusal:
        messages.info(request, str(refusal))
    else:
        messages.success(request, done)
    return redirect("jobs:detail", code)


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


def _download(lines: Iterator[bytes], name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=name) or "attachment"
    )
    return response


def _stem(job: Job) -> str:
    return job.file.name.rpartition(".")[0] or job.file.name
