"""The audit log, for administrators."""

from collections.abc import Iterator
from functools import partial

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobsui import paging
from jobsui.audit import log, search
from jobsui.audit.log import Subject
from jobsui.audit.models import Action
from jobsui.jobs.reports.row_results import in_pieces
from jobsui.web import http
from jobsui.web.forms.audit import AuditForm
from jobsui.web.http import HtmxRequest, admin_required

CHUNK = 500
SUBJECT = Subject("audit log", "", "Audit log")


@require_safe
@admin_required
def entries(request: HtmxRequest) -> HttpResponse:
    form = AuditForm(request.GET)
    found = form.found()
    by_number = partial(paging.by_number_descending, found, "number")
    filters = request.GET.copy()
    filters.pop("before", None)
    page = {
        "form": form,
        "page": http.page_at(by_number, request.GET.get("before", "")),
        "filters": filters.urlencode(),
    }
    return render(request, "audit/list.html", page)


@require_safe
@admin_required
def as_csv(request: HtmxRequest) -> HttpResponseBase:
    found = AuditForm(request.GET).found().iterator(chunk_size=CHUNK)
    return _download(search.as_csv(found), "csv", "text/csv; charset=utf-8")


@require_safe
@admin_required
def as_json(request: HtmxRequest) -> HttpResponseBase:
    found = AuditForm(request.GET).found().iterator(chunk_size=CHUNK)
    return _download(search.as_json(found), "jsonl", "application/jsonl")


def _download(
    lines: Iterator[str], suffix: str, content_type: str
) -> StreamingHttpResponse:
    log.record(Action.AUDIT_EXPORTED, SUBJECT, after={"format": suffix})
    response = StreamingHttpResponse(in_pieces(lines), content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="audit.{suffix}"'
    return response
