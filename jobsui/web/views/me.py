"""The pages on which people look after their own sign-in."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import sessions
from jobsui.web.http import HtmxRequest
from jobsui.web.sessions import end_chosen


@require_safe
def sign_in(request: HtmxRequest) -> HttpResponse:
    return render(request, "me/sign_in.html")


@require_http_methods(["GET", "POST"])
def session_list(request: HtmxRequest) -> HttpResponse:
    """POST ends one of them, or all but this one."""
    if request.method == "POST":
        end_chosen(request, request.user)
        return redirect("me:sessions")
    opened = sessions.of_person(request.user, request.session.session_key)
    return render(request, "me/sessions.html", {"sessions": opened})
