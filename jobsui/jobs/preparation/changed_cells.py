"""Which cells of a file a change of the corrections concerns.

For workers, and for the request that corrects cells: it imports pyarrow."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Column, Kind
from jobsui.files.staging import Staged
from jobsui.jobs.ledger.row_sets import RowSet
from jobsui.jobs.preparation.corrected_cells import CorrectedCells
from jobsui.jobs.preparation.row_masks import rows_where

type TextAndKind = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """What changes in one column."""

    index: int
    rows: set[int]
    """Of the cells whose own correction changes."""
    texts: list[str]
    """Of the file, that are replaced otherwise than before."""
    own: set[int]
    """Rows whose cells are corrected by themselves, before and after, so that no replaced
    text concerns them."""


def changes_between(
    before: CorrectedCells,
    after: CorrectedCells,
    columns: Sequence[str],
    used: Collection[str],
) -> list[ColumnChange]:
    """Of the used columns."""
    found = []
    for index, column in enumerate(columns):
        if column not in used:
            continue
        old_cells = before.cells.get(column, {})
        new_cells = after.cells.get(column, {})
        rows = {
            row
            for row in old_cells.keys() | new_cells.keys()
            if old_cells.get(row) != new_cells.get(row)
        }
        old_texts = before.texts.get(column, {})
        new_texts = after.texts.get(column, {})
        texts = [
            text
            for text in old_texts.keys() | new_texts.keys()
            if old_texts.get(text) != new_texts.get(text)
        ]
        if rows or texts:
            own = old_cells.keys() & new_cells.keys()
            found.append(ColumnChange(index, rows, sorted(texts), own))
    return found


def rows_by_text(staged: Staged, change: ColumnChange) -> dict[TextAndKind, RowSet]:
    """The rows of the texts that are replaced otherwise, by text and kind. Reads one column of
    the file."""
    found: defaultdict[TextAndKind, int] = defaultdict(int)
    if not change.texts:
        return {}
    texts = pa.array(change.texts, pa.string())
    for numbers, column in staged.column(change.index):
        indexes = pc.index_in(column.texts, texts)
        if indexes.null_count == len(indexes):
            continue
        for index in pc.unique(indexes.drop_null()).to_pylist():
            is_text = pc.fill_null(pc.equal(indexes, index), False)
            for kind, is_found in _by_kind(column, is_text):
                found[change.texts[index], kind] |= rows_where(numbers, is_found).bits
    own = RowSet.of(change.own)
    rows = {key: RowSet(bits) - own for key, bits in found.items()}
    return {key: each for key, each in rows.items() if each}


def _by_kind(
    column: Column, is_found: pa.BooleanArray
) -> list[tuple[int, pa.BooleanArray]]:
    """These cells by their kind."""
    if column.kinds is None:
        return [(Kind.TEXT, is_found)]
    kinds = pc.unique(column.kinds.filter(is_found)).to_pylist()
    return [(kind, pc.and_(is_found, pc.equal(column.kinds, kind))) for kind in kinds]
