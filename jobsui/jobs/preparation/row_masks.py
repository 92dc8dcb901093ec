"""Sets of rows and masks of blocks: both have a bit for each row.

For workers, and for the request that corrects cells: it imports pyarrow."""

import pyarrow as pa

from jobsui.jobs.ledger.row_sets import BITS, RowSet


def rows_where(numbers: pa.Int64Array, is_wanted: pa.BooleanArray) -> RowSet:
    """The rows of a block that are wanted."""
    if not len(numbers):
        return RowSet()
    if not _are_successive(numbers):
        return RowSet.of(numbers.filter(is_wanted).to_pylist())
    data = memoryview(pa.concat_arrays([is_wanted]).buffers()[1])
    bits = int.from_bytes(data, "little") & ((1 << len(numbers)) - 1)
    return RowSet(bits << int(numbers[0].as_py()))


def is_in_rows(numbers: pa.Int64Array, rows: RowSet) -> pa.BooleanArray:
    """Whether each row of a block is one of these."""
    count = len(numbers)
    if not count or not _are_successive(numbers):
        members = rows.contains()
        return pa.array([row in members for row in numbers.to_pylist()], pa.bool_())
    bits = rows.bits >> int(numbers[0].as_py()) & ((1 << count) - 1)
    data = pa.py_buffer(bits.to_bytes(count // BITS + 1, "little"))
    return pa.Array.from_buffers(pa.bool_(), count, [None, data])


def _are_successive(numbers: pa.Int64Array) -> bool:
    """Whether these ascending numbers have no gap."""
    return bool(numbers[-1].as_py() - numbers[0].as_py() + 1 == len(numbers))
