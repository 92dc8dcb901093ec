"""The file formats we read. A new format is a module with these three functions, and an
entry in FORMATS. All other code uses FORMATS."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from jobsui.files import delimited, jsonfile, ods, xls, xlsx
from jobsui.files.layout import Detected, Head, Layout, Reading


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    """As files and the API keep it."""
    label: str
    extensions: tuple[str, ...]
    settings: frozenset[str]
    """What people may correct: members of Layout."""
    recognizes: Callable[[Head], bool]
    detect: Callable[[BinaryIO, Head, Layout], Detected]
    """Detect the layout. The given Layout has what a person chose. May read the whole
    stream. Raises FileRefused."""
    read: Callable[[BinaryIO, Layout], Reading]
    """Read a stream that `detect` has accepted. Raises FileRefused, also while blocks are
    read."""


def _is_xlsx(head: Head) -> bool:
    """Any other archive is refused as a workbook."""
    return xlsx.recognizes(head) and not ods.recognizes(head)


WORKBOOK_SETTINGS = frozenset({"sheet", "header_row", "values"})
FORMATS = (
    Format(
        name="xlsx",
        label="XLSX",
        extensions=("xlsx", "xlsm"),
        settings=WORKBOOK_SETTINGS,
        recognizes=_is_xlsx,
        detect=xlsx.detect,
        read=xlsx.read,
    ),
    Format(
        name="xls",
        label="XLS",
        extensions=("xls",),
        settings=WORKBOOK_SETTINGS,
        recognizes=xls.recognizes,
        detect=xls.detect,
        read=xls.read,
    ),
    Format(
        name="ods",
        label="ODS",
        extensions=("ods",),
        settings=WORKBOOK_SETTINGS,
        recognizes=ods.recognizes,
        detect=ods.detect,
        read=ods.read,
    ),
    Format(
        name="json",
        label="JSON",
        extensions=("json",),
        settings=frozenset({"encoding", "sheet"}),
        recognizes=jsonfile.recognizes_document,
        detect=jsonfile.detect_document,
        read=jsonfile.read_document,
    ),
    Format(
        name="jsonl",
        label="JSON Lines",
        extensions=jsonfile.LINES_EXTENSIONS,
        settings=frozenset({"encoding"}),
        recognizes=jsonfile.recognizes_lines,
        detect=jsonfile.detect_lines,
        read=jsonfile.read_lines,
    ),
    # Any text may be CSV, so it is tried last.
    Format(
        name="csv",
        label="CSV",
        extensions=delimited.EXTENSIONS,
        settings=frozenset({"encoding", "delimiter", "quoting", "header_row"}),
        recognizes=delimited.recognizes,
        detect=delimited.detect,
        read=delimited.read,
    ),
)
"""In the order in which they are tried."""


def format_named(name: str) -> Format:
    return next(form for form in FORMATS if form.name == name)


def format_of(head: Head) -> Format:
    return next(form for form in FORMATS if form.recognizes(head))


def _in_words() -> str:
    """ "CSV, XLSX, XLS, ODS, JSON or JSON Lines": the most common one first."""
    *others, csv = (form.label for form in FORMATS)
    return f"{', '.join([csv, *others[:-1]])} or {others[-1]}"


LABELS = _in_words()
