"""The rows of a checked job that would be sent, in the form in which they are planned or
compared. Workers only: it imports pyarrow."""

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing

from django.core.files.storage import default_storage

from jobsui.files.ahead import ahead
from jobsui.files.errors import FileRefused
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import file_reading, job_blocks
from jobsui.jobs.preparation.checked_rows import repeats_of
from jobsui.jobs.preparation.job_blocks import JobBlock
from jobsui.jobs.preparation.pending_rows import Chunk, PendingRows
from jobsui.jobs.preparation.warned_rows import leaving_out

HASH_CHUNK_BYTES = 1 << 20


def read(
    job: Job, after: int, keep_lease: Callable[[int], None]
) -> Generator[list[Chunk]]:
    """Those behind row `after`, block by block. `keep_lease` is called in long work, and may
    raise an exception to stop. Raises FileRefused."""
    markers = [repeats_of(job, keep_lease).mark, leaving_out(job)]
    with file_reading.open_rows(job.file) as table:
        has_checksums = bool(job.file.staged_as) and table.staged is not None
        if not has_checksums:
            _require_same_content(job, keep_lease)
        found = _chunks(job_blocks.read(job, table, after=after), after, markers)
        if not job.parent_rows:
            found = ahead(found)
        with closing(found):
            yield from found


def _require_same_content(job: Job, keep_lease: Callable[[int], None]) -> None:
    """Raise FileRefused unless the stored file is the checked one, byte for byte."""
    digest = hashlib.sha256()
    try:
        with default_storage.open(job.file.stored_as) as content:
            for chunk in content.chunks(HASH_CHUNK_BYTES):
                digest.update(chunk)
                keep_lease(0)
    except FileNotFoundError:
        raise FileRefused("The stored file is gone. Upload it again.") from None
    if digest.hexdigest() != job.file.sha256:
        raise FileRefused(
            "The stored file has changed since the check. Upload it again."
        )


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
