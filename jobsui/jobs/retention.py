"""How long history is kept, and what people read where it was deleted.

Open jobs are never touched. The days of a job count from its end. control/pruning.py deletes,
reports/storage.py shows the sizes."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum, TextChoices, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Concat
from django.utils import timezone

from jobsui.jobs.enums import OVER, Action, ParentRows
from jobsui.jobs.models import File, Job, RecordRead
from jobsui.jobs.models.file import this_storage
from jobsui.text import counted


class Kind(TextChoices):
    """What has a retention setting of its own."""

    UNDO = "undo", "Old values, to undo jobs"
    """What records held before they were changed, and the rows of comparisons and proofs."""
    UNDO_DELETES = "undo_deletes", "Deleted records, to undo deletions"
    """The same of jobs that delete records, which have no other copy, and of undos."""
    BODIES = "bodies", "Requests and responses"
    """Items as sent, responses, job statuses."""
    ATTEMPTS = "attempts", "Attempts"
    RESULTS = "results", "Row results"
    """With the errors of rows and the values that their causes show."""
    FILES = "files", "Files"
    JOBS = "jobs", "Jobs, counts and events"
    """Everything about a job."""

    @property
    def variable(self) -> str:
        """The environment variable that sets its days."""
        return f"JOBSUI_KEEP_{self.name}_DAYS"


MAX_DAYS = 36_500
"""More days are forever: dates do not reach that far."""
UNUSED_DAYS = 7
"""For how long drafts that do not change, and files that no job has, are kept."""
SHORTENED_BY = {
    # Nothing can be undone without the items that were sent.
    Kind.UNDO: (Kind.BODIES, Kind.RESULTS, Kind.JOBS),
    Kind.UNDO_DELETES: (Kind.BODIES, Kind.RESULTS, Kind.JOBS),
    # Items without results would be of little use, and they share a row of the database.
    Kind.BODIES: (Kind.RESULTS, Kind.JOBS),
    Kind.ATTEMPTS: (Kind.JOBS,),
    Kind.RESULTS: (Kind.JOBS,),
    Kind.FILES: (Kind.JOBS,),
    Kind.JOBS: (),
}
"""{kind: kinds that it is not kept longer than}."""
MARKS = {
    Kind.UNDO: "undo_pruned_at",
    Kind.UNDO_DELETES: "undo_pruned_at",
    Kind.BODIES: "bodies_pruned_at",
    Kind.ATTEMPTS: "attempts_pruned_at",
    Kind.RESULTS: "results_pruned_at",
}
"""{kind that belongs to a job: the field that says when it was deleted}. In this order: items go
no later than results."""

UNDO_KINDS = (Kind.UNDO, Kind.UNDO_DELETES)
DELETES = (
    Q(action__in=[action for action in Action if action.deletes])
    | Q(parent_rows=ParentRows.UNDONE)
    | Q(records_to_delete__gt=0)
)
"""Jobs whose old values are UNDO_DELETES."""
MAX_UNDO_VARIABLE = "JOBSUI_MAX_UNDO_MB"

SUBJECTS = {
    Kind.UNDO: "The old values of the records of this job were",
    Kind.UNDO_DELETES: "The old values of the records of this job were",
    Kind.BODIES: "The requests and responses of this job were",
    Kind.ATTEMPTS: "The attempts to send this job were",
    Kind.RESULTS: "The results of the rows of this job were",
    Kind.FILES: "The file of this job was",
}


def days(kind: Kind) -> int | None:
    """For how many days it is kept; None: forever."""
    limits = [settings.KEEP_DAYS[each] for each in (kind, *SHORTENED_BY[kind])]
    return min((days for days in limits if 0 < days <= MAX_DAYS), default=None)


def cutoff(kind: Kind, now: datetime) -> datetime | None:
    """What belongs to a job that finished before this time is due to be deleted. None:
    nothing is."""
    kept = days(kind)
    return None if kept is None else now - timedelta(days=kept)


def due_jobs(kind: Kind, before: datetime) -> QuerySet[Job]:
    """The jobs that finished before this time, of which this kind is kept, the oldest
    first. A job whose retry or continuation keeps its results keeps them too, because
    the other job reads its rows by them."""
    found = _finished(before)
    children = Job.objects.filter(parent=OuterRef("pk")).order_by()
    match kind:
        case Kind.RESULTS:
            keeping = children.filter(results_pruned_at=None)
            found = found.filter(~Exists(keeping), results_pruned_at=None)
        case Kind.JOBS:
            found = found.filter(~Exists(children))
        case Kind.UNDO | Kind.UNDO_DELETES:
            found = _without_open_undo(found).filter(_own_jobs(kind))
        case _:
            found = found.filter(**{MARKS[kind]: None})
    return found.order_by("finished_at")


def max_undo_bytes() -> int | None:
    """How much the old values of all jobs may take; None: there is no limit."""
    return settings.MAX_UNDO_MB * 1_000_000 or None


def undo_bytes(kind: Kind | None = None) -> int:
    """How much the old values of all jobs take; those of one of UNDO_KINDS if it is given."""
    kept = Job.objects.filter(undo_pruned_at=None).order_by()
    if kind is not None:
        kept = kept.filter(_own_jobs(kind))
    total: int | None = kept.aggregate(size=Sum("image_bytes"))["size"]
    return total or 0


def jobs_over_limit(now: datetime) -> list[int]:
    """The jobs that ended first, whose old values must go for the others to keep to the
    limit."""
    limit = max_undo_bytes()
    excess = undo_bytes() - limit if limit is not None else 0
    if excess <= 0:
        return []
    chosen = []
    for pk, size in undo_jobs(now).values_list("pk", "image_bytes").iterator():
        if excess <= 0:
            break
        if size:
            chosen.append(pk)
            excess -= size
    return chosen


def undo_jobs(before: datetime) -> QuerySet[Job]:
    """The jobs that finished before this time and still have their old values, of both
    kinds, the oldest first."""
    return _without_open_undo(_finished(before)).order_by("finished_at")


def _own_jobs(kind: Kind) -> Q:
    """The jobs whose old values are of this kind."""
    return DELETES if kind is Kind.UNDO_DELETES else ~DELETES


def _finished(before: datetime) -> QuerySet[Job]:
    return Job.objects.alias(end_state=_end_state()).filter(
        finished_at__lt=before, end_state__in=OVER
    )


def _without_open_undo(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Those of them that have their old values, which no undo needs any more."""
    children = Job.objects.filter(parent=OuterRef("pk")).order_by()
    is_needed = Exists(children.exclude(state__in=OVER))
    return jobs.filter(~is_needed, undo_pruned_at=None)


