"""The table of a file while it is read: its columns get names, and what Jobs UI added to a
results file is left out again.

Workers only: it imports pyarrow."""

from collections.abc import Iterator
from itertools import chain, count

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Block, Column
from jobsui.files.errors import FileRefused
from jobsui.files.layout import MAX_COLUMNS, Notice, OddCells, Reading
from jobsui.files.safe import MAY_BE_ESCAPED, RESULT_COLUMNS, unsafe_cell
from jobsui.text import storable_text


class TableReader:
    """One run through a file."""

    def __init__(self, reading: Reading) -> None:
        """Raises FileRefused."""
        if len(reading.header) > MAX_COLUMNS:
            raise FileRefused(
                f"The file has {len(reading.header):,} columns. "
                f"The maximum is {MAX_COLUMNS:,}. Remove some."
            )
        self._reading = reading
        self._first_odd: OddCells | None = None
        # Results files are CSV, but people save them as workbooks, too.
        names = _column_names(reading.header) if reading.header_row else []
        self._is_results_file = tuple(names[-len(RESULT_COLUMNS) :]) == RESULT_COLUMNS

    @property
    def header(self) -> list[str]:
        """The names of the columns as they are in the file. The same list grows while a
        JSON file is read."""
        return self._reading.header

    @property
    def columns(self) -> list[str]:
        """The names of the columns, no two of them equal. Complete after the last block."""
        names = _column_names(self._reading.header)
        return names[: -len(RESULT_COLUMNS)] if self._is_results_file else names

    @property
    def notices(self) -> list[Notice]:
        """What people should know, after the last block."""
        header = self._reading.header
        names = _column_names(header)
        return [
            *_renamed(header, names),
            *_unreadable(header, names),
            *self._reading.notices,
        ]

    def blocks(self) -> Iterator[Block]:
        """Their columns are the first ones of `columns`. Raises FileRefused where reading
        fails, and if no row can be read."""
        for block in self._reading.blocks:
            if block.odd and self._first_odd is None:
                self._first_odd = block.odd[0][1]
            yield self._original(block) if self._is_results_file else block
        if self._reading.header:
            return
        if self._first_odd is None:
            raise FileRefused("The file has no rows.")
        raise FileRefused(
            f"No row can be read. {self._first_odd.reason} {self._first_odd.fix}"
        )

    def _original(self, block: Block) -> Block:
        """Without the columns that Jobs UI added, and with escaped formulas restored."""
        columns = block.columns[: len(self.columns)]
        return Block(block.numbers, tuple(map(_unescaped, columns)), block.odd)


def _unescaped(column: Column) -> Column:
    is_escaped = pc.match_substring_regex(column.texts, MAY_BE_ESCAPED)
    if not pc.any(is_escaped).as_py():
        return column
    escaped = column.texts.filter(is_escaped).to_pylist()
    original = pa.array([unsafe_cell(text) for text in escaped], pa.string())
    return Column(
        pc.replace_with_mask(column.texts, is_escaped, original), column.kinds
    )


def _column_names(header: list[str]) -> list[str]:
    """A name for each column. No two are equal."""
    given = [storable_text(name.strip()) for name in header]
    taken = set(given)
    names: list[str] = []
    for index, name in enumerate(given):
        is_new = name and name not in names
        wanted = name or f"Column {_letters(index)}"
        names.append(wanted if is_new else _free_name(wanted, {*taken, *names}))
    return names


def _free_name(wanted: str, taken: set[str]) -> str:
    """This name, or with a number behind it the first one that is not taken."""
    numbered = (f"{wanted} ({number})" for number in count(2))
    return next(name for name in chain([wanted], numbered) if name not in taken)


def _renamed(header: list[str], names: list[str]) -> list[Notice]:
    """A notice for each column whose name occurs twice."""
    return [
        Notice(
            code="duplicate_column",
            message=f"Two columns are named {given.strip()}. The one to the right is "
            f"called {name} here.",
            fix="Map the one that you mean.",
            column=name,
        )
        for given, name in zip(header, names, strict=True)
        if given.strip() and storable_text(given.strip()) != name
    ]


def _unreadable(header: list[str], names: list[str]) -> list[Notice]:
    """A notice for each column whose name has a character that cannot be stored."""
    return [
        Notice(
            code="unreadable_name",
            message=f"The name of column {_letters(index)}, {name}, has a character that "
            "cannot be read.",
            fix="Correct it, or choose another encoding if there is one to choose.",
            column=name,
        )
        for index, (given, name) in enumerate(zip(header, names, strict=True))
        if storable_text(given) != given
    ]


def _letters(index: int) -> str:
    """A spreadsheet's letters for a column: 0 is A, 26 is AA."""
    letters = ""
    rest = index + 1
    while rest:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters
