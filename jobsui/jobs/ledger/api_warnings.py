"""Sums up, for each job, what Zendesk warned about in its responses."""

from collections import Counter
from collections.abc import Iterable

from django.db.models import F

from jobsui.jobs.models import ApiWarning
from jobsui.jobs.models.api_warning import MAX_TEXT
from jobsui.zendesk.api_warnings import api_warning, left_out
from jobsui.zendesk.payloads import Response

MAX_WARNINGS = 20
"""How many different warnings a job keeps."""

Entry = tuple[int, str, bool]
"""Job, text, and whether it is a member that was left out."""


def record(responses: Iterable[tuple[int, Response]]) -> None:
    """Count the warnings of these responses, each with the id of its job."""
    entries = Counter[Entry]()
    for job_id, response in responses:
        if warning := api_warning(response):
            entries.update(_entries(job_id, warning))
    for entry, requests in entries.items():
        _count(entry, requests)


def _entries(job_id: int, warning: str) -> list[Entry]:
    members = left_out(warning)
    if members:
        return [(job_id, name[:MAX_TEXT], True) for name in members]
    return [(job_id, warning[:MAX_TEXT], False)]


def _count(entry: Entry, requests: int) -> None:
    job_id, text, is_member = entry
    of_job = ApiWarning.objects.filter(job=job_id)
    is_new = not of_job.filter(text=text).exists()
    if is_new and of_job.exclude(text="").count() >= MAX_WARNINGS:
        text = ""
        is_member = False
    counted, _ = ApiWarning.objects.get_or_create(
        job_id=job_id, text=text, defaults={"is_member": is_member}
    )
    of_job.filter(pk=counted.pk).update(requests=F("requests") + requests)
