from allauth.account import views
from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from jobsui.web import first_run


class AccountAdapter(DefaultAccountAdapter):
    """People are added by an administrator, never by themselves."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


@login_not_required
def log_in(request: HttpRequest) -> HttpResponseBase:
    """Allauth's page, once there is somebody who could sign in."""
    if first_run.is_due():
        return redirect("first_run")
    response: HttpResponseBase = views.login(request)
    return response


@login_not_required
def closed(request: HttpRequest) -> HttpResponseBase:
    """Allauth's pages for people who register themselves and get mail, neither of which
    we have."""
    raise Http404
