"""The intake: what an uploaded file is, and its table in a form that is fast to read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO

from jobsui.files import source
from jobsui.files.ahead import ahead
from jobsui.files.encoding_detection import question
from jobsui.files.errors import FileRefused
from jobsui.files.formats import format_named
from jobsui.files.layout import DETECT_ALL, ColumnFacts, Layout, Notice, Proposal, Row
from jobsui.files.table import detect, recognize

if TYPE_CHECKING:
    from jobsui.files.cells import Block
    from jobsui.files.table_reader import TableReader

SAMPLE_ROWS = 20


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row that cannot be read."""

    number: int
    cells: list[str]
    reason: str
    fix: str


@dataclass(slots=True)
class Found:
    """What was found in a file. If it was refused: what was found until then."""

    layout: Layout = DETECT_ALL
    sheets: Sequence[str] = ()
    """Those of a workbook, or the lists of a JSON document."""
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
    sample_kinds: dict[str, dict[str, str]] = field(default_factory=dict)
    """{row of the sample: {position of a cell: name of its Kind}}, where the text alone
    does not say it: {"2": {"0": "null"}}."""
    odd_rows: list[OddRow] = field(default_factory=list)
    """The first ones."""
    number_marks: dict[str, dict[str, int]] = field(default_factory=dict)
    """{column: {decimal mark: how many values have it}}."""
    column_facts: list[ColumnFacts] = field(default_factory=list)
    """In the order of `columns`. [] until the whole file is read."""
    refusal: str = ""
    """Why the file cannot be used, and what to do; "" if it can."""


def take_in(
    stream: BinaryIO,
    name: str,
    chosen: Layout,
    out: BinaryIO,
    progress: Callable[[int], None],
    report: Callable[[Found], None] = lambda _: None,
) -> Found:
    """Detect the layout of a file, and write its table to `out`, an empty file that can be
    read, too. `table.open_staged` reads it. What a person chose is used as it is.

    `progress` is called between blocks with how many rows were read, and may raise an
    exception to stop the intake. `report` is called as soon as the layout is known, because
    reading may end this process, and again when the first rows are."""
    found = Found(layout=chosen)
    try:
        with source.content(stream, name) as (content, content_name):
            _take_in(content, content_name, found, out, progress, report)
    except FileRefused as refusal:
        found.refusal = str(refusal)
    return found


def _take_in(
    stream: BinaryIO,
    name: str,
    found: Found,
    out: BinaryIO,
    progress: Callable[[int], None],
    report: Callable[[Found], None],
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
    report(found)
    _survey(stream, found, out, progress, report)
    if not found.rows:
        raise FileRefused("The file has a header but no rows.")


def _survey(
    stream: BinaryIO,
    found: Found,
    out: BinaryIO,
    progress: Callable[[int], None],
    report: Callable[[Found], None],
) -> None:
    # Web processes import this module, and blocks need pyarrow, which takes 46 MB.
    from jobsui.files.facts import Facts  # noqa: PLC0415
    from jobsui.files.staging import Staged  # noqa: PLC0415

    table = _reader(stream, found.layout)
    facts = Facts(table.header)
    for block in ahead(_staged(table, out)):
        is_first = not found.rows
        found.rows += len(block.numbers) + len(block.odd)
        _add_kinds(found, block)
        for number, odd in block.odd[: SAMPLE_ROWS - len(found.odd_rows)]:
            found.odd_rows.append(OddRow(number, list(odd), odd.reason, odd.fix))
        if len(found.sample) < SAMPLE_ROWS:
            found.sample += _first_rows(block, SAMPLE_ROWS - len(found.sample))
        facts.add(block)
        if is_first:
            _name_columns(found, table.columns)
            report(found)
        progress(found.rows)
    facts.finish(Staged(out))
    _name_columns(found, table.columns)
    found.notices += table.notices
    found.notices += facts.notices(found.columns)
    found.number_marks = facts.number_marks(found.columns)
    found.column_facts = facts.columns(len(found.columns))


def _name_columns(found: Found, names: list[str]) -> None:
    """A JSON reader may find more of them in later blocks."""
    found.columns = names
    for _, cells in found.sample:
        cells += [""] * (len(names) - len(cells))


def _first_rows(block: "Block", count: int) -> "Iterator[Row]":
    numbers = block.numbers[:count].to_pylist()
    columns = [column.texts[:count].to_pylist() for column in block.columns]
    return zip(numbers, map(list, zip(*columns, strict=True)), strict=True)


def _add_kinds(found: Found, block: "Block") -> None:
    """Those of the rows that the block adds to the sample."""
    from jobsui.files.cells import Kind  # noqa: PLC0415

    marked = {Kind.NULL, Kind.ABSENT, Kind.NO_RESULT, Kind.ERROR, Kind.NESTED}
    wanted = SAMPLE_ROWS - len(found.sample)
    numbers = block.numbers[:wanted].to_pylist()
    for index, column in enumerate(block.columns):
        if column.kinds is None or not numbers:
            continue
        kinds = column.kinds[:wanted].to_pylist()
        for number, kind in zip(numbers, kinds, strict=True):
            if kind in marked:
                named = found.sample_kinds.setdefault(str(number), {})
                named[str(index)] = Kind(kind).name.lower()


def stage(stream: BinaryIO, layout: Layout, out: BinaryIO) -> None:
    """Write the table of a file whose layout is known to `out`, an empty file. Raises
    FileRefused."""
    for _ in _staged(_reader(stream, layout), out):
        pass


def _reader(stream: BinaryIO, layout: Layout) -> "TableReader":
    from jobsui.files.table_reader import TableReader  # noqa: PLC0415

    stream.seek(0)
    return TableReader(format_named(layout.format).read(stream, layout))


def _staged(table: "TableReader", out: BinaryIO) -> "Iterator[Block]":
    """Each block after it was written."""
    from jobsui.files.staging import Writer  # noqa: PLC0415

    writer = Writer(out)
    for block in ahead(table.blocks()):
        writer.add(block)
        yield block
    writer.finish(table.columns)
