"""Blocks of delimited text. pyarrow reads what is plain, `csv.reader` what pyarrow cannot,
and `records.Scanner` pieces with faults. All three give the same cells.

Import this module in workers only: pyarrow takes 46 MB."""

import csv
import io
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files import encoding as encodings
from jobsui.files.cells import Block, content_of
from jobsui.files.delimited_findings import Findings
from jobsui.files.delimited_rules import SHORT_ROW, RowRules
from jobsui.files.errors import FileRefused
from jobsui.files.layout import MAX_COLUMNS, Notice, OddCells, Row
from jobsui.files.line_ends import count_ends, end_alike, last_record_end
from jobsui.files.plain_arrow import PlainArrow, plain_arrow, require_utf8
from jobsui.files.records import MAX_CELL, Dialect, Record, Scanner
from jobsui.files.row_blocks import OddRow, block_of, with_rows
from jobsui.text import counted

FIRST_BYTES = 1 << 16
BLOCK_BYTES = 1 << 21
"""Measured: half of it takes 7 % more time, twice as much 15 MB more memory."""
MAX_RECORD_BYTES = 1 << 24
TAIL_BYTES = 4096


class BlockReader:
    """Reads the records behind the header. `pieces` are UTF-8 (`encoding.utf8_pieces`)
    of any size, `number` is that of the first record."""

    def __init__(
        self,
        pieces: Iterator[bytes],
        dialect: Dialect,
        rules: RowRules,
        number: int,
        line_end: str,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._pieces = pieces
        self._dialect = dialect
        self._rules = rules
        self._number = number
        self._line_end = line_end
        self._max_bytes = block_bytes
        self._bytes = min(FIRST_BYTES, block_bytes)
        self._scanner = Scanner(dialect)
        self._plain = plain_arrow(dialect)
        self._parse_width = rules.width
        self._checked_end = 0
        """Up to there, the quotation marks of the data are known to be well formed."""
        self._is_after_fault = False
        self._data = b""
        self._is_complete = False
        self._findings = Findings(dialect, line_end)
        self._last_row = number - 1
        """That is not blank."""
        self._tail = b""
        """The last bytes that were read."""

    def blocks(self) -> Iterator[Block]:
        """Raises FileRefused where a line is too long to be one of a table."""
        while self._fill(self._bytes):
            end = self._piece_end()
            is_checked = 0 < end == self._checked_end
            block = self._fast_block(self._data[:end], is_checked) if end else None
            if block is None and end > FIRST_BYTES:
                # Look for the fault in small pieces: what is around it stays fast.
                start = self._data[:FIRST_BYTES]
                end = last_record_end(start, self._dialect.quote, self._line_end)
                block = self._fast_block(self._data[:end]) if end else None
            if block is None:
                # Fast again behind the fault.
                near = min(FIRST_BYTES, len(self._data))
                block, end = self._scanned_block(end or near)
            self._tail = self._data[max(0, end - TAIL_BYTES) : end]
            self._data = self._data[end:]
            self._checked_end = 0
            self._findings.add_short(block, self._rules.width)
            if len(block.numbers) or block.odd:
                self._last_row = _last_row(block)
                yield block
            self._bytes = min(4 * self._bytes, self._max_bytes)

    def notices(self) -> Iterator[Notice]:
        """What was found in the blocks so far."""
        yield from self._findings.notices()
        blank = self._number - 1 - self._last_row
        if blank and self._ends_with_delimiters():
            yield Notice(
                code="trailing_blank_rows",
                message=f"{counted(blank, 'blank row')} at the end, left out.",
                fix="Delete them before you export the file if rows are missing.",
                count=blank,
            )

    def _ends_with_delimiters(self) -> bool:
        """Whether the last line has cells that are all blank. Empty lines at the end are
        usual."""
        _, _, line = self._tail.rstrip(b"\r\n").replace(b"\r", b"\n").rpartition(b"\n")
        blanks = f"{self._dialect.delimiter}{self._dialect.quote} ".encode()
        return bool(line) and not line.strip(blanks)

    def _fill(self, size: int) -> bool:
        """Have at least `size` bytes, if the stream has them. Returns whether there are
        any."""
        parts = [self._data]
        length = len(self._data)
        while length < size and not self._is_complete:
            piece = next(self._pieces, None)
            if piece is None:
                self._is_complete = True
            else:
                parts.append(piece)
                length += len(piece)
        self._data = b"".join(parts)
        return length > 0

    def _piece_end(self) -> int:
        """Where the last complete record of the data ends, if its quotation marks are
        well formed; 0 if no record ends within a reasonable length."""
        while not self._is_complete:
            if end := self._likely_end() or last_record_end(
                self._data, self._dialect.quote, self._line_end
            ):
                return end
            size = len(self._data)
            if size > 4 * self._max_bytes:
                return 0
            self._fill(2 * size)
        return len(self._data)

    def _likely_end(self) -> int:
        """The end of the last line if a record ends there. To look whether the quotation
        marks before it are well formed is faster than to count them."""
        sign = self._line_end.encode()
        start = self._data.rfind(sign, 0, len(self._data) - 1)
        if start < 0 or self._is_after_fault or self._plain is None:
            return 0
        end = start + len(sign)
        is_half = sign == b"\r" and self._data[end : end + 1] == b"\n"
        if is_half or not self._plain.reads(self._data, end):
            return 0
        self._checked_end = end
        return end

    def _fast_block(self, piece: bytes, is_checked: bool = False) -> Block | None:
        """None if the piece has faults. `is_checked`: pyarrow can read it."""
        if self._is_after_fault or self._dialect.escape or b"\x00" in piece:
            return None
        try:
            # Arrow itself would lose ragged rows with wrong bytes.
            if not piece.isascii():
                require_utf8(piece)
            if self._plain and (is_checked or self._plain.reads(piece)):
                return self._arrow_block(self._plain, piece)
            if self._plain and len(piece) > FIRST_BYTES:
                return None
            return self._python_block(piece)
        except (csv.Error, UnicodeDecodeError, pa.ArrowInvalid):
            return None

    def _arrow_block(self, plain: PlainArrow, piece: bytes) -> Block | None:
        table, others = self._plain_table(plain, piece)
        count = table.num_rows + len(others)
        accepted: list[Row] = []
        odd: list[OddRow] = []
        first = self._number - 1
        for index, text in others:
            cells = self._cells(text)
            number = first + index
            if problem := self._rules.problem(cells):
                odd.append((number, problem))
            elif any(cells):
                accepted.append((number, cells))
        columns = [column.combine_chunks() for column in table.columns]
        numbers = _numbers(self._number, count, [index for index, _ in others])
        numbers, columns, wrong = self._sorted_out(numbers, columns)
        odd = sorted([*odd, *wrong], key=_first)
        block = with_rows(numbers, columns, accepted, self._rules.width, odd)
        return self._accepted(block, piece, count)

    def _python_block(self, piece: bytes) -> Block | None:
        """Raises csv.Error and UnicodeDecodeError."""
        rows: list[Row] = []
        odd: list[OddRow] = []
        number = self._number - 1
        reader = _csv_reader(piece.decode(), self._dialect)
        for number, cells in enumerate(reader, self._number):
            if problem := self._rules.problem(cells):
                odd.append((number, problem))
            elif any(cells):
                rows.append((number, cells))
        block = block_of(rows, self._rules.width, odd)
        if accepted := self._accepted(block, piece, number + 1 - self._number):
            self._findings.add_unpaired(rows)
        return accepted

    def _accepted(self, block: Block, piece: bytes, count: int) -> Block | None:
        """The block of a piece with `count` records. None if a line end unlike the others
        may have made a row odd."""
        contents = [content_of(column.texts) for column in block.columns]
        broken = [
            content for content in contents if b"\n" in content or b"\r" in content
        ]
        ended = count - (not piece.endswith((b"\n", b"\r")))
        unlike = 0
        if not end_alike(piece, broken, ended, self._line_end):
            inside = sum(count_ends(content, self._line_end) for content in broken)
            unlike = ended - (count_ends(piece, self._line_end) - inside)
        if unlike > 0:
            if block.odd:
                return None
            self._findings.mixed.count += unlike
        self._number += count
        self._findings.add_merged(block)
        return block

    def _plain_table(
        self, plain: PlainArrow, piece: bytes
    ) -> tuple[pa.Table, list[tuple[int, str]]]:
        """The rows of the usual width, and (index from 1, text) of the others."""
        table, others = plain.parse(piece, self._parse_width)
        if len(others) > table.num_rows:
            [(width, count)] = Counter(
                row.actual_columns for row in others
            ).most_common(1)
            if count > table.num_rows and width <= MAX_COLUMNS:
                self._parse_width = width
                table, others = plain.parse(piece, width)
        return table, [(row.number, row.text) for row in others]

    def _sorted_out(
        self, numbers: pa.Int64Array, columns: list[pa.StringArray]
    ) -> tuple[pa.Int64Array, list[pa.StringArray], list[OddRow]]:
        """The rows of a parsed piece that are neither blank nor odd, and the odd ones."""
        width = self._rules.width
        wrong = self._wrong_rows(columns)
        is_blank = _all_blank(columns)
        odd = []
        for index in wrong:
            cells = [column[index].as_py() for column in columns]
            if problem := self._rules.problem(cells):
                odd.append((numbers[index].as_py(), problem))
        if wrong or is_blank is not None:
            keep = pc.invert(is_blank) if is_blank is not None else None
            if wrong:
                bad = {number for number, _ in odd}
                is_good = pa.array([n not in bad for n in numbers.to_pylist()])
                keep = is_good if keep is None else pc.and_(keep, is_good)
            numbers = numbers.filter(keep)
            columns = [column.filter(keep) for column in columns]
        return numbers, columns[:width], odd

    def _wrong_rows(self, columns: list[pa.StringArray]) -> list[int]:
        """The indexes of rows that may be odd."""
        width = self._rules.width
        wrong: set[int] = set()
        if len(columns) not in self._rules.widths:
            return list(range(len(columns[0])))
        for column in columns[width:]:
            wrong.update(_indexes(pc.not_equal(pc.binary_length(column), 0)))
        for column in columns:
            lengths = pc.binary_length(column)
            if (pc.max(lengths).as_py() or 0) > MAX_CELL:
                wrong.update(_indexes(pc.greater(lengths, MAX_CELL)))
        # Perhaps the header again.
        wrong.update(_indexes(pc.equal(columns[0], self._rules.header[0])))
        return sorted(wrong)

    def _cells(self, text: str) -> list[str]:
        """The cells of one record that is well formed."""
        if not self._dialect.quote:
            return text.rstrip("\r\n").split(self._dialect.delimiter)
        record = next(self._scanner.records(text, is_last=True))
        return record.cells

    def _scanned_block(self, end: int) -> tuple[Block, int]:
        """The block of the records up to about `end`, and how many bytes it took."""
        records, text = self._records(end)
        while not records and not self._is_complete:
            size = len(self._data)
            if size >= MAX_RECORD_BYTES:
                raise FileRefused(
                    f"Row {self._number:,} is longer than 16 MB, so this is not a table. "
                    "Export the file again as CSV."
                )
            self._fill(min(2 * size, MAX_RECORD_BYTES))
            records, text = self._records(end)
        rest = text[records[-1].end :]
        taken = len(self._data) - encodings.size_of(rest, self._rules.encoding)
        rows, odd = self._scanned_rows(records)
        self._number += len(records)
        block = block_of(rows, self._rules.width, odd)
        self._findings.add_merged(block)
        return block, taken

    def _records(self, end: int) -> tuple[list[Record], str]:
        """The next records, until one at about `end` that ends like most lines, and the
        text in which they are."""
        text = self._text(self._data)
        enough = len(self._text(self._data[:end]))
        found = []
        for record in self._scanner.records(text, is_last=self._is_complete):
            found.append(record)
            if record.end >= enough and record.line_end == self._line_end:
                break
        return found, text

    def _text(self, data: bytes) -> str:
        return encodings.marked_text(data, self._rules.encoding)

    def _scanned_rows(self, records: list[Record]) -> tuple[list[Row], list[OddRow]]:
        problems = [self._record_problem(record) for record in records]
        self._mark_cut_rows(records, problems)
        rows: list[Row] = []
        odd: list[OddRow] = []
        for number, (record, problem) in enumerate(
            zip(records, problems, strict=True), self._number
        ):
            if record.line_end and record.line_end != self._line_end:
                self._findings.mixed.add(number, ", ".join(record.cells))
            if problem:
                odd.append((number, problem))
            elif any(record.cells):
                rows.append((number, record.cells))
        self._findings.add_unpaired(rows)
        return rows, odd

    def _record_problem(self, record: Record) -> OddCells | None:
        rules = self._rules
        cells = record.cells
        if not any(cells):
            return None
        if record.fault:
            self._is_after_fault = True
            return rules.faulty(cells, record.fault)
        text = "".join(cells)
        if "\x00" in text:
            return rules.null_byte(cells)
        if encodings.wrong_byte(text):
            return rules.wrong_bytes(cells)
        problem = rules.problem(cells)
        if not self._is_after_fault:
            return problem
        # Behind a fault, a line may be the rest of a cell. A row of the right width
        # without stray quotation marks ends this.
        if problem or not record.is_plain:
            return problem or rules.near_fault(cells)
        self._is_after_fault = False
        return None

    def _mark_cut_rows(
        self, records: list[Record], problems: list[OddCells | None]
    ) -> None:
        """A line end unlike the others that makes a row too short has cut it: the part
        of the right width is odd, too."""
        is_short = [bool(problem and problem.code == SHORT_ROW) for problem in problems]
        for index, record in enumerate(records[:-1]):
            if record.line_end == self._line_end:
                continue
            for part, neighbor in ((index, index + 1), (index + 1, index)):
                if is_short[neighbor] and problems[part] is None:
                    cells = records[part].cells
                    problems[part] = self._rules.cut_row(cells) if any(cells) else None


def _last_row(block: Block) -> int:
    """The highest number of a block with rows."""
    numbers = [number for number, _ in block.odd[-1:]]
    if len(block.numbers):
        numbers.append(block.numbers[-1].as_py())
    return max(numbers)


def _csv_reader(text: str, dialect: Dialect) -> Iterator[list[str]]:
    lines = io.StringIO(text, newline="")
    if not dialect.quote:
        return csv.reader(
            lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE, strict=True
        )
    return csv.reader(
        lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True
    )


def _numbers(first: int, count: int, without: list[int]) -> pa.Int64Array:
    """`count` successive numbers, without those at the given positions from 1."""
    if not without:
        return pa.arange(first, first + count)
    left_out = {first - 1 + position for position in without}
    numbers = range(first, first + count)
    return pa.array([n for n in numbers if n not in left_out], pa.int64())


def _all_blank(columns: list[pa.StringArray]) -> pa.BooleanArray | None:
    """Which rows have blank cells only; None if none has."""
    blank = None
    for column in columns:
        is_blank = pc.equal(pc.binary_length(column), 0)
        blank = is_blank if blank is None else pc.and_(blank, is_blank)
        if not pc.any(blank).as_py():
            return None
    return blank


def _indexes(mask: pa.BooleanArray) -> list[int]:
    found: list[int] = pc.indices_nonzero(mask).to_pylist()
    return found


def _first(row: OddRow) -> int:
    return row[0]
