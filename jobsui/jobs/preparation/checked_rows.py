"""What the check learns from the rows of a job. Workers only: it imports pyarrow."""

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.jobs.ledger.record_order import HashedKeys
from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models import Job, RepeatedKeys
from jobsui.jobs.preparation import file_reading, job_blocks
from jobsui.jobs.preparation.file_keys import FileKeys, Repeats, are_of_keys
from jobsui.jobs.preparation.job_blocks import JobBlock

type Progress = Callable[[int], None]
"""Called once a block with how many rows are checked. May raise an exception to stop."""


class CheckedRows:
    def __init__(
        self,
        job: Job,
        on_problems: Callable[[list[Problem]], None],
        on_block: Callable[[JobBlock], None] | None = None,
    ) -> None:
        """`on_problems` is called with the problems of each row that has some, and
        `on_block` with each block."""
        self._job = job
        self._on_block = on_block
        self._on_problems = on_problems
        self._keys = FileKeys(job)
        self._bad_rows: list[pa.Int64Array] = []
        self.repeats = Repeats(job)
        self.rows = 0
        self.invalid = 0
        self.largest_item = 0
        """No item has more bytes."""

    def run(self, progress: Progress) -> None:
        """Raises FileRefused."""
        with file_reading.open_rows(self._job.file) as table:
            for block in job_blocks.read(self._job, table):
                self._keys.add(block)
                if self._on_block:
                    self._on_block(block)
                self.rows += block.count()
                self.largest_item = max(self.largest_item, block.largest_item)
                self._note(block.problems())
                self._bad_rows.append(block.bad_rows)
                progress(self.rows)
        self._find_repeats(progress)

    def record_keys(self) -> Iterator[HashedKeys]:
        return self._keys.of_records()

    def _find_repeats(self, progress: Progress) -> None:
        suspects = self._keys.suspects()
        if not suspects:
            return
        rows = sorted(set().union(*suspects.values()))
        bad_rows = pa.concat_arrays(self._bad_rows)
        with file_reading.open_rows(self._job.file) as table:
            for block in job_blocks.read_keys(self._job, table, suspects, rows):
                is_good = pc.invert(pc.is_in(block.numbers, bad_rows))
                self.repeats.find(block, suspects, is_good)
                self.repeats.mark(block)
                self._note(filter(are_of_keys, block.problems()))
                progress(self.rows)

    def _note(self, found: Iterable[list[Problem]]) -> None:
        for problems in found:
            self.invalid += 1
            self._on_problems(problems)


def repeats_of(job: Job, progress: Progress = lambda _: None) -> Repeats:
    """The rows of a checked job whose key an earlier row has: as its check has stored them,
    or found again. Raises FileRefused."""
    if stored := RepeatedKeys.objects.filter(job=job).first():
        return Repeats(job, stored.rows)
    checked = CheckedRows(job, lambda _: None)
    checked.run(progress)
    return checked.repeats
