"""Undoes a job: asks what to undo, shows the plan of the undo, and launches it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.jobs.control import automation, undo
from jobsui.jobs.enums import ParentRows, ReadState
from jobsui.jobs.errors import JobsError, NotPossibleNow
from jobsui.jobs.live import undo_rows
from jobsui.jobs.models import Job
from jobsui.jobs.reports import undone_rows
from jobsui.web import approval_card, http, record_reads, row_choices, undo_page
from jobsui.web.addresses import post_only
from jobsui.web.forms.wizard import LaunchForm
from jobsui.web.http import HtmxRequest
from jobsui.web.views.wizard import on_any_draft


@require_http_methods(["GET", "POST"])
def create(request: HtmxRequest, code: UUID) -> HttpResponse:
    """Show what an undo would do. A POST creates its draft."""
    job = lookup.job(request.user, code, Act.RUN)
    if request.method == "GET":
        if not undo.undoable_rows(job):
            return redirect("jobs:detail", code)
        return _ask(request, job, undo_page.Choice(job, request.GET))
    choice = undo_page.Choice(job, request.POST)
    if choice.errors:
        return _ask(request, job, choice)
    try:
        draft = undo.create(
            job, by=request.user, rows=choice.ranges, fields=choice.names
        )
    except JobsError as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:detail", code)
    return redirect("jobs:undo_plan", draft.code)


def _ask(request: HtmxRequest, job: Job, choice: undo_page.Choice) -> HttpResponse:
    page = {
        "job": job,
        "choice": choice,
        "effects": undo_page.effects(job),
        "cost": undo_page.cost(job),
    }
    return render(request, "jobs/undo.html", page)


@require_safe
@on_any_draft
def plan(request: HtmxRequest, job: Job) -> HttpResponse:
    return render(request, "jobs/undo_plan.html", _page(request, job))


@require_safe
@on_any_draft
def progress(request: HtmxRequest, job: Job) -> HttpResponse:
    """The live section: 204 when nothing is new."""
    return record_reads.live_section(
        request, "jobs/undo_plan.html#plan", _page(request, job)
    )


@post_only
@on_any_draft
def read_again(request: HtmxRequest, job: Job) -> HttpResponse:
    """Plan the undo again, from what the records hold now."""
    _require_undo(job)
    try:
        undo.read_again(job, by=request.user)
    except JobsError as refusal:
        messages.error(request, str(refusal))
    return redirect("jobs:undo_plan", job.code)


@post_only
@on_any_draft
def choose_fields(request: HtmxRequest, job: Job) -> HttpResponse:
    """Plan the undo again, with these fields."""
    _require_undo(job)
    choice = undo_page.Choice(job.parent, request.POST) if job.parent else None
    if choice is None or choice.errors:
        messages.error(request, "Choose at least one field.")
        return redirect("jobs:undo_plan", job.code)
    try:
        undo.choose_fields(job, choice.names, by=request.user)
    except JobsError as refusal:
        messages.error(request, str(refusal))
    return redirect("jobs:undo_plan", job.code)


@post_only
@on_any_draft
def choose_rows(request: HtmxRequest, job: Job) -> HttpResponse:
    """Of the rows that a page shows, undo the ticked ones and leave the others out. htmx gets the
    new plan."""
    _require_undo(job)
    read = undo.current(job)
    if read is None or read.state != ReadState.DONE:
        return http.go(request, "jobs:undo_plan", job.code)
    try:
        row_choices.save(request.POST, read, by=request.user)
    except NotPossibleNow as refusal:
        messages.error(request, str(refusal))
        return http.go(request, "jobs:undo_plan", job.code)
    if request.htmx:
        return render(request, "jobs/undo/chosen.html", _page(request, job))
    address = reverse("jobs:undo_plan", args=[job.code])
    return redirect(f"{address}?{request.GET.urlencode()}#undo-rows")


@post_only
@http.limited(Limited.LAUNCH)
@on_any_draft
def launch(request: HtmxRequest, job: Job) -> HttpResponse:
    _require_undo(job)
    form = _launch_form(job, request.POST)
    if not form.is_valid():
        page = _page(request, job) | {"form": form}
        return render(request, "jobs/undo_plan.html", page)
    hold_after_first_batch = form.cleaned_data["start"] == "hold_after_first_batch"
    try:
        automation.launch_or_ask(
            job,
            by=request.user,
            hold_after_first_batch=hold_after_first_batch,
            run_settings=form.run_settings(),
            note=form.cleaned_data["note"],
            launches_itself=form.cleaned_data["launches_itself"],
        )
    except JobsError as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:undo_plan", job.code)
    return redirect("jobs:undo_plan" if job.is_draft else "jobs:detail", job.code)


def _require_undo(job: Job) -> None:
    if job.parent_rows != ParentRows.UNDONE:
        raise Http404


def _page(request: HtmxRequest, job: Job) -> dict[str, Any]:
    _require_undo(job)
    read = undo.current(job)
    page = {
        "job": job,
        "read": read,
        "version": record_reads.version(read),
    }
    if read and read.is_open:
        return page | record_reads.progress(read)
    if read is None or read.state != ReadState.DONE:
        return page
    found = undo_page.lists_page(job, read, request.GET)
    sentence = undo_page.sentence(found["undo"].rows, is_launched=False)
    plan = {
        "is_planned": True,
        "sentence": sentence,
        "announcement": f"{sentence}.",
        "obstacle": undo.obstacle(job),
        "approval": approval_card.of(job, request.user),
        "age": record_reads.age_seconds(read),
        "form": _launch_form(job),
        "deletes": found["undo"].rows.deletes,
        "fields": undo_page.plan_fields(job, read),
        "chosen_rows": undo_rows.chosen_rows(job),
        "page_query": request.GET.urlencode(),
    }
    return page | found | plan


def _launch_form(job: Job, data: QueryDict | None = None) -> LaunchForm:
    read = undo.current(job)
    deletes = undone_rows.planned(read).deletes if read else 0
    return LaunchForm(
        data, initial=job.run_settings.columns, number=deletes, deletes=deletes > 0
    )
