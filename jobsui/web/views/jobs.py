from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from jobsui import paging
from jobsui.access import lookup, policy
from jobsui.access.policy import Act
from jobsui.jobs import retention
from jobsui.jobs.control import actions, proofs, retries, undo
from jobsui.jobs.enums import Action, JobState, LimitedBy, ParentRows
from jobsui.jobs.models import Batch, Cause, Job, RowError
from jobsui.jobs.reports import (
    api_warnings,
    batch_strip,
    event_sentences,
    job_details,
    job_progress,
    shared_records,
    snippets,
)
from jobsui.jobs.retention import Kind
from jobsui.paging import Page
from jobsui.text import counted
from jobsui.web import http, job_table, proof_page, strip_drawing, undo_page
from jobsui.web.forms.jobs import HistoryForm
from jobsui.web.http import HtmxRequest

SHOWN_CAUSES = 5
SELECTABLE_CAUSES = 50


@require_safe
def job_list(request: HtmxRequest) -> HttpResponse:
    """The history. The filter form swaps only the table."""
    form = HistoryForm(
        request.GET,
        connections=lookup.connections(request.user),
        people=lookup.people(request.user),
    )
    found = form.narrowed(lookup.jobs(request.user))
    page = http.page_at(partial(paging.by_time, found), request.GET.get("cursor", ""))
    filters = request.GET.copy()
    filters.pop("cursor", None)
    context = {
        "form": form,
        "page": page,
        "table": job_table.history(page.entries),
        "count": _count(found, page),
        "filters": filters.urlencode(),
    }
    template = "jobs/history.html" if request.htmx else "jobs/list.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
def detail(request: HtmxRequest, code: UUID) -> HttpResponse:
    job = lookup.draft_or_job(request.user, code)
    if job.state == JobState.READY:
        return redirect(job_table.plan_page(job), code)
    if job.is_draft:
        return redirect("jobs:upload", code)
    may_run = policy.allows(request.user, Act.RUN, job.connection_id)
    retriable = retries.retriable_causes(job) if may_run else {}
    context = _live(job, retriable) | _notices(job)
    context |= {
        "may": actions.may(job) if may_run else {},
        "warnings": api_warnings.of_job(job),
        "tab": "detail",
        "first_batch": _first_batch(job),
        "saved": job_progress.saved_label(Action(job.action)),
        "run_settings": job.run_settings,
        "retries": job_details.retries(job),
        "retriable": retriable,
        "undoable_rows": undo.undoable_rows(job) if may_run else 0,
    }
    if job.is_over:
        context |= _after_the_end(request, job, may_run=may_run)
    return render(request, "jobs/detail.html", context)


@require_safe
def progress(request: HtmxRequest, code: UUID) -> HttpResponse:
    """The live section: 204 when nothing is new. When other buttons apply, the browser
    loads the whole page again."""
    job = lookup.job(request.user, code)
    if request.GET.get("state", job.state) != job.state:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    if request.GET.get("v") == _seen(job):
        return HttpResponse(status=204)
    return render(request, "jobs/detail/progress.html", _live(job, {}))


@require_safe
def rows(request: HtmxRequest, code: UUID) -> HttpResponse:
    """Rows that did not succeed, by cause and outcome."""
    job = lookup.job(request.user, code)
    found = job.row_errors.select_related("batch")
    results_notice = retention.notice(job, Kind.RESULTS)
    if results_notice:
        found = found.none()
    cause = _cause(job, request.GET.get("cause", ""))
    if cause:
        found = found.filter(cause=cause)
    outcome = request.GET.get("outcome", "")
    if outcome not in RowError.OUTCOMES:
        outcome = ""
    if outcome:
        found = found.filter(outcome=outcome)
    by_row = partial(paging.by_number, found, "row")
    may_run = policy.allows(request.user, Act.RUN, job.connection_id)
    retriable = retries.retriable_causes(job) if cause and may_run else {}
    context = {
        "job": job,
        "tab": "rows",
        "page": http.page_at(by_row, request.GET.get("after", "")),
        "results_notice": results_notice,
        "causes": job_details.causes(job, most=SELECTABLE_CAUSES),
        "outcomes": [(entry.value, entry.label) for entry in RowError.OUTCOMES],
        "cause": cause,
        "outcome": outcome,
        "filters": urlencode({"cause": cause.pk if cause else "", "outcome": outcome}),
        "retriable_rows": retriable.get(cause.pk, 0) if cause else 0,
    }
    return render(request, "jobs/rows.html", context)


