from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import factors, lookup, people, sessions, tokens
from jobsui.jobs.enums import MOVING
from jobsui.text import counted
from jobsui.web import confirmation
from jobsui.web.addresses import post_only
from jobsui.web.confirmation import Confirmation
from jobsui.web.forms.people import PersonForm
from jobsui.web.http import HtmxRequest, admin_required
from jobsui.web.sessions import end_chosen


@require_safe
@admin_required
def people_list(request: HtmxRequest) -> HttpResponse:
    known = factors.with_factor(lookup.people(request.user))
    known = known.prefetch_related("role_assignments")
    return render(request, "people/list.html", {"people": known})


@require_http_methods(["GET", "POST"])
@admin_required
def add(request: HtmxRequest) -> HttpResponse:
    form = PersonForm(
        request.POST or None,
        by=request.user,
        connections=lookup.connections(request.user),
    )
    if request.method == "POST" and form.is_valid():
        person, password = people.add(form.cleaned_data["username"], form.roles)
        return _password_page(request, person, password)
    page = {"form": form, "title": "Add person"}
    return render(request, "people/form.html", page)


@require_http_methods(["GET", "POST"])
@admin_required
def edit(request: HtmxRequest, pk: int) -> HttpResponse:
    person = lookup.person(request.user, pk)
    title = person.get_username()
    form = PersonForm(
        request.POST or None,
        person=person,
        by=request.user,
        connections=lookup.connections(request.user),
    )
    if request.method == "POST" and form.is_valid():
        people.change(person, form.cleaned_data["username"], form.roles)
        messages.success(request, f"{person} saved.")
        return redirect("people:list")
    page = {
        "form": form,
        "person": person,
        "title": title,
        "has_factor": factors.has_one(person),
    }
    return render(request, "people/form.html", page)


@require_http_methods(["GET", "POST"])
@admin_required
@reauthentication_required
def new_password(request: HtmxRequest, pk: int) -> HttpResponse:
    person = lookup.person(request.user, pk)
    if request.method == "GET":
        return confirmation.ask(request, _password_question(person))
    revoke_tokens = "revoke_tokens" in request.POST
    password = people.reset_password(person, revoke_tokens=revoke_tokens)
    return _password_page(request, person, password)


@require_http_methods(["GET", "POST"])
@admin_required
def deactivate(request: HtmxRequest, pk: int) -> HttpResponse:
    person = lookup.person(request.user, pk)
    if person == request.user:
        messages.error(
            request, "You cannot deactivate yourself. Ask another administrator."
        )
        return redirect("people:edit", pk)
    if request.method == "GET":
        return confirmation.ask(request, _deactivate_question(request, person))
    people.set_active(person, is_active=False)
    messages.success(request, f"{person} deactivated and signed out.")
    return redirect("people:list")


@require_http_methods(["GET", "POST"])
@admin_required
def session_list(request: HtmxRequest, pk: int) -> HttpResponse:
    """POST ends one of them, or all."""
    person = lookup.person(request.user, pk)
    if request.method == "POST":
        end_chosen(request, person)
        return redirect("people:sessions", pk)
    opened = sessions.of_person(person, request.session.session_key)
    page = {"person": person, "sessions": opened}
    return render(request, "people/sessions.html", page)


@require_http_methods(["GET", "POST"])
@admin_required
@reauthentication_required
def remove_factors(request: HtmxRequest, pk: int) -> HttpResponse:
    person = lookup.person(request.user, pk)
    if request.method == "GET":
        return confirmation.ask(request, _factor_question(person))
    factors.remove_all(person, revoke_tokens="revoke_tokens" in request.POST)
    messages.success(request, f"Second factors of {person} removed.")
    return redirect("people:list")


@post_only
@admin_required
def reactivate(request: HtmxRequest, pk: int) -> HttpResponse:
    person = lookup.person(request.user, pk)
    people.set_active(person, is_active=True)
    messages.success(request, f"{person} reactivated.")
    return redirect("people:list")


def _password_page(request: HtmxRequest, person: User, password: str) -> HttpResponse:
    """The only response that shows the temporary password."""
    page = {"person": person, "password": password}
    return render(request, "people/password.html", page)


def _password_question(person: User) -> Confirmation:
    return Confirmation(
        question=f"Create a new password for {person}?",
        effects=(
            f"The current password of {person} stops working.",
            f"{person} is signed out immediately, on every device.",
            f"{person} must choose another password at the next sign-in.",
        ),
        button="Create new password",
        icon="key",
        keep="Keep the password",
        tokens=tokens.active(person).count(),
        subject=person.get_username(),
        back=reverse("people:edit", args=[person.pk]),
    )


def _factor_question(person: User) -> Confirmation:
    return Confirmation(
        question=f"Remove the second factors of {person}?",
        effects=(
            f"Authenticator app, passkeys and recovery codes of {person} stop working.",
            f"{person} is signed out immediately, on every device, and signs in with the "
            "password alone.",
            "Make sure that it is really them who ask for it.",
        ),
        button="Remove second factors",
        icon="trash",
        keep="Keep them",
        tokens=tokens.active(person).count(),
        subject=person.get_username(),
        back=reverse("people:edit", args=[person.pk]),
    )


def _deactivate_question(request: HtmxRequest, person: User) -> Confirmation:
    rejected = tokens.active(person).count()
    own_jobs = lookup.jobs(request.user).filter(created_by=person)
    running = own_jobs.filter(state__in=MOVING).count()
    effects = [f"{person} is signed out immediately and cannot sign in."]
    if rejected:
        effects.append(f"Rejected from now on: {counted(rejected, 'API token')}.")
    if running:
        effects.append(f"Still running, and will finish: {counted(running, 'job')}.")
    effects.append(f"You can reactivate {person} later.")
    return Confirmation(
        question=f"Deactivate {person}?",
        effects=effects,
        button=f"Deactivate {person}",
        icon="ban",
        keep=f"Keep {person} active",
        subject=person.get_username(),
        back=reverse("people:edit", args=[person.pk]),
    )
