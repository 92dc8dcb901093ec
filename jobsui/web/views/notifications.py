"""Channels for notifications, and what was sent to them, for those who manage connections."""

from functools import partial

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from jobsui import paging
from jobsui.access import lookup, policy
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.jobs.queueing import enqueue
from jobsui.notifications import channels, outbox
from jobsui.notifications.models import Channel, Delivery, Target
from jobsui.web import confirmation, http
from jobsui.web.addresses import post_only
from jobsui.web.confirmation import Confirmation
from jobsui.web.forms.notifications import ChannelForm, MessageFilterForm
from jobsui.web.http import HtmxRequest, limited

LATEST = 10


@require_safe
def channel_list(request: HtmxRequest) -> HttpResponse:
    policy.require_somewhere(request.user, Act.MANAGE)
    page = {"channels": lookup.channels(request.user).with_last_message()}
    return render(request, "notifications/list.html", page)


@require_http_methods(["GET", "POST"])
def add(request: HtmxRequest) -> HttpResponse:
    policy.require_somewhere(request.user, Act.MANAGE)
    form = _form(request, None)
    if request.method == "POST" and form.is_valid():
        return _save(request, Channel(), form)
    page = {"form": form, "title": "Add channel", "has_mail": _has_mail()}
    return render(request, "notifications/form.html", page)


@require_http_methods(["GET", "POST"])
def edit(request: HtmxRequest, pk: int) -> HttpResponse:
    channel = lookup.channel(request.user, pk)
    form = _form(request, channel)
    if request.method == "POST" and form.is_valid():
        return _save(request, channel, form)
    page = {
        "form": form,
        "channel": channel,
        "title": channel.name,
        "has_mail": _has_mail(),
        "messages_sent": _messages(request).filter(channel=pk).order_by("-pk")[:LATEST],
    }
    return render(request, "notifications/form.html", page)


@post_only
@limited(Limited.CONNECTION_TEST)
def test(request: HtmxRequest, pk: int) -> HttpResponse:
    """The message takes the way of all others, so it also shows whether they are sent."""
    channel = lookup.channel(request.user, pk)
    enqueue("deliver", outbox.write_test(channel))
    messages.success(request, "Test message queued. Its state is below.")
    return redirect("notifications:edit", pk)


@require_http_methods(["GET", "POST"])
def remove(request: HtmxRequest, pk: int) -> HttpResponse:
    channel = lookup.channel(request.user, pk)
    if request.method == "GET":
        return confirmation.ask(request, _remove_question(channel))
    channels.remove(channel)
    messages.success(request, f"{channel} removed.")
    return redirect("notifications:list")


@require_safe
def messages_sent(request: HtmxRequest) -> HttpResponse:
    policy.require_somewhere(request.user, Act.MANAGE)
    form = MessageFilterForm(request.GET, channels=lookup.channels(request.user))
    found = form.found(_messages(request))
    by_number = partial(paging.by_number_descending, found, "pk")
    filters = request.GET.copy()
    filters.pop("before", None)
    page = {
        "form": form,
        "page": http.page_at(by_number, request.GET.get("before", "")),
        "filters": filters.urlencode(),
    }
    return render(request, "notifications/messages.html", page)


def _messages(request: HtmxRequest) -> QuerySet[Delivery]:
    return lookup.messages(request.user)


def _has_mail() -> bool:
    return bool(settings.DEFAULT_FROM_EMAIL)


def _form(request: HtmxRequest, channel: Channel | None) -> ChannelForm:
    return ChannelForm(
        request.POST or None,
        channel=channel,
        connections=lookup.connections(request.user, Act.MANAGE),
        may_choose_all=policy.is_administrator(request.user),
    )


def _save(request: HtmxRequest, channel: Channel, form: ChannelForm) -> HttpResponse:
    """The key of its signatures is in the response and nowhere else."""
    values = dict(form.cleaned_data)
    secret = channels.save(channel, values, values.pop("url"))
    if secret:
        page = {"channel": channel, "secret": secret}
        return render(request, "notifications/secret.html", page)
    messages.success(request, f"{channel} saved. Send a test message.")
    return redirect("notifications:edit", channel.pk)


def _remove_question(channel: Channel) -> Confirmation:
    receiver = "These addresses" if channel.target == Target.MAIL else "This webhook"
    return Confirmation(
        question=f"Remove {channel}?",
        effects=(
            f"{receiver} will get no more messages: {channel.where}.",
            "The list of its messages is deleted, too.",
            "This cannot be undone.",
        ),
        button=f"Remove {channel}",
        icon="trash",
        keep="Keep the channel",
        subject="Notifications",
        back=reverse("notifications:edit", args=[channel.pk]),
    )
