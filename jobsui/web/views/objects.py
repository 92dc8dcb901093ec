from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup, policy
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.connections import objects
from jobsui.connections.errors import ConnectionsError, ZendeskError, explain
from jobsui.jobs.records import stored_forms
from jobsui.jobs.reports import templates
from jobsui.web import stored_forms_page
from jobsui.web.addresses import post_only
from jobsui.web.forms.objects import ObjectKeyForm
from jobsui.web.http import HtmxRequest, calls_zendesk, limited

TEMPLATES = {
    "csv": (templates.template_csv, "text/csv; charset=utf-8"),
    "xlsx": (
        templates.template_xlsx,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
}


@require_safe
def object_list(request: HtmxRequest) -> HttpResponse:
    known = lookup.objects(request.user).order_by("connection__name", "key")
    if wanted := request.GET.get("q", "").replace("\x00", "").strip():
        known = known.filter(key__icontains=wanted)
    page = {
        "objects": known,
        "q": wanted,
        "has_connection": lookup.connections(request.user).exists(),
    }
    return render(request, "objects/list.html", page)


@require_safe
def detail(request: HtmxRequest, pk: int) -> HttpResponse:
    custom_object = lookup.custom_object(request.user, pk)
    page = {
        "object": custom_object,
        "schema": custom_object.schema,
        "stored_forms": stored_forms_page.lines(custom_object),
    }
    return render(request, "objects/detail.html", page)


@require_http_methods(["GET", "POST"])
def add(request: HtmxRequest) -> HttpResponse:
    policy.require_somewhere(request.user, Act.RUN)
    initial = {"connection": request.GET.get("connection")}
    form = ObjectKeyForm(
        request.POST or None,
        connections=lookup.connections(request.user, Act.RUN),
        initial=initial,
    )
    if request.method == "POST" and form.is_valid():
        connection = form.cleaned_data["connection"]
        try:
            added = objects.add_by_key(connection, form.cleaned_data["key"])
        except ConnectionsError as error:
            form.add_error("key", str(error))
        else:
            return redirect("objects:detail", added.pk)
    return render(request, "objects/add.html", {"form": form})


@post_only
@calls_zendesk
@limited(Limited.REFRESH)
def refresh(request: HtmxRequest, pk: int) -> HttpResponse:
    custom_object = lookup.custom_object(request.user, pk, Act.RUN)
    try:
        objects.refresh(custom_object)
    except ConnectionsError as error:
        messages.error(request, str(error))
    except ZendeskError as error:
        messages.error(request, explain(error))
    else:
        messages.success(request, f"{custom_object.key} refreshed.")
    return redirect("objects:detail", pk)


@post_only
def forget_form(request: HtmxRequest, pk: int) -> HttpResponse:
    """Compare values of a field exactly again."""
    custom_object = lookup.custom_object(request.user, pk, Act.RUN)
    field = request.POST.get("field", "")
    stored_forms.forget(custom_object, field, request.POST.get("form", ""))
    messages.success(request, f"Forgotten. {field} is compared exactly again.")
    return redirect("objects:detail", pk)


@require_safe
def template(request: HtmxRequest, pk: int, suffix: str) -> HttpResponse:
    """A file to fill in: CSV or XLSX."""
    custom_object = lookup.custom_object(request.user, pk)
    write, content_type = TEMPLATES[suffix]
    response = HttpResponse(write(custom_object.schema), content_type=content_type)
    name = content_disposition_header(
        as_attachment=True, filename=f"{custom_object.key}-template.{suffix}"
    )
    response["Content-Disposition"] = name or "attachment"
    return response
