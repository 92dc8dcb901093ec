"""What the readers of all file formats share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobsui.files.cells import Block

Row = tuple[int, list[str]]
"""The row's number as people see it (a CSV's header is row 1), and its cells: at least
one for each column, or OddCells."""


class OddCells(list[str]):
    """What was read of a row that cannot be read as a row of the table. The row is a problem
    of its own, and the rows around it are read."""

    def __init__(
        self, cells: Iterable[str], *, code: str, reason: str, fix: str
    ) -> None:
        """`code` is the same for all rows of a kind, for programs: "row_width". `reason` and
        `fix` are sentences. Long cells are shortened, and only the first ones kept."""
        kept = islice(cells, MAX_ODD_CELLS)
        super().__init__(cell[:MAX_ODD_LENGTH] for cell in kept)
        self.code = code
        self.reason = reason
        self.fix = fix


MAX_COLUMNS = 1000
MAX_ODD_CELLS = 20
MAX_ODD_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file: what was detected, or what a person chose. "" (0 for a row)
    means not known, or does not apply."""

    format: str = ""
    """The name of a format in `formats.FORMATS`."""
    encoding: str = ""
    """A name of `encoding.ENCODINGS`."""
    delimiter: str = ""
    sheet: str = ""
    """Of a JSON document: the path to the list of rows, such as "data.items"."""
    quoting: str = ""
    """How delimited text marks cells that contain delimiters: a name of
    `dialect.QUOTINGS`."""
    header_row: int = 0
    """The number of the row with the names of the columns."""
    values: str = ""
    """Which value of a formatted workbook cell counts where they differ: "stored" or
    "shown"."""


DETECT_ALL = Layout()


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about the file that a person should know before it is sent."""

    code: str
    """The same for all notices of a kind, for programs."""
    message: str
    """A sentence, with the count: "214 values are rounded, such as 1.23E+12."."""
    fix: str
    column: str = ""
    """"" for the file as a whole."""
    count: int = 0
    samples: tuple[tuple[int, str], ...] = ()
    """(row, text) of the first ones."""

    def __str__(self) -> str:
        return f"{self.message} {self.fix}"


@dataclass(slots=True)
class ColumnFacts:
    """What the whole table has in one column."""

    filled: int = 0
    """How many cells have a text."""
    longest: int = 0
    """Bytes of the longest text."""
    distinct: int | None = 0
    """How many different texts there are; None: too many to count, or long ones."""
    values: list[tuple[str, int]] = field(default_factory=list)
    """(text, how often it occurs), the most frequent first: not all if there are many, and
    none if `distinct` is None."""
    date_orders: dict[str, int] = field(default_factory=dict)
    """What `date_orders.count_orders` gives for the column's dates, a time left aside. {}
    also when there are too many different dates."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An encoding that the file may have, and how some of its cells would read."""

    encoding: str
    samples: tuple[tuple[int, str], ...]
    """(row, text) of cells that differ between the proposals."""


@dataclass(frozen=True, slots=True)
class Detected:
    layout: Layout
    sheets: tuple[str, ...] = ()
    """The sheets of a workbook, or the paths to the lists of a JSON document; () for other
    files."""
    proposals: tuple[Proposal, ...] = ()
    """The best first. Not empty: a person must confirm the encoding."""
    notices: tuple[Notice, ...] = ()
    """What looks odd but is no reason to refuse the file."""


@dataclass(slots=True)
class Reading:
    """A table that is being read."""

    header: list[str]
    """The names of the columns as they are in the file. A JSON reader adds columns while
    it reads; it is complete after the last block."""
    header_row: int
    """0: the format has no header."""
    blocks: "Iterator[Block]"
    """May raise FileRefused, which says from which row on nothing reliable can be said."""
    notices: list[Notice] = field(default_factory=list)
    """Complete after the last block."""


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a file, from which its format is recognized."""

    data: bytes
    text: str
    """`data` as text, without byte order mark and leading blanks."""
    suffix: str
    """Of the file's name: "csv"."""
    encoding: str
    is_whole: bool
    """Whether `data` is the whole file."""
