"""Creating a job: upload, map, check, compare, review. Each step is a page of its own on a draft
that the server keeps, so going back, reloading and sharing the link all work. The steps after
the file have modules of their own."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import retarget

from jobsui.access import lookup, policy
from jobsui.access.policy import Act
from jobsui.jobs.control import automation, drafts, saved_mappings
from jobsui.jobs.enums import Action, FileState, JobState, ParentRows
from jobsui.jobs.errors import JobsError, NotPossibleNow
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Cause, File, Job
from jobsui.jobs.preparation import file_formats, uploads
from jobsui.text import counted
from jobsui.web import confirmation, http, wizard_texts
from jobsui.web.addresses import post_only
from jobsui.web.confirmation import Confirmation
from jobsui.web.forms.saved_mappings import ChooseMappingForm
from jobsui.web.forms.wizard import FileForm, JobForm, LayoutForm
from jobsui.web.http import HtmxRequest

BAD_SETTINGS = "Choose listed options, and a header row from 1 to 1,000."
STEPS = ("upload", "map", "check", "compare", "review")
DraftView = Callable[..., HttpResponseBase]
"""Called with the request and the draft, and with further parts of the address."""


def on_any_draft(view: DraftView) -> DraftView:
    """Find the draft. A job that has been launched shows its own page instead."""

    @wraps(view)
    def found(request: HtmxRequest, code: UUID, **others: Any) -> HttpResponseBase:
        job = lookup.draft_or_job(request.user, code)
        if not job.is_draft:
            return http.go(request, "jobs:detail", code)
        policy.require(request.user, Act.RUN, job.connection_id)
        return view(request, job, **others)

    return found


def on_draft(view: DraftView) -> DraftView:
    """As on_any_draft. The draft of an undo has no steps: it shows its plan instead."""

    @wraps(view)
    def stepping(request: HtmxRequest, job: Job, **others: Any) -> HttpResponseBase:
        if job.parent_rows == ParentRows.UNDONE:
            return http.go(request, "jobs:undo_plan", job.code)
        return view(request, job, **others)

    return on_any_draft(stepping)


def with_file(view: DraftView) -> DraftView:
    """Steps that need a file that has been read."""

    @wraps(view)
    def ready(request: HtmxRequest, job: Job, **others: Any) -> HttpResponseBase:
        if job.file.state != FileState.READY:
            return http.go(request, "jobs:upload", job.code)
        return view(request, job, **others)

    return ready


@http.takes_files
@require_http_methods(["GET", "POST"])
def new(request: HtmxRequest) -> HttpResponse:
    policy.require_somewhere(request.user, Act.RUN)
    objects = lookup.objects(request.user, Act.RUN)
    choice = _choose_mapping(request)
    if choice.is_valid():
        return redirect("mappings:new_job", choice.cleaned_data["mapping"].pk)
    initial = {
        "object": request.GET.get("object"),
        "action": Action.UPSERT_BY_EXTERNAL_ID,
    }
    form = JobForm(
        request.POST or None,
        request.FILES or None,
        objects=objects,
        initial=initial,
    )
    if request.method == "POST" and form.is_valid():
        try:
            job = _create_draft(request, form)
        except JobsError as refusal:
            form.add_error("file", str(refusal))
        else:
            return http.go(request, "jobs:upload", job.code)
    page = {
        "form": form,
        "help": wizard_texts.ACTION_HELP,
        "has_objects": objects.exists(),
        "choice": choice if choice.has_mappings else None,
    }
    template = "wizard/new.html#form" if request.htmx else "wizard/new.html"
    response = render(request, template, page)
    patch_vary_headers(response, ["HX-Request"])
    return response


@http.takes_files
@require_http_methods(["GET", "POST"])
@on_draft
def upload(request: HtmxRequest, job: Job) -> HttpResponse:
    """The first step again: change object, action or file of a draft. With `follow`, it
    leads on to the step that the draft has reached by itself."""
    if "follow" in request.GET and (reached := _page_reached(job)):
        return redirect(reached)
    objects = lookup.objects(request.user, Act.RUN)
    chosen = objects.filter(connection=job.connection, key=job.object_key).first()
    form = JobForm(
        request.POST or None,
        request.FILES or None,
        objects=objects,
        needs_file=False,
        initial={"object": chosen, "action": job.action},
    )
    if request.method == "POST" and form.is_valid():
        try:
            _change_target(request, job, form)
        except JobsError as refusal:
            form.add_error("file", str(refusal))
        else:
            return http.go(request, "jobs:upload", job.code)
    page = _file_page(job) | {"form": form, "help": wizard_texts.ACTION_HELP}
    template = "wizard/upload.html#change" if request.htmx else "wizard/upload.html"
    response = render(request, template, page)
    patch_vary_headers(response, ["HX-Request"])
    return response


@http.takes_files
@post_only
@on_draft
def replace_file(request: HtmxRequest, job: Job) -> HttpResponse:
    """Upload a corrected file. It is checked with the mapping of the draft, if that has
    one and the file has its columns."""
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, str(form.errors["file"][0]))
        return http.go(request, "jobs:check", job.code)
    try:
        file = _receive(request, form.cleaned_data["file"])
        drafts.set_target(
            job,
            job.connection,
            job.object_key,
            job.action,
            file,
            by=request.user,
        )
        if job.mapping or saved_mappings.is_pending(job):
            automation.set_auto_target(job, JobState.READY)
    except JobsError as refusal:
        messages.error(request, str(refusal))
        return http.go(request, "jobs:check", job.code)
    return http.go_to(request, following(job))


@require_safe
@on_draft
def file_progress(request: HtmxRequest, job: Job) -> HttpResponse:
    """The live section: 204 when nothing is new. While the file is read, only its
    progress is live. The whole section follows once its first rows are known, and when it
    has been read."""
    seen = request.GET.get("v", "")
    if seen == wizard_texts.draft_version(job):
        return HttpResponse(status=204)
    if seen.endswith(wizard_texts.AUTOMATIC) and (reached := _page_reached(job)):
        return http.go_to(request, reached)
    was_changed = "changed" in request.GET
    page = _file_page(job) | {"was_changed": was_changed}
    is_unread = seen.removesuffix(wizard_texts.AUTOMATIC) == wizard_texts.UNREAD
    if page["is_reading"] and not is_unread:
        return render(request, "wizard/upload.html#reading", page)
    response = render(request, "wizard/upload.html#file", page)
    return retarget(response, "#file")


@post_only
@on_draft
def layout(request: HtmxRequest, job: Job) -> HttpResponse:
    """Read the file again with these file settings."""
    was_asked = bool(job.file.proposals)
    form = LayoutForm(request.POST, file=job.file)
    if form.is_valid():
        try:
            drafts.set_file_settings(job, by=request.user, **form.cleaned_data)
            if saved_mappings.is_pending(job):
                automation.set_auto_target(job, JobState.READY)
        except NotPossibleNow as refusal:
            form.add_error(None, str(refusal))
    if not request.htmx:
        if form.errors:
            refusals = list(map(str, form.non_field_errors()))
            messages.error(request, *(refusals or [BAD_SETTINGS]))
        return redirect("jobs:upload", job.code)
    page = _file_page(job)
    page["was_changed"] = True
    page["heading_focus"] = was_asked
    if form.errors:
        page["layout_form"] = form
    return render(request, "wizard/upload.html#file", page)


@require_http_methods(["GET", "POST"])
@on_any_draft
def discard(request: HtmxRequest, job: Job) -> HttpResponse:
    if request.method == "GET":
        step = request.GET.get("step", "")
        question = _discard_question(job, step if step in STEPS else "upload")
        return confirmation.ask(request, question)
    try:
        drafts.discard(job)
    except NotPossibleNow as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:detail", job.code)
    messages.success(request, "Draft discarded.")
    return redirect("jobs:list")


def following(job: Job, step: str = "upload") -> str:
    """The address of a step that leads on to the one that the draft reaches without a
    person."""
    return f"{reverse(f'jobs:{step}', args=[job.code])}?follow=1"


def _page_reached(job: Job) -> str:
    """The address of the step that a draft has reached without a person. "": it is still
    being read or mapped, or its file needs one."""
    if job.state in (JobState.CHECKING, JobState.READY):
        return following(job, "check")
    if wizard_texts.is_automatic(job) or job.file.state != FileState.READY:
        return ""
    return reverse("jobs:map", args=[job.code]) if job.reason else ""


def is_clean_repeat(job: Job) -> bool:
    """Whether a draft was checked with a saved mapping and has no problem, so that only
    the review is left."""
    if job.saved_mapping_id is None or job.state != JobState.READY or job.rows_invalid:
        return False
    return not Cause.objects.filter(job=job, phase=Cause.Phase.CHECK).exists()


def _choose_mapping(request: HtmxRequest) -> ChooseMappingForm:
    newest = saved_mappings.newest(lookup.saved_mappings(request.user))
    offered = newest.defer("mapping", *saved_mappings.LARGE_COLUMNS)
    return ChooseMappingForm(request.GET, mappings=offered)


def _create_draft(request: HtmxRequest, form: JobForm) -> Job:
    file = _receive(request, form.cleaned_data["file"])
    chosen = form.cleaned_data["object"]
    action = form.cleaned_data["action"]
    return drafts.create_draft(
        chosen.connection,
        chosen.key,
        action,
        file,
        by=request.user,
        options=Options(compare=True),
    )


def _change_target(request: HtmxRequest, job: Job, form: JobForm) -> None:
    uploaded = form.cleaned_data["file"]
    file = _receive(request, uploaded) if uploaded else None
    chosen = form.cleaned_data["object"]
    action = form.cleaned_data["action"]
    drafts.set_target(job, chosen.connection, chosen.key, action, file, by=request.user)


def _receive(request: HtmxRequest, uploaded: "UploadedFile[bytes]") -> File:
    return uploads.receive(uploaded.chunks(), uploaded.name or "", by=request.user)


def _file_page(job: Job) -> dict[str, Any]:
    file = job.file
    return {
        "job": job,
        "file": file,
        "announcement": wizard_texts.file_announcement(file),
        "preview": wizard_texts.file_preview(file),
        "version": wizard_texts.draft_version(job),
        "is_automatic": wizard_texts.is_automatic(job),
        "is_reading": file.state == FileState.READING or wizard_texts.is_automatic(job),
        "offers": saved_mappings.offers(job),
        "found": file_formats.description(file),
        "layout_form": LayoutForm(file=file),
        "proposals": wizard_texts.encoding_proposals(file),
        "file_form": FileForm(label="File"),
    }


def _discard_question(job: Job, step: str) -> Confirmation:
    """`step`: the one that "Keep the draft" leads back to."""
    if job.parent_rows == ParentRows.UNDONE:
        return _discard_undo_question(job)
    rows = f" with {counted(job.file.rows, 'row')}" if job.file.rows else ""
    effects = ["The draft and its mapping are deleted. This cannot be undone."]
    if not job.file.jobs.exclude(pk=job.pk).exists():
        effects.append(f"The uploaded file {job.file}{rows} is deleted too.")
    return Confirmation(
        question="Discard this draft?",
        effects=effects,
        button="Discard draft",
        icon="trash",
        keep="Keep the draft",
        subject=str(job.file),
        back=reverse(f"jobs:{step}", args=[job.code]),
    )


def _discard_undo_question(job: Job) -> Confirmation:
    return Confirmation(
        question="Discard this undo?",
        effects=["The draft and its plan are deleted. Nothing changes in Zendesk."],
        button="Discard draft",
        icon="trash",
        keep="Keep the draft",
        subject=str(job.file),
        back=reverse("jobs:undo_plan", args=[job.code]),
    )
