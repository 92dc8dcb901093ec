"""What the pages of comparisons, proofs and undos share: all read the live records of a job."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from jobsui.jobs.enums import ReadState
from jobsui.jobs.live import name_list
from jobsui.jobs.models import RecordRead
from jobsui.web.http import HtmxRequest

MIN_SECONDS = 2.0
"""After this long the time left can be estimated."""


def live_section(
    request: HtmxRequest, template: str, page: dict[str, Any]
) -> HttpResponse:
    """204 if the browser shows this version of the page already."""
    if request.GET.get("v") == page["version"]:
        return HttpResponse(status=204)
    return render(request, template, page)


def progress(read: RecordRead) -> dict[str, Any]:
    """What a page says about an open read."""
    is_reading = read.state == ReadState.READING
    is_listing = is_reading and name_list.is_open(read)
    return {
        "is_listing": is_listing,
        "pages": read.pages_total if is_reading and not is_listing else None,
        "seconds_left": _seconds_left(read),
    }


def version(read: RecordRead | None) -> str:
    """Changes when the live section has something new to show."""
    return f"{read.pk}-{read.version}" if read else ""


def age_seconds(read: RecordRead) -> float:
    """The time since the first record of a finished read was read."""
    since = read.started_at or read.finished_at or read.created_at
    return max(0.0, (timezone.now() - since).total_seconds())


def _seconds_left(read: RecordRead) -> float | None:
    """None while it is unknown."""
    if read.state != ReadState.READING or not read.started_at or not read.pages_read:
        return None
    if read.is_listed:
        # It began with requests of another kind, so its pace so far says little.
        return None
    elapsed = (timezone.now() - read.started_at).total_seconds()
    if elapsed < MIN_SECONDS:
        return None
    return elapsed / read.pages_read * (read.pages_total - read.pages_read)
