"""The check boxes beside rows, on the pages of comparisons and undos."""

from django.contrib.auth.models import User
from django.http import QueryDict

from jobsui import paging
from jobsui.jobs.control import comparisons
from jobsui.jobs.live import left_out
from jobsui.jobs.models import RecordRead


def save(data: QueryDict, read: RecordRead, *, by: User) -> None:
    """Of the rows that a page shows, send the ticked ones and leave the others out. Raises
    NotPossibleNow."""
    shown = _rows(data, "shown")
    ticked = _rows(data, "row") & shown
    unticked_before = left_out.among(read, shown)
    comparisons.leave_out(
        read, shown - ticked - unticked_before, is_left_out=True, by=by
    )
    comparisons.leave_out(read, ticked & unticked_before, is_left_out=False, by=by)


def _rows(data: QueryDict, name: str) -> set[int]:
    sent = data.getlist(name)[: paging.SIZE]
    return {row for text in sent if (row := paging.parse_integer(text)) is not None}
