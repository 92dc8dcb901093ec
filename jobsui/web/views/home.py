import zlib
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup
from jobsui.jobs.reports import job_progress
from jobsui.web import first_run as first
from jobsui.web.forms.people import FirstRunForm
from jobsui.web.http import HtmxRequest


@require_safe
def home(request: HtmxRequest) -> HttpResponse:
    page = _live(request.user)
    if not page["latest"] and not page["running"]:
        page |= {
            "has_connection": lookup.connections(request.user).exists(),
            "has_object": lookup.objects(request.user).exists(),
            "is_new": True,
        }
    return render(request, "home.html", page)


@require_safe
def live(request: HtmxRequest) -> HttpResponse:
    """The live section: 204 when nothing is new."""
    page = _live(request.user)
    if request.GET.get("v") == page["version"]:
        return HttpResponse(status=204)
    return render(request, "home.html#live", page)


@login_not_required
@require_http_methods(["GET", "POST"])
def first_run(request: HttpRequest) -> HttpResponse:
    """Make the first administrator; the page exists only until there is one."""
    if not first.is_due():
        raise Http404
    form = FirstRunForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if first.token_matches(form.cleaned_data["token"]):
            User.objects.create_superuser(
                form.cleaned_data["username"], password=form.cleaned_data["password"]
            )
            first.done()
            messages.success(request, "You are the first administrator. Sign in.")
            return redirect("account_login")
        form.add_error("token", "That is not the token the console printed.")
    return render(request, "first_run.html", {"form": form})


def _live(user: User) -> dict[str, Any]:
    jobs = lookup.overview(user)
    running = [job for job in jobs if job.is_moving]
    return {
        "attention": [job for job in jobs if job.state in lookup.ATTENTION][:10],
        "running": [
            (job, job_progress.percent(job), job_progress.seconds_left(job))
            for job in running[:10]
        ],
        "drafts": [job for job in jobs if job.is_draft],
        "latest": [job for job in jobs if not job.is_moving and not job.is_draft][:8],
        "interval": 3 if running else 30,
        "version": str(
            zlib.crc32(
                repr(
                    [
                        (job.pk, job.version, job.current_limit, job.file.rows)
                        for job in jobs
                    ]
                ).encode()
            )
        ),
    }
