"""The rows of a job, as its check and its planner read them: in blocks.

Workers only: it imports pyarrow."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.ahead import made_ahead
from jobsui.files.cells import Block
from jobsui.files.table import Table
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.block_reader import BlockReader, Lines, ReadBlock, mask
from jobsui.jobs.mapping.column_reader import ColumnValues
from jobsui.jobs.mapping.decimal_marks import decimal_marks
from jobsui.jobs.mapping.field_targets import schema_of
from jobsui.jobs.mapping.item_blocks import ItemBlockReader, ReadItems
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.raw_items import ItemReader
from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.mapping.rules import rules_of
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import job_rows
from jobsui.jobs.preparation.corrected_blocks import BlockCorrector
from jobsui.jobs.preparation.corrected_cells import CorrectedCells, corrected_cells
from jobsui.jobs.preparation.job_rows import Membership, MembershipOf
from jobsui.jobs.preparation.staged_rows import filtered, has_any

THREADS = 2
"""How many blocks are read at the same time."""


class JobBlock:
    """Successive rows of a job, read. A continuation also reads rows that are not its own,
    because of their keys."""

    def __init__(self, read: ReadBlock | ReadItems, is_own: list[bool] | None) -> None:
        """`is_own`: for each row of `read`; None: all are."""
        self._read = read
        self._is_own = is_own
        self.numbers = read.numbers
        self.largest_item = read.largest_item
        """No item has more bytes."""
        self.keys = read.keys
        """{target key: the value of each row that may appear only once in a file}. Null
        where a row has none."""

    @property
    def last_row(self) -> int:
        """The highest row number."""
        return max(*self._read.rows[-1:], *self._read.odd, 0)

    @property
    def is_good(self) -> pa.BooleanArray:
        """Whether each row has no problem. Odd rows are not among them."""
        return mask(len(self.numbers), self._read.problems)

    @property
    def bad_rows(self) -> pa.Int64Array:
        """The numbers of the rows with problems, without the odd ones."""
        indexes = sorted(self._read.problems)
        return self.numbers.take(pa.array(indexes, pa.int64()))

    @property
    def is_own(self) -> pa.BooleanArray:
        """Whether each row is the job's own."""
        if self._is_own is None:
            return mask(len(self.numbers), ())
        return pa.array(self._is_own, pa.bool_())

    @property
    def is_sent(self) -> pa.BooleanArray:
        """Whether each row is the job's own and has no problem."""
        if self._is_own is None:
            return self.is_good
        return pc.and_(self.is_good, self.is_own)

    def values_of(self, target: str) -> ColumnValues | None:
        """What the rows give a target. None: nothing fills it, and for raw items."""
        if isinstance(self._read, ReadBlock):
            return self._read.values_of(target)
        return None

    def find(self, rows: Sequence[int]) -> Iterator[tuple[int, int]]:
        """(index, number) of those of these rows that are here. `rows` ascend."""
        if not self._read.rows:
            return
        start = bisect_left(rows, self._read.rows[0])
        stop = bisect_right(rows, self._read.rows[-1])
        for row in rows[start:stop]:
            index = bisect_left(self._read.rows, row)
            if self._read.rows[index] == row:
                yield index, row

    def add_problem(self, index: int, problem: Problem) -> None:
        self._read.problems.setdefault(index, []).append(problem)

    def problems(self, after: int = 0) -> list[list[Problem]]:
        """Those of each own row behind row `after` that has some."""
        own = [
            (self._read.rows[index], problems)
            for index, problems in self._read.problems.items()
            if self._is_own is None or self._is_own[index]
        ]
        found = [*own, *self._read.odd.items()]
        return [
            problems
            for row, problems in sorted(found, key=itemgetter(0))
            if row > after
        ]

    def count(self) -> int:
        """How many rows are the job's own."""
        own = len(self.numbers) if self._is_own is None else sum(self._is_own)
        return own + len(self._read.odd)

    def lines(self, after: int = 0) -> Lines:
        """The items of the own rows behind row `after`, without those with problems."""
        is_wanted = self.is_sent
        if after:
            is_wanted = pc.and_(is_wanted, pc.greater(self.numbers, after))
        return self._read.lines(is_wanted)


