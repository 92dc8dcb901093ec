import secrets

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup
from jobsui.web.addresses import post_only
from jobsui.web.forms.people import PersonForm
from jobsui.web.http import HtmxRequest, admin_required


@require_safe
@admin_required
def people_list(request: HtmxRequest) -> HttpResponse:
    return render(request, "people/list.html", {"people": lookup.people(request.user)})


@require_http_methods(["GET", "POST"])
@admin_required
def add(request: HtmxRequest) -> HttpResponse:
    form = PersonForm(request.POST or None, by=request.user)
    if request.method == "POST" and form.is_valid():
        person = User(**form.cleaned_data)
        return _with_new_password(request, person)
    return render(request, "people/form.html", {"form": form})


@require_http_methods(["GET", "POST"])
@admin_required
def edit(request: HtmxRequest, pk: int) -> HttpResponse:
    person = lookup.person(request.user, pk)
    initial = {
        name: getattr(person, name)
        for name in ("username", "is_superuser", "is_active")
    }
    form = PersonForm(
        request.POST or None, initial=initial, person=person, by=request.user
    )
    if request.method == "POST" and form.is_valid():
        for name, value in form.cleaned_data.items():
            setattr(person, name, value)
        person.save(update_fields=list(form.cleaned_data))
        messages.success(request, f"{person} is saved.")
        return redirect("people:list")
    return render(request, "people/form.html", {"form": form, "person": person})


@post_only
@admin_required
def new_password(request: HtmxRequest, pk: int) -> HttpResponse:
    return _with_new_password(request, lookup.person(request.user, pk))


def _with_new_password(request: HtmxRequest, person: User) -> HttpResponse:
    """Give a person a random password, shown this once; their sessions end."""
    password = secrets.token_urlsafe(12)
    person.set_password(password)
    person.save()
    return render(
        request, "people/password.html", {"person": person, "password": password}
    )
