"""The Compare step: compares a checked draft with the account before it is reviewed."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobsui import paging
from jobsui.jobs.control import account_match, automation, comparisons
from jobsui.jobs.enums import Action, JobState, ReadState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.live import planned_rows
from jobsui.jobs.mapping.options import Match, Options
from jobsui.jobs.models import AccountListing, Job, RecordRead
from jobsui.web import comparison_page, http, record_reads, row_choices
from jobsui.web.addresses import post_only
from jobsui.web.comparison_page import Grid
from jobsui.web.forms.account_match import MatchForm
from jobsui.web.http import HtmxRequest
from jobsui.web.views.wizard import DraftView, on_draft, with_file


def on_checked(view: DraftView) -> DraftView:
    """For drafts that are checked and have records to be compared with."""

    @wraps(view)
    def comparable(request: HtmxRequest, job: Job, **others: Any) -> HttpResponseBase:
        if job.state != JobState.READY:
            return http.go(request, "jobs:check", job.code)
        if not comparisons.is_possible(job):
            return http.go(request, "jobs:review", job.code)
        return view(request, job, **others)

    return comparable


@require_safe
@on_draft
@with_file
@on_checked
def compare(request: HtmxRequest, job: Job) -> HttpResponse:
    return render(request, "wizard/compare.html", _page(request, job))


@require_safe
@on_draft
@on_checked
def progress(request: HtmxRequest, job: Job) -> HttpResponse:
    """The live section: 204 when nothing is new."""
    return record_reads.live_section(
        request, "wizard/compare.html#comparison", _page(request, job)
    )


@post_only
@on_draft
def start(request: HtmxRequest, job: Job) -> HttpResponse:
    """With "match" in the form, the comparison also makes the account match the file, and earlier
    choices for that are kept. A comparison of the same kind that already runs continues."""
    wants_match = "match" in request.POST
    read = comparisons.current(job)
    is_open = read is not None and read.is_open
    if read is not None and is_open and account_match.is_listed(read) == wants_match:
        return redirect("jobs:compare", job.code)

    def act() -> None:
        if read is not None and is_open:
            comparisons.cancel(read)
        match = None
        if wants_match:
            match = account_match.of(job) or Match()
        if match != account_match.of(job):
            account_match.choose(job, match, by=request.user)
        comparisons.start(job, by=request.user)

    return _act(request, job, act)


@post_only
@on_draft
def choose_match(request: HtmxRequest, job: Job) -> HttpResponse:
    """Choose what is done with each kind of difference."""
    form = MatchForm(request.POST)
    if form.is_valid():
        return _act(
            request,
            job,
            lambda: account_match.choose(job, form.match(), by=request.user),
        )
    if job.state != JobState.READY or comparisons.finished(job) is None:
        return redirect("jobs:compare", job.code)
    page = _page(request, job) | {"match_form": form}
    return render(request, "wizard/compare.html", page)


@post_only
@on_draft
def choose_rows(request: HtmxRequest, job: Job) -> HttpResponse:
    """Of the rows that a page shows, send the ticked ones and leave the others out. htmx gets the
    new result of the comparison."""
    read = comparisons.finished(job)
    if read is None:
        return http.go(request, "jobs:compare", job.code)
    try:
        row_choices.save(request.POST, read, by=request.user)
    except NotPossibleNow as refusal:
        messages.error(request, str(refusal))
        return http.go(request, "jobs:compare", job.code)
    if request.htmx:
        return render(request, "wizard/compare_chosen.html", _page(request, job))
    address = reverse("jobs:compare", args=[job.code])
    return redirect(f"{address}?{request.GET.urlencode()}#rows")


@post_only
@on_draft
def skip(request: HtmxRequest, job: Job) -> HttpResponse:
    """Send all rows, whatever a comparison found."""
    comparisons.skip(job, by=request.user)
    return redirect("jobs:review", job.code)


@post_only
@on_draft
def cancel(request: HtmxRequest, job: Job) -> HttpResponse:
    read = comparisons.latest(job)
    if read is None:
        return redirect("jobs:compare", job.code)
    return _act(request, job, lambda: comparisons.cancel(read))


def _act(request: HtmxRequest, job: Job, act: Callable[[], object]) -> HttpResponse:
    try:
        act()
    except NotPossibleNow as refusal:
        messages.error(request, str(refusal))
    return redirect("jobs:compare", job.code)


def _page(request: HtmxRequest, job: Job) -> dict[str, Any]:
    read = comparisons.latest(job)
    is_current = read is not None and comparisons.is_current(read, job)
    page = {
        "job": job,
        "read": read,
        "is_outdated": read is not None and not is_current,
        "version": record_reads.version(read),
        "announcement": comparison_page.announcement(read),
        "cost": comparisons.cost_of(job),
        "is_long": automation.is_long(job),
        "by_name": Action(job.action).key == "name",
        "deletes": Action(job.action).deletes,
        "match": account_match.of(job),
        "can_match": account_match.is_possible(job),
        "requests_to_list": comparisons.requests_to_list(job),
        "listing": AccountListing.objects.filter(read=read).first() if read else None,
        "only_existing": Options.from_json(job.options).only_existing,
    }
    if read and read.is_open:
        return page | record_reads.progress(read)
    if read and is_current and read.state == ReadState.DONE:
        return page | _found(request, job, read)
    return page


def _found(request: HtmxRequest, job: Job, read: RecordRead) -> dict[str, Any]:
    """What the page of a finished comparison shows."""
    read.job = job
    grid = Grid(read, request.GET.get("verdict", ""), request.GET.get("field", ""))
    after = paging.parse_integer(request.GET.get("after", "")) or 0
    rows, older = grid.page(after)
    return {
        "is_found": True,
        "grid": grid,
        "rows": rows,
        "older": older,
        "after": after,
        "page_query": request.GET.urlencode(),
        "can_choose": any(line.row.can_be_left_out for line in rows),
        "sentence": comparison_page.sentence(planned_rows.of(read), job),
        "obstacle": comparisons.obstacle(job),
        "explanations": comparison_page.explanations(read),
        "differences": comparison_page.differences(read),
        "reasons_against": account_match.reasons_against(job, read),
        "match_form": MatchForm(initial=MatchForm.initial_of(account_match.of(job))),
        "age": record_reads.age_seconds(read),
    }
