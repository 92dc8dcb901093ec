"""The JSON values of a mapped column, read by blocks.

Import this module in workers only: pyarrow takes 46 MB."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Block, Column, Kind, content_of
from jobsui.jobs.mapping.cell_reader import LEAVE_ALONE, CellReader
from jobsui.jobs.mapping.rule_kernels import joined, rewritten
from jobsui.jobs.mapping.rules import NO_RULE
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.jobs.mapping.types.base import Respelling
from jobsui.jobs.mapping.types.pattern import Pattern

MAX_REMEMBERED = 10_000
"""Texts whose values are remembered."""
NEVER_PLAIN = pa.array(
    [Kind.NULL, Kind.ABSENT, Kind.NO_RESULT, Kind.ERROR, Kind.NESTED], pa.int8()
)

ESCAPES = (("\\", r"\\"), ('"', r"\""), ("\n", r"\n"), ("\r", r"\r"), ("\t", r"\t"))

type Respell = Callable[[pa.StringArray], pa.StringArray]
type Result = str | ValueProblem


@dataclass(slots=True)
class ColumnValues:
    """The values of a column in one block."""

    cells: pa.StringArray
    """The JSON of each value, LEAVE_ALONE for cells without one, null for problems."""
    is_quoted: bool = False
    """`cells` are JSON strings without their quotation marks, and none is LEAVE_ALONE."""
    has_gaps: bool = False
    """Some cells may be LEAVE_ALONE."""
    problems: dict[int, ValueProblem] = field(default_factory=dict)
    """{index in the block: problem}, ascending."""


class ColumnReader:
    """Reads a column like its CellReader. Plain texts are found by patterns, and each
    other text of a block is read once."""

    def __init__(self, cell: CellReader) -> None:
        self.cell = cell
        self._plain = _whole(cell.type.plain)
        self._respellings: list[tuple[str, Respell]] = [
            (_whole(each.pattern), partial(_respelled, each))
            for each in cell.type.respellings
        ]
        if cell.type.nearly_plain:
            self._respellings.append((_whole(cell.type.nearly_plain), _escaped))
        self._results = _Remembered(cell.read_rewritten)
        self._results_by_kind = _Remembered(
            lambda key: cell.read_rewritten(key[1:], int(key[0]))
        )
        self._must_match = ""
        if isinstance(cell.type, Pattern) and is_readable(cell.type.must_match):
            self._must_match = cell.type.must_match

    def source(self, block: Block) -> Column:
        """What the rows have for the target, before it is rewritten."""
        columns = [block.columns[index] for index in self.cell.sources]
        if not columns:
            return Column(pa.repeat(self.cell.rule.constant, len(block.numbers)))
        return joined(columns, self.cell.rule) if len(columns) > 1 else columns[0]

    def read(self, column: Column) -> ColumnValues:
        """Of a column that is rewritten by the rule of the target (`rewritten`)."""
        texts = column.texts
        is_plain = self._find_plain(texts, column.kinds)
        if is_plain is not None and is_plain.true_count == len(texts):
            return ColumnValues(texts, is_quoted=self.cell.type.is_text)
        has_plain = is_plain is not None and is_plain.true_count
        if is_plain is None or not (has_plain or self._respellings):
            return self._read_each(column)
        return self._read_odd(column, is_plain)

    def rewritten(self, column: Column) -> Column:
        rule = self.cell.rule
        return column if rule == NO_RULE else rewritten(column, rule)

    def _find_plain(
        self, texts: pa.StringArray, kinds: pa.Int8Array | None
    ) -> pa.BooleanArray | None:
        """Whether each text is its own value. None: there are no such texts."""
        if not self._plain:
            return None
        if _consist_of(texts, self.cell.type.plain_bytes):
            is_match = pa.repeat(pa.scalar(True), len(texts))
        else:
            is_match = pc.match_substring_regex(texts, self._plain)
        is_plain = _is_value(is_match, kinds)
        if self._must_match:
            return self._find_matching(texts, is_plain)
        return is_plain

    def _find_matching(
        self, texts: pa.StringArray, is_plain: pa.BooleanArray
    ) -> pa.BooleanArray:
        """The plain texts that match the field's pattern. Those that do not match it for
        sure are remembered as problems."""
        pattern_type = self.cell.type
        assert isinstance(pattern_type, Pattern)  # noqa: S101
        is_match = pc.match_substring_regex(texts, self._must_match)
        is_short = pc.less_equal(pc.utf8_length(texts), pattern_type.max_matched)
        is_sure = pc.and_(is_plain, is_short)
        if not pattern_type.is_sure_beyond_ascii:
            is_sure = pc.and_(is_sure, pc.string_is_ascii(texts))
        is_wrong = pc.and_(is_sure, pc.invert(is_match))
        if is_wrong.true_count:
            wrong = pc.unique(texts.filter(is_wrong)).to_pylist()
            problems = {text: pattern_type.mismatch(text) for text in wrong}
            self._results.remember(problems)
            for kind in (Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN, Kind.DATE):
                of_kind = {f"{kind:d}{text}": problems[text] for text in wrong}
                self._results_by_kind.remember(of_kind)
        return pc.and_(is_sure, is_match)

    def _read_each(self, column: Column) -> ColumnValues:
        found = self._look_up(column.texts, column.kinds)
        return ColumnValues(
            found.json,
            has_gaps=LEAVE_ALONE in found.results,
            problems=found.problems(range(len(column.texts))),
        )

    def _read_odd(self, column: Column, is_plain: pa.BooleanArray) -> ColumnValues:
        """Plain texts as they are, and the values of all others."""
        texts = column.texts
        for pattern, respell in self._respellings:
            is_near = self._find_near(column, is_plain, pattern)
            respelled = respell(texts.filter(is_near))
            texts = pc.replace_with_mask(texts, is_near, respelled)
            is_plain = pc.or_(is_plain, is_near)
        if is_plain.true_count == len(texts):
            return ColumnValues(texts, is_quoted=self.cell.type.is_text)
        kinds = column.kinds
        is_odd = pc.invert(is_plain)
        odd_kinds = None if kinds is None else kinds.filter(is_odd)
        found = self._look_up(column.texts.filter(is_odd), odd_kinds)
        is_quoted = self.cell.type.is_text and found.are_all_strings
        if is_quoted:
            odd = pc.utf8_slice_codeunits(found.json, 1, -1)
        else:
            odd = found.json
            if self.cell.type.is_text:
                texts = pc.binary_join_element_wise('"', texts, '"', "")
        problems = {}
        if found.json.null_count:
            places = pc.indices_nonzero(is_odd).to_pylist()
            problems = found.problems(places)
        return ColumnValues(
            pc.replace_with_mask(texts, is_odd, odd),
            is_quoted=is_quoted,
            has_gaps=LEAVE_ALONE in found.results,
            problems=problems,
        )

    def _find_near(
        self, column: Column, is_plain: pa.BooleanArray, pattern: str
    ) -> pa.BooleanArray:
        """The cells that match a pattern and are not plain."""
        is_left = pc.invert(is_plain)
        texts = column.texts.filter(is_left)
        kinds = None if column.kinds is None else column.kinds.filter(is_left)
        is_near = _is_value(pc.match_substring_regex(texts, pattern), kinds)
        if kinds is not None:
            # Numbers of the file have no marks of thousands and no commas.
            is_marked = pc.match_substring(texts, ",")
            is_number = pc.equal(kinds, Kind.NUMBER)
            is_near = pc.and_not(is_near, pc.and_(is_number, is_marked))
        return pc.replace_with_mask(is_left, is_left, is_near)

    def _look_up(
        self, texts: pa.StringArray, kinds: pa.Int8Array | None
    ) -> "_LookedUp":
        remembered = self._results
        if kinds is not None:
            texts = pc.binary_join_element_wise(kinds.cast(pa.string()), texts, "")
            remembered = self._results_by_kind
        encoded = texts.dictionary_encode()
        results = remembered.all_of(encoded.dictionary.to_pylist())
        return _LookedUp(results, encoded.indices)


class _LookedUp:
    """The results of some cells: `indices` has the place in `results` for each cell."""

    def __init__(self, results: list[Result], indices: pa.Int32Array) -> None:
        self.results = results
        self._indices = indices
        values = [None if isinstance(each, ValueProblem) else each for each in results]
        self.json = pa.array(values, pa.string()).take(indices)

    @property
    def are_all_strings(self) -> bool:
        """Whether all values are JSON strings."""
        return all(
            isinstance(each, ValueProblem) or each.startswith('"')
            for each in self.results
        )

    def problems(self, places: "range | list[int]") -> dict[int, ValueProblem]:
        """`places`: the index in the block of each cell."""
        if not self.json.null_count:
            return {}
        wrong = pc.indices_nonzero(self.json.is_null()).to_pylist()
        found = {}
        for position in wrong:
            result = self.results[self._indices[position].as_py()]
            if isinstance(result, ValueProblem):
                found[places[position]] = result
        return found


class _Remembered(dict[str, Result]):
    """The result of each text that was read."""

    def __init__(self, read: Callable[[str], str]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, key: str) -> Result:
        try:
            result: Result = self._read(key)
        except ValueProblem as problem:
            # Its frames would keep everything that they know.
            result = problem.with_traceback(None)
            result.__context__ = None
        self[key] = result
        return result

    def all_of(self, keys: list[str]) -> list[Result]:
        results = [self[key] for key in keys]
        if len(self) > MAX_REMEMBERED:
            self.clear()
        return results

    def remember(self, results: "dict[str, ValueProblem]") -> None:
        self.update(results)


def _consist_of(texts: pa.StringArray, allowed: bytes) -> bool:
    """Whether these are the only bytes of the texts, and none is blank."""
    if not allowed or not pc.min(pc.binary_length(texts)).as_py():
        return False
    return not content_of(texts).translate(None, allowed)


def _is_value(is_match: pa.BooleanArray, kinds: pa.Int8Array | None) -> pa.BooleanArray:
    """The matching cells whose text is their value, as far as their kind says."""
    if kinds is None:
        return is_match
    return pc.and_not(is_match, pc.is_in(kinds, NEVER_PLAIN))


def _escaped(texts: pa.StringArray) -> pa.StringArray:
    content = content_of(texts)
    for character, escape in ESCAPES:
        if character.encode() in content:
            texts = pc.replace_substring(texts, character, escape)
    return texts


def _respelled(respelling: Respelling, texts: pa.StringArray) -> pa.StringArray:
    if respelling.thousands:
        texts = pc.replace_substring(texts, respelling.thousands, "")
    if respelling.decimal_mark == ",":
        texts = pc.replace_substring(texts, ",", ".")
    return pc.utf8_rtrim(pc.utf8_rtrim(texts, "0"), ".")


def is_readable(pattern: str) -> bool:
    """Whether RE2 can read a pattern."""
    if not pattern:
        return False
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid:
        return False
    return True


def _whole(pattern: str) -> str:
    """For texts that match from beginning to end."""
    return rf"\A(?:{pattern})\z" if pattern else ""
