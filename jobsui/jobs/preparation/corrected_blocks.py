"""Corrections applied to whole blocks: the same as `corrected_cells`, by kernels.

Workers only, and the one request that corrects a cell: it imports pyarrow."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Block, Column, Kind
from jobsui.jobs.preparation.corrected_cells import CorrectedCells


class BlockCorrector:
    """Built once a file."""

    def __init__(self, corrections: CorrectedCells, columns: Sequence[str]) -> None:
        found = (
            (index, _Corrector(corrections, column))
            for index, column in enumerate(columns)
            if column in corrections.columns
        )
        self._correctors = dict(found)

    def corrected(self, block: Block) -> Block:
        """Rows that could not be read stay as they are."""
        if not self._correctors or not len(block.numbers):
            return block
        columns = list(block.columns)
        for index, corrector in self._correctors.items():
            columns[index] = corrector.corrected(block.numbers, columns[index])
        return Block(block.numbers, tuple(columns), block.odd)


class _Corrector:
    """Of one column."""

    def __init__(self, corrections: CorrectedCells, column: str) -> None:
        own = corrections.cells.get(column, {})
        texts = corrections.texts.get(column, {})
        self._rows = pa.array(own, pa.int64())
        self._own = pa.array(own.values(), pa.string())
        self._before = pa.array(texts, pa.string())
        self._after = pa.array(texts.values(), pa.string())

    def corrected(self, numbers: pa.Int64Array, column: Column) -> Column:
        """A corrected cell is a text, whatever it was in the file."""
        texts = self._own.take(pc.index_in(numbers, self._rows))
        if len(self._before):
            replaced = self._after.take(pc.index_in(column.texts, self._before))
            texts = pc.coalesce(texts, replaced)
        if texts.null_count == len(texts):
            return column
        kinds = column.kinds
        if kinds is not None:
            kinds = pc.if_else(
                texts.is_valid(), pa.scalar(int(Kind.TEXT), pa.int8()), kinds
            )
        return Column(pc.coalesce(texts, column.texts), kinds)
