"""The history of a record: what jobs have done with it, and what Zendesk holds now."""

from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobsui import paging
from jobsui.access import lookup, policy
from jobsui.access.policy import Act
from jobsui.jobs.reports import record_history, record_now
from jobsui.jobs.reports.record_values import Labels
from jobsui.web import record_page
from jobsui.web.http import HtmxRequest

MAX_KEY = 255


@require_safe
def history(request: HtmxRequest, pk: int) -> HttpResponse:
    custom_object = lookup.custom_object(request.user, pk)
    key = _key(request)
    page = {"object": custom_object, "key": key, "max_key": MAX_KEY}
    if not key:
        return render(request, "objects/records.html", page)
    now = record_now.read(custom_object, key)
    after = paging.parse_integer(request.GET.get("after", "")) or 0
    found = record_history.page(custom_object, now.keys(key), after=after)
    labels = Labels(custom_object.schema)
    may_run = policy.allows(request.user, Act.RUN, custom_object.connection_id)
    page |= {
        "now": now,
        "lines": [
            record_page.line(touch, labels, may_run=may_run) for touch in found.entries
        ],
        "after": after,
        "older": found.older,
        "query": urlencode({"key": key}),
    }
    return render(request, "objects/records.html", page)


@require_safe
def of_job(request: HtmxRequest, code: UUID) -> HttpResponse:
    """The history of a record of a job's object."""
    job = lookup.draft_or_job(request.user, code)
    found = lookup.object_of_key(request.user, job.connection, job.object_key)
    query = urlencode({"key": _key(request)})
    return redirect(f"{reverse('objects:records', args=[found.pk])}?{query}")


def _key(request: HtmxRequest) -> str:
    return request.GET.get("key", "").replace("\x00", "").strip()[:MAX_KEY]
