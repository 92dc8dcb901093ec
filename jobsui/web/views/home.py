from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from jobsui.jobs.engine import reporting
from jobsui.jobs.enums import MOVING, JobState
from jobsui.web import access
from jobsui.web import first_run as first
from jobsui.web.access import HtmxRequest
from jobsui.web.forms.people import FirstRunForm

ATTENTION = (JobState.FAILED, JobState.NEEDS_DECISION, JobState.PAUSED)


def home(request: HtmxRequest) -> HttpResponse:
    jobs = access.jobs(request.user)
    running = [(job, reporting.progress(job)) for job in jobs.filter(state__in=MOVING)[:10]]
    page = {
        "attention": jobs.filter(state__in=ATTENTION)[:10],
        "running": running,
        "drafts": access.drafts(request.user)[:5],
        "latest": jobs.exclude(state__in=MOVING)[:8],
        "interval": 3 if running else 30,
    }
    if request.htmx:
        return render(request, "home.html#live", page)
    if not jobs.exists():
        page |= {
            "has_connection": access.connections(request.user).exists(),
            "has_object": access.objects(request.user).exists(),
            "is_new": True,
        }
    return render(request, "home.html", page)


@login_not_required
def first_run(request: HttpRequest) -> HttpResponse:
    """Make the first administrator; the page exists only until there is one."""
    if not first.is_due():
        raise Http404
    form = FirstRunForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if first.token_matches(form.cleaned_data["token"]):
            User.objects.create_superuser(form.cleaned_data["username"], password=form.cleaned_data["password"])
            first.done()
            messages.success(request, "You are the first administrator. Sign in.")
            return redirect("account_login")
        form.add_error("token", "That is not the token the console printed.")
    return render(request, "first_run.html", {"form": form})
