"""The tables of an OpenDocument spreadsheet, from its XML piece by piece."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

import pyarrow as pa

from jobsui.files.cells import Kind
from jobsui.files.errors import FileRefused
from jobsui.files.layout import MAX_COLUMNS
from jobsui.files.ods.values import Value, value_of
from jobsui.files.xlsx.parts import xml_parser
from jobsui.files.xlsx.sheet_cells import LONG_CELL, MAX_ROWS, Budget, Cells, Reason
from jobsui.files.xlsx.strings import KEPT_OF_LONG, MAX_CELL

PIECE_CELLS = 50_000
OPENDOCUMENT = "urn:oasis:names:tc:opendocument:xmlns:"
OFFICE = f"{OPENDOCUMENT}office:1.0 "
TABLES = f"{OPENDOCUMENT}table:1.0 "
TEXT = f"{OPENDOCUMENT}text:1.0 "
STYLES = f"{OPENDOCUMENT}style:1.0 "
CALC = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0 "

TABLE = f"{TABLES}table"
COLUMN = f"{TABLES}table-column"
ROW = f"{TABLES}table-row"
CELL = f"{TABLES}table-cell"
COVERED = f"{TABLES}covered-table-cell"
CELLS = frozenset({CELL, COVERED})
NAME = f"{TABLES}name"
ROWS_REPEATED = f"{TABLES}number-rows-repeated"
COLUMNS_REPEATED = f"{TABLES}number-columns-repeated"
SPANS = (f"{TABLES}number-columns-spanned", f"{TABLES}number-rows-spanned")
VISIBILITY = f"{TABLES}visibility"
STYLE_NAME = f"{TABLES}style-name"
FORMULA = f"{TABLES}formula"
VALUE_TYPE = f"{OFFICE}value-type"
NUMBER = f"{OFFICE}value"
STATED = {
    "date": f"{OFFICE}date-value",
    "time": f"{OFFICE}time-value",
    "boolean": f"{OFFICE}boolean-value",
    "string": f"{OFFICE}string-value",
}
"""The attribute with the value of a cell of this type; NUMBER for others."""
CALC_TYPE = f"{CALC}value-type"
TEXT_ATTRIBUTES = {VALUE_TYPE: "string", CALC_TYPE: "string"}.items()
"""Those of cells that are nothing but their text."""
PARAGRAPH = f"{TEXT}p"
SPACES = f"{TEXT}s"
SPACE_COUNT = f"{TEXT}c"
CHARACTERS = {f"{TEXT}tab": "\t", f"{TEXT}line-break": "\n"}
STYLE = f"{STYLES}style"
STYLE_TITLE = f"{STYLES}name"
TABLE_PROPERTIES = f"{STYLES}table-properties"
DISPLAY = f"{TABLES}display"
BLANKS = re.compile(r"[ \t\r\n]+")
PLAIN = re.compile(r"\S+(?: \S+)*")
MAX_SPACES = 1000
RE_SAVE = "Open it in a spreadsheet program and save it again."

Attributes = dict[str, str]


@dataclass(slots=True)
class Row:
    number: int
    """Of the first one, if it is repeated."""
    count: int
    cells: list[tuple[int, Value]]
    is_hidden: bool


@dataclass(slots=True)
class Table:
    """What is known of a sheet."""

    title: str
    is_visible: bool
    first_byte: int
    last_byte: int = 0
    hidden_columns: list[range] = field(default_factory=list)
    merged_rows: list[int] = field(default_factory=list)
    far: int = 0
    """Cells beyond the last column that can be read."""


class Content:
    """Rows of the wanted sheets. Ask `take` after each `feed`."""

    def __init__(self, is_wanted: Callable[[Table], bool]) -> None:
        """`is_wanted` is asked again after each row."""
        self.tables: list[Table] = []
        self._is_wanted = is_wanted
        self._parser = xml_parser(namespace_separator=" ")
        self._table: Table | None = None
        self._rows: list[tuple[Table, Row]] = []
        self._hidden_styles: set[str] = set()
        self._style = ""
        self._row: Row | None = None
        self._next_row = 1
        self._next_column = 0
        self._columns_seen = 0
        self._cell: Attributes | None = None
        self._paragraphs: list[str] = []
        self._paragraph: list[str] | None = None
        self._is_behind_blank = True
        self._ignored = 0
        self._listen()

    def feed(self, chunk: bytes, *, is_last: bool = False) -> None:
        """Raises FileRefused for XML that is damaged."""
        try:
            self._parser.Parse(chunk, is_last)
        except expat.ExpatError:
            row = self._next_row
            where = f" near row {row:,} of “{self._table.title}”" if self._table else ""
            raise FileRefused(f"The spreadsheet is damaged{where}. {RE_SAVE}") from None

    def take(self) -> list[tuple[Table, Row]]:
        rows = self._rows
        self._rows = []
        return rows

    @property
    def byte(self) -> int:
        return self._parser.CurrentByteIndex

    def _listen(self) -> None:
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def _skip_table(self) -> None:
        self._parser.StartElementHandler = None
        self._parser.CharacterDataHandler = None
        self._parser.EndElementHandler = self._end_skipped

    def _end_skipped(self, name: str) -> None:
        if name == TABLE:
            self._end_table()
            self._listen()

    def _start(self, name: str, attributes: Attributes) -> None:
        if self._ignored:
            self._ignored += 1
        elif self._paragraph is not None:
            self._start_in_paragraph(name, attributes)
        elif self._cell is not None:
            self._start_in_cell(name)
        elif name in CELLS:
            self._cell = attributes
            self._paragraphs = []
        elif name == ROW:
            self._start_row(attributes)
        elif name == TABLE:
            self._start_table(attributes)
        elif name == COLUMN:
            self._start_column(attributes)
        elif name == STYLE:
            self._style = attributes.get(STYLE_TITLE, "")
        elif name == TABLE_PROPERTIES and attributes.get(DISPLAY) == "false":
            self._hidden_styles.add(self._style)

    def _end(self, name: str) -> None:
        if self._ignored:
            self._ignored -= 1
        elif name == PARAGRAPH and self._paragraph is not None:
            self._paragraphs.append("".join(self._paragraph))
            self._paragraph = None
        elif name in CELLS and self._cell is not None:
            self._end_cell(self._cell)
            self._cell = None
        elif name == ROW:
            self._end_row()
        elif name == TABLE:
            self._end_table()

    def _start_table(self, attributes: Attributes) -> None:
        is_visible = attributes.get(STYLE_NAME) not in self._hidden_styles
        table = Table(attributes.get(NAME, ""), is_visible, self.byte)
        self.tables.append(table)
        self._table = table
        self._next_row = 1
        self._columns_seen = 0
        if not self._is_wanted(table):
            self._skip_table()

    def _end_table(self) -> None:
        if self._table:
            self._table.last_byte = self.byte
        self._table = None

    def _start_column(self, attributes: Attributes) -> None:
        count = _count(attributes, COLUMNS_REPEATED)
        first = self._columns_seen
        self._columns_seen += count
        if self._table and attributes.get(VISIBILITY) in {"collapse", "filter"}:
            self._table.hidden_columns.append(range(first, first + count))

    def _start_row(self, attributes: Attributes) -> None:
        is_hidden = attributes.get(VISIBILITY) in {"collapse", "filter"}
        count = _count(attributes, ROWS_REPEATED)
        self._row = Row(self._next_row, count, [], is_hidden)
        self._next_column = 0

    def _end_row(self) -> None:
        row = self._row
        table = self._table
        self._row = None
        if row is None or table is None:
            return
        self._next_row += row.count
        row.count = min(row.count, MAX_ROWS + 1 - row.number)
        if row.cells and row.count > 0:
            self._rows.append((table, row))
            if not self._is_wanted(table):
                self._skip_table()

    def _end_cell(self, attributes: Attributes) -> None:
        count = 1
        if COLUMNS_REPEATED in attributes:
            count = _count(attributes, COLUMNS_REPEATED)
        first = self._next_column
        self._next_column += count
        row = self._row
        if row is None or self._table is None:
            return
        paragraphs = self._paragraphs
        shown = paragraphs[0] if len(paragraphs) == 1 else "\n".join(paragraphs)
        if shown and attributes.items() <= TEXT_ATTRIBUTES:
            value = Value(shown, Kind.TEXT)
        else:
            if any(attributes.get(span, "1") != "1" for span in SPANS):
                self._table.merged_rows.append(row.number)
            kind = attributes.get(VALUE_TYPE, "")
            value = value_of(
                kind,
                attributes.get(STATED.get(kind, NUMBER), ""),
                shown,
                is_formula=FORMULA in attributes,
                is_error=attributes.get(CALC_TYPE) == "error",
            )
        if not value.text and value.kind == Kind.TEXT:
            return
        if count == 1 and first < MAX_COLUMNS:
            row.cells.append((first, value))
            return
        end = min(first + count, MAX_COLUMNS)
        row.cells += [(column, value) for column in range(first, end)]
        self._table.far += max(0, first + count - max(first, MAX_COLUMNS))

    def _start_in_cell(self, name: str) -> None:
        if name == PARAGRAPH:
            self._paragraph = []
            self._is_behind_blank = True
        else:
            # Comments and drawings have paragraphs of their own.
            self._ignored = 1

    def _start_in_paragraph(self, name: str, attributes: Attributes) -> None:
        if name == SPACES:
            count = min(_count(attributes, SPACE_COUNT), MAX_SPACES)
            self._add(" " * count)
        elif name in CHARACTERS:
            self._add(CHARACTERS[name])

    def _add(self, text: str) -> None:
        if self._paragraph is not None:
            self._paragraph.append(text)
            self._is_behind_blank = False

    def _characters(self, data: str) -> None:
        """White space in the XML is one space, and none at the beginning."""
        if self._paragraph is None or self._ignored:
            return
        text = data if PLAIN.fullmatch(data) else BLANKS.sub(" ", data)
        if self._is_behind_blank:
            text = text.removeprefix(" ")
        if text:
            self._paragraph.append(text)
            self._is_behind_blank = text.endswith(" ")


def _count(attributes: Attributes, name: str) -> int:
    text = attributes.get(name, "1")
    return int(text) if text.isdecimal() and len(text) < 10 and int(text) else 1


def cells_of(rows: Iterable[Row], budget: Budget) -> Iterator[Cells]:
    """Pieces of about PIECE_CELLS cells. Raises FileRefused beyond the budget."""
    piece = _Piece()
    for row in rows:
        number = row.number
        left = row.count
        size = _size(row)
        fitting = (budget.max_bytes - budget.bytes_read) // size
        budget.add(left * size, number + min(fitting, left - 1))
        while left:
            count = min(left, max(1, PIECE_CELLS // len(row.cells)))
            piece.add(number, count, row)
            number += count
            left -= count
            if len(piece.rows) >= PIECE_CELLS:
                yield piece.cells()
                piece = _Piece()
    if piece.rows:
        yield piece.cells()


def _size(row: Row) -> int:
    lengths = (len(value.text) for _, value in row.cells)
    kept = (KEPT_OF_LONG if length > MAX_CELL else length for length in lengths)
    return sum(kept) + 16 * len(row.cells)


class _Piece:
    def __init__(self) -> None:
        self.rows: list[int] = []
        self._columns: list[int] = []
        self._texts: list[str] = []
        self._kinds: list[int] = []
        self._shown: list[str | None] = []
        self._odd: dict[int, Reason] = {}
        self._hidden: list[int] = []

    def add(self, first: int, count: int, row: Row) -> None:
        """As `count` rows from `first`."""
        numbers = range(first, first + count)
        if row.is_hidden:
            self._hidden += numbers
        texts = []
        for _, value in row.cells:
            text = value.text
            if len(text) > MAX_CELL:
                self._odd |= dict.fromkeys(numbers, LONG_CELL)
                text = text[:KEPT_OF_LONG]
            texts.append(text)
        for number in numbers:
            self.rows += [number] * len(texts)
        self._columns += [column for column, _ in row.cells] * count
        self._texts += texts * count
        self._kinds += [value.kind for _, value in row.cells] * count
        self._shown += [value.shown for _, value in row.cells] * count

    def cells(self) -> Cells:
        has_shown = any(shown is not None for shown in self._shown)
        return Cells(
            rows=pa.array(self.rows, pa.int64()),
            columns=pa.array(self._columns, pa.int32()),
            texts=pa.array(self._texts, pa.string()),
            kinds=pa.array(self._kinds, pa.int8()),
            shown=pa.array(self._shown, pa.string()) if has_shown else None,
            odd=self._odd,
            hidden_rows=tuple(self._hidden),
        )
