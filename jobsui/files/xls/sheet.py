"""The cells of a sheet, from its records."""

import struct
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Kind
from jobsui.files.errors import FileRefused
from jobsui.files.xls.compound import DAMAGED
from jobsui.files.xls.records import BOF, EOF, Globals, records, text_of
from jobsui.files.xlsx.number_formats import GENERAL, Value, value_of
from jobsui.files.xlsx.sheet_cells import Budget, Cells

PIECE_CELLS = 50_000
MAX_MEMO = 20_000
CELL_BYTES = 16
NUMBER = 0x0203
SMALL_NUMBER = 0x027E
SMALL_NUMBERS = 0x00BD
SHARED_TEXT = 0x00FD
TEXTS = {0x0204, 0x00D6}
BOOLEAN_OR_ERROR = 0x0205
FORMULA = 0x0006
FORMULA_TEXT = 0x0207
ROW = 0x0208
COLUMNS = 0x007D
MERGED = 0x00E5
IS_HIDDEN_ROW = 0x20
ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
}


class SheetReader:
    """One run through a sheet."""

    def __init__(
        self, stream: bytes, position: int, workbook: Globals, budget: Budget
    ) -> None:
        self._stream = stream
        self._position = position
        self._workbook = workbook
        self._budget = budget
        self._memo: dict[tuple[float, int], Value] = {}
        self.hidden_columns: list[range] = []
        self.merged_rows: list[int] = []
        self._hidden_rows: list[int] = []
        self._cells: list[tuple[int, int, Value]] = []
        self._formula: tuple[int, int] | None = None
        """(row, column) of a formula whose text comes next."""

    def cells(self) -> list[Cells]:
        """Pieces of the whole sheet, in the order of its rows. Raises FileRefused."""
        try:
            pieces = list(self._pieces())
        except (struct.error, IndexError):
            raise FileRefused(DAMAGED) from None
        return pieces if _are_in_order(pieces) else [_sorted(pieces)]

    def _pieces(self) -> Iterator[Cells]:
        depth = 0
        for kind, data, _ in records(self._stream, self._position):
            # Charts in a sheet have records of their own.
            depth += (kind == BOF) - (kind == EOF)
            if depth == 0:
                break
            if depth == 1:
                self._read(kind, data)
            if len(self._cells) >= PIECE_CELLS and kind == ROW:
                yield self._piece()
        yield self._piece()

    def _read(self, kind: int, data: bytes) -> None:
        if kind == SHARED_TEXT:
            row, column, _, index = struct.unpack_from("<HHHI", data)
            self._add_text(row, column, self._workbook.strings[index])
        elif kind == NUMBER:
            row, column, form, number = struct.unpack_from("<HHHd", data)
            self._add_number(row, column, form, number)
        elif kind == SMALL_NUMBER:
            row, column, form, small = struct.unpack_from("<HHHI", data)
            self._add_number(row, column, form, _number(small))
        elif kind == SMALL_NUMBERS:
            row, column = struct.unpack_from("<HH", data)
            for start in range(4, len(data) - 6 + 1, 6):
                form, small = struct.unpack_from("<HI", data, start)
                self._add_number(row, column, form, _number(small))
                column += 1
        elif kind == FORMULA:
            self._add_formula(data)
        elif kind == FORMULA_TEXT and self._formula:
            self._add_text(*self._formula, text_of(data, 0))
            self._formula = None
        elif kind in TEXTS:
            row, column = struct.unpack_from("<HH", data)
            self._add_text(row, column, text_of(data, 6))
        elif kind == BOOLEAN_OR_ERROR:
            row, column, _, code, is_error = struct.unpack_from("<HHHBB", data)
            self._add(row, column, _error(code) if is_error else _boolean(code))
        else:
            self._read_layout(kind, data)

    def _read_layout(self, kind: int, data: bytes) -> None:
        if kind == ROW:
            row, *_, options = struct.unpack_from("<HHHHIH", data)
            if options & IS_HIDDEN_ROW:
                self._hidden_rows.append(row + 1)
        elif kind == COLUMNS:
            first, last, _, _, options = struct.unpack_from("<HHHHH", data)
            if options & 1:
                self.hidden_columns.append(range(first, last + 1))
        elif kind == MERGED:
            [count] = struct.unpack_from("<H", data)
            for index in range(count):
                row, *_ = struct.unpack_from("<HHHH", data, 2 + 8 * index)
                self.merged_rows.append(row + 1)

    def _add_formula(self, data: bytes) -> None:
        row, column, form = struct.unpack_from("<HHH", data)
        result = data[6:14]
        self._formula = None
        if result[6:] != b"\xff\xff":
            [number] = struct.unpack("<d", result)
            self._add_number(row, column, form, number)
        elif result[0] == 0:
            self._formula = row, column
        elif result[0] == 1:
            self._add(row, column, _boolean(result[2]))
        elif result[0] == 2:
            self._add(row, column, _error(result[2]))

    def _add_number(self, row: int, column: int, form: int, number: float) -> None:
        value = self._memo.get((number, form))
        if value is None:
            if len(self._memo) >= MAX_MEMO:
                self._memo.clear()
            formats = self._workbook.formats
            meaning = formats[form] if form < len(formats) else GENERAL
            is_whole = number.is_integer() and abs(number) < 1e15
            text = str(int(number)) if is_whole else repr(number)
            value = value_of(text, meaning, is_1904=self._workbook.is_1904)
            self._memo[number, form] = value
        self._add(row, column, value)

    def _add_text(self, row: int, column: int, text: str) -> None:
        if text:
            self._add(row, column, Value(text, Kind.TEXT))

    def _add(self, row: int, column: int, value: Value) -> None:
        self._budget.add(len(value.text) + CELL_BYTES, row + 1)
        self._cells.append((row + 1, column, value))

    def _piece(self) -> Cells:
        found = self._cells
        hidden = tuple(self._hidden_rows)
        self._cells = []
        self._hidden_rows = []
        return Cells(
            rows=pa.array([row for row, _, _ in found], pa.int64()),
            columns=pa.array([column for _, column, _ in found], pa.int32()),
            texts=pa.array([value.text for _, _, value in found], pa.string()),
            kinds=pa.array([value.kind for _, _, value in found], pa.int8()),
            shown=pa.array([value.shown for _, _, value in found], pa.string()),
            hidden_rows=hidden,
        )


