"""Reads rows from all over a file. Workers only: it imports pyarrow."""

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa

from jobsui.files.cells import Block
from jobsui.files.staging import Staged
from jobsui.jobs.enums import Action
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import staged_rows
from jobsui.jobs.preparation.job_blocks import JobBlock, JobReader
from jobsui.jobs.preparation.sampled_rows import SampledRow, spread

MAX_ROWS = 200
MAX_BLOCKS = 20
"""Opening one costs some milliseconds."""
SPARE = 3
"""How many times the rows are read that are needed, because some are not sent."""


def read(job: Job) -> list[SampledRow]:
    """Up to MAX_ROWS rows that would be sent, each with another key. Empty for raw items, and
    for retries. Raises FileRefused."""
    if job.file.is_raw_items or job.parent_rows:
        return []
    key = Action(job.action).key
    column = next((name for name, target in job.mapping.items() if target == key), "")
    if not column:
        return []
    with staged_rows.open_staged(job.file) as staged:
        found = {row.key: row for row in _read(job, staged, column)}
    return spread(list(found.values()), MAX_ROWS)


def _read(job: Job, staged: Staged, column: str) -> Iterator[SampledRow]:
    reader = JobReader(job, staged.columns)
    index = staged.columns.index(column)
    entries = spread([entry for entry in staged.entries if entry.rows], MAX_BLOCKS)
    for entry in entries:
        wanted = math.ceil(SPARE * MAX_ROWS / len(entries))
        block = _some_rows(staged.block(entry), wanted)
        rows = reader.read(block)
        texts = _texts_of_sent(reader.corrected(block), rows)
        yield from _rows_of(rows, texts, index, Action(job.action))


def _rows_of(
    block: JobBlock, texts: list[tuple[str, ...]], index: int, action: Action
) -> Iterator[SampledRow]:
    for item, cells in zip(_items(block), texts, strict=True):
        key = str(item if action.deletes else item[action.key])
        yield SampledRow(cells[index], key, item, cells)


def _items(block: JobBlock) -> Iterator[Any]:
    lines = block.lines()
    ends = lines.ends.to_pylist()
    for start, end in pairwise(ends):
        yield json.loads(bytes(lines.data[start:end]))


def _texts_of_sent(block: Block, read: JobBlock) -> list[tuple[str, ...]]:
    columns = [
        column.texts.filter(read.is_sent).to_pylist() for column in block.columns
    ]
    return list(zip(*columns, strict=True))


def _some_rows(block: Block, wanted: int) -> Block:
    """From all over the block, without odd rows."""
    count = len(block.numbers)
    step = max(1, count // wanted)
    is_wanted = pa.array([place % step == 0 for place in range(count)], pa.bool_())
    return staged_rows.filtered(block, is_wanted)
