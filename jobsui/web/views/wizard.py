"""Making a job: upload, map, check, review. Each step is a page of its own on a draft
kept by the server, so going back, reloading and sending the link to a colleague all
work."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup
from jobsui.jobs.control import actions, drafts
from jobsui.jobs.enums import Action, FileState, JobState
from jobsui.jobs.errors import (
    ChangedSinceCheck,
    JobsError,
    MappingRefused,
    NotPossibleNow,
)
from jobsui.jobs.mapping import field_targets
from jobsui.jobs.mapping.check_scope import check_scope
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Cause, Job
from jobsui.jobs.preparation import checker, file_formats, uploads
from jobsui.jobs.reports import job_progress
from jobsui.web import http
from jobsui.web.addresses import post_only
from jobsui.web.forms.wizard import HELP, JobForm, LaunchForm, LayoutForm, MappingForm
from jobsui.web.http import HtmxRequest

DraftView = Callable[[HtmxRequest, Job], HttpResponse]


def on_draft(view: DraftView) -> Callable[[HtmxRequest, UUID], HttpResponse]:
    """Find the draft; of a job that was launched meanwhile, show its page instead."""

    @wraps(view)
    def found(request: HtmxRequest, code: UUID) -> HttpResponse:
        job = lookup.draft_or_job(request.user, code)
        if not job.is_draft:
            return http.go(request, "jobs:detail", code)
        return view(request, job)

    return found


def with_file(view: DraftView) -> DraftView:
    """Steps that need the file to have been read."""

    @wraps(view)
    def ready(request: HtmxRequest, job: Job) -> HttpResponse:
        if job.file.state != FileState.READY:
            return http.go(request, "jobs:upload", job.code)
        return view(request, job)

    return ready


@http.takes_files
@require_http_methods(["GET", "POST"])
def new(request: HtmxRequest) -> HttpResponse:
    objects = lookup.objects(request.user)
    initial = {
        "object": request.GET.get("object"),
        "action": Action.UPSERT_BY_EXTERNAL_ID,
    }
    form = JobForm(
        request.POST or None, request.FILES or None, objects=objects, initial=initial
    )
    if request.method == "POST" and form.is_valid():
        try:
            file = uploads.receive(
                form.cleaned_data["file"].chunks(),
                form.cleaned_data["file"].name,
                by=request.user,
            )
        except JobsError as refusal:
            form.add_error("file", str(refusal))
        else:
            chosen = form.cleaned_data["object"]
            job = drafts.create_draft(
                chosen.connection,
                chosen.key,
                form.cleaned_data["action"],
                file,
                by=request.user,
            )
            return http.go(request, "jobs:upload", job.code)
    page = {"form": form, "help": HELP, "has_objects": objects.exists()}
    response = render(
        request, "jobs/new.html#form" if request.htmx else "jobs/new.html", page
    )
    patch_vary_headers(response, ["HX-Request"])
    return response


@http.takes_files
@require_http_methods(["GET", "POST"])
@on_draft
def upload(request: HtmxRequest, job: Job) -> HttpResponse:
    """The first step again: change object, action or file of a draft."""
    objects = lookup.objects(request.user)
    chosen = objects.filter(connection=job.connection, key=job.object_key).first()
    initial = {"object": chosen, "action": job.action}
    form = JobForm(
        request.POST or None,
        request.FILES or None,
        objects=objects,
        needs_file=False,
        initial=initial,
    )
    if request.method == "POST" and form.is_valid():
        try:
            _repoint(request, job, form.cleaned_data)
        except JobsError as refusal:
            form.add_error("file", str(refusal))
        else:
            return redirect("jobs:upload", job.code)
    return render(
        request, "jobs/upload.html", _file_page(job) | {"form": form, "help": HELP}
    )


@require_safe
@on_draft
def file_progress(request: HtmxRequest, job: Job) -> HttpResponse:
    """The live section: 204 when nothing is new."""
    if request.GET.get("v") == f"{job.file.state}-{job.file.rows_read}":
        return HttpResponse(status=204)
    return render(request, "jobs/upload.html#file", _file_page(job))


@post_only
@on_draft
def layout(request: HtmxRequest, job: Job) -> HttpResponse:
    """Have the file read as the person says."""
    form = LayoutForm(request.POST, file=job.file)
    if not form.is_valid():
        messages.error(request, "Choose from what is offered.")
        return redirect("jobs:upload", job.code)
    try:
        drafts.set_file_settings(job, by=request.user, **form.cleaned_data)
    except NotPossibleNow as refusal:
        messages.error(request, str(refusal))
    return redirect("jobs:upload", job.code)


@require_http_methods(["GET", "POST"])
@on_draft
@with_file
def map_columns(request: HtmxRequest, job: Job) -> HttpResponse:
    offered = field_targets.targets_for(job)
    form = MappingForm(
        request.POST or None,
        columns=job.file.columns,
        targets=offered,
        sample=job.file.sample,
        creates=job.action == Action.CREATE,
        initial=_mapping_initial(job, offered),
    )
    problems: list[str] = []
    if request.method == "POST" and form.is_valid():
        try:
            drafts.set_mapping(job, form.mapping(), form.options(), by=request.user)
            checker.start(job, by=request.user)
        except MappingRefused as refusal:
            problems = refusal.problems
        except NotPossibleNow as refusal:
            problems = [str(refusal)]
        else:
            return redirect("jobs:check", job.code)
    needed = [target.label for target in offered if target.required]
    return render(
        request,
        "jobs/map.html",
        {"job": job, "form": form, "problems": problems, "needed": needed},
    )


@require_http_methods(["GET", "POST"])
@on_draft
@with_file
def check(request: HtmxRequest, job: Job) -> HttpResponse:
    """What the check found; a POST says what becomes of rows with problems."""
    if request.method == "POST":
        try:
            drafts.set_invalid_rows(job, request.POST.get("invalid", "stop"))
        except NotPossibleNow as refusal:
            messages.error(request, str(refusal))
            return redirect("jobs:check", job.code)
        return redirect("jobs:review", job.code)
    return render(request, "jobs/check.html", _check_page(job))


@require_safe
@on_draft
def check_progress(request: HtmxRequest, job: Job) -> HttpResponse:
    """The live section: 204 when nothing is new."""
    if request.GET.get("v") == str(job.version):
        return HttpResponse(status=204)
    return render(request, "jobs/check.html#checked", _check_page(job))


@post_only
@on_draft
def check_again(request: HtmxRequest, job: Job) -> HttpResponse:
    try:
        checker.start(job, by=request.user)
    except JobsError as refusal:
        messages.error(request, str(refusal))
    return redirect("jobs:check", job.code)


@require_safe
@on_draft
@with_file
def review(request: HtmxRequest, job: Job) -> HttpResponse:
    if job.state != JobState.READY:
        return redirect("jobs:check", job.code)
    return _review(request, job)


@post_only
@on_draft
def launch(request: HtmxRequest, job: Job) -> HttpResponse:
    """Let it go. A second click finds a launched job and lands on its page."""
    form = _launch_form(job, request.POST)
    if not form.is_valid():
        return _review(request, job, form)
    try:
        hold_after_first_batch = form.cleaned_data["start"] == "hold_after_first_batch"
        actions.launch(
            job,
            by=request.user,
            hold_after_first_batch=hold_after_first_batch,
            run_settings=form.rules(),
        )
    except ChangedSinceCheck as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:check", job.code)
    except NotPossibleNow as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:review", job.code)
    return redirect("jobs:detail", job.code)


@post_only
@on_draft
def discard(request: HtmxRequest, job: Job) -> HttpResponse:
    try:
        drafts.discard(job)
    except NotPossibleNow as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:detail", job.code)
    messages.success(request, "The draft is thrown away.")
    return redirect("jobs:list")


def _repoint(request: HtmxRequest, job: Job, data: dict[str, Any]) -> None:
    uploaded = data["file"]
    file = (
        uploads.receive(uploaded.chunks(), uploaded.name, by=request.user)
        if uploaded
        else None
    )
    drafts.set_target(
        job,
        data["object"].connection,
        data["object"].key,
        data["action"],
        file,
        by=request.user,
    )


def _file_page(job: Job) -> dict[str, Any]:
    file = job.file
    found = {"encoding": "", "delimiter": "", "sheet": file.sheet}
    return {
        "job": job,
        "file": file,
        "read_as": file_formats.description(file),
        "layout_form": LayoutForm(file=file, initial=found),
    }


def _mapping_initial(job: Job, offered: list[field_targets.Target]) -> dict[str, Any]:
    columns: list[str] = job.file.columns
    chosen = job.mapping or field_targets.suggest(columns, offered)
    options = Options.from_json(job.options).to_json()
    return options | {
        f"column_{place}": chosen.get(column, "")
        for place, column in enumerate(columns)
    }


def _check_page(job: Job) -> dict[str, Any]:
    is_ready = job.state == JobState.READY
    found = job_progress.causes(job, Cause.Phase.CHECK, most=50) if is_ready else []
    return {
        "job": job,
        "causes": found,
        "scope": check_scope(job) if is_ready else "",
        "invalid": Options.from_json(job.options).invalid,
        "good": job.rows - job.rows_invalid,
    }


def _launch_form(job: Job, data: QueryDict | None = None) -> LaunchForm:
    initial = job.run_settings.columns
    number = job_progress.preview(job).sent
    return LaunchForm(
        data, initial=initial, number=number, deletes=Action(job.action).deletes
    )


def _review(
    request: HtmxRequest, job: Job, form: LaunchForm | None = None
) -> HttpResponse:
    action = Action(job.action)
    page = {
        "job": job,
        "form": form or _launch_form(job),
        "preview": job_progress.preview(job),
        "options": Options.from_json(job.options),
        "mapped": job_progress.mapped(job),
        "obstacle": actions.launch_obstacle(job),
        "repeatable": action.is_repeatable,
        "deletes": action.deletes,
    }
    return render(request, "jobs/review.html", page)
