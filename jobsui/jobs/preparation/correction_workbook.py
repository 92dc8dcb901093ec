"""What a person has changed in problems.xlsx (reports/problem_workbook.py), compared with the
rows of the job."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobsui.files.kinds import Kind
from jobsui.files.table import Table

if TYPE_CHECKING:
    from jobsui.files.cells import Block

SHEET = "Problems"
MAX_ROWS = 10_000
MAX_CELL = 32_767
"""Characters that a cell of a workbook can hold."""
TOO_LONG = "(too long for a workbook)"
"""Instead of a longer cell. It is no change."""
NUMBER_COLUMN = "_row"
NOTE_COLUMN = "_problem"
MAX_QUOTED = 60
OWN_NUMBER = "It has no row number in the column {}. Do not change that column."


class RowRefused(Exception):
    """Why the changes of a row cannot be taken over, as a sentence."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row of the workbook."""

    line: int
    """Its number there."""
    number: int | None
    """That of the row of the file. None: the cell holds no number."""
    cells: Mapping[str, str]
    """{column of the file: text}."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """{column of the file: what is in its cell instead of a text}."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row of the job as it is now, with the corrections made so far."""

    number: int
    cells: Mapping[str, str]
    wrong: AbstractSet[str]
    """The columns with a problem; "" for one of the whole row."""
    can_be_corrected: bool = True


def own_names(columns: Sequence[str]) -> tuple[str, str]:
    """The names of the columns with the row number and the note, unlike those of a file."""
    return _free(NUMBER_COLUMN, columns), _free(NOTE_COLUMN, columns)


def sheet_rows(table: Table, columns: Sequence[str]) -> Iterator[SheetRow]:
    """The rows of an uploaded workbook. `columns` are those of the file."""
    positions = {name: index for index, name in enumerate(table.columns)}
    number_at = positions.get(own_names(columns)[0])
    known = {name: positions[name] for name in columns if name in positions}
    for block in table.blocks():
        yield from _rows_of(block, number_at, known)


def has_row_numbers(table: Table, columns: Sequence[str]) -> bool:
    return own_names(columns)[0] in table.columns


def changes(sheet: SheetRow, now: FileRow) -> dict[str, str]:
    """{column: new text} of the cells that differ. Raises RowRefused."""
    changed = {
        column: text
        for column, text in sheet.cells.items()
        if text != TOO_LONG and not _is_same(text, now.cells.get(column, ""))
    }
    unusable = {
        column: found
        for column, found in sheet.unusable.items()
        if column in changed or column in now.wrong
    }
    for column, found in unusable.items():
        raise RowRefused(f"“{column}” has {found}. Write its value.")
    if changed and not now.can_be_corrected:
        raise RowRefused(
            "It cannot be read as a row of the table. Correct it in the file itself."
        )
    if changed and not now.wrong:
        raise RowRefused("It has no problem now. Its changes were left out.")
    _require_same_row(changed, sheet, now)
    return changed


def _require_same_row(
    changed: Mapping[str, str], sheet: SheetRow, now: FileRow
) -> None:
    """Only cells that are marked may differ. Where the whole row is wrong, none is marked;
    then half of the others must be the same."""
    others = [column for column in changed if column not in now.wrong]
    filled = [column for column, text in now.cells.items() if text]
    if "" in now.wrong and len(others) * 2 <= len(filled):
        return
    for column in others:
        text = _quoted(sheet.cells[column])
        before = _quoted(now.cells.get(column, ""))
        raise RowRefused(
            f"“{column}” has no problem, and it is {text} here but {before} in the file. "
            "Change marked cells only."
        )


def _rows_of(
    block: "Block", number_at: int | None, known: Mapping[str, int]
) -> Iterator[SheetRow]:
    numbers = [""] * len(block.numbers)
    if number_at is not None:
        numbers = block.columns[number_at].texts.to_pylist()
    texts = {
        name: block.columns[index].texts.to_pylist() for name, index in known.items()
    }
    unusable = {
        name: _unusable(block.columns[index].kinds) for name, index in known.items()
    }
    for index, line in enumerate(block.numbers.to_pylist()):
        yield SheetRow(
            line=line,
            number=_number(numbers[index]),
            cells={name: cells[index] for name, cells in texts.items()},
            unusable={
                name: found[index] for name, found in unusable.items() if index in found
            },
        )


def _unusable(kinds: Iterable[object] | None) -> dict[int, str]:
    """{index: what the cell has instead of a text}."""
    words = {
        Kind.NO_RESULT: "a formula without a result",
        Kind.ERROR: "a formula error",
    }
    if kinds is None:
        return {}
    listed = kinds.to_pylist()  # type: ignore[attr-defined]
    return {index: words[kind] for index, kind in enumerate(listed) if kind in words}


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _is_same(text: str, other: str) -> bool:
    """Spreadsheets change line ends."""
    return text.replace("\r\n", "\n") == other.replace("\r\n", "\n")


def _quoted(text: str) -> str:
    if not text:
        return "blank"
    short = text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 1]}…"
    return f"“{short}”"


def _free(name: str, columns: Sequence[str]) -> str:
    while name in columns:
        name = f"{name}_"
    return name
