"""The Review step: shows what launching a checked draft does, and launches it."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from jobsui.access.limits import Limited
from jobsui.jobs.control import actions, automation, comparisons, drafts
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.errors import ChangedSinceCheck, NotPossibleNow
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job
from jobsui.jobs.reports import job_details, shared_records
from jobsui.jobs.reports.job_details import Preview
from jobsui.web import approval_card, comparison_page, http, wizard_texts
from jobsui.web.addresses import post_only
from jobsui.web.forms.wizard import FileForm, LaunchForm
from jobsui.web.http import HtmxRequest
from jobsui.web.views.wizard import on_draft, with_file


@require_safe
@on_draft
@with_file
def review(request: HtmxRequest, job: Job) -> HttpResponse:
    if job.state != JobState.READY:
        return redirect("jobs:check", job.code)
    preview = _preview(job)
    page = _page(request, job, _launch_form(job, preview), preview)
    return render(request, "wizard/review.html", page)


@require_safe
@on_draft
@with_file
def progress(request: HtmxRequest, job: Job) -> HttpResponse:
    """The live section while the rows are compared: 204 until the comparison has ended."""
    if job.state != JobState.READY:
        return http.go(request, "jobs:check", job.code)
    if _is_being_compared(job):
        return HttpResponse(status=204)
    preview = _preview(job)
    page = _page(request, job, _launch_form(job, preview), preview)
    return render(request, "wizard/review.html#review", page)


@post_only
@http.limited(Limited.LAUNCH)
@on_draft
def launch(request: HtmxRequest, job: Job) -> HttpResponse:
    """Launch the job, or ask for its approval. A second click finds it launched and lands on
    its page."""
    preview = _preview(job)
    form = _launch_form(job, preview, request.POST)
    if not form.is_valid():
        page = _page(request, job, form, preview)
        return render(request, "wizard/review.html", page)
    is_match = not Action(job.action).deletes
    hold_after_first_batch = form.cleaned_data["start"] == "hold_after_first_batch"
    try:
        if job.state == JobState.READY:
            drafts.set_reads(
                job,
                keep_undo=form.cleaned_data.get("keep_undo", False),
                refuse_changed=form.cleaned_data.get("refuse_changed") or "off",
                by=request.user,
            )
        automation.launch_or_ask(
            job,
            by=request.user,
            hold_after_first_batch=hold_after_first_batch,
            run_settings=form.run_settings(),
            confirmed_deletions=preview.deletes if is_match else None,
            note=form.cleaned_data["note"],
            launches_itself=form.cleaned_data["launches_itself"],
        )
    except ChangedSinceCheck as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:check", job.code)
    except NotPossibleNow as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:review", job.code)
    return redirect("jobs:review" if job.is_draft else "jobs:detail", job.code)


def _launch_form(
    job: Job, preview: Preview, data: QueryDict | None = None
) -> LaunchForm:
    options = Options.from_json(job.options)
    chosen = {
        # A deleted record has no other copy.
        "keep_undo": options.keep_undo or preview.deletes > 0,
        "refuse_changed": options.refuse_changed,
    }
    return LaunchForm(
        data,
        initial=job.run_settings.columns | chosen,
        number=preview.deletes,
        deletes=preview.deletes > 0,
        reads=wizard_texts.reads(job, preview),
    )


def _preview(job: Job) -> Preview:
    return job_details.preview(job, comparisons.finished(job))


def _is_being_compared(job: Job) -> bool:
    read = comparisons.current(job)
    return read is not None and read.is_open


def _page(
    request: HtmxRequest, job: Job, form: LaunchForm, preview: Preview
) -> dict[str, Any]:
    is_being_compared = _is_being_compared(job)
    latest = comparisons.latest(job)
    is_current = latest is not None and comparisons.is_current(latest, job)
    can_compare = comparisons.is_possible(job)
    not_launchable = comparisons.obstacle(job) if can_compare else ""
    return {
        "job": job,
        "form": form,
        "preview": preview,
        "summary": wizard_texts.summary(job, preview),
        "amount": wizard_texts.amount(job, preview),
        "points": wizard_texts.points(
            job, is_compared=preview.is_compared or is_being_compared
        ),
        "notices": [
            notice
            for notice in job_details.account_notices(job)
            if notice["code"] in {"record_limit", "contents_differ"}
            or notice["code"].startswith("keys_")
        ],
        "is_being_compared": is_being_compared,
        "announcement": comparison_page.announcement(latest),
        "comparison": comparison_page.on_review(
            job, latest, is_current=is_current, obstacle=not_launchable
        )
        if can_compare
        else None,
        "shared_records": shared_records.if_launched(job),
        "mapped": job_details.mapped(job),
        "obstacle": actions.launch_obstacle(job),
        "not_launchable": not_launchable,
        "deletes": preview.deletes > 0,
        "launch_button": wizard_texts.launch_button(job, preview),
        "approval": approval_card.of(job, request.user),
        "valid": preview.sent,
        "file_form": FileForm(),
    }
