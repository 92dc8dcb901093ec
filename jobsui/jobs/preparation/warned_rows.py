"""The rows of a checked job that Zendesk may refuse, and why. Workers only: it imports
pyarrow."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.errors import FileRefused
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import AccountFacts, Job
from jobsui.jobs.preparation import account_reads, file_reading, job_blocks
from jobsui.jobs.preparation.checked_rows import CheckedRows, Progress
from jobsui.jobs.preparation.job_blocks import JobBlock
from jobsui.jobs.preparation.row_sample import RowSample
from jobsui.jobs.preparation.row_warnings import RowWarning, RowWarnings

type OnWarning = Callable[[RowWarning, JobBlock], None]
"""Called for each warning of each block."""


@dataclass(slots=True)
class WarnedRows:
    facts: AccountFacts
    """Not saved yet."""
    rows: int = 0
    """How many rows have a warning. A row can have several."""


def find(
    job: Job,
    checked: CheckedRows,
    sample: RowSample | None,
    on_warning: OnWarning,
    progress: Progress,
) -> WarnedRows:
    """Ask the account about the sample, and find the rows of the job that it is true of.
    `sample` None: the account is not asked. Raises FileRefused, and what `progress`
    raises."""
    if sample is None:
        return WarnedRows(AccountFacts(job=job))
    sample.rows = checked.rows - checked.invalid
    facts = account_reads.read(job, sample, lambda: progress(checked.rows))
    facts.has_blanks = sample.has_blanks
    found = WarnedRows(facts)
    warnings = RowWarnings(job, facts)
    if not warnings.are_possible:
        return found
    with file_reading.open_rows(job.file) as table:
        for block in job_blocks.read(job, table):
            checked.repeats.mark(block)
            is_warned = pa.repeat(False, len(block.numbers))
            for warning in warnings.find(block):
                is_warned = pc.or_(is_warned, warning.is_warned)
                on_warning(warning, block)
            found.rows += is_warned.true_count
            progress(checked.rows)
    return found


def adding_warnings(job: Job) -> Callable[[JobBlock], None]:
    """A function that turns the warnings of each block of a checked job into problems."""
    if not job.rows_warned:
        return _add_nothing
    facts = AccountFacts.objects.filter(job=job).first()
    return RowWarnings(job, facts).add_problems if facts else _add_nothing


def leaving_out(job: Job) -> Callable[[JobBlock], None]:
    """`adding_warnings` to a launched job if its rows with warnings are not to be sent. Raises
    FileRefused."""
    if Options.from_json(job.options).warnings != "skip" or not job.rows_warned:
        return _add_nothing
    if not AccountFacts.objects.filter(job=job).exists():
        raise FileRefused(
            "What the check read in Zendesk is gone, so the rows with warnings cannot be "
            "left out. Upload the file again."
        )
    return adding_warnings(job)


def _add_nothing(_block: JobBlock) -> None:
    pass
