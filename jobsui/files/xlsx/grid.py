"""From the cells of a sheet to a table: its header, and blocks of columns below it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Block, Column, Kind
from jobsui.files.dialect import header_row
from jobsui.files.layout import MAX_ODD_CELLS, Notice, OddCells
from jobsui.files.xlsx.sheet_cells import Cells, Reason
from jobsui.text import counted

MAX_HEAD_ROWS = 50
MAX_SAMPLES = 5
RE_SAVE = "Open the workbook in a spreadsheet program, save it, and upload it again."


@dataclass(frozen=True, slots=True)
class HeadRow:
    """One of the first rows of a sheet."""

    number: int
    cells: dict[int, tuple[str, int]]
    """Column -> (text, Kind)."""

    @property
    def filled(self) -> int:
        """Cells with a value."""
        return sum(kind != Kind.NO_RESULT for _, kind in self.cells.values())

    def texts(self) -> list[str]:
        """As far as the last one."""
        width = max(self.cells, default=-1) + 1
        return [self.cells.get(index, ("", 0))[0] for index in range(width)]


def head_rows(pieces: Iterable[Cells]) -> list[HeadRow]:
    """Rows that are not blank, at most MAX_HEAD_ROWS."""
    rows: dict[int, HeadRow] = {}
    for cells in pieces:
        numbers = cells.rows.to_pylist()
        columns = cells.columns.to_pylist()
        texts = cells.texts.to_pylist()
        kinds = cells.kinds.to_pylist()
        for number, *cell in zip(numbers, columns, texts, kinds, strict=True):
            if number not in rows:
                if len(rows) >= MAX_HEAD_ROWS:
                    return list(rows.values())
                rows[number] = HeadRow(number, {})
            column, text, kind = cell
            rows[number].cells[column] = text, kind
    return list(rows.values())


def find_header(rows: list[HeadRow]) -> HeadRow | None:
    """The row with the names of the columns, by the rule of delimited text. None for a
    sheet without cells."""
    if not rows:
        return None
    lines = [row.texts() for row in rows]
    width = max(map(len, lines))
    padded = [line + [""] * (width - len(line)) for line in lines]
    return rows[max(header_row(padded), 1) - 1]


@dataclass(slots=True)
class _Count:
    """How often something occurs in a column, and where first."""

    cells: int = 0
    samples: list[tuple[int, str]] = field(default_factory=list)

    def add(self, rows: pa.Int64Array, texts: pa.StringArray) -> None:
        self.cells += len(rows)
        wanted = MAX_SAMPLES - len(self.samples)
        if wanted > 0:
            numbers = rows[:wanted].to_pylist()
            self.samples += zip(numbers, texts[:wanted].to_pylist(), strict=True)


class Grid:
    """Blocks of the columns of a table."""

    def __init__(self, header: list[str], header_row: int, *, is_shown: bool) -> None:
        self._header = header
        self._width = len(header)
        self._header_row = header_row
        self._is_shown = is_shown
        self._hidden_rows = 0
        self._far_cells = 0
        self._far_samples: list[tuple[int, str]] = []
        self._differing: dict[int, _Count] = {}
        self._unanswered: dict[int, _Count] = {}
        self._errors: dict[int, _Count] = {}

    def blocks(self, pieces: Iterable[Cells]) -> Iterator[Block]:
        for piece in pieces:
            cells = self._below_header(piece)
            self._hidden_rows += self._filled_hidden(piece, cells)
            self._far_cells += sum(piece.far.values())
            near = self._near(cells)
            if len(near.rows) or near.odd:
                yield self._block(near)

    def notices(
        self, hidden_columns: list[range], merged_rows: list[int]
    ) -> Iterator[Notice]:
        """What was found, after the last block."""
        yield from self._about_values()
        if self._hidden_rows:
            yield Notice(
                "hidden_rows",
                f"{counted(self._hidden_rows, 'hidden row')}, read like visible ones.",
                "Delete them in the workbook if they are not meant.",
                count=self._hidden_rows,
            )
        yield from self._about_hidden_columns(hidden_columns)
        merged = sum(row > self._header_row for row in merged_rows)
        if merged:
            yield Notice(
                "merged_cells",
                f"{counted(merged, 'group')} of merged cells: only the first cell of "
                "each has a value, the others are blank.",
                "Unmerge them and fill in the value where it is meant.",
                count=merged,
            )
        if self._far_cells:
            yield Notice(
                "cells_beyond_header",
                f"{counted(self._far_cells, 'cell')} right of the last column with a "
                "name, not read.",
                "Give their columns a name in the header if they belong to the table.",
                count=self._far_cells,
                samples=tuple(self._far_samples),
            )

    def _about_values(self) -> Iterator[Notice]:
        for column, count in sorted(self._unanswered.items()):
            yield self._notice(
                column,
                count,
                code="formula_without_result",
                message=f"{counted(count.cells, 'formula')} without a stored result in "
                f"{self._name(column)}, read as blank.",
                fix=RE_SAVE,
            )
        for column, count in sorted(self._errors.items()):
            example = count.samples[0][1]
            yield self._notice(
                column,
                count,
                code="error_cell",
                message=f"{counted(count.cells, 'error')} such as {example} in "
                f"{self._name(column)}.",
                fix="Correct the formulas in the workbook.",
            )
        used = "shown" if self._is_shown else "stored"
        other = "stored" if self._is_shown else "shown"
        fix = f"Choose the {other} values in the file settings if those are meant."
        for column, count in sorted(self._differing.items()):
            example = count.samples[0][1]
            yield self._notice(
                column,
                count,
                code="shown_differs",
                message=f"{counted(count.cells, 'value')} in {self._name(column)} "
                f"{'is' if count.cells == 1 else 'are'} not shown as stored: "
                f"{example}. The {used} value is read.",
                fix=fix,
            )

    def _about_hidden_columns(self, ranges: list[range]) -> Iterator[Notice]:
        hidden = [
            self._name(column)
            for column in range(self._width)
            if any(column in those for those in ranges)
        ]
        if hidden:
            yield Notice(
                "hidden_columns",
                f"{counted(len(hidden), 'hidden column')} "
                f"({', '.join(hidden[:MAX_SAMPLES])}), read like visible ones.",
                "Leave them unmapped if they are not meant.",
                count=len(hidden),
            )

    def _notice(
        self, column: int, count: _Count, *, code: str, message: str, fix: str
    ) -> Notice:
        return Notice(
            code=code,
            message=message,
            fix=fix,
            column=self._header[column],
            count=count.cells,
            samples=tuple(count.samples),
        )

    def _name(self, column: int) -> str:
        return self._header[column].strip() or f"column {column + 1}"

    def _below_header(self, cells: Cells) -> Cells:
        if not len(cells.rows) or pc.min(cells.rows).as_py() > self._header_row:
            return cells
        return cells.filter(pc.greater(cells.rows, self._header_row))

    def _filled_hidden(self, piece: Cells, cells: Cells) -> int:
        """How many hidden rows have cells."""
        if not piece.hidden_rows:
            return 0
        hidden = pa.array(piece.hidden_rows, pa.int64())
        is_filled = pc.is_in(hidden, pc.unique(cells.rows))
        return pc.sum(is_filled).as_py() or 0

    def _near(self, cells: Cells) -> Cells:
        """Without cells right of the header's last one."""
        is_near = pc.less(cells.columns, self._width)
        if pc.all(is_near).as_py() is not False:
            return cells
        is_far = pc.invert(is_near)
        rows = cells.rows.filter(is_far)
        self._far_cells += len(rows)
        wanted = MAX_SAMPLES - len(self._far_samples)
        texts = cells.texts.filter(is_far)[:wanted].to_pylist()
        self._far_samples += zip(rows[:wanted].to_pylist(), texts, strict=True)
        return cells.filter(is_near)

    def _block(self, cells: Cells) -> Block:
        odd = [(row, cells.odd[row]) for row in cells.odd if row > self._header_row]
        odd_cells: list[tuple[int, OddCells]] = []
        if odd:
            is_odd = pc.is_in(cells.rows, pa.array([row for row, _ in odd], pa.int64()))
            odd_cells = list(_odd_cells(cells.filter(is_odd), dict(odd)))
            cells = cells.filter(pc.invert(is_odd))
        numbers = pc.unique(cells.rows)
        columns = tuple(
            self._column(cells, index, numbers) for index in range(self._width)
        )
        return Block(numbers, columns, tuple(odd_cells))

    def _column(self, cells: Cells, index: int, numbers: pa.Int64Array) -> Column:
        is_here = pc.equal(cells.columns, index)
        rows = cells.rows.filter(is_here)
        texts = cells.texts.filter(is_here)
        kinds = cells.kinds.filter(is_here)
        if cells.shown is not None:
            shown = cells.shown.filter(is_here)
            if shown.null_count < len(shown):
                texts = self._chosen(index, rows, texts, shown)
        present = set(pc.unique(kinds).to_pylist())
        self._note(index, rows, texts, kinds, present)
        if not rows.equals(numbers):
            # The position of each row's cell among the cells of this column.
            places = pc.index_in(numbers, value_set=rows)
            texts = pc.fill_null(texts.take(places), "")
            kinds = pc.fill_null(kinds.take(places), Kind.TEXT)
        is_text = present <= {Kind.TEXT}
        return Column(texts, None if is_text else kinds.cast(pa.int8()))

    def _chosen(
        self,
        column: int,
        rows: pa.Int64Array,
        stored: pa.StringArray,
        shown: pa.StringArray,
    ) -> pa.StringArray:
        differs = pc.is_valid(shown)
        examples = pc.binary_join_element_wise(
            shown.filter(differs), stored.filter(differs), " is stored as "
        )
        count = self._differing.setdefault(column, _Count())
        count.add(rows.filter(differs), examples)
        return pc.coalesce(shown, stored) if self._is_shown else stored

    def _note(
        self,
        column: int,
        rows: pa.Int64Array,
        texts: pa.StringArray,
        kinds: pa.Int8Array,
        present: set[int],
    ) -> None:
        for kind, counts in (
            (Kind.NO_RESULT, self._unanswered),
            (Kind.ERROR, self._errors),
        ):
            if kind in present:
                found = pc.equal(kinds, kind)
                count = counts.setdefault(column, _Count())
                count.add(rows.filter(found), texts.filter(found))


def _odd_cells(
    cells: Cells, reasons: dict[int, Reason]
) -> Iterator[tuple[int, OddCells]]:
    """(row, what is kept of its cells)."""
    texts: dict[int, list[str]] = {row: [] for row in sorted(reasons)}
    for row, text in zip(cells.rows.to_pylist(), cells.texts.to_pylist(), strict=True):
        if len(texts[row]) < MAX_ODD_CELLS:
            texts[row].append(text)
    for row, kept in texts.items():
        reason = reasons[row]
        yield (
            row,
            OddCells(kept, code=reason.code, reason=reason.reason, fix=reason.fix),
        )
