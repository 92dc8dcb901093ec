"""Which records of delimited text are rows of its table, and what is wrong with the
others."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobsui.files import encoding as encodings
from jobsui.files.layout import OddCells
from jobsui.files.records import MAX_CELL, UNCLOSED_QUOTE
from jobsui.text import counted

SHORT_ROW = "short_row"
"""Rows that are too long need another fix, so they have another code."""
QUOTES_FIX = (
    "Put the cell in quotation marks and double those inside it, or choose "
    "that quotation marks have no meaning."
)


@dataclass(frozen=True, slots=True)
class RowRules:
    header: tuple[str, ...]
    """The names of the columns."""
    widths: frozenset[int]
    """How many cells a row may have, those beyond `header` blank: as many as the header
    names, as its row has, or as most rows have."""
    encoding: str

    @property
    def width(self) -> int:
        return len(self.header)

    def problem(self, cells: Sequence[str]) -> OddCells | None:
        """What is wrong with a record that was read without a fault. A blank row is only
        left out."""
        if not any(cells):
            return None
        count = len(cells)
        if any(cells[self.width :]):
            return self.long_row(cells)
        if count not in self.widths:
            return self.short_row(cells) if count < self.width else self.wide_row(cells)
        if any(len(cell) > MAX_CELL for cell in cells):
            return self.long_cell(cells)
        if tuple(cells[: self.width]) == self.header:
            return self.header_again(cells)
        return None

    def wide_row(self, cells: Sequence[str]) -> OddCells:
        """Its last cells are blank. A delimiter too many may have moved the others."""
        return _odd(
            cells,
            "row_width",
            f"The row has {len(cells):,} cells, the header has {self.width:,}.",
            "Remove the delimiter that is too many: it may have moved the cells behind it.",
        )

    def header_again(self, cells: Sequence[str]) -> OddCells:
        return _odd(
            cells,
            "repeated_header",
            "The row repeats the header.",
            "Remove it.",
        )

    def long_row(self, cells: Sequence[str]) -> OddCells:
        return _odd(
            cells,
            "row_width",
            f"The row has {len(cells):,} cells, the header has {self.width:,}.",
            "Quote cells that contain the delimiter.",
        )

    def short_row(self, cells: Sequence[str]) -> OddCells:
        count = counted(len(cells), "cell")
        return _odd(
            cells,
            SHORT_ROW,
            f"The row has only {count}, the header has {self.width:,}.",
            "Add the missing cells. If the row is the rest of the row above it, "
            "remove the line break between them.",
        )

    def long_cell(self, cells: Sequence[str]) -> OddCells:
        return _odd(
            cells,
            "cell_too_long",
            f"A cell of the row has more than {MAX_CELL:,} characters.",
            "Shorten the cell. If a quotation mark is missing before it, add it.",
        )

    def wrong_bytes(self, cells: Sequence[str]) -> OddCells:
        column, byte = next(
            (index, byte)
            for index, cell in enumerate(cells, 1)
            if (byte := encodings.wrong_byte(cell))
        )
        name = encodings.name_of(self.encoding)
        return _odd(
            cells,
            "wrong_bytes",
            f"Cell {column:,} of the row has a byte ({byte}) that does not fit {name}.",
            "Choose the file's encoding, or correct the cell.",
        )

    def null_byte(self, cells: Sequence[str]) -> OddCells:
        return _odd(
            cells,
            "null_byte",
            "The row contains a zero byte, which no field can take.",
            "Remove it.",
        )

    def faulty(self, cells: Sequence[str], fault: str) -> OddCells:
        if fault == UNCLOSED_QUOTE:
            reason = "The row begins a quoted cell that never ends."
        else:
            reason = "The row has a quotation mark in the wrong place."
        return _odd(cells, fault, reason, QUOTES_FIX)

    def near_fault(self, cells: Sequence[str]) -> OddCells:
        return _odd(
            cells,
            "after_fault",
            "The row follows one with a wrong quotation mark and may be part of it.",
            "Correct the quotation marks of the rows above.",
        )

    def cut_row(self, cells: Sequence[str]) -> OddCells:
        return _odd(
            cells,
            "stray_line_end",
            "The row is part of one that contains a line break in the wrong place.",
            "Put the cell with the line break in quotation marks, or remove the break.",
        )


def _odd(cells: Sequence[str], code: str, reason: str, fix: str) -> OddCells:
    shown = (encodings.without_marks(cell.replace("\x00", "\ufffd")) for cell in cells)
    return OddCells(shown, code=code, reason=reason, fix=fix)
