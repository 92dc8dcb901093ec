"""The check of a draft: its progress, and what it found."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.jobs.control import automation, comparisons, drafts, key_proposals
from jobsui.jobs.enums import JobState
from jobsui.jobs.errors import JobsError, NotPossibleNow
from jobsui.jobs.mapping.check_scope import check_scope
from jobsui.jobs.models import Cause, CorrectionUpload, Job
from jobsui.jobs.preparation import checker
from jobsui.jobs.reports import job_details, problem_values, problem_workbook
from jobsui.web import http, wizard_texts
from jobsui.web.addresses import post_only
from jobsui.web.forms.corrections import WorkbookForm
from jobsui.web.forms.wizard import FileForm
from jobsui.web.http import HtmxRequest
from jobsui.web.views.wizard import is_clean_repeat, on_draft, with_file


@require_http_methods(["GET", "POST"])
@on_draft
@with_file
def check(request: HtmxRequest, job: Job) -> HttpResponse:
    """What the check found. A POST decides whether invalid rows are skipped. With
    `follow`, it leads on to the review if that is all that is left."""
    if "follow" in request.GET and is_clean_repeat(job):
        return redirect(_last_step(job), job.code)
    if request.method == "POST":
        try:
            drafts.set_invalid_rows(
                job, request.POST.get("invalid", "stop"), by=request.user
            )
        except NotPossibleNow as refusal:
            messages.error(request, str(refusal))
            return redirect("jobs:check", job.code)
        automation.compare_unasked(job)
        return redirect(_next_step(job), job.code)
    return render(request, "wizard/check.html", _check_page(job))


@require_safe
@on_draft
def check_progress(request: HtmxRequest, job: Job) -> HttpResponse:
    """The live section: 204 when nothing is new."""
    if request.GET.get("v") == str(job.version):
        return HttpResponse(status=204)
    if is_clean_repeat(job):
        return http.go(request, _last_step(job), job.code)
    return render(request, "wizard/check.html#checked", _check_page(job))


@post_only
@on_draft
def check_again(request: HtmxRequest, job: Job) -> HttpResponse:
    try:
        checker.start(job, by=request.user)
    except JobsError as refusal:
        messages.error(request, str(refusal))
    return redirect("jobs:check", job.code)


@post_only
@on_draft
def cancel_check(request: HtmxRequest, job: Job) -> HttpResponse:
    try:
        checker.cancel(job, by=request.user)
    except NotPossibleNow as refusal:
        messages.error(request, str(refusal))
    return redirect("jobs:check", job.code)


@post_only
@on_draft
def warned_rows(request: HtmxRequest, job: Job) -> HttpResponse:
    """Send the rows that Zendesk may refuse, or leave them out."""
    try:
        drafts.set_warned_rows(job, request.POST.get("warnings", ""), by=request.user)
    except NotPossibleNow as refusal:
        messages.error(request, str(refusal))
    return redirect("jobs:check", job.code)


@post_only
@on_draft
def accept_keys(request: HtmxRequest, job: Job) -> HttpResponse:
    """Set the rule or the column that the check proposes for the key, and check again."""
    try:
        key_proposals.accept(job, by=request.user)
    except JobsError as refusal:
        messages.error(request, str(refusal))
    return redirect("jobs:check", job.code)


def _next_step(job: Job) -> str:
    return "jobs:compare" if comparisons.is_possible(job) else "jobs:review"


def _last_step(job: Job) -> str:
    """Where a draft without problems is reviewed."""
    is_compared = comparisons.current(job) is not None
    return "jobs:compare" if is_compared else "jobs:review"


def _check_page(job: Job) -> dict[str, Any]:
    is_ready = job.state == JobState.READY
    found = job_details.causes(job, Cause.Phase.CHECK, most=50) if is_ready else []
    warnings = job_details.warnings(job) if is_ready else []
    notices = job_details.account_notices(job) if is_ready else []
    can_correct = is_ready and job.file.is_here and not job.file.is_raw_items
    return {
        "job": job,
        "can_correct": can_correct,
        "corrections": job.corrections.count(),
        "replaceable": problem_values.replaceable(job, [*found, *warnings]),
        "upload": CorrectionUpload.objects.filter(job=job).first(),
        "workbook_form": WorkbookForm(),
        "workbook_rows": problem_workbook.max_rows(len(job.file.columns)),
        "announcement": wizard_texts.check_announcement(job),
        "causes": found,
        "warnings": warnings,
        "notices": notices,
        "sends_warned": job.rows_left_out == job.rows_invalid,
        "scope": check_scope(job, notices) if is_ready else "",
        "problems": job_details.problem_count(job) if is_ready else 0,
        "valid": job.rows - job.rows_left_out,
        "can_compare": comparisons.is_possible(job),
        "is_comparison_due": automation.is_comparison_due(job),
        "file_form": FileForm(),
    }
