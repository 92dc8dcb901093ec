"""The corrections of a job, as they change the texts of its file."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from jobsui.files.layout import OddCells, Row
from jobsui.jobs.models import Job


@dataclass(frozen=True, slots=True)
class Change:
    """A correction: of one cell, or (row None) of every cell with the text `before`."""

    row: int | None
    column: str
    before: str
    after: str

    def replaces_same(self, other: "Change") -> bool:
        """Whether both replace the same text."""
        return (
            self.row is None
            and other.row is None
            and (self.column, self.before) == (other.column, other.before)
        )


class CorrectedCells:
    """What corrections do together. Each one changes what the ones before it have left, so a
    text that a person sees can be replaced, whether it is the file's or a corrected one."""

    def __init__(self, changes: Sequence[Change] = ()) -> None:
        """In the order in which they were made."""
        self.cells: defaultdict[str, dict[int, str]] = defaultdict(dict)
        """{column: {row: text}} of the cells with a correction of their own."""
        self.texts: defaultdict[str, dict[str, str]] = defaultdict(dict)
        """{column: {text of the file: text instead}}, for all other cells."""
        # From the last to the first: what the later ones do with a text is known then.
        for change in reversed(changes):
            texts = self.texts[change.column]
            result = texts.get(change.after, change.after)
            if change.row is not None:
                self.cells[change.column].setdefault(change.row, result)
            elif result == change.before:
                texts.pop(change.before, None)
            else:
                texts[change.before] = result

    def __bool__(self) -> bool:
        return bool(self.cells or self.texts)

    @property
    def columns(self) -> set[str]:
        """Those with corrections."""
        return {*self.cells, *self.texts}

    def result(self, change: Change) -> str:
        """What the cells of one of the changes have now."""
        if change.row is None:
            return self.texts[change.column].get(change.before, change.before)
        return self.cells[change.column][change.row]

    def text(self, row: int, column: str, original: str) -> str:
        """What a cell has instead of its text in the file."""
        if (own := self.cells.get(column, {}).get(row)) is not None:
            return own
        return self.texts.get(column, {}).get(original, original)

    def rows(self, rows: Iterable[Row], columns: Sequence[str]) -> Iterator[Row]:
        """These rows with corrected cells. Rows that cannot be read stay as they are."""
        indexes = [
            (index, column)
            for index, column in enumerate(columns)
            if column in self.columns
        ]
        for number, cells in rows:
            if not isinstance(cells, OddCells):
                for index, column in indexes:
                    cells[index] = self.text(number, column, cells[index])
            yield number, cells


def changes_of(job: Job) -> list[Change]:
    """The corrections of a job, in the order in which they were made."""
    stored = job.corrections.order_by("pk")
    return [
        Change(*values)
        for values in stored.values_list("row", "column", "before", "after")
    ]


def corrected_cells(job: Job) -> CorrectedCells:
    return CorrectedCells(changes_of(job))
