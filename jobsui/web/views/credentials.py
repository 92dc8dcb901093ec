"""The credentials of connections, and how they move to OAuth."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup, policy
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.connections import browser_sign_in, credential_move
from jobsui.connections.credential_facts import by_end
from jobsui.connections.errors import ConnectionsError, ZendeskError, explain
from jobsui.connections.health import TestResult
from jobsui.connections.models import Connection, SignIn
from jobsui.web.crossing import leave, way_back
from jobsui.web.forms.credential_move import BROWSER, CredentialMoveForm
from jobsui.web.http import HtmxRequest, calls_zendesk, limited
from jobsui.web.refusal import refused


@require_safe
def credential_list(request: HtmxRequest) -> HttpResponse:
    policy.require_somewhere(request.user, Act.MANAGE)
    managed = lookup.connections(request.user, Act.MANAGE)
    return render(
        request, "connections/credentials.html", {"credentials": by_end(managed)}
    )


@require_http_methods(["GET", "POST"])
@calls_zendesk
@limited(Limited.CONNECTION_TEST)
def move(request: HtmxRequest, code: UUID) -> HttpResponse:
    connection = lookup.connection(request.user, code, Act.MANAGE)
    form = CredentialMoveForm(request.POST or None, connection=connection)
    if request.method == "POST" and form.is_valid():
        carry_out = _leave if form.cleaned_data["way"] == BROWSER else _move_to_client
        try:
            response: HttpResponse = carry_out(request, connection, form)
        except ConnectionsError as error:
            form.add_error(None, str(error))
        except ZendeskError as error:
            form.add_error(None, f"{explain(error)} {credential_move.UNCHANGED}")
        else:
            return response
    page = {
        "form": form,
        "connection": connection,
        "redirect_uri": _redirect_uri(request),
        "title": f"Move {connection} to OAuth"
        if connection.sign_in == SignIn.API_TOKEN
        else f"Replace the credentials of {connection}",
    }
    return render(request, "connections/move.html", page)


@require_safe
@way_back
@calls_zendesk
@limited(Limited.CONNECTION_TEST)
def come_back(request: HtmxRequest) -> HttpResponse:
    """Where Zendesk sends people after their sign-in, with a code or an error."""
    policy.require_somewhere(request.user, Act.MANAGE)
    try:
        started = browser_sign_in.take(
            request.GET.get("state", ""),
            session_key=request.session.session_key or "",
            by=request.user,
        )
    except ConnectionsError as error:
        back = reverse("connections:credentials")
        return refused(request, 400, "Sign-in not known", str(error), back=back)
    # The person may have lost the role meanwhile.
    lookup.connection(request.user, started.connection.code, Act.MANAGE)
    try:
        if code := request.GET.get("code"):
            new = browser_sign_in.exchange(started, code)
            result = credential_move.move(
                started.connection, new, other_user=started.other_user, by=request.user
            )
            return _moved(request, started.connection, result)
        messages.error(request, browser_sign_in.denial(request.GET.get("error", "")))
    except ConnectionsError as error:
        messages.error(request, str(error))
    except ZendeskError as error:
        messages.error(request, f"{explain(error)} {credential_move.UNCHANGED}")
    return redirect("connections:move", started.connection.code)


def _leave(
    request: HtmxRequest, connection: Connection, form: CredentialMoveForm
) -> HttpResponse:
    data = form.cleaned_data
    address = browser_sign_in.start(
        connection,
        client_id=data["client_id"],
        client_secret=data["client_secret"],
        is_granular=not data["read_write"],
        redirect_uri=_redirect_uri(request),
        other_user=data["other_user"],
        session_key=request.session.session_key or "",
        by=request.user,
    )
    return leave(request, address, connection.host)


def _move_to_client(
    request: HtmxRequest, connection: Connection, form: CredentialMoveForm
) -> HttpResponse:
    data = form.cleaned_data
    result = credential_move.move_to_client(
        connection,
        data["client_id"],
        data["client_secret"],
        other_user=data["other_user"],
        by=request.user,
    )
    return _moved(request, connection, result)


def _moved(
    request: HtmxRequest, connection: Connection, result: TestResult
) -> HttpResponse:
    """`connection`: as it was before."""
    now_as = f" as {result.user}" if result.user else ""
    old = "API token" if connection.sign_in == SignIn.API_TOKEN else "token"
    messages.success(
        request,
        f"{connection} uses the new credentials{now_as}. The old ones were deleted here. "
        f"Delete the old {old} in Zendesk, too: it is still valid there.",
    )
    return redirect("connections:detail", connection.code)


def _redirect_uri(request: HtmxRequest) -> str:
    return request.build_absolute_uri(reverse("connections:oauth"))