@require_safe
def events(request: HtmxRequest, code: UUID) -> HttpResponse:
    job = lookup.job(request.user, code)
    context = {
        "job": job,
        "tab": "events",
        "events": event_sentences.latest_events(job),
        "options": job.options,
        "deletes": Action(job.action).deletes,
        "run_settings": job.run_settings,
        "mapped": job_details.mapped(job),
    }
    return render(request, "jobs/events.html", context)


@require_safe
def api(request: HtmxRequest, code: UUID) -> HttpResponse:
    """How a program runs the same job."""
    job = lookup.job(request.user, code)
    home = request.build_absolute_uri(reverse("home"))
    context = {"job": job, "tab": "api", "snippets": snippets.for_job(job, home)}
    return render(request, "jobs/api.html", context)


def _live(job: Job, retriable: Mapping[int, int]) -> dict[str, Any]:
    """What the live section shows. Its causes have no buttons: they would be replaced
    while somebody presses them. Causes that can be retried come first."""
    now = job_progress.progress(job)
    has_problems = job.failed or job.invalid or job.uncertain
    causes = job_details.MainCauses([], 0)
    if has_problems:
        causes = job_details.main_causes(job, retriable, most=SHOWN_CAUSES)
    is_waiting = job.current_limit is LimitedBy.KEY_CONFLICT
    waits_for = shared_records.waits_for([job]) if is_waiting else {}
    return {
        "job": job,
        "waits_for": waits_for.get(job.pk, []),
        "seen": _seen(job),
        "now": now,
        "limited_by": job_progress.limited_by(job),
        "announcement": _announcement(job, now.percent),
        "strip": strip_drawing.draw(batch_strip.strip(job)),
        "causes": causes.shown,
        "hidden_causes": causes.hidden,
        "retriable": {},
    }


def _after_the_end(request: HtmxRequest, job: Job, *, may_run: bool) -> dict[str, Any]:
    """The proof of a job that has ended, and what an undo has put back."""
    proof = proofs.current(job)
    context: dict[str, Any] = {
        "proof_summary": proof_page.summary(proof, job),
        "may_prove": may_run and not proofs.obstacle(job),
    }
    is_undo = job.parent_rows == ParentRows.UNDONE
    read = undo.current(job) if is_undo else None
    if read is None:
        return context
    found = undo_page.lists_page(job, read, request.GET)
    sentence = undo_page.sentence(found["undo"].rows, is_launched=True)
    return context | found | {"undo_sentence": sentence}


def _notices(job: Job) -> dict[str, str]:
    """What the retention settings have deleted of the job, as sentences."""
    return {
        "results_notice": retention.notice(job, Kind.RESULTS),
        "file_notice": retention.notice(job, Kind.FILES),
        "rows_notice": retention.rows_notice(job),
    }


def _seen(job: Job) -> str:
    """Changes when the live section has something new to show. A worker that stops
    changes no job, only what limits it."""
    seen = f"{job.version}-{job.current_limit}"
    if job.continues_at:
        seen += f"-{job.continues_at:%Y%m%d%H%M%S}"
    return seen


def _cause(job: Job, pk: str) -> Cause | None:
    """The job's cause with this primary key; None if there is none."""
    number = paging.parse_integer(pk)
    return job.causes.filter(pk=number).first() if number else None


def _announcement(job: Job, percent: int) -> str:
    """What a screen reader says."""
    if not job.is_over:
        return f"{percent} percent, {counted(job.failed, 'row')} failed."
    state = job.get_state_display().lower()
    rows = counted(job.rows, "row")
    return f"The job is {state}: {job.succeeded:,} of {rows} succeeded."


def _first_batch(job: Job) -> Batch | None:
    """The batch that waits for approval."""
    return job.batches.get(seq=1) if job.is_held_after_first_batch else None


def _count(found: QuerySet[Job], page: Page[Job]) -> str:
    """How many jobs match. A single page needs no counting."""
    is_whole = not page.older and not page.newer
    return str(len(page.entries)) if is_whole else paging.capped_count(found)
