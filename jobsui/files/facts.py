"""What is in each column of a table, added up block by block, and which cells were probably
damaged before the upload.

A column with few different texts is counted by text, and each text looked at once. In
other columns, kernels look at all cells. Some signs only the whole column shows (`_late`):
their cells are found in the staged file afterwards.

Workers only: it imports pyarrow."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files import damage
from jobsui.files.cells import Block, Column, Kind, content_of
from jobsui.files.code_lengths import CodeLengths
from jobsui.files.damage import SIGNS
from jobsui.files.date_orders import count_orders
from jobsui.files.layout import ColumnFacts, Notice
from jobsui.files.number_columns import count_marks
from jobsui.files.number_styles import mark_of
from jobsui.files.staging import Staged
from jobsui.files.swapped_dates import DATE_LENGTH, converted_dates, looks_like_date
from jobsui.text import counted

MAX_VALUES = 2000
MAX_ALL_VALUES = 200_000
"""Of all columns together: a file of 1,000 columns may have 200 in each."""
MAX_KEPT_VALUES = 500
MAX_ALL_KEPT_VALUES = 50_000
"""Most of the facts: of each column, and of all columns together."""
MAX_VALUE_LENGTH = 200
"""Bytes. A column with a longer text counts as one with many different ones."""
MAX_DATES = 20_000
MARKED = r"[0-9].*[.,]|[.,].*[0-9]"
BROKEN = r"[\r\n]"
DATED = r"^[0-9]{1,4}[./-][0-9]"
"""Texts that may be numbers with a decimal mark, have line breaks, or may be dates."""
MAX_SAMPLES = 20
MAX_SAMPLE_LENGTH = 200
MAX_EXAMPLE = 60
"""Characters."""


@dataclass(slots=True)
class _Found:
    """Cells with a sign."""

    count: int = 0
    samples: list[tuple[int, str]] = field(default_factory=list)

    def add(
        self, numbers: pa.Int64Array, texts: pa.StringArray, mask: pa.BooleanArray
    ) -> None:
        self.count += pc.sum(mask).as_py() or 0
        wanted = MAX_SAMPLES - len(self.samples)
        if wanted > 0:
            rows = numbers.filter(mask)[:wanted].to_pylist()
            cells = texts.filter(mask)[:wanted].to_pylist()
            shown = (cell[:MAX_SAMPLE_LENGTH] for cell in cells)
            self.samples += zip(rows, shown, strict=True)


class Facts:
    """Those of a table, while it is read."""

    def __init__(self, header: list[str]) -> None:
        """It may grow between blocks."""
        self._header = header
        self._columns: list[_ColumnSurvey] = []

    def add(self, block: Block) -> None:
        width = len(block.columns)
        for name in self._header[len(self._columns) : width]:
            self._columns.append(_ColumnSurvey(name))
        max_values = min(MAX_VALUES, MAX_ALL_VALUES // max(width, 1))
        for survey, column in zip(self._columns, block.columns, strict=False):
            survey.add(block.numbers, column, max_values)

    def finish(self, staged: Staged) -> None:
        """Look for what only whole columns show. `staged` has all blocks."""
        for index, column in enumerate(self._columns):
            column.finish(staged, index)

    def columns(self, width: int) -> list[ColumnFacts]:
        """Those of a finished table of this width. Its last columns may be in no block."""
        max_kept = min(MAX_KEPT_VALUES, MAX_ALL_KEPT_VALUES // max(width, 1))
        found = [column.facts(max_kept) for column in self._columns]
        found += [ColumnFacts() for _ in range(len(found), width)]
        return found

    def number_marks(self, names: list[str]) -> dict[str, dict[str, int]]:
        """{column: {decimal mark: how many values have it}}."""
        return {
            name: dict(column.marks)
            for name, column in zip(names, self._columns, strict=False)
            if column.marks
        }

    def notices(self, names: list[str]) -> Iterator[Notice]:
        """One for each sign and column."""
        for name, column in zip(names, self._columns, strict=False):
            for code, found in column.found.items():
                yield _notice(code, name, found)


class _ColumnSurvey:
    def __init__(self, name: str) -> None:
        self.marks: Counter[str] = Counter()
        self.found: dict[str, _Found] = {}
        self._filled = 0
        self._longest = 0
        self._values: dict[str, int] | None = {}
        """How often each text occurs; None: there are too many, or long ones."""
        self._has_dates = damage.names_date(name)
        self._flagged: dict[str, set[str]] = {}
        """By sign, those of `_values` that have it."""
        self._codes = CodeLengths(damage.names_code(name))
        self._breaks: Counter[str] = Counter()
        """How many line breaks of which kind the cells have."""
        self._dates: set[str] = set()
        """The first DATE_LENGTH characters of texts that may be dates."""
        self._collects_dates = False

    def add(self, numbers: pa.Int64Array, column: Column, max_values: int) -> None:
        """`max_values`: no more different texts are counted."""
        lengths = pc.binary_length(column.texts)
        longest = pc.max(lengths).as_py() or 0
        if not longest:
            return
        self._longest = max(self._longest, longest)
        self._filled += pc.sum(pc.greater(lengths, 0)).as_py()
        values = self._values
        if values is not None:
            is_short = longest <= MAX_VALUE_LENGTH
            if is_short and self._add_values(values, numbers, column, max_values):
                return
            self._leave_values(values)
        self._add_texts(numbers, column)

    def finish(self, staged: Staged, index: int) -> None:
        if self._values is not None:
            self._dates = self._count_values(self._values)
        late = dict(self._late())
        if not late:
            return
        for numbers, column in staged.column(index):
            for code, mask_of in late.items():
                self._note(code, numbers, column, mask_of(column.texts))

    def facts(self, max_kept: int) -> ColumnFacts:
        values = sorted((self._values or {}).items(), key=lambda item: -item[1])
        return ColumnFacts(
            filled=self._filled,
            longest=self._longest,
            distinct=None if self._values is None else len(values),
            values=values[:max_kept],
            date_orders=count_orders(self._dates),
        )

    def _add_values(
        self,
        values: dict[str, int],
        numbers: pa.Int64Array,
        column: Column,
        max_values: int,
    ) -> bool:
        """Count the texts of a block. False, and nothing done, if there are too many
        different ones."""
        counts = pc.value_counts(column.texts)
        if len(counts) > max_values + 1:
            return False
        texts = counts.field(0).to_pylist()
        new = [text for text in texts if text and text not in values]
        if len(values) + len(new) > max_values:
            return False
        for text, count in zip(texts, counts.field(1).to_pylist(), strict=True):
            if text:
                values[text] = values.get(text, 0) + count
        if new:
            self._flag(pa.array(new, pa.string()))
        for code, flagged in self._flagged.items():
            here = flagged.intersection(texts)
            if here:
                mask = pc.is_in(column.texts, pa.array(list(here), pa.string()))
                self._note(code, numbers, column, mask)
        return True

    def _flag(self, new: pa.StringArray) -> None:
        data = content_of(new)
        for code, mask in damage.find(new, data, has_dates=self._has_dates):
            flagged = self._flagged.setdefault(code, set())
            flagged.update(new.filter(mask).to_pylist())

    def _leave_values(self, values: dict[str, int]) -> None:
        """From now on, look at all cells."""
        dates = self._count_values(values)
        self._collects_dates = 2 * len(dates) > len(values)
        if self._collects_dates:
            self._dates = dates
        self._flagged.clear()
        self._values = None

    def _count_values(self, values: dict[str, int]) -> set[str]:
        """Returns the beginnings of those that look like dates."""
        texts = pa.array(values, pa.string())
        for text in _those_matching(MARKED, texts):
            if mark := mark_of(text):
                self.marks[mark] += values[text]
        for text in texts.filter(pc.ascii_is_decimal(texts)).to_pylist():
            self._codes.add(text, values[text])
        for text in _those_matching(BROKEN, texts):
            for sign, found in damage.count_breaks(text.encode()).items():
                self._breaks[sign] += found * values[text]
        dates = filter(looks_like_date, _those_matching(DATED, texts))
        return {text[:DATE_LENGTH] for text in dates}

    def _add_texts(self, numbers: pa.Int64Array, column: Column) -> None:
        texts = column.texts
        data = content_of(texts)
        for code, mask in damage.find(texts, data, has_dates=self._has_dates):
            self._note(code, numbers, column, mask)
        count_marks(texts, data, self.marks)
        self._codes.add_all(texts)
        self._breaks.update(damage.count_breaks(data))
        if self._collects_dates:
            self._add_dates(texts)

    def _add_dates(self, texts: pa.StringArray) -> None:
        dates = pc.utf8_slice_codeunits(texts, 0, DATE_LENGTH)
        self._dates.update(pc.unique(dates).to_pylist())
        if len(self._dates) > MAX_DATES:
            self._collects_dates = False
            self._dates.clear()

    def _note(
        self,
        code: str,
        numbers: pa.Int64Array,
        column: Column,
        mask: pa.BooleanArray,
    ) -> None:
        if code == "error_cell" and column.kinds is not None:
            # The workbook says so itself, and its reader tells people.
            mask = pc.and_(mask, pc.not_equal(column.kinds, Kind.ERROR))
        if pc.any(mask).as_py():
            found = self.found.setdefault(code, _Found())
            found.add(numbers, column.texts, mask)

    def _late(self) -> "Iterator[tuple[str, MaskOf]]":
        """Signs that only the whole column shows."""
        if pattern := self._codes.cut():
            yield "digits_cut", partial(_matching, pattern)
        if pattern := self._codes.short(self._filled):
            yield "short_codes", partial(_matching, pattern)
        if pattern := damage.unusual_breaks(self._breaks):
            yield "mixed_breaks", partial(_matching, pattern)
        if dates := converted_dates(self._dates):
            yield "swapped_dates", partial(_are_dates, pa.array(dates, pa.string()))


type MaskOf = Callable[[pa.StringArray], pa.BooleanArray]


def _matching(pattern: str, texts: pa.StringArray) -> pa.BooleanArray:
    return pc.match_substring_regex(texts, pattern)


def _those_matching(pattern: str, texts: pa.StringArray) -> list[str]:
    found: list[str] = texts.filter(_matching(pattern, texts)).to_pylist()
    return found


def _are_dates(dates: pa.StringArray, texts: pa.StringArray) -> pa.BooleanArray:
    return pc.is_in(pc.utf8_slice_codeunits(texts, 0, DATE_LENGTH), dates)


def _notice(code: str, column: str, found: _Found) -> Notice:
    sign = SIGNS[code]
    [(_, example), *_] = found.samples
    return Notice(
        code=code,
        message=sign.message.format(
            values=counted(found.count, "value"),
            column=column,
            example=_shown(example),
        ),
        fix=sign.fix,
        column=column,
        count=found.count,
        samples=tuple(found.samples),
    )


def _shown(text: str) -> str:
    """With names for characters that cannot be seen."""
    shown = "".join(
        character if character.isprintable() else f"[U+{ord(character):04X}]"
        for character in text[:MAX_EXAMPLE]
    )
    return f"“{shown}”"
