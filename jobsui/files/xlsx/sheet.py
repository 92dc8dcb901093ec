"""The cells of a sheet, some thousands at a time, in memory that does not grow.

Arrow cuts the XML into cells by patterns: there is no parser that could expand an entity, and
no size that the sheet states is believed. A piece that is written in an unusual way goes
through a parser, which is five times slower."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Kind
from jobsui.files.errors import FileRefused
from jobsui.files.layout import MAX_COLUMNS
from jobsui.files.xlsx.number_formats import GENERAL, NumberFormat, Value, value_of
from jobsui.files.xlsx.piece_parser import PieceParser
from jobsui.files.xlsx.plain_xml import plain_xml, prefix_of, without_prefix
from jobsui.files.xlsx.raw_cells import RawCells, by_patterns, rows_with_doubles
from jobsui.files.xlsx.sheet_cells import (
    DOUBLE_CELL,
    LONG_CELL,
    LONG_ROW,
    MAX_ROW_BYTES,
    MAX_ROWS,
    MISSING_TEXT,
    Budget,
    Cells,
    Reason,
)
from jobsui.files.xlsx.strings import MAX_CELL, SharedStrings

FIRST_PIECE_BYTES = 1 << 16
"""Small, so that the beginning of a sheet is known at once."""
PIECE_BYTES = 2 << 20
MAX_PORTION_BYTES = 64 * 1024**2
"""Of the texts of a piece, which may refer to one long string many times."""
MAX_MEMO = 20_000
MAX_TAG_BYTES = 1000
MAX_PREAMBLE_BYTES = 16 * 1024**2

# No pattern looks beyond the next "<", so that none takes a time that is quadratic.
SHEET_DATA = re.compile(rb"<(?:[\w.-]{1,50}:)?sheetData\b[^<>]*?(/?)>")
END = b"</sheetData>"
COLUMN = re.compile(rb"<(?:[\w.-]{1,50}:)?col\b[^<>]*>")
HIDDEN = re.compile(rb'\bhidden="(?:1|true)"')
ROW = re.compile(rb"<row\b[^<>]*>")
MERGED = re.compile(rb"<(?:[\w.-]{1,50}:)?mergeCell\b[^<>]*>")
ROW_NUMBER = re.compile(rb'\br="([0-9]{1,7})"')
LAST_MERGED_ROW = re.compile(rb'\bref="[A-Z]+[0-9]+:[A-Z]+([0-9]{1,7})"')
PLAIN_NUMBER = r"^(?:-?(?:0|[1-9][0-9]*)|-?(?:0|[1-9][0-9]{0,7})\.[0-9]{0,6}[1-9])?$"
"""A number that is its own text. Others have more digits than a spreadsheet shows, an
exponent, or trailing zeros."""
NUMBERS = pa.array(["", "n"])
TRUE = pa.array(["1", "true"])
KINDS = {
    "": Kind.NUMBER,
    "n": Kind.NUMBER,
    "b": Kind.BOOLEAN,
    "d": Kind.DATE,
    "e": Kind.ERROR,
}
"""By a cell's type. Others are TEXT."""
MIDNIGHT = r"T00:00:00(?:\.0+)?Z?$"


