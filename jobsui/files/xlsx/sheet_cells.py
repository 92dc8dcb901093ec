"""The cells of a sheet of any workbook, before they become columns."""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.errors import FileRefused
from jobsui.files.xlsx.strings import MAX_CELL

MAX_ROW_BYTES = 16 * 1024**2
MAX_ROWS = 1_048_576


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row cannot be read."""

    code: str
    reason: str
    fix: str


LONG_CELL = Reason(
    "cell_length",
    f"A cell has more than {MAX_CELL:,} characters.",
    "Shorten its text.",
)
LONG_ROW = Reason(
    "row_size",
    f"The row has more than {MAX_ROW_BYTES >> 20} MB of text.",
    "Shorten its texts.",
)
DOUBLE_CELL = Reason(
    "double_cell",
    "Two cells of the row are in the same column.",
    "Open the workbook in a spreadsheet program, correct the row and save it.",
)
MISSING_TEXT = Reason(
    "missing_text",
    "A cell refers to a text that is not in the workbook.",
    "Open the workbook in a spreadsheet program, correct the cell and save it.",
)


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of successive rows, those of a row together. Blank ones are left out."""

    rows: pa.Int64Array
    columns: pa.Int32Array
    """0 for A."""
    texts: pa.StringArray
    kinds: pa.Int8Array
    shown: pa.StringArray | None = None
    """What a spreadsheet shows, where it is not the text; None: nowhere."""
    odd: dict[int, Reason] = field(default_factory=dict)
    """By row."""
    hidden_rows: tuple[int, ...] = ()
    far: dict[int, int] = field(default_factory=dict)
    """Row -> how many cells it has beyond the last column that can be read."""

    def filter(self, mask: pa.BooleanArray) -> "Cells":
        """These cells only; `hidden_rows` and `far` stay with the others."""
        return Cells(
            self.rows.filter(mask),
            self.columns.filter(mask),
            self.texts.filter(mask),
            self.kinds.filter(mask),
            self.shown.filter(mask) if self.shown is not None else None,
            self.odd,
        )

    def row(self, number: int) -> "Cells":
        return self.filter(pc.equal(self.rows, number))


@dataclass(slots=True)
class Budget:
    """How much text the cells of a workbook may have."""

    max_bytes: int
    bytes_read: int = 0

    def add(self, count: int, row: int) -> None:
        self.bytes_read += count
        if self.bytes_read > self.max_bytes:
            raise FileRefused(
                f"Up to row {row:,} the cells have more than {self.max_bytes >> 20:,} MB "
                "of text, far more than a file of this size usually has. Save the "
                "sheet as CSV, or upload it in smaller parts."
            )
