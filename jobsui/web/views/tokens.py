from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup, tokens
from jobsui.jobs.reports import snippets
from jobsui.web.forms.tokens import TokenForm
from jobsui.web.http import HtmxRequest


@require_safe
def token_list(request: HtmxRequest) -> HttpResponse:
    return render(request, "tokens/list.html", {"tokens": lookup.tokens(request.user)})


@require_http_methods(["GET", "POST"])
def add(request: HtmxRequest) -> HttpResponse:
    """The token itself is in the answer to the POST and nowhere else."""
    form = TokenForm(
        request.POST or None,
        by=request.user,
        connections=lookup.connections(request.user),
    )
    if request.method == "POST" and form.is_valid():
        token, text = tokens.create(request.user, **form.cleaned_data)
        trial = snippets.list_jobs(request.build_absolute_uri(reverse("home")))
        return render(
            request, "tokens/made.html", {"token": token, "text": text, "trial": trial}
        )
    return render(request, "tokens/form.html", {"form": form})


@require_http_methods(["GET", "POST"])
def revoke(request: HtmxRequest, pk: int) -> HttpResponse:
    token = lookup.token(request.user, pk)
    if request.method == "GET":
        return render(request, "tokens/revoke.html", {"token": token})
    tokens.revoke(token)
    messages.success(request, f"{token} is revoked.")
    return redirect("tokens:list")
