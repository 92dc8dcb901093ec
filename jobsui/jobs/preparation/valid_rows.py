"""The rows of a checked job that would be sent, in the form in which they are planned or
compared. Workers only: it imports pyarrow."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing

from jobsui.files.ahead import ahead
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import file_reading, job_blocks
from jobsui.jobs.preparation.checked_rows import repeats_of
from jobsui.jobs.preparation.job_blocks import JobBlock
from jobsui.jobs.preparation.pending_rows import Chunk, PendingRows
from jobsui.jobs.preparation.warned_rows import leaving_out


def read(
    job: Job, after: int, keep_lease: Callable[[int], None]
) -> Generator[list[Chunk]]:
    """Those behind row `after`, block by block. `keep_lease` is called in long work, and may
    raise an exception to stop. Raises FileRefused."""
    markers = [repeats_of(job, keep_lease).mark, leaving_out(job)]
    with file_reading.open_rows(job.file) as table:
        found = _chunks(job_blocks.read(job, table, after=after), after, markers)
        if not job.parent_rows:
            found = ahead(found)
        with closing(found):
            yield from found


def _chunks(
    blocks: Iterator[JobBlock],
    after: int,
    markers: Sequence[Callable[[JobBlock], None]],
) -> Generator[list[Chunk]]:
    """`markers` add problems to blocks."""
    pending = PendingRows()
    for block in blocks:
        for mark in markers:
            mark(block)
        pending.add(block, after)
        yield list(pending.chunks())
    yield list(pending.rest())