class SheetReader:
    """One run through a sheet."""

    def __init__(
        self,
        chunks: Iterator[bytes],
        strings: SharedStrings,
        formats: list[NumberFormat],
        budget: Budget,
        *,
        is_1904: bool = False,
    ) -> None:
        self.hidden_columns: list[range] = []
        """Known after the first cells."""
        self.merged_rows: list[int] = []
        """The last row of each merged area. Complete after the last cells."""
        self.rows_end = 0
        """The last row so far that has cells."""
        self.bytes_read = 0
        """So far."""
        self._chunks = plain_xml(chunks)
        self._strings = strings
        self._formats = formats
        special = (
            str(index) for index, form in enumerate(formats) if form is not GENERAL
        )
        self._special = pa.array(special, pa.string())
        self._budget = budget
        self._is_1904 = is_1904
        self._memo: dict[str, Value] = {}
        self._reasons: dict[int, Reason] = {}

    def cells(self) -> Iterator[Cells]:
        """Raises FileRefused with the row from which nothing reliable can be said."""
        for piece in self._pieces():
            hidden = _hidden_rows(piece)
            raw = self._raw(piece)
            is_near = pc.less(raw.columns, MAX_COLUMNS)
            far: dict[int, int] = {}
            if pc.all(is_near).as_py() is False:
                far = _filled_rows(raw.filter(pc.invert(is_near)))
                raw = raw.filter(is_near)
            for portion in self._portions(raw):
                yield replace(self._values(portion), hidden_rows=hidden, far=far)
                hidden = ()
                far = {}

    def _pieces(self) -> Iterator[bytes]:
        """Whole rows, without namespace prefixes."""
        rest, prefix, is_empty = self._preamble()
        if is_empty:
            return
        size = FIRST_PIECE_BYTES
        row = b"<" + prefix + b"row"
        end_tag = END.replace(b"</", b"</" + prefix)
        searched = 0
        while True:
            end = rest.find(end_tag, searched)
            if end >= 0:
                if end:
                    yield without_prefix(rest[:end], prefix)
                self._read_tail(rest[end:])
                return
            searched = max(len(rest) - len(end_tag), 0)
            cut = rest.rfind(row) if len(rest) >= size else 0
            if cut > 0:
                yield without_prefix(rest[:cut], prefix)
                rest = rest[cut:]
                searched = 0
                size = PIECE_BYTES
            elif len(rest) > MAX_ROW_BYTES:
                yield self._oversized(rest)
                rest = self._skip_row(row, end_tag)
                searched = 0
                continue
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self.bytes_read += len(chunk)
            rest += chunk
        end = rest.rfind(row)
        if end > 0:
            yield without_prefix(rest[:end], prefix)
        raise FileRefused(
            f"The sheet ends in the middle, {_behind(self.rows_end)}. Open the "
            "workbook in a spreadsheet program and save it again."
        )

    def _oversized(self, rest: bytes) -> bytes:
        """A row in the place of one that is too long."""
        tag, _, _ = rest.partition(b">")
        stated = ROW_NUMBER.search(tag)
        number = int(stated[1]) if stated else self.rows_end + 1
        self._reasons[number] = LONG_ROW
        return b'<row r="%d"><c r="A%d" t="str"><v>...</v></c></row>' % (number, number)

    def _skip_row(self, row: bytes, end_tag: bytes) -> bytes:
        """The next row's beginning, or what follows the last one."""
        rest = b""
        for chunk in self._chunks:
            rest += chunk
            starts = (rest.find(row), rest.find(end_tag))
            found = [start for start in starts if start >= 0]
            if found:
                return rest[min(found) :]
            rest = rest[-len(end_tag) :]
        return rest

    def _preamble(self) -> tuple[bytes, bytes, bool]:
        """What follows the start of the cells, the namespace prefix of the elements, and
        whether there are no cells."""
        beginning = b""
        for chunk in self._chunks:
            searched = max(len(beginning) - MAX_TAG_BYTES, 0)
            beginning += chunk
            self.bytes_read += len(chunk)
            if match := SHEET_DATA.search(beginning, searched):
                self._read_columns(beginning[: match.start()])
                is_empty = bool(match[1])
                return beginning[match.end() :], prefix_of(beginning), is_empty
            if len(beginning) > MAX_PREAMBLE_BYTES:
                break
        raise FileRefused(
            "The sheet is damaged: it has no list of cells. Open the workbook in a "
            "spreadsheet program and save it again."
        )

    def _read_columns(self, preamble: bytes) -> None:
        for match in COLUMN.finditer(preamble):
            first = re.search(rb'\bmin="([0-9]{1,5})"', match[0])
            last = re.search(rb'\bmax="([0-9]{1,5})"', match[0])
            if first and last and HIDDEN.search(match[0]):
                self.hidden_columns.append(range(int(first[1]) - 1, int(last[1])))

    def _read_tail(self, rest: bytes) -> None:
        """What follows the cells. A damaged one decides nothing."""
        for chunk in chain([b""], self._chunks):
            rest += chunk
            end = rest.rfind(b">") + 1
            for match in MERGED.finditer(rest, 0, end):
                if area := LAST_MERGED_ROW.search(match[0]):
                    self.merged_rows.append(int(area[1]))
            rest = rest[end:][:MAX_ROW_BYTES]

    def _raw(self, piece: bytes) -> RawCells:
        raw = by_patterns(piece)
        if raw is None:
            raw = PieceParser(self.rows_end).parse(piece)
            self._reasons |= dict.fromkeys(rows_with_doubles(raw), DOUBLE_CELL)
        if len(raw.rows):
            last = pc.max(raw.rows).as_py()
            if last > MAX_ROWS:
                raise FileRefused(
                    f"The sheet has more than {MAX_ROWS:,} rows (row {last:,}). Save it "
                    "again, or as CSV."
                )
            self.rows_end = max(last, self.rows_end)
        return raw

    def _portions(self, raw: RawCells) -> Iterator[RawCells]:
        """The cells, in portions whose texts fit into memory."""
        is_shared = pc.equal(raw.types, "s")
        if not pc.any(is_shared).as_py():
            yield raw
            return
        numbers = _text_numbers(raw, is_shared)
        self._strings.at_least((pc.max(numbers).as_py() or 0) + 1)
        if self._strings.longest * len(raw.rows) < MAX_PORTION_BYTES:
            yield raw
            return
        lengths = self._strings.lengths(numbers)
        rows = raw.rows.to_pylist()
        start = 0
        size = 0
        for index, length in enumerate(lengths):
            is_new_row = index > 0 and rows[index] != rows[index - 1]
            if is_new_row and size > MAX_PORTION_BYTES // 4:
                yield raw.slice(start, index)
                start = index
                size = 0
            size += length
        yield raw.slice(start, len(rows))

    def _values(self, raw: RawCells) -> Cells:
        texts = raw.texts
        odd = self._odd_rows(raw)
        kinds = _kinds(raw.types)
        is_number = pc.is_in(raw.types, NUMBERS)
        present = set(pc.unique(raw.types).to_pylist())
        if "s" in present:
            texts = self._with_shared(raw, odd)
        if "b" in present:
            words = pc.if_else(pc.is_in(texts, TRUE), "true", "false")
            is_word = pc.and_(pc.equal(raw.types, "b"), pc.not_equal(texts, ""))
            texts = pc.if_else(is_word, words, texts)
        if "d" in present:
            days = pc.replace_substring_regex(texts, MIDNIGHT, "")
            texts = pc.if_else(pc.equal(raw.types, "d"), days, texts)
        texts, kinds, shown = self._with_formats(raw, is_number, texts, kinds)
        if pc.any(raw.formulas).as_py():
            without_result = pc.and_(
                pc.and_(raw.formulas, pc.equal(texts, "")),
                pc.invert(pc.is_in(raw.types, pa.array(["str", "s", "inlineStr"]))),
            )
            kinds = pc.if_else(without_result, Kind.NO_RESULT, kinds).cast(pa.int8())
        self._find_long_cells(raw, texts, odd)
        keep = pc.or_(pc.not_equal(texts, ""), pc.equal(kinds, Kind.NO_RESULT))
        return Cells(
            raw.rows.filter(keep),
            raw.columns.filter(keep),
            texts.filter(keep),
            kinds.filter(keep),
            shown.filter(keep) if shown is not None else None,
            odd,
        )

    def _odd_rows(self, raw: RawCells) -> dict[int, Reason]:
        """Of rows whose XML already says that they cannot be read."""
        if not self._reasons:
            return {}
        rows = set(pc.unique(raw.rows).to_pylist())
        return {row: self._reasons[row] for row in rows & self._reasons.keys()}

    def _with_shared(self, raw: RawCells, odd: dict[int, Reason]) -> pa.StringArray:
        """The texts, with shared ones in the place of their numbers."""
        is_shared = pc.equal(raw.types, "s")
        numbers = _text_numbers(raw, is_shared)
        highest = pc.max(numbers).as_py()
        known = self._strings.at_least(0 if highest is None else highest + 1)
        missing = pc.fill_null(pc.greater_equal(numbers, len(known)), False)
        if pc.any(missing).as_py():
            numbers = pc.if_else(missing, None, numbers)
            for row in pc.unique(raw.rows.filter(missing)).to_pylist():
                odd[row] = MISSING_TEXT
        too_long = self._strings.too_long
        if too_long:
            is_long = pc.is_in(numbers, pa.array(sorted(too_long), pa.int32()))
            for row in pc.unique(raw.rows.filter(is_long)).to_pylist():
                odd[row] = LONG_CELL
        is_single_row = len(raw.rows) and raw.rows[0] == raw.rows[-1]
        if is_single_row and sum(self._strings.lengths(numbers)) > MAX_ROW_BYTES:
            odd[raw.rows[0].as_py()] = LONG_ROW
            numbers = pc.if_else(pc.equal(raw.columns, raw.columns[0]), numbers, None)
        own = pc.if_else(is_shared, "", raw.texts)
        return pc.coalesce(known.take(numbers), own)

    def _with_formats(
        self,
        raw: RawCells,
        is_number: pa.BooleanArray,
        texts: pa.StringArray,
        kinds: pa.Int8Array,
    ) -> tuple[pa.StringArray, pa.Int8Array, pa.StringArray | None]:
        """(texts, kinds, what is shown instead), with numbers as their formats say."""
        is_special = pc.is_in(raw.styles, self._special)
        is_written = pc.and_(is_number, pc.not_equal(texts, ""))
        is_plain = pc.match_substring_regex(texts.filter(is_written), PLAIN_NUMBER)
        is_strange = pc.replace_with_mask(is_written, is_written, pc.invert(is_plain))
        changes = pc.or_(pc.and_(is_written, is_special), is_strange)
        if not pc.any(changes).as_py():
            return texts, kinds, None
        keys = pc.binary_join_element_wise(
            raw.styles.filter(changes), texts.filter(changes), " "
        ).dictionary_encode()
        values = [self._value(key) for key in keys.dictionary.to_pylist()]
        places = keys.indices
        new_texts = pa.array([value.text for value in values], pa.string())
        new_kinds = pa.array([value.kind for value in values], pa.int8())
        texts = pc.replace_with_mask(texts, changes, new_texts.take(places))
        kinds = pc.replace_with_mask(kinds, changes, new_kinds.take(places))
        shown = pa.array([value.shown for value in values], pa.string())
        if shown.null_count == len(shown):
            return texts, kinds, None
        nothing = pa.nulls(len(texts), pa.string())
        return (
            texts,
            kinds,
            pc.replace_with_mask(nothing, changes, shown.take(places)),
        )

    def _value(self, key: str) -> Value:
        """`key` is "style text"."""
        value = self._memo.get(key)
        if value is None:
            style, _, text = key.partition(" ")
            index = int(style or 0)
            is_known = index < len(self._formats)
            form = self._formats[index] if is_known else GENERAL
            value = value_of(text, form, is_1904=self._is_1904)
            if len(self._memo) >= MAX_MEMO:
                self._memo.clear()
            self._memo[key] = value
        return value

    def _find_long_cells(
        self, raw: RawCells, texts: pa.StringArray, odd: dict[int, Reason]
    ) -> None:
        lengths = pc.binary_length(texts)
        if (pc.max(lengths).as_py() or 0) > MAX_CELL:
            is_long = pc.greater(pc.utf8_length(texts), MAX_CELL)
            for row in pc.unique(raw.rows.filter(is_long)).to_pylist():
                odd[row] = LONG_CELL
        if len(lengths):
            self._budget.add(pc.sum(lengths).as_py(), raw.rows[-1].as_py())


