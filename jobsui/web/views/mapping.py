"""The second step of a new job: which column fills which field, and by which rules."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from jobsui.jobs.control import drafts
from jobsui.jobs.enums import Action
from jobsui.jobs.errors import MappingRefused, NotPossibleNow
from jobsui.jobs.mapping import field_targets
from jobsui.jobs.mapping.matching import suggest_for
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import checker
from jobsui.web.forms.mapping import MappingForm
from jobsui.web.http import HtmxRequest
from jobsui.web.mapping_rows import MappingRows
from jobsui.web.views.wizard import on_draft, with_file


@require_http_methods(["GET", "POST"])
@on_draft
@with_file
def map_columns(request: HtmxRequest, job: Job) -> HttpResponse:
    """A POST saves the mapping and starts the check, unless `then` says "save" or
    "save_mapping". With
    htmx, it only shows the state of the form."""
    targets = field_targets.targets_for(job)
    form = MappingForm(
        request.POST or None,
        columns=job.file.columns,
        targets=targets,
        action=Action(job.action),
        mapping=kept_mapping(job),
        options=Options.from_json(job.options),
    )
    if request.htmx:
        return _changed(request, job, form)
    problems: list[str] = []
    if request.method == "POST" and form.is_valid():
        try:
            return _save(request, job, form)
        except MappingRefused as refusal:
            problems = refusal.problems
        except NotPossibleNow as refusal:
            problems = [str(refusal)]
    page = _page(job, form) | {"problems": problems or form.problems()}
    return render(request, "wizard/map.html", page)


def _save(request: HtmxRequest, job: Job, form: MappingForm) -> HttpResponse:
    drafts.set_mapping(job, form.mapping(), form.options(), by=request.user)
    if request.POST.get("then") == "save":
        return redirect("jobs:map", job.code)
    if request.POST.get("then") == "save_mapping":
        return redirect("jobs:save_mapping", job.code)
    checker.start(job, by=request.user)
    return redirect("jobs:check", job.code)


def _changed(request: HtmxRequest, job: Job, form: MappingForm) -> HttpResponse:
    """The parts of the page that depend on the column that was just chosen."""
    page = _page(job, form)
    page["row"] = page["rows"].of(request.htmx.trigger_name or "")
    page["is_oob"] = True
    return render(request, "wizard/map_changed.html", page)


def _page(job: Job, form: MappingForm) -> dict[str, Any]:
    rows = MappingRows(job, form)
    return {
        "job": job,
        "form": form,
        "rows": rows,
        "summary": rows.summary,
    }


def kept_mapping(job: Job) -> dict[str, str]:
    """The mapping of the draft. Where the file was replaced and columns are missing,
    the others are matched."""
    kept = {
        column: key for column, key in job.mapping.items() if column in job.file.columns
    }
    if job.mapping and len(kept) == len(job.mapping):
        return kept
    return suggest_for(job, kept)