def _end_state() -> Combinable:
    """The state as an expression on SQLite, which would use the index by state otherwise,
    and read years of jobs. PostgreSQL chooses the right index by its statistics."""
    state = F("state")
    return Concat(state, Value("")) if connection.vendor == "sqlite" else state


def due_files(before: datetime) -> QuerySet[File]:
    """The files of this storage whose jobs all finished before this time, and files whose
    deletion was interrupted."""
    jobs = Job.objects.filter(file=OuterRef("pk")).order_by()
    needed = jobs.exclude(state__in=OVER, finished_at__lt=before)
    stored = File.objects.filter(
        storage_id=this_storage(), created_at__lt=before, has_content=True
    )
    unneeded = stored.filter(Exists(jobs), ~Exists(needed))
    return unneeded.order_by("created_at")


def unused_files(now: datetime) -> QuerySet[File]:
    """The files of this storage that no job has and that are older than a week."""
    jobs = Job.objects.filter(file=OuterRef("pk")).order_by()
    before = now - timedelta(days=UNUSED_DAYS)
    stored = File.objects.filter(
        storage_id=this_storage(), created_at__lt=before, has_content=True
    )
    return stored.filter(~Exists(jobs))


def pruned_at(job: Job, kind: Kind) -> datetime | None:
    """When it was deleted; None: it is kept."""
    if kind is Kind.FILES:
        return job.file.content_pruned_at
    at: datetime | None = getattr(job, MARKS[kind])
    return at


def notice(job: Job, kind: Kind, subject: str = "") -> str:
    """What was deleted, when and why, as a sentence; "" if it is kept. `subject` ends
    with a verb ("The file was"); "": the one that fits the job."""
    at = pruned_at(job, kind)
    if at is None:
        return ""
    age = ""
    variable = kind.variable
    if job.finished_at:
        passed = (at - job.finished_at).days
        age = f", {counted(passed, 'day')} after the job finished"
        is_early = passed < (days(kind) or MAX_DAYS)
        variable = MAX_UNDO_VARIABLE if kind in UNDO_KINDS and is_early else variable
    return f"{subject or SUBJECTS[kind]} deleted on {_date(at)}{age} ({variable})."


def undo_notice(job: Job) -> str:
    """When the old values of a job were deleted, and why; "" if they are kept, or if there
    were none."""
    return notice(job, _undo_kind(job)) if job.image_bytes else ""


def rows_of_read_notice(read: RecordRead) -> str:
    """When the rows of a comparison, an undo or a proof were deleted, and why; "" if they
    are kept."""
    if not read.pages_total or read.pages.exists():
        return ""
    return notice(read.job, _undo_kind(read.job), "These rows were")


def _undo_kind(job: Job) -> Kind:
    is_deletion = (
        Action(job.action).deletes
        or job.parent_rows == ParentRows.UNDONE
        or job.records_to_delete > 0
    )
    return Kind.UNDO_DELETES if is_deletion else Kind.UNDO


def file_notice(file: File) -> str:
    """What to do about a file that was deleted; "" if it is kept."""
    if file.content_pruned_at is None:
        return ""
    return (
        f"The file was deleted on {_date(file.content_pruned_at)} "
        f"({Kind.FILES.variable}). Upload it again."
    )


def rows_notice(job: Job) -> str:
    """Why the rows of a job cannot be sent again; "" if they can."""
    return notice(job, Kind.RESULTS) or notice(job, Kind.FILES)


def _date(at: datetime) -> str:
    return f"{timezone.localtime(at):%-d %b %Y}"
