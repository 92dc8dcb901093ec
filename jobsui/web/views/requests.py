"""The test request page."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobsui.access import lookup, policy
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.connections import test_request
from jobsui.connections.errors import ConnectionsError
from jobsui.connections.models import CustomObject
from jobsui.web.addresses import post_only
from jobsui.web.forms.objects import TestRequestForm
from jobsui.web.http import HtmxRequest, calls_zendesk, limited

NEEDS_APPROVER = (
    "Jobs of this connection need approval, so only approvers may send a test request that "
    "changes something. Nothing was sent."
)


@require_safe
def prepare(request: HtmxRequest, pk: int) -> HttpResponse:
    custom_object = lookup.custom_object(request.user, pk, Act.RUN)
    prepared = test_request.prepare(custom_object, request.GET.get("action", "create"))
    form = TestRequestForm(
        initial={
            "method": prepared.method,
            "path": prepared.path,
            "body": prepared.body,
        }
    )
    return _page(request, custom_object, form)


@post_only
@calls_zendesk
@limited(Limited.TEST_REQUEST)
def send(request: HtmxRequest, pk: int) -> HttpResponse:
    """Send what is in the form. A request that writes is confirmed first."""
    custom_object = lookup.custom_object(request.user, pk, Act.RUN)
    form = TestRequestForm(request.POST)
    if not form.is_valid():
        return _page(request, custom_object, form)
    method = form.cleaned_data["method"]
    path = form.cleaned_data["path"]
    body = form.cleaned_data["body"]
    is_write = test_request.is_write(method)
    connection = custom_object.connection
    act = policy.act_of_request(connection, writes=is_write)
    if not policy.allows(request.user, act, connection.pk):
        form.add_error(None, NEEDS_APPROVER)
        return _page(request, custom_object, form)
    if is_write and not form.cleaned_data["confirm"]:
        return _page(request, custom_object, form, asks=True)
    try:
        answered = test_request.send(connection, method, path, body)
    except ConnectionsError as error:
        form.add_error(None, str(error))
        return _page(request, custom_object, form)
    return _page(request, custom_object, form, answered=answered)


@require_safe
def status(request: HtmxRequest, pk: int, status_id: str) -> HttpResponse:
    """The job status that a test request queued: a fragment that polls until the job is
    finished."""
    custom_object = lookup.custom_object(request.user, pk, Act.RUN)
    try:
        answered = test_request.poll(custom_object.connection, status_id)
    except ConnectionsError as error:
        answered = test_request.TestResponse(error=str(error), is_over=True)
    page = {"object": custom_object, "status_id": status_id, "followed": answered}
    return render(request, "objects/request.html#job_status", page)


def _page(
    request: HtmxRequest,
    custom_object: CustomObject,
    form: TestRequestForm,
    *,
    answered: test_request.TestResponse | None = None,
    asks: bool = False,
) -> HttpResponse:
    action = request.GET.get("action", "create")
    page = {
        "object": custom_object,
        "reference": test_request.reference(custom_object),
        "prepared": test_request.prepare(custom_object, action),
        "action": action,
        "form": form,
        "asks": asks,
        "answered": answered,
        "status_id": answered.status_id if answered else "",
    }
    return render(request, "objects/request.html", page)
