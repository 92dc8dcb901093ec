"""Compares a checked draft of the command line in this process, without a worker."""

from threading import Event

from jobsui.jobs.control import comparisons
from jobsui.jobs.enums import ReadState
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.models.batch import MAX_BATCH_SIZE
from jobsui.ops.file_check import run_until
from jobsui.ops.terminal import ProgressBar, TerminalCommand, command_error
from jobsui.text import counted


def compare(command: TerminalCommand, job: Job) -> RecordRead:
    """The finished comparison. Raises CommandError if it fails."""
    read = comparisons.start(job, by=job.created_by)
    rows = job.rows - job.rows_left_out
    bar = ProgressBar(command.stderr)

    def is_compared() -> bool:
        read.refresh_from_db()
        done = min(read.pages_read * MAX_BATCH_SIZE, rows)
        percent = 100 * done // (rows or 1)
        bar.show(f"Comparing {done:,} of {counted(rows, 'row')}", percent)
        return not read.is_open

    try:
        run_until(is_compared, lambda stopping: _compare(read.pk, stopping))
    finally:
        bar.clear()
    if read.state != ReadState.DONE:
        reason = read.reason or "The comparison was cancelled."
        raise command_error(
            f"The rows were not compared with Zendesk, so nothing was sent. {reason}"
        )
    return read


def _compare(pk: int, stopping: Event) -> None:
    """A worker may read the pages meanwhile."""
    # Other commands need no pyarrow.
    from jobsui.jobs.live import pages, reader  # noqa: PLC0415

    read = RecordRead.objects.get(pk=pk)
    pages.divide(read, stopping=stopping)
    reader.run(read, stopping=stopping)
