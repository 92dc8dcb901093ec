"""Files about a job: the results of its rows, the problems of its check, and what
its comparison found."""

from collections.abc import Iterator
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from jobsui.access import lookup
from jobsui.access.limits import Limited
from jobsui.jobs.control import comparisons
from jobsui.jobs.enums import Outcome
from jobsui.jobs.errors import JobsError
from jobsui.jobs.models import Job
from jobsui.jobs.reports import compared_rows, reading_log, row_results
from jobsui.web.http import HtmxRequest, limited


@require_safe
@limited(Limited.EXPORT)
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
    reading_log.exported(job, "results.csv", outcome=outcome)
    return _download(lines, f"{_stem(job)}-{outcome or 'results'}.csv")


@require_safe
@limited(Limited.EXPORT)
def problems(request: HtmxRequest, code: UUID) -> HttpResponseBase:
    job = lookup.draft_or_job(request.user, code)
    try:
        lines = row_results.problems_csv(job)
    except JobsError as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:detail", code)
    reading_log.exported(job, "problems.csv")
    return _download(lines, f"{_stem(job)}-problems.csv")


@require_safe
@limited(Limited.EXPORT)
def plan(request: HtmxRequest, code: UUID) -> HttpResponseBase:
    """What launching a compared draft would change, or what it has changed."""
    job = lookup.draft_or_job(request.user, code)
    comparison = comparisons.finished(job)
    if comparison is None:
        raise Http404
    try:
        lines = compared_rows.plan_csv(comparison)
    except JobsError as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:detail", code)
    reading_log.exported(job, "plan.csv")
    return _download(lines, f"{_stem(job)}-plan.csv")


def _download(lines: Iterator[bytes], name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=name) or "attachment"
    )
    return response


def _stem(job: Job) -> str:
    return job.file.name.rpartition(".")[0] or job.file.name
