"""What blocks of delimited text have that people should know, as notices."""

from collections.abc import Iterator, Sequence

import pyarrow.compute as pc

from jobsui.files.cells import Block, Kind, content_of
from jobsui.files.layout import Notice, Row
from jobsui.files.records import Dialect
from jobsui.text import counted

MAX_SAMPLES = 5
LINE_ENDS = {"\r\n": "CR LF", "\n": "LF", "\r": "CR"}


class Findings:
    """What the blocks so far have."""

    def __init__(self, dialect: Dialect, line_end: str) -> None:
        self._dialect = dialect
        self._line_end = line_end
        self.mixed = Counted()
        """Records that end unlike most lines."""
        self._merged = Counted()
        self._unpaired = Counted()
        self._short_rows = 0

    def notices(self) -> Iterator[Notice]:
        if self.mixed.count:
            yield Notice(
                code="mixed_line_ends",
                message=f"{counted(self.mixed.count, 'line')} with a line break other than "
                f"most lines have ({LINE_ENDS[self._line_end]}).",
                fix="Check that these rows are whole.",
                count=self.mixed.count,
                samples=tuple(self.mixed.samples),
            )
        if self._merged.count:
            yield Notice(
                code="merged_rows",
                message=f"{counted(self._merged.count, 'cell')} with line breaks and "
                "delimiters, perhaps several rows that a quotation mark has merged.",
                fix="If they are, choose that quotation marks have no meaning.",
                count=self._merged.count,
                samples=tuple(self._merged.samples),
            )
        if self._unpaired.count:
            yield Notice(
                code="unpaired_quote",
                message=f"{counted(self._unpaired.count, 'cell')} with an unpaired "
                "quotation mark. The mark is sent as a part of the cell.",
                fix="Check that these rows have the right cells in each column.",
                count=self._unpaired.count,
                samples=tuple(self._unpaired.samples),
            )
        if self._short_rows:
            yield Notice(
                code="short_rows",
                message=f"{counted(self._short_rows, 'row')} ending before the last column, "
                "as most rows do.",
                fix="Check that their cells are in the right columns.",
                count=self._short_rows,
            )

    def add_merged(self, block: Block) -> None:
        """Cells that may be several rows."""
        for column in block.columns:
            content = content_of(column.texts)
            if b"\n" not in content and b"\r" not in content:
                continue
            if self._dialect.delimiter.encode() not in content:
                continue
            has_delimiter = pc.match_substring(column.texts, self._dialect.delimiter)
            texts = column.texts.filter(has_delimiter)
            numbers = block.numbers.filter(has_delimiter)
            is_broken = pc.match_substring_regex(texts, "[\r\n]")
            for index in pc.indices_nonzero(is_broken).to_pylist():
                self._merged.add(numbers[index].as_py(), texts[index].as_py())

    def add_unpaired(self, rows: Sequence[Row]) -> None:
        """Cells with an odd number of quotation marks."""
        quote = self._dialect.quote
        for number, cells in rows:
            for cell in cells:
                if quote and cell.count(quote) % 2:
                    self._unpaired.add(number, cell)

    def add_short(self, block: Block, width: int) -> None:
        """Rows that end before the last column."""
        self._short_rows += _count_short(block, width)


class Counted:
    def __init__(self) -> None:
        self.count = 0
        self.samples: list[tuple[int, str]] = []

    def add(self, number: int, text: str) -> None:
        self.count += 1
        if len(self.samples) < MAX_SAMPLES:
            self.samples.append((number, text[:200]))


def _count_short(block: Block, width: int) -> int:
    """How many rows end before the last column."""
    if len(block.columns) < width:
        return len(block.numbers)
    kinds = block.columns[-1].kinds
    return 0 if kinds is None else pc.sum(pc.equal(kinds, Kind.ABSENT)).as_py() or 0
