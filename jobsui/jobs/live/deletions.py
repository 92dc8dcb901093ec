"""The records that only the account has, as a finished comparison lists them: how many there
are, and which of them its job deletes."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import QuerySet

from jobsui.jobs.enums import Purpose, ReadState, Verdict
from jobsui.jobs.live import read_rows
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import AccountListing, Job, ReadPage, ReadPageBlob, RecordRead
from jobsui.jobs.models.batch import unpack_rows
from jobsui.jobs.models.record_rows import FIRST_RECORD_ROW

PAGES_PER_QUERY = 50


@dataclass(frozen=True, slots=True)
class Deletion:
    row: int
    """As in `models/record_rows.py`."""
    record_id: str
    external_id: str


@dataclass(frozen=True, slots=True)
class OnlyInAccount:
    """How many records only the account has, by what happens to them."""

    listed: int
    """The number of all records that the list showed."""
    deletable: int
    """The number of records that may be deleted. Records that a person has left out are not
    among them."""
    left_out: int
    without_key: int
    kept: int
    """Records that have changed, or whose external ID is almost the same as one of the file."""
    not_caught_up: str
    """Why it is not known what changed while the records were listed, as a sentence; "" if it is
    known."""


def found_by(read: RecordRead) -> OnlyInAccount | None:
    """None: the comparison did not list the records of the account."""
    listing = AccountListing.objects.filter(read=read).first()
    if listing is None:
        return None
    left_out = sum(
        len(unpack_rows(packed))
        for packed in _blobs(read)
        .exclude(left_out=b"")
        .values_list("left_out", flat=True)
    )
    counts = read.counts
    return OnlyInAccount(
        listed=listing.listed,
        deletable=counts.get("delete", 0) - left_out,
        left_out=left_out,
        without_key=counts.get("without_key", 0),
        kept=counts.get("kept", 0),
        not_caught_up=listing.not_caught_up,
    )


def number_of(job: Job, read: RecordRead) -> int:
    """How many records a job deletes because only the account has them."""
    match = Options.from_json(job.options).match
    found = found_by(read) if match and match.deletes else None
    return found.deletable if found else 0


def of(job: Job) -> Iterator[Deletion]:
    """The deletions of a launched job, in the order of their rows."""
    read = RecordRead.objects.filter(
        job=job, purpose=Purpose.COMPARE, state=ReadState.DONE
    ).last()
    if read is None or not job.records_to_delete:
        return
    last_seq = 0
    pages = ReadPage.objects.filter(read=read, first_row__gte=FIRST_RECORD_ROW)
    while some := list(
        pages.filter(seq__gt=last_seq)
        .select_related("blob")
        .order_by("seq")[:PAGES_PER_QUERY]
    ):
        for page in some:
            yield from _of_page(page.blob)
        last_seq = some[-1].seq


def _of_page(blob: ReadPageBlob) -> Iterator[Deletion]:
    for row in read_rows.of_page(blob):
        if row.verdict is Verdict.DELETE and not row.is_left_out:
            listed = row.content
            yield Deletion(row.number, listed["id"], listed["external_id"])


def _blobs(read: RecordRead) -> QuerySet[ReadPageBlob]:
    return ReadPageBlob.objects.filter(
        page__read=read, page__first_row__gte=FIRST_RECORD_ROW
    )
