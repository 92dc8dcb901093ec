from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.connections import credentials, editing, health, objects
from jobsui.connections.errors import ConnectionsError, ZendeskError, explain
from jobsui.connections.models import API_TOKENS_END, Connection, SignIn
from jobsui.jobs.control import actions, saved_mappings
from jobsui.text import counted
from jobsui.web import confirmation
from jobsui.web.addresses import post_only
from jobsui.web.confirmation import Confirmation
from jobsui.web.forms.connections import ConnectionForm
from jobsui.web.http import HtmxRequest, admin_required, calls_zendesk, limited


@require_safe
def connection_list(request: HtmxRequest) -> HttpResponse:
    # Two subqueries: a join would multiply jobs by objects.
    known = lookup.connections(request.user).annotate(
        job_count=_counted(lookup.jobs(request.user)),
        object_count=_counted(lookup.objects(request.user)),
    )
    return render(request, "connections/list.html", {"connections": known})


@require_safe
def detail(request: HtmxRequest, code: UUID) -> HttpResponse:
    connection = lookup.connection(request.user, code)
    page = {
        "connection": connection,
        "has_secret": credentials.has_secret(connection),
        "is_legacy": connection.sign_in == SignIn.API_TOKEN,
        "legacy_end": API_TOKENS_END,
        "objects": connection.objects_known.all(),
        "reserved": 100 - connection.share,
        "has_jobs": lookup.drafts_and_jobs(request.user)
        .filter(connection=connection)
        .exists(),
        "siblings": lookup.connections(request.user)
        .filter(host=connection.host)
        .exclude(pk=connection.pk),
    }
    return render(request, "connections/detail.html", page)


@require_http_methods(["GET", "POST"])
@admin_required
def add(request: HtmxRequest) -> HttpResponse:
    form = ConnectionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = editing.create(
                form.values(),
                form.secrets(),
                by=request.user,
                signs_in_later=form.signs_in_later,
            )
        except ConnectionsError as error:
            form.refuse(error)
        else:
            if form.signs_in_later:
                return redirect("connections:move", made.code)
            return _saved(request, made)
    page = {
        "form": form,
        "title": "Add connection",
        "back": reverse("connections:list"),
        "legacy_end": API_TOKENS_END,
    }
    return render(request, "connections/form.html", page)


@require_http_methods(["GET", "POST"])
def edit(request: HtmxRequest, code: UUID) -> HttpResponse:
    connection = lookup.connection(request.user, code, Act.MANAGE)
    form = ConnectionForm(request.POST or None, connection=connection)
    if request.method == "POST" and form.is_valid():
        is_busy = actions.has_open_jobs(connection)
        try:
            editing.change(
                connection,
                form.values(),
                form.secrets(),
                is_busy=is_busy,
                by=request.user,
            )
        except ConnectionsError as error:
            form.refuse(error)
        else:
            return _saved(request, connection)
    stored = lookup.connection(request.user, code)
    page = {
        "form": form,
        "connection": stored,
        "title": f"Edit {stored}",
        "back": reverse("connections:detail", args=[code]),
        "legacy_end": API_TOKENS_END,
    }
    return render(request, "connections/form.html", page)


@post_only
@calls_zendesk
@limited(Limited.CONNECTION_TEST)
def test(request: HtmxRequest, code: UUID) -> HttpResponse:
    connection = lookup.connection(request.user, code, Act.RUN)
    health.test(connection)
    if request.htmx:
        return render(
            request, "connections/detail.html#test_result", {"connection": connection}
        )
    return redirect("connections:detail", code)


@post_only
@calls_zendesk
@limited(Limited.REFRESH)
def fetch_objects(request: HtmxRequest, code: UUID) -> HttpResponse:
    connection = lookup.connection(request.user, code, Act.RUN)
    try:
        found = objects.fetch_all(connection)
    except ConnectionsError as error:
        messages.error(request, str(error))
    except ZendeskError as error:
        messages.error(request, explain(error))
    else:
        present = sum(not known.gone for known in found)
        objects_read = counted(present, "object")
        messages.success(request, f"{objects_read} refreshed from {connection}.")
    return redirect("connections:detail", code)


@require_http_methods(["GET", "POST"])
def remove(request: HtmxRequest, code: UUID) -> HttpResponse:
    connection = lookup.connection(request.user, code, Act.MANAGE)
    if request.method == "GET":
        return confirmation.ask(request, _remove_question(request, connection))
    try:
        editing.remove(connection)
    except ConnectionsError as error:
        messages.error(request, str(error))
        return redirect("connections:detail", code)
    messages.success(request, f"{connection} and its secrets were removed.")
    return redirect("connections:list")


def _remove_question(request: HtmxRequest, connection: Connection) -> Confirmation:
    known = connection.objects_known.count()
    tokens = lookup.tokens(request.user).filter(connection=connection).count()
    effects = ["Its secrets are deleted from Jobs UI. Nothing changes in Zendesk."]
    if known:
        effects.append(f"Also deleted from Jobs UI: {counted(known, 'object')}.")
    if tokens:
        effects.append(
            f"Also deleted: {counted(tokens, 'API token')} for this connection. "
            f"Clients using {'it' if tokens == 1 else 'them'} will be rejected."
        )
    if mappings := saved_mappings.newest(connection.saved_mappings.all()).count():
        effects.append(f"Also deleted: {counted(mappings, 'saved mapping')}.")
    effects.append("This cannot be undone.")
    return Confirmation(
        question=f"Remove {connection}?",
        effects=effects,
        button=f"Remove {connection}",
        icon="trash",
        keep="Keep the connection",
        subject=str(connection),
        back=reverse("connections:detail", args=[connection.code]),
    )


def _counted(things: QuerySet[Any]) -> Coalesce:
    """The number of these that the connection has, as a column."""
    of_connection = things.filter(connection=OuterRef("pk")).order_by()
    grouped = of_connection.values("connection")
    counts = grouped.annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counts), 0)


def _saved(request: HtmxRequest, connection: Connection) -> HttpResponse:
    messages.success(request, f"{connection} saved. Test it, then refresh its objects.")
    return redirect("connections:detail", connection.code)