def _number(small: int) -> float:
    """A number in four bytes: its first two bits say how."""
    if small & 2:
        number: float = (small >> 2) - (1 << 30 if small & 0x80000000 else 0)
    else:
        [number] = struct.unpack("<d", struct.pack("<Q", (small & 0xFFFFFFFC) << 32))
    return float(number) / 100 if small & 1 else float(number)


def _boolean(code: int) -> Value:
    return Value("true" if code else "false", Kind.BOOLEAN)


def _error(code: int) -> Value:
    return Value(ERRORS.get(code, "#VALUE!"), Kind.ERROR)


def _are_in_order(pieces: list[Cells]) -> bool:
    last = 0
    for piece in pieces:
        rows = piece.rows
        if not len(rows):
            continue
        is_rising = pc.all(pc.less_equal(rows[:-1], rows[1:])).as_py()
        if is_rising is False or rows[0].as_py() <= last:
            return False
        last = rows[-1].as_py()
    return True


def _sorted(pieces: list[Cells]) -> Cells:
    """Some programs write cells in the order in which they were filled."""
    names = ("rows", "columns", "texts", "kinds", "shown")
    joined = [
        pa.concat_arrays([getattr(piece, name) for piece in pieces]) for name in names
    ]
    keys = pa.table({"row": joined[0], "column": joined[1]})
    order = pc.sort_indices(
        keys, sort_keys=[("row", "ascending"), ("column", "ascending")]
    )
    rows, columns, texts, kinds, shown = (array.take(order) for array in joined)
    hidden = tuple(row for piece in pieces for row in piece.hidden_rows)
    return Cells(rows, columns, texts, kinds, shown, hidden_rows=hidden)
