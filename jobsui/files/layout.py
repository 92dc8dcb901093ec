"""What the readers of all file formats share."""

from dataclasses import dataclass

Row = tuple[int, list[str]]
"""The row's number as people see it (a CSV's header is row 1), and its cells: at least
one for each column."""

MAX_COLUMNS = 1000


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file. "" means not known, or does not apply."""

    format: str = ""
    """The name of a format in `formats.FORMATS`."""
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""


DETECT_ALL = Layout()


@dataclass(frozen=True, slots=True)
class Detected:
    layout: Layout
    sheets: tuple[str, ...] = ()
    """The sheets of a workbook, () for other files."""
    warnings: tuple[str, ...] = ()
    """What looks odd but is no reason to refuse the file, as sentences."""


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
