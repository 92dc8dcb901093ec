from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup, tokens
from jobsui.access.models import ApiToken
from jobsui.jobs.reports import snippets
from jobsui.web import confirmation
from jobsui.web.confirmation import Confirmation
from jobsui.web.forms.tokens import TokenForm
from jobsui.web.http import HtmxRequest


@require_safe
def token_list(request: HtmxRequest) -> HttpResponse:
    return render(request, "tokens/list.html", {"tokens": lookup.tokens(request.user)})


@require_http_methods(["GET", "POST"])
def add(request: HtmxRequest) -> HttpResponse:
    """The token itself is in the response to the POST and nowhere else."""
    form = TokenForm(
        request.POST or None,
        by=request.user,
        connections=lookup.connections(request.user),
    )
    if request.method == "POST" and form.is_valid():
        token, text = tokens.create(request.user, **form.cleaned_data)
        trial = snippets.list_jobs(request.build_absolute_uri(reverse("home")))
        page = {"token": token, "text": text, "trial": trial}
        return render(request, "tokens/created.html", page)
    return render(request, "tokens/form.html", {"form": form})


@require_http_methods(["GET", "POST"])
def revoke(request: HtmxRequest, pk: int) -> HttpResponse:
    token = lookup.token(request.user, pk)
    if request.method == "GET":
        return confirmation.ask(request, _revoke_question(token))
    tokens.revoke(token)
    messages.success(request, f"{token} revoked.")
    return redirect("tokens:list")


def _revoke_question(token: ApiToken) -> Confirmation:
    if token.last_used_at:
        local = timezone.localtime(token.last_used_at)
        last_used = f"It was last used on {local:%-d %B %Y at %H:%M %Z}."
    else:
        last_used = "It was never used."
    return Confirmation(
        question=f"Revoke {token.name}?",
        effects=(
            f"The token {token.prefix}… belongs to {token.user}. {last_used}",
            "Clients using it will be rejected. Jobs they launched continue.",
            "This cannot be undone.",
        ),
        button=f"Revoke {token.name}",
        icon="ban",
        keep="Keep the token",
        subject="API tokens",
        back=reverse("tokens:list"),
    )
