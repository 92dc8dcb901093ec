"""The check boxes beside rows, on the pages of comparisons and undos."""

from django.http import QueryDict

from jobsui import paging
from jobsui.jobs.control import comparisons
from jobsui.jobs.models import RecordRead
from jobsui.jobs.reports import compared_rows


def save(data: QueryDict, read: RecordRead) -> None:
    """Of the rows that a page shows, send the ticked ones and leave the others out. Raises
    NotPossibleNow."""
    shown = _rows(data, "shown")
    ticked = _rows(data, "row") & shown
    left_out = compared_rows.left_out_rows(read, shown)
    comparisons.leave_out(read, shown - ticked - left_out, is_left_out=True)
    comparisons.leave_out(read, ticked & left_out, is_left_out=False)


def _rows(data: QueryDict, name: str) -> set[int]:
    sent = data.getlist(name)[: paging.SIZE]
    return {row for text in sent if (row := paging.parse_integer(text)) is not None}
