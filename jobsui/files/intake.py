"""The intake: what an uploaded file is, and its table in a form that is fast to read."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from jobsui.files import source
from jobsui.files.encoding_detection import question
from jobsui.files.errors import FileRefused
from jobsui.files.layout import DETECT_ALL, Layout, Notice, OddCells, Proposal, Row
from jobsui.files.number_styles import mark_of
from jobsui.files.table import Table, detect, open_staged, open_table, recognize, stage
from jobsui.text import counted

SAMPLE_ROWS = 20
PROGRESS_EVERY = 20_000
"""Rows."""


@dataclass(slots=True)
class Found:
    """What was found in a file. If it was refused: what was found until then."""

    layout: Layout = DETECT_ALL
    sheets: Sequence[str] = ()
    """Those of a workbook."""
    proposals: Sequence[Proposal] = ()
    """The encodings that the file may have, the best first. Not empty: it was refused until
    a person has chosen one."""
    notices: list[Notice] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    """Their names. No two are equal."""
    rows: int = 0
    """Odd ones included."""
    sample: list[Row] = field(default_factory=list)
    """The first rows that are not odd."""
    number_marks: dict[str, dict[str, int]] = field(default_factory=dict)
    """{column: {decimal mark: how many values have it}}."""
    refusal: str = ""
    """Why the file cannot be used, and what to do; "" if it can."""


def take_in(
    stream: BinaryIO,
    name: str,
    chosen: Layout,
    out: BinaryIO,
    progress: Callable[[int], None],
) -> Found:
    """Detect the layout of a file, and write its table to `out`, an empty file that can be
    read, too. `table.open_staged` reads it. What a person chose is used as it is.

    `progress` is called between rows with how many were read, and may raise an exception
    to stop the intake."""
    found = Found(layout=chosen)
    try:
        with source.content(stream, name) as (content, content_name):
            _take_in(content, content_name, found, out, progress)
    except FileRefused as refusal:
        found.refusal = str(refusal)
    return found


def _take_in(
    stream: BinaryIO,
    name: str,
    found: Found,
    out: BinaryIO,
    progress: Callable[[int], None],
) -> None:
    """Raises FileRefused. `found` has what was found until then."""
    chosen = found.layout
    found.layout = replace(chosen, format=recognize(stream, name, chosen))
    detected = detect(stream, name, chosen)
    found.layout = detected.layout
    found.sheets = detected.sheets
    found.proposals = detected.proposals
    found.notices += detected.notices
    if found.proposals:
        raise FileRefused(question(detected.proposals))
    table = open_table(stream, found.layout)
    stage(table.columns, _with_progress(table, progress), out)
    found.notices += table.notices
    _survey(open_staged(out), found, progress)
    if not found.rows:
        raise FileRefused("The file has a header but no rows.")


def _survey(table: Table, found: Found, progress: Callable[[int], None]) -> None:
    counts = _CellCounts(table.columns)
    for number, cells in _with_progress(table, progress):
        found.rows += 1
        if isinstance(cells, OddCells):
            continue
        if len(found.sample) < SAMPLE_ROWS:
            found.sample.append((number, cells))
        counts.add(cells)
    found.columns = table.columns
    found.notices += counts.notices()
    found.number_marks = counts.number_marks()


def _with_progress(table: Table, progress: Callable[[int], None]) -> Iterator[Row]:
    for count, row in enumerate(table.rows, 1):
        if count % PROGRESS_EVERY == 0:
            progress(count)
        yield row


class _CellCounts:
    """Counts, by column, values that were damaged before the upload, and how numbers are
    written."""

    def __init__(self, columns: list[str]) -> None:
        self._columns = columns
        self._marks: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._rounded: Counter[int] = Counter()
        self._garbled: Counter[int] = Counter()

    def add(self, cells: list[str]) -> None:
        for index, cell in enumerate(cells):
            if "E+" in cell and _is_rounded(cell):
                self._rounded[index] += 1
            elif "Ã" in cell or "â€" in cell or "\ufffd" in cell:
                self._garbled[index] += 1
            elif ("." in cell or "," in cell) and (mark := mark_of(cell)):
                self._marks[index][mark] += 1

    def number_marks(self) -> dict[str, dict[str, int]]:
        """{column: {decimal mark: how many values have it}}."""
        return {
            self._columns[index]: dict(counts)
            for index, counts in sorted(self._marks.items())
            if index < len(self._columns)
        }

    def notices(self) -> Iterator[Notice]:
        """One for each kind of damage and column."""
        for column, count in self._in_columns(self._rounded):
            yield Notice(
                code="rounded",
                message=f"{counted(count, 'value')} in {column} like 1.23E+12: a "
                "spreadsheet has rounded them.",
                fix="Export that column as text.",
                column=column,
                count=count,
            )
        for column, count in self._in_columns(self._garbled):
            yield Notice(
                code="garbled",
                message=f"{counted(count, 'value')} in {column} with garbled letters "
                "(such as Ã¤ for ä).",
                fix="Was the file saved in another encoding?",
                column=column,
                count=count,
            )

    def _in_columns(self, counts: Counter[int]) -> Iterator[tuple[str, int]]:
        for index, count in counts.items():
            if index < len(self._columns):
                yield self._columns[index], count


def _is_rounded(cell: str) -> bool:
    digits, _, power = cell.partition("E+")
    plain = digits.replace(".", "", 1).replace("-", "", 1)
    return power.isdecimal() and plain.isdecimal()
