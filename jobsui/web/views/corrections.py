"""Correcting rows with problems: the grid, values of a column, the list of corrections."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import push_url

from jobsui import paging
from jobsui.access import lookup
from jobsui.access.limits import Limited
from jobsui.jobs.control import correction_uploads, corrections
from jobsui.jobs.enums import JobState
from jobsui.jobs.errors import FileRefused, JobsError
from jobsui.jobs.models import Cause, CorrectionUpload, Job
from jobsui.jobs.reports import (
    problem_rows,
    problem_values,
    problem_workbook,
    reading_log,
)
from jobsui.text import counted
from jobsui.web import http
from jobsui.web.addresses import post_only
from jobsui.web.forms.corrections import CellForm, ValuesForm, WorkbookForm
from jobsui.web.http import HtmxRequest
from jobsui.web.problem_grid import Grid
from jobsui.web.views.wizard import on_draft, with_file

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@require_safe
@on_draft
@with_file
def grid(request: HtmxRequest, job: Job) -> HttpResponse:
    """Rows with problems, of one cause or of all. `row` and `column` open a cell."""
    if job.state != JobState.READY:
        return http.go(request, "jobs:check", job.code)
    cause = _cause(job, request.GET.get("cause", ""))
    after = request.GET.get("after", "")
    drawn = Grid(job, cause, after)
    row = paging.parse_integer(request.GET.get("row", ""))
    opened = paging.parse_integer(request.GET.get("column", ""))
    if request.htmx and row is not None:
        return _row(request, job, drawn, row, opened=opened)
    try:
        page = problem_rows.page(
            job,
            cause=cause,
            after=paging.parse_integer(after) or 0,
            size=drawn.size,
        )
    except FileRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:check", job.code)
    rows = [
        drawn.row(each, opened=opened if each.row == row else None)
        for each in page.entries
    ]
    context = _context(job, drawn) | {
        "rows": rows,
        "older": page.older,
        "can_change": any(each.can_change for each in rows),
    }
    response = render(request, "wizard/grid.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@post_only
@on_draft
@with_file
def correct(request: HtmxRequest, job: Job) -> HttpResponse:
    """Change one cell. htmx gets its row, checked again."""
    cause = _cause(job, request.POST.get("cause", ""))
    after = request.POST.get("after", "")
    form = CellForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The cell was not changed. Open it again.")
        return http.go(request, "jobs:check", job.code)
    row = form.cleaned_data["row"]
    refusal = _correct(request, job, form)
    if job.state != JobState.READY:
        return http.go(request, "jobs:check", job.code)
    drawn = Grid(job, _current(cause), after)
    if request.htmx:
        return _row(request, job, drawn, row, refusal=refusal)
    if refusal:
        messages.error(request, refusal)
    address = reverse("jobs:grid", args=[job.code])
    return redirect(f"{address}?{drawn.page_query}#r{row}")


@require_http_methods(["GET", "POST"])
@on_draft
@with_file
def values(request: HtmxRequest, job: Job) -> HttpResponse:
    """Replace values of the column of a cause, in all rows."""
    cause = _cause(job, request.GET.get("cause", ""))
    if job.state != JobState.READY or cause is None:
        return redirect("jobs:check", job.code)
    form = ValuesForm(
        request.POST or None,
        values=problem_values.values_of(job, cause),
        options=problem_values.options_by_column(job).get(cause.column, ()),
    )
    if request.method == "POST" and form.is_valid():
        texts = form.replacements()
        try:
            corrections.replace_texts(job, cause.column, texts, by=request.user)
        except (JobsError, FileRefused) as refusal:
            messages.error(request, str(refusal))
        else:
            if texts:
                messages.success(request, f"Replaced {counted(len(texts), 'value')}.")
        return redirect("jobs:check", job.code)
    context = {"job": job, "cause": cause, "form": form}
    return render(request, "wizard/corrections_values.html", context)


@require_safe
@http.limited(Limited.EXPORT)
@on_draft
@with_file
def problems(request: HtmxRequest, job: Job) -> HttpResponseBase:
    """problems.xlsx."""
    if job.state != JobState.READY:
        return redirect("jobs:check", job.code)
    try:
        content = problem_workbook.problems_xlsx(job)
    except JobsError as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:check", job.code)
    reading_log.exported(job, "problems.xlsx")
    name = job.file.name.rpartition(".")[0] or job.file.name
    response = StreamingHttpResponse(content, content_type=XLSX)
    response["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=f"{name}-problems.xlsx")
        or "attachment"
    )
    return response


@http.takes_files
@require_http_methods(["GET", "POST"])
@on_draft
@with_file
def workbook(request: HtmxRequest, job: Job) -> HttpResponse:
    """Upload a corrected workbook. The live section asks with GET: 204 while it is read."""
    if request.method == "GET":
        upload = CorrectionUpload.objects.filter(job=job).first()
        if request.htmx and upload and upload.is_waiting:
            return HttpResponse(status=204)
        return http.go(request, "jobs:check", job.code)
    form = WorkbookForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, str(form.errors["file"][0]))
        return http.go(request, "jobs:check", job.code)
    uploaded = form.cleaned_data["file"]
    try:
        correction_uploads.receive(
            job, uploaded.chunks(), uploaded.name or "", by=request.user
        )
    except JobsError as refusal:
        messages.error(request, str(refusal))
    return http.go(request, "jobs:check", job.code)


@require_safe
def correction_list(request: HtmxRequest, code: UUID) -> HttpResponse:
    """Those of a draft or a launched job, the newest first."""
    job = lookup.draft_or_job(request.user, code)
    made = job.corrections.select_related("by")
    context = {
        "job": job,
        "number": made.count(),
        "page": http.page_at(
            partial(corrections.page, job), request.GET.get("before", "")
        ),
    }
    return render(request, "wizard/corrections.html", context)


@post_only
@on_draft
def undo(request: HtmxRequest, job: Job, pk: int) -> HttpResponse:
    correction = get_object_or_404(job.corrections, pk=pk)
    try:
        corrections.undo(correction, by=request.user)
    except (JobsError, FileRefused) as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Undone: {correction.column} is as in the file.")
    return redirect("jobs:corrections", job.code)


def _correct(request: HtmxRequest, job: Job, form: CellForm) -> str:
    """Why the cell was not changed; "" if it was."""
    row = form.cleaned_data["row"]
    position = form.cleaned_data["column"]
    if position >= len(job.file.columns):
        return "The file has no such column."
    column = job.file.columns[position]
    text = _with_line_ends_of(job, row, position, form.cleaned_data["text"])
    try:
        corrections.correct_cell(job, row, column, text, by=request.user)
    except (JobsError, FileRefused) as refusal:
        return str(refusal)
    return ""


def _with_line_ends_of(job: Job, row: int, position: int, text: str) -> str:
    """Browsers send CR LF. A cell keeps the line ends that it has."""
    if "\r\n" not in text:
        return text
    for found in problem_rows.rows(job, [row]):
        if "\r\n" in found.cells[position]:
            return text
    return text.replace("\r\n", "\n")


def _row(
    request: HtmxRequest,
    job: Job,
    drawn: Grid,
    number: int,
    *,
    opened: int | None = None,
    refusal: str = "",
) -> HttpResponse:
    """One row of the grid, and its head with the counts."""
    context = _context(job, drawn) | {"is_update": True, "can_change": True}
    for found in problem_rows.rows(job, [number]):
        context["row"] = drawn.row(found, opened=opened, refusal=refusal)
    response = render(request, "wizard/grid_update.html", context)
    # Without it, the address of the row would become that of the page.
    return push_url(response, url=False)


def _context(job: Job, drawn: Grid) -> dict[str, Any]:
    return {
        "job": job,
        "cause": drawn.cause,
        "after": drawn.after,
        "query": drawn.query,
        "columns": drawn.columns,
        "warning_codes": drawn.warning_codes,
        "corrections": job.corrections.count(),
    }


def _cause(job: Job, text: str) -> Cause | None:
    pk = paging.parse_integer(text)
    found = Cause.objects.filter(job=job, phase=Cause.Phase.CHECK)
    return found.filter(pk=pk).first() if pk is not None else None


def _current(cause: Cause | None) -> Cause | None:
    """The cause after a row was checked again. One without rows is deleted."""
    if cause is None:
        return None
    current = Cause.objects.filter(pk=cause.pk).first()
    if current is None:
        cause.count = 0
    return current or cause
