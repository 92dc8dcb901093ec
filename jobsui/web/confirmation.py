"""The page that asks for confirmation before an action that cannot be undone.

A view that acts on POST shows it on GET. So it works without JavaScript, its numbers
are current, and a sign-in in between leads back to the question instead of to an
error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.http import HttpResponse
from django.shortcuts import render

from jobsui.web.http import HtmxRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    question: str
    """The heading, such as "Cancel this job?"."""
    effects: Sequence[str]
    """What will happen, with numbers; one sentence or two each."""
    button: str
    """Names the action, such as "Cancel job"."""
    icon: str
    subject: str
    """What the action is about: the text of the link back."""
    back: str
    """Address of the page that `subject` and `keep` lead to."""
    keep: str = "Keep it"
    """Text of the way out."""
    tokens: int = 0
    """API tokens that can be revoked with the action; `revoke_tokens` in the form."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Sent along when the button is pressed."""


def ask(request: HtmxRequest, confirmation: Confirmation) -> HttpResponse:
    """The question as a page. Its button posts to the address the page has."""
    return render(request, "confirm.html", {"confirmation": confirmation})
