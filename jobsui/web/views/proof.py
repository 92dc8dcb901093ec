"""Whether a job has landed: its records are read again and compared with what was sent."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from jobsui.access import lookup
from jobsui.access.policy import Act
from jobsui.jobs import retention
from jobsui.jobs.control import comparisons, proofs
from jobsui.jobs.enums import ReadState
from jobsui.jobs.errors import JobsError
from jobsui.jobs.models import Job
from jobsui.web import proof_page, record_reads
from jobsui.web.addresses import post_only
from jobsui.web.http import HtmxRequest
from jobsui.web.proof_page import Landings


@require_safe
def proof(request: HtmxRequest, code: UUID) -> HttpResponse:
    job = lookup.job(request.user, code)
    return render(request, "jobs/proof.html", _page(request, job))


@require_safe
def progress(request: HtmxRequest, code: UUID) -> HttpResponse:
    """The live section: 204 when nothing is new."""
    return record_reads.live_section(
        request, "jobs/proof.html#proof", _page(request, lookup.job(request.user, code))
    )


@post_only
def start(request: HtmxRequest, code: UUID) -> HttpResponse:
    job = lookup.job(request.user, code, Act.RUN)
    try:
        proofs.start(job, by=request.user)
    except JobsError as refusal:
        messages.error(request, str(refusal))
    return redirect("jobs:proof", code)


def _page(request: HtmxRequest, job: Job) -> dict[str, Any]:
    read = proofs.current(job)
    page = {
        "job": job,
        "tab": "proof",
        "read": read,
        "version": record_reads.version(read),
        "announcement": "",
        "requests": comparisons.requests_for(job.succeeded),
        "obstacle": proofs.obstacle(job),
    }
    if read is None:
        return page
    if read.is_open:
        return page | record_reads.progress(read)
    page["announcement"] = proof_page.summary(read, job)
    if read.state != ReadState.DONE:
        return page
    landings = Landings(read, job, request.GET)
    lines, older = landings.page()
    found = {
        "is_proved": True,
        "landings": landings,
        "lines": lines,
        "older": older,
        "rows_notice": retention.rows_of_read_notice(read),
        "sentence": proof_page.sentence(read, job),
        "age": record_reads.age_seconds(read),
    }
    return page | found