class JobReader:
    """Reads blocks of the file of a job: corrected, by its mapping."""

    def __init__(
        self,
        job: Job,
        columns: list[str],
        corrections: CorrectedCells | None = None,
        targets: Collection[str] | None = None,
    ) -> None:
        """`corrections`: instead of the job's own ones. `targets`: no others are read."""
        if corrections is None:
            corrections = corrected_cells(job)
        self._reader = _reader(job, columns, targets)
        self._corrector = BlockCorrector(corrections, columns)

    def read(self, block: Block, is_own: list[bool] | None = None) -> JobBlock:
        return JobBlock(self._reader.read(self.corrected(block)), is_own)

    @property
    def sources(self) -> Collection[int]:
        """The columns that are read."""
        return self._reader.sources

    def corrected(self, block: Block) -> Block:
        return self._corrector.corrected(block)


def read(job: Job, table: Table, after: int = 0) -> Iterator[JobBlock]:
    """The rows of a job, corrected, with their items and problems, but not those of keys that
    appear twice (`file_keys.Repeats`). Check and planner both read rows from here, so
    they always agree.

    A continuation leaves out rows whose key its parent has sent, so it reads the
    parent's rows too, and its rows from the database, so it can be iterated in this
    thread only. The blocks may be empty. `after`: read no blocks whose rows are all up to
    this one."""
    corrections = corrected_cells(job)
    readers = [JobReader(job, table.columns, corrections) for _ in range(THREADS)]
    membership = job_rows.membership_of(job)
    blocks = table.blocks(after)
    if membership:
        return (readers[0].read(*_members_of(block, membership)) for block in blocks)
    return made_ahead(blocks, [reader.read for reader in readers])


def read_keys(
    job: Job, table: Table, targets: Collection[str], rows: Sequence[int]
) -> Iterator[JobBlock]:
    """These rows of `read`, which ascend, with the keys of these targets. Of their other cells
    nothing is known, nor all their problems."""
    reader = JobReader(job, table.columns, targets=targets)
    wanted = pa.array(rows, pa.int64())
    membership = job_rows.membership_of(job)
    for block in _blocks_with(table, reader.sources, rows):
        found = filtered(block, pc.is_in(block.numbers, wanted))
        if membership:
            yield reader.read(*_members_of(found, membership))
        else:
            yield reader.read(found)


def _blocks_with(
    table: Table, columns: Collection[int], rows: Sequence[int]
) -> Iterator[Block]:
    """The blocks that may have some of these rows. Other columns than these may have ABSENT
    cells."""
    if table.staged is None:
        yield from table.blocks()
        return
    for entry in table.staged.entries:
        if has_any(entry, rows):
            yield table.staged.block(entry, columns)


def _reader(
    job: Job, columns: list[str], only: Collection[str] | None
) -> BlockReader | ItemBlockReader:
    if job.file.is_raw_items:
        return ItemBlockReader(ItemReader(schema_of(job), Action(job.action)))
    return block_reader(job, columns, only)


def block_reader(
    job: Job, columns: list[str], only: Collection[str] | None = None
) -> BlockReader:
    """The reader of a job's targets, or of some of them. Not for raw items."""
    options = Options.from_json(job.options)
    mapping = job.mapping
    rules = rules_of(job.rules)
    if only is not None:
        mapping = {name: key for name, key in mapping.items() if key in only}
        rules = {key: rule for key, rule in rules.items() if key in only}
    return BlockReader(
        schema_of(job),
        Action(job.action),
        mapping,
        columns,
        options,
        decimal_marks(job.file, options),
        rules,
    )


def _members_of(block: Block, membership: MembershipOf) -> tuple[Block, list[bool]]:
    """The rows of the block that matter to the job, and which of them are its own. Odd rows
    have no key."""
    odd = dict(block.odd)
    numbers = block.numbers.to_pylist()
    found = {row: membership(row) for row in sorted([*numbers, *odd])}
    members = [found[row] for row in numbers]
    is_member = pa.array([each is not Membership.NONE for each in members], pa.bool_())
    odd_members = tuple(
        (row, cells) for row, cells in block.odd if found[row] is Membership.OWN
    )
    is_own = [each is Membership.OWN for each in members if each is not Membership.NONE]
    return filtered(block, is_member, odd_members), is_own