def _behind(row: int) -> str:
    return f"behind row {row:,}" if row else "before its first row"


def _hidden_rows(piece: bytes) -> tuple[int, ...]:
    if b"hidden" not in piece:
        return ()
    tags = [tag for tag in ROW.findall(piece) if HIDDEN.search(tag)]
    numbers = (ROW_NUMBER.search(tag) for tag in tags)
    return tuple(int(number[1]) for number in numbers if number)


def _filled_rows(raw: RawCells) -> dict[int, int]:
    """Row -> how many of its cells are not blank."""
    is_filled = pc.or_(raw.formulas, pc.not_equal(raw.texts, ""))
    counts = pc.value_counts(raw.rows.filter(is_filled))
    return {count["values"]: count["counts"] for count in counts.to_pylist()}


def _kinds(types: pa.StringArray) -> pa.Int8Array:
    encoded = types.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    kinds = pa.array([KINDS.get(name, Kind.TEXT) for name in names], pa.int8())
    return kinds.take(encoded.indices)


def _text_numbers(raw: RawCells, is_shared: pa.BooleanArray) -> pa.Int32Array:
    """Null for a cell without a shared text."""
    has_number = pc.and_(is_shared, pc.not_equal(raw.texts, ""))
    numbers = pc.if_else(has_number, raw.texts, None)
    try:
        return numbers.cast(pa.int64()).cast(pa.int32())
    except pa.ArrowInvalid:
        raise FileRefused(
            f"The sheet is damaged behind row {raw.rows[0].as_py():,}: a cell names its "
            "text wrongly. Open the workbook in a spreadsheet program and save it again."
        ) from None
