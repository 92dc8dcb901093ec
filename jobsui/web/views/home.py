import zlib
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup, people
from jobsui.jobs.models import Approval, Job
from jobsui.web import first_run as first
from jobsui.web import job_table
from jobsui.web.forms.people import FirstRunForm
from jobsui.web.http import HtmxRequest

MAX_ATTENTION = 10
MAX_APPROVALS = 10
MAX_RUNNING = 10
MAX_RECENT = 8
RUNNING_INTERVAL = 3
IDLE_INTERVAL = 30
"""Seconds between two polls of the page."""


@require_safe
def home(request: HtmxRequest) -> HttpResponse:
    jobs = lookup.overview(request.user)
    context = _live(jobs, _approvals(request.user))
    if all(job.is_draft for job in jobs):
        context |= {
            "has_connection": lookup.connections(request.user).exists(),
            "has_object": lookup.objects(request.user).exists(),
            "is_new": True,
        }
    return render(request, "home.html", context)


@require_safe
def live(request: HtmxRequest) -> HttpResponse:
    """The live section: 204 when nothing is new."""
    jobs = lookup.overview(request.user)
    asked = _approvals(request.user)
    if request.GET.get("v") == _version(jobs, asked):
        return HttpResponse(status=204)
    return render(request, "home/live.html", _live(jobs, asked))


@login_not_required
@require_http_methods(["GET", "POST"])
def first_run(request: HttpRequest) -> HttpResponse:
    """Create the first administrator. The page exists only until there is one."""
    if not first.is_due():
        raise Http404
    form = FirstRunForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        if first.token_matches(data["token"]):
            people.add_administrator(data["username"], data["password"])
            first.discard_token()
            messages.success(request, "Administrator created. Sign in.")
            return redirect("account_login")
        form.add_error("token", "Incorrect token. The token is printed in the console.")
    return render(request, "first_run.html", {"form": form})


def _approvals(user: User) -> list[Approval]:
    return list(lookup.approvals(user)[:MAX_APPROVALS])


def _live(jobs: list[Job], asked: list[Approval]) -> dict[str, Any]:
    attention = [job for job in jobs if job.state in lookup.ATTENTION]
    running = [job for job in jobs if job.is_moving]
    drafts = [job for job in jobs if job.is_draft]
    recent = [job for job in jobs if job.is_over]
    tables = (
        job_table.attention(attention[:MAX_ATTENTION]),
        job_table.approvals(asked),
        job_table.running(running[:MAX_RUNNING]),
        job_table.drafts(drafts),
        job_table.recent(recent[:MAX_RECENT]),
    )
    return {
        "tables": [table for table in tables if table.lines],
        "interval": RUNNING_INTERVAL if running else IDLE_INTERVAL,
        "version": _version(jobs, asked),
    }


def _version(jobs: list[Job], asked: list[Approval]) -> str:
    """Changes when there is something new to show."""
    shown = [(job.pk, job.version, job.current_limit, job.file.rows) for job in jobs]
    waiting = [approval.pk for approval in asked]
    return str(zlib.crc32(repr((shown, waiting)).encode()))
