from typing import Any

from allauth.account import views
from allauth.account.adapter import DefaultAccountAdapter
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser, User
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from jobsui.access import passwords
from jobsui.access.client_address import client_network
from jobsui.web import first_run
from jobsui.web.middleware import MUST_CHANGE_PASSWORD, UNSENT


class AccountAdapter(DefaultAccountAdapter):
    """Administrators add people. There is no registration."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "This account is deactivated. Ask an administrator.",
        "enter_current_password": "Enter your current password.",
        "incorrect_password": "Incorrect password.",
        "too_many_login_attempts": "Too many failed sign-ins. Try again in a few minutes.",
        "username_password_mismatch": "Incorrect username or password.",
    }

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_network(request)

    def _get_login_attempts_cache_key(
        self, request: HttpRequest, **credentials: Any
    ) -> str:
        """By username and address: a stranger elsewhere cannot lock anybody out."""
        key: str = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{key}:{client_network(request)}"

    def login(  # type: ignore[override]
        self, request: HttpRequest, user: User
    ) -> None:
        super().login(request, user)
        if passwords.is_temporary(user):
            request.session[MUST_CHANGE_PASSWORD] = True

    def set_password(  # type: ignore[override]
        self, user: User, password: str
    ) -> None:
        """The person changes it."""
        passwords.change(user, password)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """The home page, once a temporary password was changed."""
        if request.session.pop(MUST_CHANGE_PASSWORD, False):
            return reverse("home")
        url: str = super().get_password_change_redirect_url(request)
        return url

    def get_reauthentication_methods(
        self, user: AbstractBaseUser | AnonymousUser
    ) -> list[dict[str, Any]]:
        """Where there is a second factor, the password does not do."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        others = [each for each in methods if each["id"] != "reauthenticate"]
        return others or methods

    def is_open_for_signup(self, _request: HttpRequest) -> bool:
        return False


@login_not_required
def log_in(request: HttpRequest) -> HttpResponseBase:
    """Allauth's page, once there is a user who can sign in."""
    if first_run.is_due():
        return redirect("first_run")
    response: HttpResponseBase = views.login(request)
    is_unsent = UNSENT in request.POST or UNSENT in request.GET
    if is_unsent and request.user.is_authenticated:
        messages.warning(
            request, "You were signed out. Nothing was changed. Try again."
        )
    return response


@login_not_required
def closed(_request: HttpRequest) -> HttpResponseBase:
    """Allauth's pages for self-registration and email, which Jobs UI does not have."""
    raise Http404
