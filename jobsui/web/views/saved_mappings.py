"""Saved mappings: saving one, the list of an object, and jobs that use one."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup
from jobsui.access.policy import Act
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import automation, drafts, saved_mappings
from jobsui.jobs.enums import JobState
from jobsui.jobs.errors import JobsError
from jobsui.jobs.models import Job, SavedMapping
from jobsui.jobs.preparation import uploads
from jobsui.jobs.reports import saved_mapping_details
from jobsui.text import counted
from jobsui.web import confirmation, http
from jobsui.web.addresses import post_only
from jobsui.web.confirmation import Confirmation
from jobsui.web.forms.saved_mappings import NextFileForm, SaveMappingForm
from jobsui.web.http import HtmxRequest
from jobsui.web.views.wizard import following, on_draft

STEPS_WITH_MAPPING = ("map", "check", "review")


@require_safe
def of_object(request: HtmxRequest, pk: int) -> HttpResponse:
    """The saved mappings of an object."""
    custom_object = lookup.custom_object(request.user, pk)
    known = lookup.saved_mappings(request.user).filter(
        connection=custom_object.connection, object_key=custom_object.key
    )
    newest = saved_mappings.newest(known).order_by("name")
    page = {
        "object": custom_object,
        "mappings": newest.defer(*saved_mappings.LARGE_COLUMNS),
    }
    return render(request, "mappings/list.html", page)


@require_safe
def detail(request: HtmxRequest, pk: int) -> HttpResponse:
    saved = lookup.saved_mapping(request.user, pk)
    custom_object = _object_of(request, saved)
    page = {
        "saved": saved,
        "object": custom_object,
        "lines": saved_mapping_details.lines(saved),
        "settings": saved_mapping_details.settings(saved),
        "options": saved_mappings.options_of(saved),
        "changes": saved_mappings.changes(saved, custom_object.schema),
        "versions": saved_mappings.versions(saved).select_related("created_by"),
    }
    return render(request, "mappings/detail.html", page)


@require_http_methods(["GET", "POST"])
def delete(request: HtmxRequest, pk: int) -> HttpResponse:
    saved = lookup.saved_mapping(request.user, pk, Act.RUN)
    if request.method == "GET":
        return confirmation.ask(request, _delete_question(saved))
    custom_object = _object_of(request, saved)
    saved_mappings.delete(saved)
    messages.success(request, f"“{saved.name}” deleted.")
    return redirect("objects:mappings", custom_object.pk)


@http.takes_files
@require_http_methods(["GET", "POST"])
def new_job(request: HtmxRequest, pk: int) -> HttpResponse:
    """The first step of a new job that has everything but its file."""
    saved = lookup.saved_mapping(request.user, pk, Act.RUN)
    custom_object = _object_of(request, saved)
    form = NextFileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        uploaded = form.cleaned_data["file"]
        try:
            file = uploads.receive(
                uploaded.chunks(), uploaded.name or "", by=request.user
            )
            job = drafts.create_draft(
                saved.connection,
                saved.object_key,
                saved.action,
                file,
                by=request.user,
                options=saved_mappings.options_of(saved),
                saved_mapping=saved,
            )
            automation.set_auto_target(job, JobState.READY)
        except JobsError as refusal:
            form.add_error("file", str(refusal))
        else:
            return http.go_to(request, following(job))
    page = {
        "saved": saved,
        "object": custom_object,
        "form": form,
        "changes": saved_mappings.changes(saved, custom_object.schema),
    }
    name = "mappings/new_job.html"
    response = render(request, f"{name}#form" if request.htmx else name, page)
    patch_vary_headers(response, ["HX-Request"])
    return response


@post_only
@on_draft
def use(request: HtmxRequest, job: Job) -> HttpResponse:
    """Map a draft with the saved mapping that was chosen, and check it."""
    known = lookup.saved_mappings(request.user)
    try:
        pk = int(request.POST.get("mapping", ""))
        saved = get_object_or_404(known, pk=pk)
        saved_mappings.use(job, saved, by=request.user)
        automation.set_auto_target(job, JobState.READY)
    except ValueError:
        messages.error(request, "Choose a saved mapping.")
    except JobsError as refusal:
        messages.error(request, str(refusal))
    return redirect(following(job))


@require_http_methods(["GET", "POST"])
def save(request: HtmxRequest, code: UUID) -> HttpResponse:
    """Save the mapping of a draft or of a job. `from` is the step to go back to."""
    job = lookup.draft_or_job(request.user, code, Act.RUN)
    back = _back(job, request.GET.get("from", ""))
    initial = {"name": job.saved_mapping.name if job.saved_mapping else ""}
    form = SaveMappingForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        before = job.saved_mapping
        try:
            saved = saved_mappings.save(job, form.cleaned_data["name"], by=request.user)
        except JobsError as refusal:
            form.add_error(None, str(refusal))
        else:
            is_known = saved == before
            messages.success(request, _saved_sentence(saved, is_known=is_known))
            return redirect(back)
    known = lookup.saved_mappings(request.user).filter(
        connection=job.connection, object_key=job.object_key
    )
    page = {
        "job": job,
        "form": form,
        "names": saved_mappings.newest(known).values_list("name", flat=True),
        "back": back,
    }
    return render(request, "mappings/save.html", page)


def _saved_sentence(saved: SavedMapping, *, is_known: bool) -> str:
    if is_known:
        return f"“{saved.name}”, version {saved.version}, already is this mapping."
    return f"Mapping saved as “{saved.name}”, version {saved.version}."


def _back(job: Job, step: str) -> str:
    if not job.is_draft:
        return reverse("jobs:events", args=[job.code])
    view = step if step in STEPS_WITH_MAPPING else "map"
    return reverse(f"jobs:{view}", args=[job.code])


def _delete_question(saved: SavedMapping) -> Confirmation:
    number = saved_mappings.versions(saved).count()
    return Confirmation(
        question=f"Delete the mapping {saved.name}?",
        effects=[
            f"{counted(number, 'version')} of it will be deleted. This cannot be undone.",
            "Jobs and drafts that were mapped with it keep their mapping.",
        ],
        button="Delete mapping",
        icon="trash",
        keep="Keep the mapping",
        subject=saved.name,
        back=reverse("mappings:detail", args=[saved.pk]),
    )


def _object_of(request: HtmxRequest, saved: SavedMapping) -> CustomObject:
    return lookup.object_of_key(request.user, saved.connection, saved.object_key)
