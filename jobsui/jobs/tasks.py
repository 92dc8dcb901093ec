"""The tasks of the queues. Each takes ids, finds the row and calls one engine function.
Running a task twice does no harm."""

from collections.abc import Callable, Mapping

from jobsui.jobs.control import automation, comparisons, correction_uploads, undo
from jobsui.jobs.delivery import driver_pool
from jobsui.jobs.enums import ParentRows, ReadState
from jobsui.jobs.live import reader, record_watch
from jobsui.jobs.models import File, Job, RecordRead
from jobsui.jobs.preparation import checker, file_reading
from jobsui.jobs.queueing import stopping
from jobsui.jobs.reports import problem_rows
from jobsui.jobs.timing import clock_from_settings, timing_from_settings
from jobsui.notifications import delivery


def read_file(file_id: int) -> None:
    """Find out what an uploaded file is and how many rows it has."""
    if file := File.objects.filter(pk=file_id).first():
        file_reading.read_file(file, stopping=stopping)


def check_job(job_id: int) -> None:
    """Check every row of a draft."""
    if job := Job.objects.filter(pk=job_id).first():
        checker.check(job, stopping=stopping)
        automation.compare_unasked(job)


def advance_job(job_id: int) -> None:
    """Take the next step of a draft that advances by itself."""
    if job := Job.objects.filter(pk=job_id).first():
        automation.advance(job)


def apply_corrections(job_id: int) -> None:
    """Make corrections of the workbook that was uploaded to a draft."""
    if job := Job.objects.filter(pk=job_id).first():
        correction_uploads.apply(job, problem_rows.rows)


def plan_job(job_id: int) -> None:
    """Divide a launched job into batches."""
    # It needs pyarrow, which takes 46 MB that drivers do not need.
    from jobsui.jobs.live import plan  # noqa: PLC0415
    from jobsui.jobs.preparation import planner  # noqa: PLC0415

    if job := Job.objects.filter(pk=job_id).first():
        is_undo = job.parent_rows == ParentRows.UNDONE
        read = undo.current(job) if is_undo else comparisons.current(job)
        is_used = read is not None and read.state == ReadState.DONE
        source = plan.source_of(read) if read and is_used else None
        planner.plan(job, stopping=stopping, source=source)


def divide_rows(read_id: int) -> None:
    """Divide the rows of a job into pages whose live records are read."""
    # As plan_job.
    from jobsui.jobs.live import pages  # noqa: PLC0415

    if read := RecordRead.objects.filter(pk=read_id).first():
        pages.divide(read, stopping=stopping)


def index_job(job_id: int) -> None:
    """Add the records of a job that has ended to the history."""
    # As plan_job.
    from jobsui.jobs.live import history_index  # noqa: PLC0415

    if job := Job.objects.filter(pk=job_id).first():
        history_index.add(job)


def deliver(delivery_id: int) -> None:
    """Send a message."""
    delivery.deliver(delivery_id)


def drive() -> None:
    """Drive the accounts that have open work and no driver, and read live records, until no
    work is left."""
    timing = timing_from_settings()

    def reads() -> Mapping[str, Callable[[], None]]:
        pages = reader.waiting_reads(stopping)
        return {**pages, **record_watch.waiting(stopping, timing)}

    driver_pool.drive_accounts(
        stopping=stopping,
        timing=timing,
        clock=clock_from_settings(),
        beside=reads,
    )
